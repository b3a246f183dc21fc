"""The commands that an exercise's text shows, and whether they run.

Each is run as it stands, with less to do: one round, few messages, a server that stops at once. The
solution plays the learner's part.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from chatlab.bench.server_process import ServerProcess
from chatlab.chat.user_parts import ENVIRONMENT, UserParts
from chatlab.course.catalog import WORK, Exercise
from chatlab.course.knobs import knobs_of

TIMEOUT_S = 120.0
FINE = {0, 1}
"""Exit codes: 1 says that an audit was not clean, which some texts want to show."""

_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_LESS_TO_DO = {
    "compare": ("--rounds", "1", "--messages", "40", "--no-live"),
    "growth": ("--rounds", "1", "--history", "0,50", "--messages", "40"),
    "crash": ("--trials", "1"),
    "tune": (
        *("--batch-sizes", "10", "--flush-intervals", "20"),
        *("--burst", "100", "--steady", "200", "--rate", "1000"),
    ),
    "load": ("--messages", "40"),
    "serve": ("--port", "0", "--no-dashboard", "--stop-with-stdin"),
}


def commands_in(text: Path) -> list[str]:
    """Every `chatlab ...` line in a shell block, once, in order."""
    blocks = _BLOCK.findall(text.read_text(encoding="utf-8"))
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith("chatlab ")))


async def failing_commands(exercise: Exercise) -> list[str]:
    """Run each command of an exercise's text; returns a sentence for each that does not run."""
    with tempfile.TemporaryDirectory(prefix="chatlab-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        failing = []
        for number, command in enumerate(commands_in(exercise.text)):
            why = await _run(command, exercise, folder / f"data-{number}")
            if why:
                failing.append(f"`{command}` does not run: {why}")
        return failing


async def _run(command: str, exercise: Exercise, folder: Path) -> str:
    """Run one command; returns why it failed, or nothing."""
    words = shlex.split(command)[1:]
    shorter = [*words, *_LESS_TO_DO.get(words[0], ())]
    if words[0] == "serve":
        shorter += ["--data", str(folder)]
    if words[0] != "load":
        return await _ended_well(shorter, exercise)
    async with ServerProcess("naive", folder) as server:
        return await _ended_well([shorter[0], server.url, *shorter[1:]], exercise)


async def _ended_well(words: list[str], exercise: Exercise) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatlab", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, ENVIRONMENT: msgspec.json.encode(_mine(exercise)).decode()},
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"it had not ended after {TIMEOUT_S:.0f} s"
    text = errors.decode(errors="replace").strip()
    if process.returncode in FINE and "Traceback" not in text:
        return ""
    return f"exit code {process.returncode}, {text.splitlines()[-1] if text else 'without a word'}"


def _mine(exercise: Exercise) -> UserParts:
    """The solution, as what the learner has made."""
    role, work = exercise.spec.part, exercise.answers / WORK
    if not exercise.spec.class_name:
        return UserParts(knobs=knobs_of(work) if role else {})
    source = f"{work.resolve()}:{exercise.spec.class_name}"
    return UserParts({role: source}, {role: exercise.name}, [role])
