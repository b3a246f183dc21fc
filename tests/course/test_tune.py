"""`10_tune`: a field of answers is right, no extreme is, and the simulation is what it says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from chatlab.course.simulation import now, run
from chatlab.course.simulation.evening import (
    MESSAGE_S,
    PARTS,
    SAVE_S,
    KnobPair,
    simulate,
    simulate_all,
    table,
)
from tests.course.judging import changed, exercise, failed, first_miss, solution

NAME = "10_tune"
LIMITS = ["quiet", "steady", "rush", "midnight"]


def with_pair(batch_size: str, interval_s: str) -> str:
    return changed(
        solution(NAME),
        ("BATCH_SIZE = 220\n", f"BATCH_SIZE = {batch_size}\n"),
        ("FLUSH_INTERVAL_S = 0.075\n", f"FLUSH_INTERVAL_S = {interval_s}\n"),
    )


def broken(batch_size: int, interval_s: float) -> list[str]:
    """The parts of the evening whose limits a pair breaks."""
    seen = run(simulate_all(KnobPair(batch_size, interval_s)))
    return [part for part in PARTS if seen[part].over(part)]


# The field of answers.


@pytest.mark.parametrize(
    ("batch_size", "interval_s"),
    [(175, 0.07), (200, 0.12), (220, 0.075), (300, 0.07), (500, 0.066), (420, 0.078)],
)
def test_there_is_a_field_of_right_answers(batch_size: int, interval_s: float) -> None:
    assert broken(batch_size, interval_s) == []


@pytest.mark.parametrize(
    ("batch_size", "interval_s"),
    [(1, 0), (1, 3_600), (1_000_000, 0), (1_000_000, 3_600), (100, 0.05), (1_000, 1)],
)
def test_no_extreme_wins_and_neither_does_the_trainings_pair(
    batch_size: int, interval_s: float
) -> None:
    assert broken(batch_size, interval_s)


def test_the_starter_breaks_every_limit() -> None:
    assert broken(10, 1.0) == LIMITS


async def test_another_right_pair_with_rounded_figures_passes(tmp_path: Path) -> None:
    answer = changed(
        with_pair("300", "0.07"),
        ('"quiet_p95_ms": 95.4', '"quiet_p95_ms": 90'),
        ('"steady_saves_per_s": 12.4', '"steady_saves_per_s": 13'),
        ('"rush_at_risk": 338', '"rush_at_risk": 330'),
        ('"midnight_s": 1.46', '"midnight_s": 1.3'),
    )

    assert await failed(NAME, tmp_path, answer) == []


# The simulation.


def test_the_figures_are_what_paper_and_pencil_say() -> None:
    seen = run(simulate_all(KnobPair(200, 0.1)))
    lonely_s = 0.1 + SAVE_S + MESSAGE_S

    assert seen["quiet"].p95_ms == pytest.approx(lonely_s * 1000, rel=0.01)
    assert seen["steady"].saves_per_s == pytest.approx(1 / (0.1 + 1 / 200), rel=0.05)
    assert seen["midnight"].seconds == pytest.approx(25 * (SAVE_S + 200 * MESSAGE_S))
    assert seen["midnight"].silence_ms == pytest.approx((SAVE_S + 200 * MESSAGE_S) * 1000)
    assert seen["midnight"].at_risk == 5_000


def test_the_same_pair_gives_the_same_figures_and_is_lived_through_once() -> None:
    first = run(simulate(KnobPair(123, 0.05), "steady"))

    assert run(simulate(KnobPair(123, 0.05), "steady")) is first


def test_a_coarse_clock_of_the_system_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    coarse = SimpleNamespace(resolution=0.0156)
    monkeypatch.setattr("asyncio.base_events.time.get_clock_info", lambda _name: coarse)

    async def wakes() -> list[float]:
        async def wake(after_s: float) -> float:
            await asyncio.sleep(after_s)
            return now()

        return await asyncio.gather(wake(0.010), wake(0.020))

    assert run(wakes()) == pytest.approx([0.010, 0.020])


def test_a_table_marks_what_is_too_much() -> None:
    *_, row = table([(100, 0.05)]).splitlines()

    assert row.split() == ["100", "0.05", "s", "70.2", "17.7!", "218", "2.00!", "40.0"]


def test_the_starter_prints_what_its_pair_does() -> None:
    done = subprocess.run(
        [sys.executable, str(exercise(NAME).work)],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )

    assert "1,021!" in done.stdout


# What is wrong is told in words.


@pytest.mark.parametrize(
    ("old", "new", "check", "told"),
    [
        ("BATCH_SIZE = 220\n", "BATCH_SIZE = 2 * 110\n", "numbers", "write a plain number"),
        ("BATCH_SIZE = 220\n", "BATCH_SIZE = 0\n", "numbers", "from 1 to 1,000,000"),
        ("BATCH_SIZE = 220\n", "BATCHES = 220\nBATCH_SIZES = 1\n", "numbers", "no BATCH_SIZE"),
        ("FLUSH_INTERVAL_S = 0.075\n", "FLUSH_INTERVAL_S = 75\n", "quiet", "or 75,000 ms"),
        ('"rush_at_risk": 338,', "", "measured", 'it lacks "rush_at_risk"'),
        ('"rush_at_risk": 338,', '"rush_at_risk": None,', "measured", "None"),
        ("MEASURED: dict[str, float] = {", "MEASURED = 5\nOTHER = {", "measured", "5"),
        ('"quiet": (200, 0.2),', '"quiet": "200",', "rejected", "'200'"),
        ('"quiet": (200, 0.2),', '"quiet": (200, -1),', "rejected", "(200, -1)"),
        ('"quiet": (200, 0.2),', '"quiet": (220, 0.075),', "rejected", "it breaks none"),
        ('"quiet": (200, 0.2),', '"quiet": (10, 1.0),', "rejected", "those of quiet (1,021 ms"),
        ("REJECTED: dict", "OTHERS: dict", "rejected", ""),
    ],
)
async def test_what_is_wrong_is_told_in_words(
    tmp_path: Path, old: str, new: str, check: str, told: str
) -> None:
    answer = changed(solution(NAME), (old, new)).partition("if __name__")[0]
    miss = await first_miss(NAME, tmp_path, answer)

    assert (miss.check, miss.verdict) == (check, "failed")
    assert told in miss.actual
