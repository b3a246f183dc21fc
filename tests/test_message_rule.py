"""What a message is: whatever a server makes is one, and what breaks the rule is named."""

from __future__ import annotations

import json
from itertools import islice

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatlab.chat.rules import check_content, check_user
from chatlab.data.folder import generated_history, message_maker, starting_data
from chatlab.data.message_rule import MessageCheck, fault
from chatlab.data.records import MESSAGES, Message
from chatlab.errors import Refusal
from tests.support.parts import message

GOOD = message(1)
TIMES = st.floats(0, 253_402_300_799)  # up to the year 9999


def allowed(check, text: str) -> bool:
    """Whether a server accepts this."""
    try:
        check(text)
    except Refusal:
        return False
    return True


@given(now=TIMES, name=st.from_regex(r"[A-Za-z0-9][\w.-]{0,63}"), content=st.text(max_size=4_100))
@example(now=0.0, name="a", content="\x85")
@example(now=0.0, name="a", content="x" * 4_000)
@example(now=0.0, name="a", content="x" * 4_001)
@example(now=0.0, name="a\n", content="x")
def test_a_server_accepts_exactly_what_is_a_message(now: float, name: str, content: str) -> None:
    made = message_maker(lambda: now)(name, name, content)
    assert allowed(check_user, name) == ("name" not in fault(made))
    assume(allowed(check_user, name))
    assert allowed(check_content, content) == (fault(made) == "")


def test_the_starting_data_and_a_generated_history_keep_the_rule() -> None:
    check = MessageCheck()
    starting = MESSAGES.decode((starting_data() / MESSAGES.name).read_bytes())
    kept = list(check.through([*starting, *generated_history(90_000, ["general", "new-year"])]))
    assert (check.words, check.looked_at, len(kept)) == ("", 90_003, 90_003)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        *(("id", bad) for bad in ("", "a b", "-a", "a\n", "é", "x" * 129, "\x1b[2J")),
        *(("room_id", bad) for bad in ("", "a b", "a:b", "x" * 65, "../x", "é")),
        *(("sender", bad) for bad in ("", ".a", "a/b", "x" * 65, "a\n")),
        *(("content", bad) for bad in ("", " \n\t", "x" * 4_001, "\x85\u2028")),
        ("timestamp", ""),
        ("timestamp", "yesterday"),
        ("timestamp", "2026-02-30T00:00:00.000Z"),
        ("timestamp", "2026-01-01T24:00:00.000Z"),
        ("timestamp", "2026-01-01T00:60:00Z"),
        ("timestamp", "2026-01-01T00:00:00.000"),
        ("timestamp", "2026-01-01T00:00:00.000+00:00"),
        ("timestamp", "2026-01-01 00:00:00.000Z"),
        ("timestamp", "2026-01-01T00:00:00.Z"),
        ("timestamp", "2026-01-01T00:00:00Z\n"),
        ("timestamp", "0000-01-01T00:00:00Z"),
        ("timestamp", "\uff12026-01-01T00:00:00Z"),
    ],
)
def test_each_breach_is_named_by_its_field(field: str, bad: str) -> None:
    words = {"room_id": "roomId"}.get(field, field)
    assert words in fault(replace(GOOD, **{field: bad}))
    assert fault(GOOD) == ""


@pytest.mark.parametrize("time", ["2024-02-29T23:59:59Z", "2026-12-31T00:00:00.123456Z"])
def test_times_with_any_fraction_are_fine(time: str) -> None:
    assert fault(replace(GOOD, timestamp=time)) == ""


@given(numbers=st.lists(st.integers(0, 5), max_size=30))
def test_an_id_counts_once_and_each_further_one_is_a_breach(numbers: list[int]) -> None:
    check = MessageCheck()
    given_ = [message(n) for n in numbers]
    once = list(check.through(given_, once=True))
    assert once == list({one.id: one for one in given_}.values())
    assert (check.looked_at, check.broken) == (len(numbers), len(numbers) - len(once))
    assert bool(check.words) == bool(check.broken)


@given(st.builds(Message))
def test_what_is_wrong_is_short_and_acts_on_no_terminal(anything: Message) -> None:
    check = MessageCheck()
    list(islice(check.through([anything]), 1))
    assert len(check.words) < 400
    assert check.words.isprintable()
    json.dumps(check.words).encode()
