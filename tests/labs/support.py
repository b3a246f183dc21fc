"""`chatlab` as a user starts it, and a screen as a user sees it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TypeVar

import psutil
from rich.console import Console, RenderableType

from chatlab.labs.base import LabReport

R = TypeVar("R", bound=LabReport)
CHATLAB = [sys.executable, "-m", "chatlab"]


def printed(what: RenderableType, width: int = 200) -> str:
    """What a terminal of this width shows."""
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def report_of(kind: type[R], **found: Any) -> R:
    """A complete report of one round, but for what was found."""
    usual = {"command": "", "environment": {}, "complete": True, "seed": 1, "rounds": 1}
    usual = {name: value for name, value in usual.items() if name in kind.__struct_fields__}
    return kind(**usual | found)


def run_for_json(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """What a lab writes, and what it prints."""
    path = folder / "result.json"
    command = [*CHATLAB, *words, "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("about "), "the estimate is the first line"
    report = json.loads(path.read_text("utf-8"))
    assert report["schema"] == f"chatlab.{words[0]}/1"
    assert report["complete"] is True
    assert report["command"].startswith("chatlab " + words[0])
    return report, done.stdout


def start(*words: str) -> subprocess.Popen[str]:
    """A lab, to be stopped by SIGINT as in a terminal: some shells have it ignored."""
    return subprocess.Popen(
        [*CHATLAB, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


def wait_for_servers(pid: int) -> list[psutil.Process]:
    """All processes below a lab's, as soon as a server is among them."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        children = psutil.Process(pid).children(recursive=True)
        if any(one.net_connections("tcp") for one in children):
            return children
        time.sleep(0.02)
    raise AssertionError("no server was started")


def interrupt(process: subprocess.Popen[str], *, ended: list[psutil.Process]) -> tuple[str, str]:
    """Ctrl-C: it ends with exit code 130, as do all others; returns its output and errors."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not [one for one in ended if one.is_running()]
    return out, err
