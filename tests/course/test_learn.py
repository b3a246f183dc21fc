"""`chatlab learn`: what each event makes of the state, the loop over real files, and a terminal."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

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
from chatlab.course.verdicts import Verdict
from chatlab.course.workplace import Workplace
from chatlab.errors import UsageError
from tests.course import small
from tests.course.small import PARTLY, RIGHT, judged, result, save, small_course

NAMES = ("01_one", "02_two", "03_three")
PASSED = Standing(passed=True, points=10)
WHEN = "2026-01-01T12:34:56+00:00"
TASK = learn.TextRead("task", "text")


@pytest.fixture
def course(tmp_path: Path) -> Workplace:
    return small_course(tmp_path, *NAMES)


@pytest.fixture
def start(course: Workplace) -> LearnState:
    """The state after the course was read for the first time."""
    state, effects = step(LearnState(), learn.CourseLoaded(tuple(course.exercises)))
    assert effects == [learn.BeginCheck()]
    return state


def happens(state: LearnState, event: learn.Event | str) -> tuple[LearnState, list[learn.Effect]]:
    """The state after an event, and what is to be done; a text is the name of a key."""
    return step(state, learn.KeyPressed(event) if isinstance(event, str) else event)


def after(state: LearnState, *events: learn.Event | str) -> LearnState:
    for event in events:
        state, _ = happens(state, event)
    return state


def effects_of(state: LearnState, event: learn.Event | str) -> list[learn.Effect]:
    return happens(state, event)[1]


def ended(name: str, verdict: Verdict = "passed") -> learn.CheckEnded:
    return learn.CheckEnded(judged(name, result(verdict)), WHEN)


def with_passed(state: LearnState, *names: str) -> LearnState:
    return replace(state, progress=Progress(exercises=dict.fromkeys(names, PASSED)))


# Steps


@pytest.mark.parametrize(
    ("passed", "at", "begins", "page"),
    [
        (0, "", "01_one", "work"),
        (1, "", "02_two", "work"),
        (0, "03_three", "03_three", "work"),
        (3, "", "03_three", "end"),
    ],
)
def test_it_begins_with_the_first_that_has_not_passed(
    start: LearnState, passed: int, at: str, begins: str, page: str
) -> None:
    progress = learn.ProgressRead(with_passed(start, *NAMES[:passed]).progress, ())
    state = after(LearnState(), progress, learn.CourseLoaded(start.exercises, at))

    assert (state.exercise.name, state.page) == (begins, page)


def test_a_save_begins_a_check_whose_results_are_shown_as_they_come(start: LearnState) -> None:
    state, effects = step(after(start, "h"), learn.FileSaved())
    assert (state.page, state.checking, state.heard) == ("work", True, ())
    assert effects == [learn.BeginCheck()]
    heard = (learn.ResultHeard(result("passed")), learn.ResultHeard(result("failed")))

    assert after(state, *heard).heard_failure == result("failed")
    assert after(state, *heard, learn.FileSaved()).heard == ()


def test_a_check_that_ends_is_recorded_and_it_stays_where_it_is(start: LearnState) -> None:
    state, [keep] = happens(start, ended("01_one"))
    assert isinstance(keep, learn.KeepProgress)
    assert keep.change(Progress()).of("01_one").passed
    assert (state.index, state.checking, state.checked_at) == (0, False, "12:34:56")
    other, effects = happens(start, ended("03_three"))
    assert (other.judged, effects) == (None, [])


def test_next_waits_until_it_has_passed_or_cannot_be_told(start: LearnState) -> None:
    refused = after(start, "n")
    assert (refused.index, "has not passed" in refused.note) == (0, True)
    state, effects = happens(with_passed(start, "01_one"), "n")
    assert (state.index, state.judged, effects) == (1, None, [learn.BeginCheck()])
    last = replace(start, index=2)
    assert after(start, ended("01_one", "unsure"), "n").index == 1
    assert after(with_passed(last, "01_one", "03_three"), "n").index == 1  # it is left
    assert after(with_passed(last, *NAMES), "n").page == "end"
    assert after(last, "p", "p").index == 0
    assert "first" in after(start, "p").note


def test_hints_are_shown_one_at_a_time(start: LearnState) -> None:
    state, shown = start, []
    for _ in range(5):
        state, effects = happens(state, "h")
        for effect in effects:
            assert isinstance(effect, learn.KeepProgress)
            state = after(state, learn.ProgressRead(effect.change(state.progress), ()))
        shown.append(state.standing.hints)

    assert (shown, state.page) == ([1, 2, 3, 3, 3], "hints")
    seen = replace(start, progress=Progress(exercises={"01_one": Standing(hints=1)}))
    assert effects_of(seen, "h") == []  # what was seen before is shown again, and no more


def test_the_answer_is_a_reward_and_a_note_lasts_until_the_next_key(start: LearnState) -> None:
    assert "after it has passed" in after(start, "w").note
    assert learn.ReadText("why") in effects_of(with_passed(start, "01_one"), "w")
    assert after(start, learn.NoteShown("done")).note == "done"
    assert after(start, learn.NoteShown("done"), "l").note == ""


@pytest.mark.parametrize("key", ["q", "enter", "escape", "t", "z"])
def test_any_key_leaves_a_page(start: LearnState, key: str) -> None:
    state, effects = happens(after(start, TASK), key)
    assert (state.page, effects) == ("work", [])


def test_a_page_scrolls_to_its_end_and_stays_where_it_was(start: LearnState) -> None:
    left = after(start, TASK, learn.ScreenDrawn(30, 15), " ", "down", "up", "escape")
    assert left.scroll == 0
    assert after(left, TASK).scroll == 14
    far = after(start, TASK, learn.ScreenDrawn(5, 15), " ", " ", learn.ScreenDrawn(5, 15))
    assert far.scroll == 5
    assert after(far, *["pageup"] * 3).scroll == 0


def test_a_reset_is_asked_for(start: LearnState) -> None:
    asked = after(start, "x")
    assert asked.page == "reset"
    assert effects_of(asked, "y") == [learn.RestoreStarter()]
    unchanged = replace(asked, page="work", note="nothing was changed")
    assert happens(asked, "n") == (unchanged, [])
    assert after(asked, learn.FileSaved()).page == "reset"
    assert effects_of(asked, learn.StarterRestored("it is back")) == [learn.BeginCheck()]


def test_quitting(start: LearnState) -> None:
    for state, key in ((start, "q"), (after(start, "l"), "c-c"), (LearnState(), "q")):
        assert effects_of(state, key) == [learn.Quit()]
    assert effects_of(LearnState(), "t") == []


def test_a_broken_course_is_told_until_it_is_fixed(start: LearnState) -> None:
    broken, effects = step(start, learn.CourseBroken("line 3"))
    assert (broken.trouble, effects) == ("line 3", [learn.CancelCheck()])
    fixed, effects = step(broken, learn.CourseLoaded(start.exercises))
    assert (fixed.trouble, fixed.index, effects) == ("", 0, [learn.BeginCheck()])


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


async def test_a_save_during_a_check_ends_that_check(course: Workplace, tmp_path: Path) -> None:
    one = course.exercises[0]
    log = tmp_path / "log"
    waits = f"import time\nopen({str(log)!r}, 'a').write('begun ')\nwhile True: pass\n"
    async with sitting(course) as at:
        await at.until(is_checked)
        save(one, waits)
        await at.until(lambda _: log.exists())
        save(one, RIGHT)
        await at.until(has_passed)

    assert log.read_text() == "begun "
    assert ProgressFile(course.state).read().of(one.name).checks == 2  # that one never ended


@pytest.mark.skipif(sys.platform == "win32", reason="asks for a process the POSIX way")
async def test_leaving_during_a_check_ends_it(course: Workplace, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    says_its_id = f"import os\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\n"
    save(course.exercises[0], f"{says_its_id}while True: pass\n")
    async with sitting(course) as at:
        await at.until(lambda _: pid.exists() and pid.read_text())

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


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


def failing(error: Exception) -> Callable[..., Awaitable[None]]:
    async def fails(*_: object, **__: object) -> None:
        raise error

    return fails


async def test_a_check_that_cannot_be_run_can_be_tried_again(
    course: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails, judge = failing(OSError(11, "Resource temporarily unavailable")), learn_loop.judge
    monkeypatch.setattr(learn_loop, "judge", fails)
    async with sitting(course) as at:
        await at.until(lambda state: "could not be run" in state.note and not state.checking)
        monkeypatch.setattr(learn_loop, "judge", judge)
        at.type("r")
        await at.until(is_checked)


async def test_mistakes_and_failures_inside_end_it(
    course: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn_loop, "judge", failing(ZeroDivisionError()))
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
