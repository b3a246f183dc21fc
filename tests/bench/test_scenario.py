"""Scenarios: what load is applied, and that the same seed plans the same messages."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from chatlab.bench.scenario import Scenario, load, members, names, override, plan
from chatlab.errors import UsageError
from tests.bench.fakes import a_scenario


def test_a_seed_decides_the_plan_and_a_rate_does_not_change_who_says_what() -> None:
    first, same, other = (plan(a_scenario(rooms=3), seed) for seed in (7, 7, 8))
    faster = plan(a_scenario(rooms=3, rate_per_s=500.0), 7)
    assert first == same != other
    assert [(s.user, s.room, s.text) for s in faster] == [(s.user, s.room, s.text) for s in first]


@pytest.mark.parametrize("rate", [None, 200.0])
def test_everything_is_sent_at_once_or_evenly_spaced(rate: float | None) -> None:
    times_s = [send.at_s for send in plan(a_scenario(messages=500, rate_per_s=rate), 1)]
    assert times_s == pytest.approx([number / rate if rate else 0.0 for number in range(500)])


@pytest.mark.parametrize(("first", "last"), [(50.0, 1_000.0), (1_000.0, 50.0)])
def test_a_changing_rate_changes_evenly_from_the_first_to_the_last(first, last) -> None:
    load = a_scenario(messages=2_100, rate_per_s=first, rate_end_per_s=last)
    times_s = [send.at_s for send in plan(load, 1)]
    gaps_s = [later - earlier for earlier, later in pairwise(times_s)]
    assert times_s == sorted(times_s)
    assert 1 / gaps_s[0] == pytest.approx(first, rel=0.2)
    assert 1 / gaps_s[-1] == pytest.approx(last, rel=0.2)
    assert times_s[-1] == pytest.approx(2 * 2_100 / (first + last), rel=0.02)


@pytest.mark.parametrize(("users", "rooms"), [(10, 1), (10, 3), (7, 7), (100, 9), (1, 1)])
def test_everyone_sends_in_their_own_room_and_is_its_member(users: int, rooms: int) -> None:
    load = a_scenario(users=users, rooms=rooms, messages=1_000)
    senders = {(send.user, send.room) for send in plan(load, 1)}
    in_room = Counter(room for _, room in senders)
    assert senders == {(user, user % rooms) for user in range(users)}
    assert [members(load, room) for room in range(rooms)] == [in_room[r] for r in range(rooms)]


def test_an_override_changes_what_is_given_and_nothing_else() -> None:
    changed = override(a_scenario(rooms=2), users=7, rate_per_s=None)
    assert changed == a_scenario(rooms=2, users=7)


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
        ({"rooms": 2, "room": "general"}, "add --rooms 1"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused_with_the_reason(changes, words) -> None:
    with pytest.raises(UsageError, match=words):
        override(a_scenario(), **changes)


def test_a_load_gives_up_after_four_times_its_plan_and_not_before_half_a_minute() -> None:
    rates = [(8_000, 200.0, 160.0), (400, 200.0, 32.0), (20, None, 30.0), (60_000, None, 60.0)]
    for messages, rate, deadline_s in rates:
        load = a_scenario(messages=messages, rate_per_s=rate)
        assert load.deadline_s == deadline_s
        assert load.planned_s == (messages / rate if rate else 0.0)


@pytest.mark.parametrize("name", names())
def test_every_scenario_of_ours_can_be_planned(name: str) -> None:
    ours = load(name)
    assert ours.name == name
    assert ours.words
    assert len(plan(ours, 1)) == ours.messages


def test_an_unknown_scenario_or_file_is_named_with_those_that_exist() -> None:
    for name in ("noon", "nowhere.toml"):
        with pytest.raises(UsageError, match=rf"'{name}'.*midnight.*steady.*\.toml"):
            load(name)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('name = "mine"\nwords = "little"\nmessages = 5\nusers = 2\n', None),
        ("this is no TOML", "is not a scenario"),
        ('name = "mine"', "words"),
        ('name = "mine"\nwords = "w"\nmesages = 5', "mesages"),
        ('name = "mine"\nwords = "w"\nusers = "ten"', "users"),
        ('name = "mine"\nwords = "w"\nusers = 1\nrooms = 2', "2 rooms for 1 users"),
        ("\udcff\udcfe", "is saved as UTF-16"),
    ],
)
def test_a_file_of_the_users_is_a_scenario_or_refused_with_the_reason(
    text: str, wrong: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    if wrong is None:
        assert load(str(path)) == Scenario(name="mine", words="little", messages=5, users=2)
    else:
        with pytest.raises(UsageError, match=wrong):
            load(str(path))
