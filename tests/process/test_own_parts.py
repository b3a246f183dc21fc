"""Parts of someone's own in `chatlab`: whatever they do, the command lives and says which line."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chatlab.course.workplace import packaged
from tests.support.chat_client import ENVIRONMENT, WAIT_S, ChatClient, ServeProcess, get

DELIVERY = """\
import asyncio, os, sys, threading, time
from chatlab.chat.parts.delivery import Delivery
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
    if what == "block":
        time.sleep(3)  #!block
    if what == "print":
        print("x" * 1_000_000)
        print("as printed", flush=True)
"""


def pid_file(folder: Path) -> Path:
    return folder / "pids"


@pytest.fixture
def mode(tmp_path: Path) -> str:
    """A mode with a part that does what a message says."""
    path = tmp_path / "work.py"
    path.write_text(DELIVERY.format(pids=str(pid_file(tmp_path))), "utf-8")
    return f"naive+delivery={path}:Mine"


@pytest.fixture(autouse=True)
def _no_process_stays_behind(tmp_path: Path) -> Iterator[None]:
    yield
    if pid_file(tmp_path).exists():
        left = [psutil.Process(pid) for pid in pids(tmp_path) if psutil.pid_exists(pid)]
        assert psutil.wait_procs(left, timeout=WAIT_S)[1] == []


def pids(folder: Path) -> list[int]:
    """The processes that have loaded the part."""
    return [int(line) for line in pid_file(folder).read_text("utf-8").splitlines()]


def line_of(mode: str, mark: str) -> int:
    path = Path(mode.partition("=")[2].rpartition(":")[0])
    return 1 + [line.endswith(mark) for line in path.read_text("utf-8").splitlines()].index(True)


async def heard(server: ServeProcess, words: str) -> str:
    """The line of its standard error in which something is said."""
    assert server.process.stderr is not None
    async with asyncio.timeout(2 * WAIT_S):
        while words not in (line := (await server.process.stderr.readline()).decode()):
            assert line, f"it ended without saying {words}"
    return line


async def test_no_code_of_ones_own_runs_in_the_process_of_the_command(
    mode: str, tmp_path: Path
) -> None:
    async with ServeProcess(tmp_path / "data", "--mode", mode) as server:
        assert server.first_line.startswith("listening on ")
        assert (await get(server.url, "/health")).json == {"status": "ok", "mode": mode}
        [pid] = pids(tmp_path)
        assert pid != server.process.pid
        assert psutil.Process(pid).ppid() == server.process.pid
        server.process.send_signal(signal.SIGTERM)
        assert await server.end() == 0
    assert server.rest.splitlines()[-1] == "stopped: 0 queued messages saved, 0 unsaved"


async def test_an_exception_is_told_with_its_line_and_the_server_goes_on(
    mode: str, tmp_path: Path
) -> None:
    async with (
        ServeProcess(tmp_path / "data", "--mode", mode) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        await alice.say("raise")
        await alice.say("hello")
        await alice.until(lambda: "hello" in alice.heard(), "a message after the exception")
        notes = [note["text"] for note in (await get(server.url, "/stats")).json["notes"]]
    told = f"delivery failed: ValueError: no (work.py, line {line_of(mode, '#!raise')})"
    assert any(told in note for note in notes), notes


async def test_what_is_printed_is_shown_and_never_stops_the_server(
    mode: str, tmp_path: Path
) -> None:
    async with ServeProcess(tmp_path / "data", "--mode", mode) as server:
        assert server.process.stdout is not None
        async with await ChatClient.connect(server.url, "alice", "general") as alice:
            await alice.say("print")
            await alice.until(lambda: "print" in alice.heard(), "a message after the print")
        while (line := (await server.process.stdout.readline()).decode()) != "as printed\n":
            assert line, "it ended"
        server.process.send_signal(signal.SIGTERM)
        assert await server.end() == 0


async def test_an_exit_ends_the_server_and_is_told_with_its_line(mode: str, tmp_path: Path) -> None:
    async with ServeProcess(tmp_path / "data", "--mode", mode) as server:
        alice = await ChatClient.connect(server.url, "alice", "general")
        await alice.shout("exit")
        assert await server.end() == 1
        await alice.close()
    line = line_of(mode, "#!exit")
    assert f"sys.exit(5) was called (work.py, line {line}): in a server, that" in server.errors
    assert "the server has ended. What was only queued is lost" in server.errors
    assert "Traceback" not in server.errors


async def test_a_server_that_is_gone_at_once_is_told(mode: str, tmp_path: Path) -> None:
    async with ServeProcess(tmp_path / "data", "--mode", mode) as server:
        alice = await ChatClient.connect(server.url, "alice", "general")
        await alice.shout("leave")
        assert await server.end() == 1
        await alice.close()
    assert server.errors == (
        "chatlab: the server has ended: a part of your own must have ended it. "
        "What was only queued is lost\n"
    )


async def test_a_call_that_blocks_is_told_with_its_line_and_the_server_goes_on(
    mode: str, tmp_path: Path
) -> None:
    async with ServeProcess(tmp_path / "data", "--mode", mode) as server:
        alice = await ChatClient.connect(server.url, "alice", "general")
        await alice.shout("block")
        told = await heard(server, "is blocked")
        await alice.until(lambda: "block" in alice.heard(), "a message after the stall")
        await alice.close()
    assert told == (
        "chatlab: the event loop is blocked, and nobody is served, in work.py, line "
        f"{line_of(mode, '#!block')}: time.sleep(3)  #!block\n"
    )


async def test_a_command_that_is_killed_takes_its_server_along(mode: str, tmp_path: Path) -> None:
    async with ServeProcess(tmp_path / "data", "--mode", mode) as server:
        [pid] = pids(tmp_path)
        one = psutil.Process(pid)
        server.process.kill()
        await asyncio.to_thread(one.wait, WAIT_S)


def chatlab(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chatlab", *words],
        cwd=folder,
        env=ENVIRONMENT | {"COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", "work.py cannot be loaded: ZeroDivisionError: division by zero (work.py, line 1"),
        ("class Mine: pass", "has no class Mine that extends"),
        ("class Mine(:", "SyntaxError"),
        ("import os; Mine = os._exit(9)", "the server ended without a word"),
    ],
)
def test_a_part_that_cannot_be_loaded_is_one_clear_line(
    code: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "work.py").write_text(f"{code}\nMine = 5\n" if code == "1 / 0" else code, "utf-8")
    done = chatlab("serve", "--no-dashboard", "-m", "naive+reader=work.py:Mine", folder=tmp_path)

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


COMPARE = ("compare", "--messages", "40", "--rounds", "1", "--users", "2", "--no-live")


def test_a_comparison_tells_what_a_part_has_done(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "import sys\n"
        "from chatlab.chat.parts.delivery import Delivery\n"
        "class X(Delivery):\n"
        "    async def deliver(self, batch):\n"
        "        sys.exit(1)\n",
        "utf-8",
    )
    done = chatlab(*COMPARE, "naive", "naive+delivery=bad.py:X", folder=tmp_path)

    assert done.returncode == 130
    assert "sys.exit(1) was called (bad.py, line 5): in a server, that ends it" in done.stdout
    assert "Traceback" not in done.stderr


# `mine`, from a workplace.


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with one exercise in it, not yet solved."""
    name = "02_cache"
    shutil.copytree(packaged() / "exercises" / name, tmp_path / "course/exercises" / name)
    return tmp_path / "course"


def solve(course: Path) -> None:
    shutil.copy(packaged() / "solutions/02_cache/work.py", course / "exercises/02_cache/work.py")


async def until_stopped(folder: Path, *words: str) -> tuple[str, str, str]:
    """Serve from a folder, and stop: the line-up that is served, and what was said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatlab", "serve", "--port", "0", "--no-dashboard", *words),
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(3 * WAIT_S):
        first = (await process.stdout.readline()).decode()
        url = first.strip().removeprefix("listening on ")
        parts = (await get(url, "/stats")).json["parts"] if url else {}
        if url:
            process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
    return parts.get("reader", ""), out.decode(), err.decode()


async def test_mine_is_naive_until_an_exercise_is_solved(course: Path) -> None:
    reader, _, said = await until_stopped(course, "--mode", "mine")
    assert reader == "direct"
    assert "mine: no exercise passes yet: all parts are naive" in said
    assert "mine: not 02_cache: it does not pass few_reads" in said
    solve(course)
    reader, out, said = await until_stopped(course / "exercises", "--mode", "mine")
    assert reader == "mine:02_cache"
    assert "mine: 02_cache (reader)" in said
    assert "stopped: 0 queued" in out


async def test_a_part_that_is_asked_for_is_taken_also_when_it_is_not_solved(course: Path) -> None:
    reader, _, said = await until_stopped(course, "--mode", "naive+reader=mine")

    assert reader == "mine:02_cache"
    assert "reader=mine: 02_cache does not pass its checks yet; here it is all the same" in said


def test_a_comparison_knows_what_mine_is(course: Path) -> None:
    solve(course)
    done = chatlab(*COMPARE, "naive", "naive+reader=mine", folder=course)

    assert done.returncode == 0, done.stderr + done.stdout
    assert "naive+reader=mine" in done.stdout


def test_mine_without_a_course_is_one_clear_line(tmp_path: Path) -> None:
    for command in ("serve", "compare", "crash"):
        words = ("-m", "mine") if command == "serve" else ("mine",)
        done = chatlab(command, *words, folder=tmp_path)

        assert done.returncode == 2
        assert "there is no course in" in done.stderr
        assert "chatlab learn init" in done.stderr
        assert done.stderr.count("\n") == 1
