"""Users' parts in `chatlab`: whatever they do, the command lives and says which line did it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from chatlab.course.workplace import packaged
from tests.support.chat_client import WAIT_S, ChatClient, get, stats
from tests.support.command_line import (
    CHATLAB,
    ENVIRONMENT,
    ServeProcess,
    needs_signals,
    run,
    run_here,
    serving,
    until,
)

pytestmark = pytest.mark.real

DELIVERY = """\
import asyncio, os, sys, threading, time
from chatlab.chat.parts.message_seams import Delivery
from chatlab.chat.protocol import encode_message
open({pids!r}, "a").write(f"{{os.getpid()}}\\n")
print("loaded")

class Mine(Delivery):
    async def deliver(self, batch):
        for message in batch:
            await asyncio.sleep(0)
            if message.content != "hello":
                exec_(message.content)
            for client in tuple(self.members(message.room_id)):
                await client.send(encode_message(message))
        return len(batch)

def exec_(what):
    if what == "raise":
        raise ValueError("no")  #!raise
    if what == "exit":
        sys.exit(5)  #!exit
    if what == "leave":
        os._exit(7)
    if what == "leave in peace":
        os._exit(0)
    if what == "block":
        time.sleep(3)  #!block
    if what == "print":
        print("x" * 1_000_000)
        print("as printed", flush=True)
"""


@pytest.fixture
def mode(tmp_path: Path) -> str:
    """A mode with a part that does what a message says."""
    path = tmp_path / "work.py"
    path.write_text(DELIVERY.format(pids=str(tmp_path / "pids")), "utf-8")
    return f"naive+delivery={path}:Mine"


@pytest.fixture
async def server(mode: str, tmp_path: Path) -> AsyncIterator[ServeProcess]:
    async with serving(tmp_path / "data", "--mode", mode) as server:
        yield server


@pytest.fixture
async def alice(server: ServeProcess) -> AsyncIterator[ChatClient]:
    async with await ChatClient.connect(server.url, "alice", "general") as alice:
        yield alice


@pytest.fixture(autouse=True)
def _no_process_stays_behind(tmp_path: Path) -> Iterator[None]:
    yield
    if (tmp_path / "pids").exists():
        left = [psutil.Process(pid) for pid in pids(tmp_path) if psutil.pid_exists(pid)]
        assert psutil.wait_procs(left, timeout=WAIT_S)[1] == []


def pids(folder: Path) -> list[int]:
    """The processes that have loaded the part."""
    return [int(line) for line in (folder / "pids").read_text("utf-8").splitlines()]


def line_of(mark: str) -> int:
    return 1 + [line.endswith(mark) for line in DELIVERY.splitlines()].index(True)


async def test_no_users_code_runs_in_the_process_of_the_command(
    server: ServeProcess, mode: str, tmp_path: Path
) -> None:
    assert server.first_line.startswith("listening on ")
    assert (await get(server.url, "/health")).json == {
        "status": "ok",
        "mode": mode,
        "storage": "ok",
    }
    [pid] = pids(tmp_path)
    assert psutil.Process(pid).ppid() == server.process.pid
    assert await server.end("SIGTERM") == 0
    assert server.rest.splitlines()[-1] == "stopped: 0 queued messages saved, 0 unsaved"


async def test_an_exception_is_noted_with_its_line_and_the_server_goes_on(
    server: ServeProcess, alice: ChatClient
) -> None:
    await alice.say("raise")
    await alice.say("hello")
    await alice.until(lambda: "hello" in alice.heard(), "a message after the exception")
    notes = [note.text for note in (await stats(server.url)).notes]
    said = f"delivery failed: ValueError: no (work.py, line {line_of('#!raise')})"
    assert any(said in note for note in notes), notes


async def test_what_is_printed_is_shown_and_never_stops_the_server(
    server: ServeProcess, alice: ChatClient
) -> None:
    await alice.say("print")
    await alice.until(lambda: "print" in alice.heard(), "a message after the print")
    while (line := (await server.process.stdout.readline()).decode()) != "as printed\n":
        assert line, "it ended"
    assert await server.end("SIGTERM") == 0


ENDED = "the server has ended: a part of your own must have ended it. "


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("exit", f"sys.exit(5) was called (work.py, line {line_of('#!exit')}): in a server, that"),
        ("leave", ENDED),
        ("leave in peace", ENDED),
    ],
)
async def test_a_part_that_ends_the_server_is_named(
    what: str, said: str, server: ServeProcess, alice: ChatClient
) -> None:
    await alice.shout(what)
    assert await server.end() == 1
    assert said in server.errors
    assert server.errors.endswith("What was only queued is lost\n")
    assert "Traceback" not in server.errors


async def test_a_call_that_blocks_is_named_with_its_line_and_the_server_goes_on(
    server: ServeProcess, alice: ChatClient
) -> None:
    await alice.shout("block")
    said = await until(server.process.stderr, "is blocked")
    await alice.until(lambda: "block" in alice.heard(), "a message after the stall")
    assert said == (
        "chatlab: the event loop is blocked, and nobody is served, in work.py, line "
        f"{line_of('#!block')}: time.sleep(3)  #!block\n"
    )


@needs_signals
async def test_the_dashboard_shows_what_a_part_prints_and_that_it_blocks(
    mode: str, tmp_path: Path
) -> None:
    import pty

    screen, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(*CHATLAB, "serve", "--port=0", f"--data={tmp_path / 'data'}", "-m", mode),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        env=ENVIRONMENT | {"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "50"},
    )
    os.close(terminal)

    async def until_seen(words: str) -> re.Match[str]:
        seen = ""
        async with asyncio.timeout(2 * WAIT_S):
            while not (found := re.search(words, seen)):
                seen += (await asyncio.to_thread(os.read, screen, 65_536)).decode(errors="replace")
        return found

    url = (await until_seen(r"listening on (ws:[\w./:]+)"))[1]
    async with await ChatClient.connect(url, "alice", "general") as alice:
        await alice.shout("print")
        await until_seen("printed: as printed")
        await alice.shout("block")
        await until_seen("the event loop is blocked")
    process.send_signal(signal.SIGTERM)
    await until_seen("stopped: 0 queued messages saved, 0 unsaved")
    assert await process.wait() == 0
    os.close(screen)


async def test_a_command_that_is_killed_takes_its_server_along(
    server: ServeProcess, tmp_path: Path
) -> None:
    [pid] = pids(tmp_path)
    part = psutil.Process(pid)
    server.process.kill()
    await asyncio.to_thread(part.wait, WAIT_S)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0\nMine = 5", "ZeroDivisionError: division by zero (work.py, line 1"),
        ("class Mine: pass", "has no class Mine that extends"),
        ("class Mine(:", "SyntaxError"),
        ("import os; Mine = os._exit(9)", "the server ended without a word"),
    ],
)
def test_a_part_that_cannot_be_loaded_is_one_clear_line(
    code: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "work.py").write_text(code, "utf-8")
    words = ("serve", "--no-dashboard", "--port=0", "-m", "naive+reader=work.py:Mine")
    assert said in run_here(*words, folder=tmp_path).complaint


COMPARE = ("compare", "--messages", "40", "--rounds", "1", "--users", "2", "--no-live")


async def test_a_comparison_says_what_a_part_has_done(tmp_path: Path) -> None:
    part = "class X(Delivery):\n    async def deliver(self, batch):\n        exit(1)\n"
    seam = "from chatlab.chat.parts.message_seams import Delivery\n"
    (tmp_path / "bad.py").write_text(seam + part, "utf-8")
    done = await run(*COMPARE, "naive", "naive+delivery=bad.py:X", folder=tmp_path)

    assert done.code == 130
    assert "sys.exit(1) was called (bad.py, line 4): in a server, that ends it" in done.out
    assert "Traceback" not in done.err


# `mine`, from a workplace.


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with one exercise in it, not yet solved."""
    name = "02_cache"
    shutil.copytree(packaged() / "exercises" / name, tmp_path / "course/exercises" / name)
    return tmp_path / "course"


def solve(course: Path) -> None:
    shutil.copy(packaged() / "solutions/02_cache/work.py", course / "exercises/02_cache/work.py")


async def until_stopped(folder: Path, mode: str) -> tuple[str, str, str]:
    """Serve from a folder, and stop: the reader that serves, and what was said."""
    async with serving(folder / "data", "--mode", mode, folder=folder) as server:
        parts = (await stats(server.url)).parts
        await server.end("SIGTERM")
    return parts["reader"], server.rest, server.errors


async def test_mine_is_naive_until_an_exercise_is_solved(course: Path) -> None:
    reader, _, said = await until_stopped(course, "mine")
    assert reader == "direct"
    assert "mine: no exercise passes yet: all parts are naive" in said
    assert "mine: not 02_cache: it does not pass few_reads" in said
    solve(course)
    reader, out, said = await until_stopped(course / "exercises", "mine")
    assert reader == "mine:02_cache"
    assert "mine: 02_cache (reader)" in said
    assert "stopped: 0 queued" in out


async def test_a_part_that_is_asked_for_is_used_even_if_it_is_not_solved(course: Path) -> None:
    reader, _, said = await until_stopped(course, "naive+reader=mine")

    assert reader == "mine:02_cache"
    assert "reader=mine: 02_cache does not pass its checks yet; it runs here all the same" in said


async def test_a_comparison_knows_what_mine_is(course: Path) -> None:
    solve(course)
    done = await run(*COMPARE, "naive", "naive+reader=mine", folder=course)

    assert done.code == 0, done.err + done.out
    assert "naive+reader=mine" in done.out
