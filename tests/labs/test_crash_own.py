"""The crash lab over parts of someone's own: another process than the command's runs their code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from chatlab.course.workplace import packaged
from tests.labs.front_door import CHATLAB
from tests.labs.test_commands import start, wait_for_servers

HOPEFUL = """
import os, sys, threading
from chatlab.chat.parts.store.rewrite import RewriteStore
open("pids", "a").write(f"{os.getpid()}\\n")

class Hopeful(RewriteStore):
    promise = "synced"

class Leaves(RewriteStore):
    async def save(self, batch):
        os._exit(0)

class Exits(RewriteStore):
    async def save(self, batch):
        sys.exit(0)  # here
"""
POWER = ("--only", "power")


def crash(folder: Path, *words: str) -> tuple[int, int, str, str]:
    """The command's process, its exit code, its output and its errors."""
    (folder / "part.py").write_text(HOPEFUL, "utf-8")
    process = subprocess.Popen(
        [*CHATLAB, "crash", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate(timeout=50)
    return process.pid, process.returncode, out, err


def test_a_broken_promise_is_exit_code_1(tmp_path: Path) -> None:
    mode = "naive+store=part.py:Hopeful"
    pid, code, out, _ = crash(tmp_path, mode, *POWER, "--json", "result.json")
    report: dict[str, Any] = json.loads((tmp_path / "result.json").read_text("utf-8"))

    assert code == 1
    assert "BROKEN PROMISE" in out
    assert report["schema"] == "chatlab.crash/1"
    assert report["command"] == f"chatlab crash {mode} --only power --json result.json"
    assert report["modes"][mode]["power"]["corrupt"] > 0
    assert report["modes"][mode]["kill"] is None
    assert (tmp_path / "pids").read_text("utf-8").split() != [str(pid)]


def test_a_part_that_ends_the_process_is_told(tmp_path: Path) -> None:
    _, code, out, err = crash(tmp_path, "naive+store=part.py:Leaves", *POWER)

    assert code == 70
    assert out == ""
    assert "chatlab: a part of your own has ended the process that ran it (exit code 0)" in err


def test_a_part_that_exits_is_told_with_its_line(tmp_path: Path) -> None:
    _, code, _, err = crash(tmp_path, "naive+store=part.py:Exits", *POWER)
    line = HOPEFUL.splitlines().index("        sys.exit(0)  # here") + 1

    assert code == 70
    assert f"chatlab: sys.exit(0) was called (part.py, line {line}): in a server, that" in err
    assert "Traceback" not in err


def test_mine_is_what_there_is_in_the_course_around(tmp_path: Path) -> None:
    shutil.copytree(packaged() / "exercises/02_cache", tmp_path / "exercises/02_cache")
    _, code, out, err = crash(tmp_path, "naive+reader=mine", *POWER)

    assert code == 0, err
    assert "reader=mine: 02_cache does not pass its checks yet" in err
    assert err.count("checking 02_cache") == 1
    assert "naive+reader=mine" in out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a single process")
def test_ctrl_c_leaves_no_process_and_no_data(tmp_path: Path) -> None:
    part, data = tmp_path / "part.py", tmp_path / "data"
    part.write_text(HOPEFUL.replace('"pids"', repr(str(tmp_path / "pids"))), "utf-8")
    data.mkdir()
    mode = f"naive+store={part}:Hopeful"
    process = start("crash", mode, "--only", "kill", "--work", str(data))
    wait_for_servers(process.pid)
    others = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Nothing was measured" in out
    assert "Traceback" not in err
    assert not [other for other in others if other.is_running()]
    assert list(data.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_command_that_is_killed_takes_its_processes_along(tmp_path: Path) -> None:
    part = tmp_path / "part.py"
    part.write_text(HOPEFUL.replace('"pids"', repr(str(tmp_path / "pids"))), "utf-8")
    process = start("crash", f"naive+store={part}:Hopeful", "--only", "kill")
    wait_for_servers(process.pid)
    others = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    _, alive = psutil.wait_procs(others, timeout=20)
    process.communicate(timeout=20)

    assert alive == []
