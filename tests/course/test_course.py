"""The course that chatlab comes with keeps its word, exercise by exercise.

`chatlab course verify` tries it with two hundred seeds, and runs the commands that the texts show;
here there are few seeds, and these commands are only held against what chatlab accepts.
"""

from __future__ import annotations

import asyncio
import shlex

import msgspec
import pytest

from chatlab.chat.modes import named
from chatlab.chat.user_parts import ENVIRONMENT, UserParts
from chatlab.course.answers import whole_file, wrong_answers
from chatlab.course.catalog import Exercise, load_all
from chatlab.course.verify import commands_in, verify
from chatlab.course.workplace import packaged
from tests.support.commands import COMMANDS

SEEDS = 3
COURSE = load_all(packaged() / "exercises", packaged() / "solutions")
each = pytest.mark.parametrize("exercise", [pytest.param(one, id=one.name) for one in COURSE])


@pytest.mark.real
@each
def test_an_exercise_keeps_its_word(exercise: Exercise) -> None:
    found = asyncio.run(verify(exercise, SEEDS, commands=False))

    assert [f"{one.where}: {one.what}" for one in found] == []


@each
def test_chatlab_accepts_the_commands_of_an_exercise(
    exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {
        one.spec.part: f"{(one.answers / 'work.py').resolve()}:{one.spec.class_name}"
        for one in COURSE
        if one.spec.class_name
    }
    monkeypatch.setenv(ENVIRONMENT, msgspec.json.encode(UserParts(parts, {}, list(parts))).decode())
    shown = commands_in(exercise.text)
    assert shown
    for command in [*shown, *exercise.spec.see]:
        name, *words = shlex.split(command)[1:]
        params = COMMANDS[name].make_context(name, words).params
        for mode in [params.get("mode"), *(params.get("modes") or ())]:
            assert mode is None or named(mode)


@each
def test_a_wrong_answer_applies_names_a_check_and_gives_a_reason(exercise: Exercise) -> None:
    checks = {one.name for one in exercise.spec.checks}
    for wrong in wrong_answers(exercise):
        compile(whole_file(wrong, exercise), wrong.name, "exec")
        assert wrong.check in checks
        assert len(wrong.reason) > 40


def test_no_two_exercises_have_the_same_number_or_topic() -> None:
    assert len({one.number for one in COURSE}) == len({one.topic for one in COURSE}) == len(COURSE)
