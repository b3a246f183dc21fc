"""Scenarios: what load is applied, and that the same seed plans the same messages."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chatlab.bench.scenario import Scenario, load, members, names, override, plan
from chatlab.errors import UsageError


def a_scenario(**changes: Any) -> Scenario:
    values: dict[str, Any] = {"name": "test", "words": "a load for tests"}
    return Scenario(**(values | changes))


def complaint(**changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        override(a_scenario(), **changes)
    return str(caught.value)


def written(folder: Path, text: str) -> str:
    """A scenario file of a user's; returns its path."""
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


# Plans.


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan(a_scenario(rooms=3), 7) == plan(a_scenario(rooms=3), 7)


def test_another_seed_gives_another_plan() -> None:
    assert plan(a_scenario(), 7) != plan(a_scenario(), 8)


def test_a_plan_has_as_many_messages_as_asked_for() -> None:
    assert len(plan(a_scenario(messages=123), 1)) == 123


def test_without_a_rate_everything_is_sent_at_once() -> None:
    assert {send.at_s for send in plan(a_scenario(), 1)} == {0.0}


def test_with_a_rate_messages_are_evenly_spaced() -> None:
    times_s = [send.at_s for send in plan(a_scenario(messages=500, rate_per_s=200.0), 1)]

    assert times_s == pytest.approx([number / 200 for number in range(500)])


@pytest.mark.parametrize(("first", "last"), [(50.0, 1_000.0), (1_000.0, 50.0)])
def test_a_changing_rate_changes_evenly_from_the_first_to_the_last(
    first: float, last: float
) -> None:
    load = a_scenario(messages=2_100, rate_per_s=first, rate_end_per_s=last)
    times_s = [send.at_s for send in plan(load, 1)]
    gaps_s = [later - earlier for earlier, later in pairwise(times_s)]

    assert times_s == sorted(times_s)
    assert 1 / gaps_s[0] == pytest.approx(first, rel=0.2)
    assert 1 / gaps_s[-1] == pytest.approx(last, rel=0.2)
    assert times_s[-1] == pytest.approx(2 * 2_100 / (first + last), rel=0.02)


def test_the_rate_does_not_change_who_says_what() -> None:
    def said(rate: float | None) -> list[tuple[int, int, str]]:
        return [(s.user, s.room, s.text) for s in plan(a_scenario(rate_per_s=rate), 3)]

    assert said(None) == said(500.0)


def test_everyone_sends_and_only_in_their_own_room() -> None:
    sends = plan(a_scenario(users=12, rooms=5), 1)

    assert {send.user for send in sends} == set(range(12))
    assert all(send.room == send.user % 5 for send in sends)


# Rooms.


@pytest.mark.parametrize(("users", "rooms"), [(10, 1), (10, 3), (7, 7), (100, 9), (1, 1)])
def test_the_members_of_a_room_are_those_who_send_in_it(users: int, rooms: int) -> None:
    load = a_scenario(users=users, rooms=rooms)
    in_room = Counter(user % rooms for user in range(users))

    assert [members(load, room) for room in range(rooms)] == [in_room[r] for r in range(rooms)]


# Overrides.


def test_an_override_changes_what_is_given_and_nothing_else() -> None:
    changed = override(a_scenario(rooms=2), users=4, rate_per_s=None)

    assert changed == a_scenario(rooms=2, users=4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"users": 2, "rooms": 3}, "3 rooms for 2 users"),
        ({"messages": 0}, "at least 1 message"),
        ({"users": 0, "rooms": 0}, "at least 1 message, user and room"),
        ({"rooms": -1}, "at least 1 message, user and room"),
        ({"history": -1}, "scenario"),
        ({"rate_per_s": 0.0}, "above 0"),
        ({"rate_per_s": -5.0}, "above 0"),
        ({"rate_per_s": float("nan")}, "rate"),
        ({"rate_per_s": 10.0, "rate_end_per_s": float("inf")}, "rate"),
        ({"rate_end_per_s": 5.0}, "needs a --rate"),
        ({"in_flight": 0}, "at least 1"),
        ({"slow_readers": -1}, "slow"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused_with_the_reason(
    changes: dict[str, Any], words: str
) -> None:
    assert words in complaint(**changes)


# Files.


@pytest.mark.parametrize("name", names())
def test_every_scenario_of_ours_can_be_planned(name: str) -> None:
    ours = load(name)

    assert ours.name == name
    assert ours.words
    assert len(plan(ours, 1)) == ours.messages


def test_the_classic_scenarios_are_there() -> None:
    assert {"midnight", "steady"} <= set(names())


def test_an_unknown_scenario_names_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"'noon'.*midnight.*steady.*\.toml"):
        load("noon")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml"):
        load("nowhere.toml")


def test_a_scenario_can_come_from_a_file_of_ones_own(tmp_path: Path) -> None:
    mine = load(written(tmp_path, 'name = "mine"\nwords = "little"\nmessages = 5\nusers = 2\n'))

    assert mine == Scenario(name="mine", words="little", messages=5, users=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("this is no TOML", "is not a scenario"),
        ('name = "mine"', "words"),
        ('name = "mine"\nwords = "w"\nmesages = 5', "mesages"),
        ('name = "mine"\nwords = "w"\nusers = "ten"', "users"),
        ('name = "mine"\nwords = "w"\nusers = 1\nrooms = 2', "2 rooms for 1 users"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused_with_the_reason(
    text: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        load(written(tmp_path, text))


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes('name = "Zoë"'.encode("utf-16"))

    with pytest.raises(UsageError, match="is not a scenario"):
        load(str(path))
