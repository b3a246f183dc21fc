"""Running a lab: measure, print, write, and the exit code."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from chatlab import exit_codes

if TYPE_CHECKING:
    from rich.console import RenderableType


class Lab(Protocol):
    """What every lab can do."""

    async def run(self) -> None: ...

    def report(self, command: str) -> Any: ...


def measure(lab: Lab) -> None:
    """Run a lab; Ctrl-C ends it early, with its servers stopped.

    So does a server or load generator that fails: what was measured before it is still shown.
    """
    from chatlab.bench.load_process import GeneratorFailed
    from chatlab.bench.server_process import ServerFailed

    try:
        asyncio.run(lab.run())
    except KeyboardInterrupt:
        print("stopped: the round under way is not counted", file=sys.stderr)
    except (ServerFailed, GeneratorFailed) as error:
        print(f"stopped: {error}", file=sys.stderr)


def finish(lab: Lab, render: Callable[[Any], RenderableType], json: Path | None) -> Any:
    """Print what was measured, write it where it was asked for, and return it."""
    from rich.console import Console

    from chatlab.labs.common import encode

    report = lab.report(shlex.join(["chatlab", *sys.argv[1:]]))
    console = Console(highlight=False)
    console.print(render(report))
    if json is not None:
        json.write_bytes(encode(report))
        console.print(f"written to {json}", style="dim")
    return report


def exit_code(complete: bool, clean: bool = True) -> int:
    """0; 1 if an audit was not clean; 130 if the lab was stopped early."""
    return exit_codes.of(clean, complete=complete)
