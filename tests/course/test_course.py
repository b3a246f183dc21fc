"""The course that chatlab comes with keeps its word, exercise by exercise; with few seeds here.

`chatlab course verify` tries it with two hundred.
"""

from __future__ import annotations

import asyncio

import pytest

from chatlab.course.catalog import Exercise, load_all
from chatlab.course.verify import verify
from chatlab.course.workplace import packaged

SEEDS = 3
COURSE = load_all(packaged() / "exercises", packaged() / "solutions")


@pytest.mark.parametrize("exercise", [pytest.param(one, id=one.name) for one in COURSE])
def test_an_exercise_keeps_its_word(exercise: Exercise) -> None:
    assert [f"{one.where}: {one.what}" for one in asyncio.run(verify(exercise, SEEDS))] == []


def test_no_two_exercises_have_the_same_number_or_topic() -> None:
    assert len({one.number for one in COURSE}) == len({one.topic for one in COURSE}) == len(COURSE)
