"""Real servers, really killed; parts of the user's own; and what the crash lab says of it all."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from chatlab.course.workplace import packaged
from chatlab.labs.crash.kill import KillTrial, add_up
from chatlab.labs.crash.measure import Crash, CrashReport, ModeCrashes
from chatlab.labs.crash.view import render
from tests.labs.support import interrupted, names_in, printed, report_of, with_servers
from tests.support.chat_client import WAIT_S
from tests.support.command_line import Done, command, needs_signals, run, run_here

COUNTS = {"sent": 300, "acked": 290, "lost": 7, "wrong": 0}
STARTS = {"killed_s": 0.3, "recovery_s": 0.4, "ordinary_s": 0.3}
LOST = KillTrial(**COUNTS, **STARTS, corrupt="", story=["1 ms: message 1 is sent"])
OWN = """
import os, sys
from chatlab.chat.parts.store.rewrite import RewriteStore
open({parents!r}, "a").write(f"{{os.getppid()}}\\n")

class Hopeful(RewriteStore):
    promise = "synced"

class Leaves(RewriteStore):
    async def save(self, batch):
        os._exit(0)

class Exits(RewriteStore):
    async def save(self, batch):
        sys.exit(0)
"""


def report(**modes: ModeCrashes) -> CrashReport:
    found = {"trials": 2, "history": 0, "rate_per_s": 1_000, "complete": False}
    return report_of(CrashReport, **found, modes=modes)


SYNCED, QUEUED = (ModeCrashes(ack_means=m, kill=add_up([LOST])) for m in ("synced", "queued"))


def test_a_loss_breaks_the_promise_of_a_synced_ack_only() -> None:
    assert report(sure=SYNCED).broken == ["sure"]
    assert not report(sure=SYNCED).passed
    assert report(quick=QUEUED).passed
    torn = msgspec.structs.replace(LOST, corrupt="torn", recovery_s=None)
    result = add_up([LOST, torn])

    assert (result.lost, result.trials_losing, result.corrupt) == (14, 2, 1)
    assert result.recovery_s == 0.4


def test_the_result_fits_a_narrow_screen_and_says_what_was_lost() -> None:
    text = printed(render(report(optimized=QUEUED, mine=SYNCED)), 80)

    assert "PARTIAL (stopped early)" in text
    assert "message 1 is sent" in text
    assert "BROKEN PROMISE: mine acked as synced" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "Nothing was measured" in printed(render(report()))


def test_a_weaker_promise_that_a_crash_breaks_is_exit_code_0(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = run_here("crash", "optimized", "--only", "power")

    assert done.code == 0
    assert "allowed: queued is memory" in done.out
    assert "power fails" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.real
def test_a_killed_server_keeps_what_it_acked_as_synced(tmp_path: Path) -> None:
    lab = Crash(modes=("journal", "optimized"), trials=1, only="kill", work=tmp_path)
    asyncio.run(lab.run())
    report = lab.report()

    assert report.complete
    journal, optimized = (report.modes[name].kill for name in ("journal", "optimized"))
    assert journal.acked > 0
    assert (journal.lost, journal.corrupt, journal.wrong, journal.story) == (0, 0, 0, [])
    assert journal.recovery_s is not None
    assert optimized.acked > 0
    assert optimized.corrupt == 0
    assert bool(optimized.lost) == bool(optimized.story)
    assert list(tmp_path.iterdir()) == []


def own_part(folder: Path) -> Path:
    """A file of parts that somebody wrote; it notes the parents of the processes that load it."""
    path = folder / "part.py"
    path.write_text(OWN.format(parents=str(folder / "parents")), "utf-8")
    return path


async def crash(folder: Path, *words: str) -> Done:
    own_part(folder)
    return await run("crash", *words, "--only", "power", folder=folder)


@pytest.mark.real
async def test_a_broken_promise_is_exit_code_1(tmp_path: Path) -> None:
    mode = "naive+store=part.py:Hopeful"
    done = await crash(tmp_path, mode, "--json", "result.json")
    report: dict[str, Any] = json.loads((tmp_path / "result.json").read_text("utf-8"))

    assert done.code == 1
    assert "BROKEN PROMISE" in done.out
    assert report["schema"] == "chatlab.crash/1"
    assert report["command"] == f"chatlab crash {mode} --json result.json --only power"
    assert report["modes"][mode]["power"]["corrupt"] > 0
    assert report["modes"][mode]["kill"] is None
    parents = (tmp_path / "parents").read_text("utf-8").split()
    assert str(os.getpid()) not in parents, "the command itself runs no code of the user's"


@pytest.mark.real
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("Leaves", "chatlab: a part of your own has ended the process that ran it (exit code 0)"),
        ("Exits", "chatlab: sys.exit(0) was called (part.py, line 15): in a server, that"),
    ],
)
async def test_a_part_that_ends_the_process_is_told(part: str, said: str, tmp_path: Path) -> None:
    done = await crash(tmp_path, f"naive+store=part.py:{part}")

    assert done.code == 70
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.real
async def test_mine_is_what_there_is_in_the_course_around(tmp_path: Path) -> None:
    shutil.copytree(packaged() / "exercises/02_cache", tmp_path / "exercises/02_cache")
    code, out, err = await crash(tmp_path, "naive+reader=mine")

    assert code == 0, err
    assert "reader=mine: 02_cache does not pass its checks yet" in err
    assert err.count("checking 02_cache") == 1
    assert "naive+reader=mine" in out


@pytest.mark.real
@needs_signals
@pytest.mark.parametrize("how", ["Ctrl-C", "kill -9"])
async def test_a_command_that_ends_early_takes_its_processes_along(how, tmp_path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    mode = f"naive+store={own_part(tmp_path)}:Hopeful"
    async with command("crash", mode, "--only", "kill", "--work", str(data)) as process:
        if how == "Ctrl-C":
            assert "Nothing was measured" in (await interrupted(process)).out
            assert names_in(data) == []
        else:
            others = await with_servers(process)
            process.kill()
            _, alive = await asyncio.to_thread(psutil.wait_procs, others, timeout=WAIT_S)
            assert alive == []
