"""A knob is declared once, and its two doors (an option, a mode's name) are of one mind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatlab.chat.modes import named
from chatlab.chat.settings import KNOBS, Knob, Settings
from chatlab.errors import UsageError
from tests.support.commands import COMMANDS

SERVE = COMMANDS["serve"]
Door = Callable[[str, str], float]


def by_option(name: str, text: str) -> float:
    """What `chatlab serve --NAME TEXT` sets a knob to."""
    context = SERVE.make_context("serve", [f"--{name}={text}"])
    return context.params[KNOBS[name].field]  # type: ignore[no-any-return]


def by_mode(name: str, text: str) -> float:
    """What `--mode naive+NAME=TEXT` sets it to."""
    return named(f"naive+{name}={text}").knobs[name]


doors = pytest.mark.parametrize("door", [by_option, by_mode], ids=["option", "mode"])
knobs = pytest.mark.parametrize("knob", KNOBS.values(), ids=KNOBS)


@doors
@knobs
def test_a_knob_takes_both_bounds_and_refuses_what_is_beyond(knob: Knob, door: Door) -> None:
    for value in (knob.lowest, knob.default, knob.highest):
        assert door(knob.name, str(value)) == value
    for value in (knob.lowest - 1, knob.highest + 1):
        refused(knob, door, f"{value:.0f}")


@doors
@knobs
@pytest.mark.parametrize(
    "text", ["", "many", "nan", "inf", "1e99", "0x10", "1;2", "10 20", "1,000"]
)
def test_a_knob_says_what_it_takes_instead_of_a_text(knob: Knob, door: Door, text: str) -> None:
    refused(knob, door, text)


@doors
def test_a_whole_number_must_be_one(door: Door) -> None:
    refused(KNOBS["batch-size"], door, "1.5")


def refused(knob: Knob, door: Door, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        door(knob.name, text)
    assert str(caught.value) == f"{knob.name}={text}: it must be {knob.words}"


def test_every_knob_sets_the_field_that_declares_it() -> None:
    context = SERVE.make_context("serve", [])
    assert {name: context.params[KNOBS[name].field] for name in KNOBS} == {
        name: getattr(Settings(), knob.field) for name, knob in KNOBS.items()
    }
