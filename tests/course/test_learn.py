"""`chatlab learn`: what each event makes of the state, the loop over real files, and a terminal."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import psutil
import pytest
from prompt_toolkit.input import PipeInput, create_pipe_input
from rich.console import Console

from chatlab.cli import learn_loop
from chatlab.cli.learn import terminal
from chatlab.cli.learn_loop import LearnSession
from chatlab.course import learn, workplace
from chatlab.course.learn import LearnState
from chatlab.course.learn.step import step
from chatlab.course.progress import Progress, ProgressFile, Standing
from chatlab.course.workplace import Workplace
from chatlab.errors import UsageError
from tests.course import small
from tests.course.small import PARTLY, RIGHT, judged, result, save, small_course

NAMES = ("01_one", "02_two", "03_three")
WHEN = "2026-01-01T12:34:56+00:00"


@pytest.fixture
def course(tmp_path: Path) -> Workplace:
    return small_course(tmp_path, *NAMES)


@pytest.fixture
def start(course: Workplace) -> LearnState:
    """The state after the course was read for the first time."""
    state, effects = step(LearnState(), learn.CourseLoaded(tuple(course.exercises)))
    assert effects == [learn.BeginCheck()]
    return state


def passed(*names: str) -> Progress:
    return Progress(exercises=dict.fromkeys(names, Standing(passed=True, points=10)))


# Steps

GOOD, BAD = result("passed"), result("failed")
UNSURE = judged("01_one", result("unsure"))
CHECK, CHECKS, QUIT = {"checking": True}, [learn.BeginCheck()], [learn.Quit()]
TASK, SHOW_TASK = {"page": "task", "text": "text"}, learn.TextRead("task", "text")
FAR = {"page": "task", "page_lines": 15, "scrolls": {"task": 15}}
HINTED = {"progress": Progress(exercises={"01_one": Standing(hints=1)})}
REFUSED = "01_one has not passed yet; l lists all exercises"
LEFT = {"index": 1, "note": "that was the last one; this one is left"}
NOT_YET = "after it has passed; sooner: `chatlab solution 01_one --give-up`"

Step = tuple[dict[str, Any], learn.Event | str, dict[str, Any], list[learn.Effect]]
STEPS: dict[str, Step] = {
    # What is so before (while nothing is checked); an event or a key; what changes; the effects.
    "saved": (
        *({"page": "hints", "heard": (BAD,), "note": "done"}, learn.FileSaved()),
        *({"page": "work", "heard": (), "note": "", "saved": True} | CHECK, CHECKS),
    ),
    "a result": ({"heard": (GOOD,)}, learn.ResultHeard(BAD), {"heard": (GOOD, BAD)}, []),
    "of another": ({}, learn.CheckEnded(judged("03_three", GOOD), WHEN), {}, []),
    "not passed": ({}, "n", {"note": REFUSED}, []),
    "passed": ({"progress": passed("01_one")}, "n", {"index": 1} | CHECK, CHECKS),
    "unsure": ({"judged": UNSURE}, "n", {"index": 1, "judged": None} | CHECK, CHECKS),
    "one left": ({"index": 2, "progress": passed("01_one", NAMES[2])}, "n", LEFT | CHECK, CHECKS),
    "all passed": ({"index": 2, "progress": passed(*NAMES)}, "n", {"page": "end"}, []),
    "back": ({"index": 2}, "p", {"index": 1} | CHECK, CHECKS),
    "the first": ({}, "p", {"note": "this is the first exercise"}, []),
    "seen hints": (HINTED, "h", {"page": "hints"}, []),  # are shown again, and no more
    "no answer yet": ({}, "w", {"note": NOT_YET}, []),
    "a note": ({}, learn.NoteShown("done"), {"note": "done"}, []),
    "until a key": ({"note": "done"}, "l", {"page": "list", "note": ""}, []),
    **{f"{key} leaves": (TASK, key, {"page": "work"}, []) for key in ("q", "enter", "t", "z")},
    "escape leaves": (FAR, "escape", {"page": "work"}, []),
    "opened again": ({"scrolls": {"task": 15}}, SHOW_TASK, TASK, []),
    "reads on": (FAR, " ", {"scrolls": {"task": 29}}, []),
    "down": (FAR, "down", {"scrolls": {"task": 16}}, []),
    "up": (FAR, "up", {"scrolls": {"task": 14}}, []),
    "to the top": (TASK | {"scrolls": {"task": 5}}, "pageup", {"scrolls": {"task": 0}}, []),
    "the end": (FAR, learn.ScreenDrawn(5, 9), {"scrolls": {"task": 5}, "page_lines": 9}, []),
    "before the end": (FAR, learn.ScreenDrawn(30, 9), {"page_lines": 9}, []),
    "reset?": ({}, "x", {"page": "reset"}, []),
    "saved, and?": ({"page": "reset"}, learn.FileSaved(), {"saved": True} | CHECK, CHECKS),
    "yes": ({"page": "reset"}, "y", {"page": "work"}, [learn.RestoreStarter()]),
    "no": ({"page": "reset"}, "n", {"page": "work", "note": "nothing was changed"}, []),
    "reset": ({}, learn.StarterRestored("it is"), {"note": "it is", "saved": True} | CHECK, CHECKS),
    "quit": ({}, "q", {}, QUIT),
    "quit on a page": ({"page": "list"}, "c-c", {}, QUIT),
    "quit without a course": ({"exercises": ()}, "q", {}, QUIT),
    "no course, no task": ({"exercises": ()}, "t", {}, []),
    "broken": (
        *(CHECK | {"heard": (GOOD,)}, learn.CourseBroken("line 3")),
        *({"trouble": "line 3", "checking": False, "heard": ()}, [learn.CancelCheck()]),
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_what_a_step_changes_and_what_there_is_to_do(start: LearnState, name: str) -> None:
    given, event, changes, effects = STEPS[name]
    before = replace(start, **{"checking": False} | given)
    event = learn.KeyPressed(event) if isinstance(event, str) else event
    assert step(before, event) == (replace(before, **changes), effects)


@pytest.mark.parametrize(
    ("passes", "at", "begins"), [(0, "", 0), (1, "", 1), (0, "03_three", 2), (3, "", 2)]
)
def test_it_begins_with_the_first_that_has_not_passed(
    start: LearnState, passes: int, at: str, begins: int
) -> None:
    read, _ = step(LearnState(), learn.ProgressRead(passed(*NAMES[:passes]), ()))
    state, _ = step(read, learn.CourseLoaded(start.exercises, at))
    assert (state.index, state.page) == (begins, "end" if passes == 3 else "work")


def test_a_course_that_is_fixed_goes_on_where_it_was(start: LearnState) -> None:
    broken = replace(start, trouble="line 3", index=1)
    fixed = replace(broken, trouble="")
    assert step(broken, learn.CourseLoaded(start.exercises)) == (fixed, CHECKS)


def kept(state: LearnState, event: learn.Event) -> tuple[LearnState, Progress]:
    """The state after an event, and what it makes of the progress."""
    state, effects = step(state, event)
    *_, keep = effects
    assert isinstance(keep, learn.KeepProgress)
    return state, keep.change(state.progress)


def test_a_check_that_ends_is_recorded_and_it_stays_where_it_is(start: LearnState) -> None:
    heard = replace(start, heard=(GOOD, BAD, UNSURE.results[0]))
    assert heard.heard_failure == BAD
    state, progress = kept(heard, learn.CheckEnded(judged("01_one", GOOD), WHEN))
    assert progress.of("01_one").passed
    assert (state.index, state.checking, state.checked_at) == (0, False, "12:34:56")


def test_hints_are_shown_one_at_a_time_and_the_answer_is_a_reward(start: LearnState) -> None:
    state = start
    for number in (1, 2, 3):
        state, progress = kept(state, learn.KeyPressed("h"))
        state = replace(state, progress=progress)
        assert (state.standing.hints, state.page) == (number, "hints")
    assert step(state, learn.KeyPressed("h")) == (state, [])
    state = replace(start, progress=passed("01_one"))
    assert learn.ReadText("why") in step(state, learn.KeyPressed("w"))[1]


# The loop, over real files, with real checks


class Sitting(LearnSession):
    """A session in a terminal of our own making."""

    def __init__(self, course: Workplace, typed: PipeInput, at: str | None = None) -> None:
        self.screen = io.StringIO()
        console = Console(file=self.screen, force_terminal=True, width=80, height=24)
        self.type = typed.send_text
        super().__init__(course, lambda pressed: terminal(pressed, console, typed), at, poll_s=0.02)

    async def until(self, holds: Callable[[LearnState], object]) -> None:
        async with asyncio.timeout(20):
            while not holds(self.state):  # noqa: ASYNC110 (the state is nobody's to announce)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def sitting(course: Workplace, at: str | None = None) -> AsyncIterator[Sitting]:
    with create_pipe_input() as typed:
        one = Sitting(course, typed, at)
        running = asyncio.create_task(one.run())
        try:
            yield one
            one.type("\x03")
            assert await asyncio.wait_for(running, 10) == 0
        finally:
            running.cancel()


def is_checked(state: LearnState) -> bool:
    return state.judged is not None and not state.checking


def has_passed(state: LearnState) -> bool:
    return is_checked(state) and state.judged.passed


def broken(state: LearnState) -> str:
    """Why the file cannot run, if the last check says so."""
    return state.judged.broken if is_checked(state) else ""


async def test_from_the_first_save_to_the_next_exercise(course: Workplace, tmp_path: Path) -> None:
    one, two, _ = course.exercises
    async with sitting(course) as at:
        await at.until(is_checked)
        save(one, PARTLY)
        await at.until(lambda state: state.judged and state.judged.points == 6)
        (tmp_path / "new.py").write_text(RIGHT, "utf-8")
        (tmp_path / "new.py").replace(one.work)  # some editors save like this
        await at.until(lambda state: has_passed(state) and state.standing.passed)
        assert at.state.exercise.name == one.name
        at.type("n")
        await at.until(lambda state: state.exercise.name == two.name and is_checked(state))

    assert ProgressFile(course.state).read().of(one.name).points == 10
    assert "Well done" in at.screen.getvalue()


async def test_whatever_becomes_of_the_file_it_goes_on(course: Workplace) -> None:
    one = course.exercises[0]
    async with sitting(course) as at:
        await at.until(is_checked)
        save(one, small.SYNTAX_ERROR)
        await at.until(lambda state: "SyntaxError" in broken(state) and state.judged.line == 1)
        one.work.unlink()
        await at.until(lambda state: "cannot read" in broken(state))
        one.work.mkdir()
        await at.until(lambda state: "No such" not in broken(state) and is_checked(state))
        assert "cannot read" in broken(at.state)
        one.work.rmdir()
        save(one, RIGHT)
        await at.until(has_passed)


async def test_a_save_ends_a_running_check_and_so_does_leaving(
    course: Workplace, tmp_path: Path
) -> None:
    one, pids = course.exercises[0], tmp_path / "pids"
    log = f"import os\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
    async with sitting(course) as at:
        await at.until(is_checked)
        for number in (1, 2):
            save(one, f"{log}while True: pass\n")
            await at.until(lambda _, n=number: pids.exists() and pids.read_text().count("\n") == n)
            if number == 1:
                save(one, RIGHT)
                await at.until(has_passed)

    assert [pid for pid in pids.read_text().split() if psutil.pid_exists(int(pid))] == []
    assert ProgressFile(course.state).read().of(one.name).checks == 2  # those two never ended


async def test_a_broken_exercise_toml_is_told_and_watched(course: Workplace) -> None:
    spec = course.exercises[2].folder / "exercise.toml"
    good = spec.read_text("utf-8")
    spec.write_text("title", "utf-8")
    async with sitting(course, "03") as at:
        await at.until(lambda state: "exercise.toml" in state.trouble)
        spec.write_text(good, "utf-8")
        await at.until(lambda state: state.exercises and is_checked(state))
        assert at.state.exercise.name == "03_three"
        spec.write_text(good.replace("goal =", "goal"), "utf-8")
        await at.until(lambda state: "line 2" in state.trouble)
        spec.write_text(good.replace("Double", "Triple"), "utf-8")
        await at.until(lambda state: not state.trouble and "Triple" in state.exercise.spec.goal)
        await at.until(is_checked)


async def test_the_pages_open_and_close_even_where_nothing_can_be_kept(course: Workplace) -> None:
    course.state.write_text("in the way")
    save(course.exercises[0], RIGHT)
    async with sitting(course) as at:
        await at.until(lambda state: has_passed(state) and state.standing.passed)
        assert "not kept" in at.state.kept_notes[0]
        for key, page, text in (
            ("t", "task", "Double a number"),
            ("\x1b", "work", ""),  # a lone Escape, not the beginning of an arrow key
            ("w", "why", "2 * number"),
            ("\x1b[B", "why", ""),
            ("q", "work", ""),
        ):
            at.type(key)
            await at.until(lambda state, p=page, t=text: state.page == p and t in state.text)
        at.type("n")
        await at.until(lambda state: state.index == 1)


async def test_the_screen_says_that_a_course_is_chatlabs_own_source(
    course: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workplace, "packaged", lambda: course.root)
    async with sitting(course) as at:
        await at.until(is_checked)
        at.type("l")
        await at.until(lambda state: state.page == "list")
        assert "`chatlab learn init` makes a copy" in at.state.kept_notes[0]


async def test_a_reset_says_where_the_file_is_now(
    course: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_course(tmp_path / "original", *NAMES)
    monkeypatch.setattr(workplace, "packaged", lambda: tmp_path / "original")
    one = course.exercises[0]
    save(one, RIGHT)
    async with sitting(course) as at:
        await at.until(is_checked)
        at.type("xy")
        await at.until(lambda state: "the starter is back; your file is " in state.note)
        await at.until(lambda state: is_checked(state) and not has_passed(state))
        assert "backups" in at.state.note

    assert one.work.read_text() == small.STARTER


async def test_a_check_that_cannot_be_run_can_be_tried_again(
    course: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn_loop, "judge", AsyncMock(side_effect=OSError(11, "Try again")))
    async with sitting(course) as at:
        await at.until(lambda state: "could not be run" in state.note and not state.checking)
        monkeypatch.undo()
        at.type("r")
        await at.until(is_checked)


async def test_mistakes_and_failures_inside_end_it(
    course: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn_loop, "judge", AsyncMock(side_effect=ZeroDivisionError))
    with create_pipe_input() as typed:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(Sitting(course, typed).run(), 10)
        with pytest.raises(UsageError, match="no exercise '09'"):
            await Sitting(course, typed, "09").run()


# A terminal


@pytest.mark.real
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
@pytest.mark.parametrize("ending", ["q", "\x03", "SIGTERM"])
def test_a_terminal_is_left_as_it_was(course: Workplace, ending: str) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        [sys.executable, "-m", "chatlab", "learn", "--course", str(course.root)],
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        env={**os.environ, "TERM": "xterm-256color", "LINES": "24", "COLUMNS": "80"},
    )
    try:
        shown = read_until(ours, b"Press t to read the task")
        os.write(ours, b"t")
        shown += read_until(ours, b"in your editor")
        if ending == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            os.write(ours, b"t" + ending.encode())
        shown += read_until(ours, b"\x1b[?1049l")
        assert process.wait(20) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    assert shown.count(b"\x1b[?1049h") == 1
    assert b"Traceback" not in shown


def read_until(file: int, words: bytes) -> bytes:
    """What a terminal shows, up to some words."""
    import select

    shown = b""
    deadline = time.monotonic() + 30
    while words not in shown:
        assert time.monotonic() < deadline, shown[-2_000:]
        if select.select([file], [], [], 0.1)[0]:
            shown += os.read(file, 65_536)
    return shown
