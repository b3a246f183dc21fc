"""How the course looks: complete, within its borders, and harmless."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from rich.console import Console, RenderableType

from chatlab.course.answers import WrongAnswer
from chatlab.course.catalog import Exercise
from chatlab.course.learn import LearnState, PageName
from chatlab.course.progress import ComparisonRecord, ModeRecord, Progress, Standing
from chatlab.course.verdicts import Judged, Result, Verdict
from chatlab.view.course import feedback, listing, texts
from chatlab.view.course.common import Readable
from chatlab.view.course.learn import screen
from chatlab.view.course.listing import MEASURE, finish
from tests.course import small
from tests.course.small import lacks, small_course

SIZES = [(80, 24), (140, 40), (40, 12), (5, 3)]
PAGES: list[PageName] = ["work", "task", "hints", "checks", "why", "list", "reset", "end"]


def console(width: int = 80, height: int = 24, encoding: str = "utf-8") -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    return Console(file=file, width=width, height=height, highlight=False)


def text_of(content: RenderableType, encoding: str = "utf-8") -> str:
    """What is printed where there is no terminal."""
    where = console(encoding=encoding)
    where.print(Readable(content))
    where.file.flush()
    return where.file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def result(verdict: Verdict = "failed", **fields: object) -> Result:
    found = small.result(
        verdict, points=0, of=6, seed=4, check="few", kind="counts", asked="Reads are few."
    )
    shown = {"expected": "1 read", "actual": "1,000 reads", "why": "Disks are slow."}
    shown |= {"replay": "chatlab replay 01_one few --seed 4", "printed": "hello\n"}
    story = ["    1.0 ms  read a  (line 3)", "    2.0 ms  write a"]
    code = {"story": story, "line": 3, "code": "return read()"}
    return msgspec.structs.replace(found, **shown | code | fields)


@pytest.fixture
def exercises(tmp_path: Path) -> list[Exercise]:
    return small_course(tmp_path).exercises


@pytest.fixture
def one(exercises: list[Exercise]) -> Exercise:
    return exercises[0]


def judged(one: Exercise, *found: Result, **fields: object) -> Judged:
    return small.judged(one.name, *found, **{"work": one.work} | fields)


def test_feedback_has_six_parts_in_order_and_the_line_and_what_was_printed(one: Exercise) -> None:
    text = text_of(feedback.feedback(result(), one.work))

    lines = [line.split("  ")[0] for line in text.splitlines()]
    labels = [word for word in lines if word and not word.startswith(("✗", " "))]
    order = ["asked", "expected", "actual", "your line work.py:3", "story", "printed"]
    assert [label.strip() for label in labels] == [*order, "why", "replay"]
    assert not lacks(text, "✗ few  counts, 0 of 6 points", "work.py:3  return read()")


def test_nothing_of_a_learners_can_steer_the_terminal(one: Exercise) -> None:
    evil = "a\x1b[2J\x07\u202e\x9b31m[bold]b"
    fields = ("asked", "expected", "actual", "why", "replay", "code", "printed", "check", "kind")
    bad = result(**dict.fromkeys(fields, evil), story=[evil])
    broken = judged(one, broken=evil, line=1, code=evil)

    full = feedback.in_full(judged(one, bad, result("unsure", actual=evil)), one)
    for content in (full, feedback.check(broken, one)):
        text = text_of(content)
        assert not set(text) & set("\x1b\x07\x9b\u202e")
        assert "[bold]" in text


def test_all_checks_are_listed_with_their_marks(one: Exercise) -> None:
    verdicts: list[Verdict] = ["passed", "failed", "partial", "unsure", "skipped"]
    found = judged(one, *(result(verdict, check=verdict, points=2.5) for verdict in verdicts))

    for encoding, marks in (("utf-8", "✓✗~?-"), ("ascii", "+x~?-")):
        text = text_of(feedback.check(found, one), encoding)
        pairs = zip(marks, verdicts, strict=True)
        assert not lacks(text, "2.5/6", *(f"{mark} {verdict}" for mark, verdict in pairs))


def test_long_stories_and_prints_are_shortened(one: Exercise) -> None:
    story = [f"{number:>9}.0 ms  read a  (line 3)" for number in range(50)]
    printed = "".join(f"line {number}\n" for number in range(30))
    long = result(story=[*story, "   60.0 ms  end"], printed=printed)
    text = text_of(feedback.feedback(long, one.work))

    assert text.count("read a") == 2
    assert not lacks(text, "48 more like this", "end", "line 29")
    assert lacks(text, "line 10", "(22 earlier lines)") == ["line 10"]


def test_what_is_left_is_said_without_blame(one: Exercise) -> None:
    unsure = text_of(feedback.check(judged(one, result("unsure", actual="no process")), one))
    partial = text_of(feedback.check(judged(one, result("partial", points=4.0, of=10)), one))

    assert lacks(unsure, "Some checks could not tell", "Edit") == ["Edit"]
    assert "passed. You can still earn more points." in partial


def test_the_list_fits_eighty_columns(exercises: list[Exercise]) -> None:
    standing = Standing(points=7.25, hints=3, gave_up=True)
    progress = Progress(exercises={"01_one": standing})
    text = text_of(listing.exercises(exercises, progress))

    assert not lacks(text, "7.2 of 10", "answer seen, 3 hints")
    assert max(map(len, text.splitlines())) <= 80


# The end of the course


def race(when: str, **fields: object) -> ComparisonRecord:
    modes = {"naive": ModeRecord(300, 290, 310), "mine": ModeRecord(9_000, 8_800, 9_100)}
    record = ComparisonRecord(when, "midnight", 1_000, 6, True, modes)
    return msgspec.structs.replace(record, **fields)


def test_the_first_and_the_latest_comparison_are_shown(exercises: list[Exercise]) -> None:
    races = [race("2026-01-01T"), race("2026-01-02T"), race("2026-01-03T")]
    text = text_of(finish(exercises, Progress(races=races)))

    assert not lacks(text, "first: 2026-01-01", "latest: 2026-01-03", "9,000/s", "(8,800 to 9,100)")
    assert "2026-01-02" not in text
    assert MEASURE in text_of(finish(exercises, Progress()))


def test_a_comparison_is_never_shown_as_more_than_it_is(exercises: list[Exercise]) -> None:
    lossy = {"naive": ModeRecord(300, clean=False), "mine": ModeRecord(9_000, clean=True)}
    demonstration = race("2026-01-01T", measurement=False, modes=lossy)
    few = race("2026-01-02T", rounds=2)
    text = " ".join(text_of(finish(exercises, Progress(races=[demonstration, few]))).split())

    assert not lacks(text, "a demonstration, not a measurement", "NOT SAFE", "a claim takes 6")
    assert "its baseline is not safe" in text


# The screen


def states(exercises: list[Exercise]) -> list[LearnState]:
    one = exercises[0]
    base = LearnState(
        exercises=tuple(exercises), text="# Title\n\n" + "word " * 900 + "\n\n    code"
    )
    failed = judged(one, result("passed"), result(story=["step"] * 40), result("skipped"))
    progress = Progress(exercises={one.name: Standing(passed=True, points=10, hints=2)})
    return [
        LearnState(),
        LearnState(trouble="exercise.toml: a mistake (at line 3, column 1)"),
        replace(base, checking=True),
        replace(base, judged=failed, saved=True),
        replace(base, judged=failed, saved=True, checking=True, heard=(result(),)),
        replace(base, judged=judged(one, broken="SyntaxError: no", line=3, code="def (")),
        replace(base, judged=judged(one, result("unsure")), saved=True),
        replace(base, judged=judged(one, result("passed", points=10)), progress=progress),
        replace(base, judged=judged(one, result("partial")), progress=progress, index=1),
        replace(base, note="a note", kept_notes=("progress is not kept: " + "x" * 90,)),
        replace(base, trouble="exercise.toml: " + "y" * 300),
    ]


def lines_of(state: LearnState, width: int = 80, height: int = 24) -> list[str]:
    shown = screen(state, console(), width, height).page.lines
    assert len(shown) <= height
    assert max(sum(part.cell_length for part in line) for line in shown) <= width
    return ["".join(part.text for part in line).rstrip() for line in shown]


@pytest.mark.parametrize("page", PAGES)
def test_a_screen_shows_what_it_must_and_is_no_larger_than_the_terminal(
    exercises: list[Exercise], page: PageName
) -> None:
    for number, state in enumerate(states(exercises)):
        for width, height in SIZES:
            for scroll in (0, 10_000):
                lines_of(replace(state, page=page, scrolls={page: scroll}), width, height)
        text = "\n".join(lines_of(replace(state, page=page))).replace("\\", "/")
        if number > 1:
            name = state.exercise.name
            assert not lacks(text, f"{name[:2]}  Twice as much", f"{name}/work.py")
            assert not lacks(text, "of 2 passed,", "Double a number.")
            assert len(re.findall(r"^> \S", text, re.MULTILINE)) == 1


def test_the_end_of_a_page_is_reached_by_scrolling(exercises: list[Exercise]) -> None:
    state = replace(states(exercises)[2], page="task")
    first = screen(state, console(), 80, 24)
    last = lines_of(replace(state, scrolls={"task": first.scroll_max}))

    assert first.scroll_max > 0
    assert not lacks("\n".join(last), ": the end, ", "\n  code")
    assert any("space reads on" in line for line in lines_of(state))


def test_a_story_gives_way_so_that_the_reason_stays_on_screen(exercises: list[Exercise]) -> None:
    one = exercises[0]
    story = [f"{number:>9}.0 ms  step {number}" for number in range(40)]
    state = replace(states(exercises)[3], judged=judged(one, result(story=story)))
    text = "\n".join(lines_of(state))

    assert lacks(text, "step 39", "step 20", "Disks are slow.", "--seed 4") == ["step 20"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "Fix that file."),
        (2, "Press t to read the task."),
        (3, "Make few pass: change work.py (line 3), and save."),
        (5, "Fix line 3 of work.py, and save."),
        (6, "Press r to check again"),
        (7, "Press n for the next exercise: 02"),
    ],
)
def test_there_is_one_next_action(exercises: list[Exercise], number: int, words: str) -> None:
    assert f"> {words}" in "\n".join(lines_of(states(exercises)[number]))


def test_after_some_tries_the_hints_are_mentioned(exercises: list[Exercise]) -> None:
    progress = Progress(exercises={"01_one": Standing(checks=3)})
    lines = lines_of(replace(states(exercises)[3], progress=progress))
    assert "Stuck? Press h." in "\n".join(lines)


def test_a_picture_that_just_fits_is_not_wrapped(exercises: list[Exercise]) -> None:
    picture = "-" * 79 + ">"
    state = LearnState(exercises=tuple(exercises), page="task", text=f"Look:\n\n    {picture}\n")
    assert picture in lines_of(state)


@pytest.mark.parametrize("page", ["work", "task", "why", "list"])
def test_all_keys_stand_in_one_line(exercises: list[Exercise], page: PageName) -> None:
    passed = Progress(exercises={one.name: Standing(passed=True) for one in exercises})
    state = LearnState(exercises=tuple(exercises), index=1, progress=passed, page=page)
    assert [word for word in lines_of(state)[-1].split() if len(word) == 1] == list("thswrxnplq")


def test_a_diff_shows_its_long_lines_whole() -> None:
    diff = f"--- work.py\n+++ other.py\n@@ -1 +1 @@\n-{'x' * 100}\n+y\n"
    wrong = WrongAnswer("other", Path("other.diff"), "It is short.", "few", diff, 1)

    assert text_of(texts.wrong_answer(wrong)).count("x") == 100
