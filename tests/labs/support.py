"""`chatlab` as a user starts it, and a screen as a user sees it."""

from __future__ import annotations

import asyncio
import json
import signal
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any, TypeVar

import psutil
from rich.console import RenderableType

from chatlab.labs.base import LabReport
from chatlab.view.console import TextConsole
from tests.support.chat_client import WAIT_S
from tests.support.command_line import Done, ended, run

R = TypeVar("R", bound=LabReport)


def printed(what: RenderableType, width: int = 200) -> str:
    """What a terminal of this width shows."""
    console = TextConsole(width=width)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def report_of(kind: type[R], **found: Any) -> R:
    """A complete report of one round, but for what was found."""
    usual = {"command": "", "environment": {}, "complete": True, "seed": 1, "rounds": 1}
    usual = {name: value for name, value in usual.items() if name in kind.__struct_fields__}
    return kind(**usual | found)


def names_in(folder: Path) -> list[str]:
    """What lies in a folder."""
    return [path.name for path in folder.iterdir()]


async def run_for_json(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """What a lab writes, and what it prints."""
    path = folder / "result.json"
    done = await run(*words, "--json", str(path))
    assert done.code == 0, done.err
    assert " About " in done.err.splitlines()[0], "the estimate is in the first line"
    report = json.loads(path.read_text("utf-8"))
    assert report["schema"] == f"chatlab.{words[0]}/1"
    assert report["complete"] is True
    assert report["command"].startswith("chatlab " + words[0])
    return report, done.out


async def with_servers(process: Process) -> list[psutil.Process]:
    """All processes below a lab's, as soon as a server is among them."""
    async with asyncio.timeout(WAIT_S):
        while True:
            children = psutil.Process(process.pid).children(recursive=True)
            if any(one.net_connections("tcp") for one in children):
                return children
            await asyncio.sleep(0.02)


async def interrupted(process: Process) -> Done:
    """Ctrl-C while a server runs: the lab ends with exit code 130, and so do all its processes."""
    others = await with_servers(process)
    process.send_signal(signal.SIGINT)
    done = await ended(process)
    assert done.code == 130
    assert "Traceback" not in done.err
    assert not [one for one in others if one.is_running()]
    return done
