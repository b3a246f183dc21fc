"""`10_tune`: a field of answers is right, no extreme is, and the simulation is what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatlab.course.checks import tune
from chatlab.course.simulation import run
from chatlab.course.simulation.evening import (
    MESSAGE_S,
    PARTS,
    SAVE_S,
    KnobPair,
    limits_of,
    simulate,
    simulate_all,
    table,
)
from tests.course.judging import Mistake, changed, exercise, mistakes, solution, tried

NAME = "10_tune"


def broken(batch_size: int, interval_s: float) -> list[str]:
    """The parts of the evening whose limits a pair breaks."""
    found = run(simulate_all(KnobPair(batch_size, interval_s)))
    return [part for part in PARTS if found[part].over(part)]


# The field of answers.


RIGHT = [(175, 0.07), (200, 0.12), (220, 0.075), (300, 0.07), (500, 0.066), (420, 0.078)]
EXTREME = [(1, 0), (1, 3_600), (1_000_000, 0), (1_000_000, 3_600), (100, 0.05), (1_000, 1)]


@pytest.mark.parametrize("pair", RIGHT + EXTREME)
def test_there_is_a_field_of_right_answers_and_no_extreme_is_in_it(pair: tuple[int, float]) -> None:
    assert (broken(*pair) == []) == (pair in RIGHT)


def test_the_starter_breaks_every_limit() -> None:
    assert broken(10, 1.0) == list(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_check_says_the_limits_that_it_holds_to(part: str) -> None:
    asked: str = getattr(tune, part).asked
    for limit in limits_of(part):
        assert f"{limit.at_most:g}" in re.findall(r"[\d.]*\d", asked)


def test_another_right_pair_with_rounded_figures_passes(tmp_path: Path) -> None:
    answer = changed(
        solution(NAME),
        ("BATCH_SIZE = 220\n", "BATCH_SIZE = 300\n"),
        ("FLUSH_INTERVAL_S = 0.075\n", "FLUSH_INTERVAL_S = 0.07\n"),
        ('"quiet_p95_ms": 95.4', '"quiet_p95_ms": 90'),
        ('"steady_saves_per_s": 12.4', '"steady_saves_per_s": 13'),
        ('"rush_at_risk": 338', '"rush_at_risk": 330'),
        ('"midnight_s": 1.46', '"midnight_s": 1.3'),
    )

    assert tried(NAME, tmp_path, answer) == {}


# The simulation.


def test_the_figures_are_what_paper_and_pencil_say() -> None:
    found = run(simulate_all(KnobPair(200, 0.1)))
    lonely_s, batch_s = 0.1 + SAVE_S + MESSAGE_S, SAVE_S + 200 * MESSAGE_S

    assert found["quiet"].p95_ms == pytest.approx(lonely_s * 1000, rel=0.01)
    assert found["steady"].saves_per_s == pytest.approx(1 / (0.1 + 1 / 200), rel=0.05)
    assert found["midnight"].seconds == pytest.approx(25 * batch_s)
    assert found["midnight"].silence_ms == pytest.approx(batch_s * 1000)
    assert found["midnight"].at_risk == 5_000


def test_the_same_pair_gives_the_same_figures_and_is_simulated_once() -> None:
    first = run(simulate(KnobPair(123, 0.05), "steady"))

    assert run(simulate(KnobPair(123, 0.05), "steady")) is first


def test_a_table_marks_what_is_too_much() -> None:
    *_, row = table([(100, 0.05)]).splitlines()

    assert row.split() == ["100", "0.05", "s", "70.2", "17.7!", "218", "2.00!", "40.0"]


def test_the_starter_prints_what_its_pair_does() -> None:
    starter = [sys.executable, str(exercise(NAME).work)]
    done = subprocess.run(starter, capture_output=True, text=True, timeout=50, check=True)

    assert "1,021!" in done.stdout


# What is wrong is told in words.

SIZE, INTERVAL = "BATCH_SIZE = 220\n", "FLUSH_INTERVAL_S = 0.075\n"
RISK, QUIET = '"rush_at_risk": 338,', '"quiet": (200, 0.2),'
MEASURED = "MEASURED: dict[str, float] = {"
MISTAKES: dict[str, Mistake] = {
    "computed": ("numbers: write a plain number", SIZE, "BATCH_SIZE = 2 * 110\n"),
    "nothing": ("numbers: from 1 to 1,000,000", SIZE, "BATCH_SIZE = 0\n"),
    "another name": ("numbers: no BATCH_SIZE", SIZE, "BATCHES = 220\nBATCH_SIZES = 1\n"),
    "seconds for ms": ("quiet: or 75,000 ms", INTERVAL, "FLUSH_INTERVAL_S = 75\n"),
    "a figure lacks": ('measured: it lacks "rush_at_risk"', RISK, ""),
    "a figure is none": ("measured: None", RISK, '"rush_at_risk": None,'),
    "no figures": ("measured: 5", MEASURED, "MEASURED = 5\nOTHER = {"),
    "a text": ("rejected: '200'", QUIET, '"quiet": "200",'),
    "no interval": ("rejected: (200, -1)", QUIET, '"quiet": (200, -1),'),
    "a right pair": ("rejected: it breaks none", QUIET, '"quiet": (220, 0.075),'),
    "a bad pair": ("rejected: those of quiet (1,021 ms", QUIET, '"quiet": (10, 1.0),'),
    "no pairs": ("rejected: it is not there", "REJECTED: dict", "OTHERS: dict"),
}

test_what_is_wrong_is_told_in_words = mistakes(NAME, MISTAKES)
