"""The world that checks run in: a clock that jumps, and a story that names the learner's lines."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from chatlab.course.catalog import load_all
from chatlab.course.containment import load_checks, load_work
from chatlab.course.simulation import (
    STEPS_MAX,
    TURNS_AFTER_THE_END,
    Deadlock,
    Livelock,
    Story,
    now,
    run,
)
from chatlab.course.workplace import packaged
from chatlab.disk.memory import SimulatedFiles
from chatlab.errors import StorageError
from tests.support.virtual_clock import on_virtual_clock

# The clock: it jumps, but never past work that is under way.


async def wakes(*after_s: float) -> list[tuple[float, float]]:
    """In the order of their waking: when each timer was to wake, and did."""
    woken: list[tuple[float, float]] = []

    async def wake(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((seconds, now()))

    await asyncio.gather(*map(wake, after_s))
    return woken


def test_the_clock_starts_at_zero_and_jumps_from_timer_to_timer() -> None:
    assert run(wakes(2, 0.5, 1.25)) == [(0.5, 0.5), (1.25, 1.25), (2, 2)]


def test_a_coarse_clock_of_the_system_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    coarse = SimpleNamespace(resolution=0.0156)
    monkeypatch.setattr("asyncio.base_events.time.get_clock_info", lambda _name: coarse)

    assert [woke for _, woke in run(wakes(0.010, 0.020))] == pytest.approx([0.010, 0.020])


@on_virtual_clock
async def test_time_stands_still_while_a_thread_works() -> None:
    may_end = threading.Event()
    timer = asyncio.create_task(asyncio.sleep(0.001))
    work = asyncio.get_running_loop().run_in_executor(None, may_end.wait, 10)
    threading.Timer(0.02, may_end.set).start()
    await work

    assert now() == 0
    await timer
    assert now() == pytest.approx(0.001)


# What would look like hanging is said.


def test_waiting_for_what_nobody_will_do_is_reported() -> None:
    with pytest.raises(Deadlock):
        run(asyncio.Event().wait())


@pytest.mark.parametrize(
    ("pause_s", "limits", "words"),
    [
        (0, {"turns_max": 1_000}, "after 1,000 turns"),
        (60, {"time_max_s": 3_600}, "after 3,660 s on the clock"),
    ],
)
def test_tasks_or_timers_that_go_on_for_ever_are_reported(
    pause_s: float, limits: dict[str, int], words: str
) -> None:
    async def goes_on() -> None:
        while True:  # noqa: ASYNC110 (just this is tried)
            await asyncio.sleep(pause_s)

    with pytest.raises(Livelock, match=words):
        run(goes_on(), **limits)


def test_a_task_that_will_not_be_cancelled_cannot_go_on_for_ever_either() -> None:
    turns = 0

    async def stubborn() -> None:
        nonlocal turns
        asyncio.current_task()._log_destroy_pending = False  # type: ignore[union-attr]
        while True:
            try:
                await asyncio.sleep(0)
                turns += 1
            except asyncio.CancelledError:
                pass

    with pytest.raises(Livelock):
        run(stubborn(), turns_max=100)
    assert turns <= 100 + TURNS_AFTER_THE_END


def test_what_is_cancelled_at_the_end_may_tidy_up() -> None:
    tidied = []

    async def untidy() -> None:
        try:
            while True:  # noqa: ASYNC110 (just this is tried)
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(3_600)
            tidied.append(now())

    with pytest.raises(Livelock):
        run(untidy(), turns_max=100, time_max_s=100)
    assert tidied == [pytest.approx(3_600)]


# The story.

LEARNERS_CODE = """
async def save(files):
    await files.write("a", b"x")
    await read(files)

async def read(files):
    return await files.read("a")
"""


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(now, tmp_path / "work.py")


@pytest.fixture
def learners(tmp_path: Path) -> ModuleType:
    """A learner's file."""
    (tmp_path / "work.py").write_text(LEARNERS_CODE, "utf-8")
    return load_work(tmp_path / "work.py")


def test_a_story_names_who_did_what_when_and_from_which_line(
    story: Story, learners: ModuleType
) -> None:
    async def happens() -> None:
        files = SimulatedFiles(tell=story.tell, operation_s=0.001)
        with story.on_behalf_of("alice"):
            alice = asyncio.create_task(learners.save(files))
        await alice
        story.tell("the end")

    run(happens())

    assert [tuple(step) for step in story.steps] == [
        (0.0, "alice", "write a", 3),
        (pytest.approx(0.001), "alice", "read a", 7),
        (pytest.approx(0.002), "", "the end", 0),
    ]
    assert str(story.steps[1]) == "      1.0 ms  alice: read a  (line 7)"
    assert str(story.steps[2]) == "      2.0 ms  the end"


def test_a_story_tells_of_an_operation_that_fails(story: Story, learners: ModuleType) -> None:
    with pytest.raises(StorageError):
        run(learners.read(SimulatedFiles(tell=story.tell)))

    assert [(step.what, step.line) for step in story.steps] == [
        ("read a", 7),
        ("read a: No such file or directory", 7),
    ]


def test_a_long_story_keeps_its_end(tmp_path: Path) -> None:
    story = Story(lambda: 0.0, tmp_path / "work.py")
    for number in range(STEPS_MAX + 5):
        story.tell(str(number))

    assert len(story.steps) == STEPS_MAX
    assert story.steps[-1].what == str(STEPS_MAX + 4)


# What a check says.


def test_every_check_of_the_course_says_what_is_asked_and_why() -> None:
    course = load_all(packaged() / "exercises", packaged() / "solutions")
    checks = [check for one in course for check in load_checks(one.checks).values()]

    assert len(checks) == sum(len(one.spec.checks) for one in course)
    assert [one.name for one in checks if not (one.asked.endswith(".") and one.why)] == []
