"""Keys pressed at a real dashboard, and how its terminal is left."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from prompt_toolkit.input import create_input
from rich.console import Console

from chatlab.chat.snapshot import Snapshot
from chatlab.cli.keys import typed
from chatlab.view.dashboard.live import show
from tests.support.chat_client import WAIT_S
from tests.support.command_line import CHATLAB, ENVIRONMENT
from tests.support.snapshots import a_snapshot

if sys.platform == "win32":
    pytest.skip("needs a POSIX terminal", allow_module_level=True)
import pty
import termios

MINE = "from chatlab.chat.parts.reader.direct import DirectReader as Mine"


class SmallTerminal:
    """A pseudo-terminal of 80 by 24, and the command that has it."""

    def __init__(self, *words: str) -> None:
        self.ours, self.theirs = pty.openpty()
        termios.tcsetwinsize(self.theirs, (24, 80))
        self.modes = termios.tcgetattr(self.theirs)
        self.shown = ""
        self.process = subprocess.Popen(
            [*CHATLAB, *words],
            **dict.fromkeys(("stdin", "stdout", "stderr"), self.theirs),
            env=ENVIRONMENT | {"TERM": "xterm-256color"},
            start_new_session=True,
        )

    def until(self, text: str) -> str:
        """What is shown from now on, up to a text that is a pattern."""
        seen, deadline = "", time.monotonic() + 3 * WAIT_S
        while not (found := re.search(text, seen)):
            assert time.monotonic() < deadline, seen[-2_000:]
            if select.select([self.ours], [], [], 0.1)[0]:
                seen += os.read(self.ours, 65_536).decode(errors="replace")
        self.shown += seen
        return found[0]

    def press(self, key: str, seen: str) -> None:
        """Press a key, and wait for what comes of it."""
        os.write(self.ours, key.encode())
        self.until(seen)

    def leave(self, by: str, seen: str) -> None:
        """Press a key or send a signal that ends it, and look at what is left."""
        if by.startswith("SIG"):
            self.process.send_signal(getattr(signal, by))
        else:
            os.write(self.ours, by.encode())
        self.until(seen)
        assert self.process.wait(3 * WAIT_S) == 0
        assert termios.tcgetattr(self.theirs) == self.modes
        screen_on, screen_off = "\x1b[?1049h", "\x1b[?1049l"
        assert self.shown.count(screen_on) == self.shown.count(screen_off) == 1
        assert "Traceback" not in self.shown


@contextmanager
def at_a_terminal(*words: str) -> Iterator[SmallTerminal]:
    """A command at a terminal of its own, which ends with the block."""
    terminal = SmallTerminal(*words)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.ours)
        os.close(terminal.theirs)


@pytest.mark.real
@pytest.mark.parametrize("by", ["q", "\x03", "SIGTERM", "SIGINT"])
def test_a_server_obeys_keys_and_leaves_the_terminal_as_it_was(by: str, tmp_path: Path) -> None:
    with at_a_terminal("serve", "--port=0", f"--data={tmp_path}") as server:
        server.until("view 1 of 3: overview")
        server.press("\t", "view 2 of 3: latency")
        server.press("p", "PAUSED 1 s")
        server.press("e", "page 1 of")
        server.press("\x1b", "view 2 of 3: latency")
        server.leave(by, "stopped: 0 queued messages saved, 0 unsaved")


@pytest.mark.real
def test_keys_work_at_a_server_with_users_parts_and_at_one_that_is_watched(tmp_path: Path) -> None:
    part = tmp_path / "part.py"
    part.write_text(MINE)
    mode = f"--mode=naive+reader={part}:Mine"
    with at_a_terminal("serve", mode, "--port=0", f"--data={tmp_path / 'data'}") as server:
        url = server.until(r"ws://[\d.:]+")
        server.until("view 1 of 3")
        for by in ("q", "SIGTERM"):
            with at_a_terminal("top", url) as top:
                top.until("view 1 of 3: overview")
                top.press("v", "view 2 of 3: latency")
                top.leave(by, "no messages in the last")
                assert "has stopped" not in top.shown
        server.press("v", "view 2 of 3: latency")
        server.leave("q", "stopped: 0 queued messages saved")


async def test_a_view_that_fails_leaves_the_terminal_as_it_was() -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    during = []

    async def fails() -> AsyncIterator[Snapshot]:
        yield a_snapshot()
        during.append(termios.tcgetattr(theirs))
        raise ZeroDivisionError

    with os.fdopen(theirs, "r") as stdin, os.fdopen(ours, "w"):
        console = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})
        with pytest.raises(ZeroDivisionError):
            await show(fails(), console, partial(typed, create_input(stdin)))
        assert during != [before]
        assert termios.tcgetattr(theirs) == before
