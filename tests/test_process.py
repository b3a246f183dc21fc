"""A blocked event loop is reported with its line, and in the end not suffered."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path
from typing import Any

import pytest

from chatlab.chat import process
from chatlab.chat.metrics import Samples
from chatlab.chat.process import LOOK_S, USAGE_INTERVAL_S, LoopWatchdog, ProcessWatch
from chatlab.errors import ExitCode
from tests.support.chat_client import WAIT_S
from tests.support.parts import FakeClock

BLOCKS = """
def block(meanwhile):
    meanwhile()  # here
"""


class Watched:
    """A watch over this thread, a fake clock, and what came of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str] = []
        self.ended: list[int] = []
        self.clock = FakeClock()
        self.watch = LoopWatchdog([str(path)], self.told.append, self.clock, self.ended.append)

    def stand_still(self, seconds: float) -> None:
        """Look again and again, as the watch's thread does."""
        for _ in range(round(seconds / LOOK_S)):
            self.clock.advance(LOOK_S)
            self.watch.look()

    def block(self, seconds: float) -> None:
        """Stand still in a line of a user's file."""
        self.path.write_text(BLOCKS, "utf-8")
        names: dict[str, Any] = {}
        exec(compile(BLOCKS, str(self.path), "exec"), names)
        names["block"](lambda: self.stand_still(seconds))

    async def beat(self) -> None:
        """Let the loop go on for a moment."""
        running = asyncio.create_task(self.watch.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "work.py")


IN_LINE = "in work.py, line 3: meanwhile()  # here"
BLOCKED = f"the event loop is blocked, and nobody is served, {IN_LINE}"
ENDED = "the server was ended: its event loop was blocked for 15 s"


@pytest.mark.parametrize(
    ("seconds", "told", "ended"),
    [(1.75, [], []), (10, [BLOCKED], []), (15, [BLOCKED, ENDED], [ExitCode.SOFTWARE])],
)
def test_a_stall_is_told_once_with_its_line_or_ends_all(watched, seconds, told, ended) -> None:
    watched.block(seconds)
    assert [words[: len(start)] for words, start in zip(watched.told, told, strict=True)] == told
    assert all(words.endswith(IN_LINE) for words in watched.told)
    assert watched.ended == ended


def test_a_stall_outside_users_files_is_told_with_the_line_that_it_is(watched: Watched) -> None:
    watched.stand_still(2)
    told = "".join(watched.told)
    assert "in test_process.py" not in told  # the innermost line is the watchdog's own
    assert "nobody is served, in process.py, line " in told


async def test_each_stall_is_told_and_a_machine_that_was_asleep_is_none(watched: Watched) -> None:
    watched.clock.advance(3_600)
    watched.watch.look()
    watched.stand_still(1)
    assert (watched.told, watched.ended) == ([], [])
    await watched.beat()
    for _ in range(2):
        watched.block(3)
        await watched.beat()
        watched.stand_still(0.25)
    assert len(watched.told) == 2


async def test_the_watch_looks_while_the_loop_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOOK_S", 0.01)
    told = threading.Event()
    words: list[str] = []

    def tell(sentence: str) -> None:
        words.append(sentence)
        told.set()

    clock = FakeClock()
    watch = LoopWatchdog([__file__], tell, clock, told_after_s=100, ended_after_s=1e9)
    running = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    while not told.is_set():  # the loop stands still here
        clock.advance(4)
        told.wait(0.01)
    running.cancel()
    await asyncio.wait([running])

    assert "in test_process.py, line" in words[0]


async def test_a_process_that_can_open_no_file_goes_on_looking() -> None:
    looks: list[float] = []
    three = asyncio.Event()

    def look() -> None:
        looks.append(clock())
        clock.advance(USAGE_INTERVAL_S)
        if len(looks) == 3:
            three.set()

    def no_descriptor() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    clock = FakeClock()
    watch = ProcessWatch(clock, Samples(clock), look)
    watch._process.memory_info = no_descriptor
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(WAIT_S):
        await three.wait()
    running.cancel()
