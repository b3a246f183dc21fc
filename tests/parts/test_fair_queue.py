"""The queue that shares a batch out among senders, against a model."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatlab.chat.parts.message_seams import Entry
from chatlab.chat.parts.processor.fair_queue import FairQueue
from tests.support.parts import FakeClient, entry, message

SENDERS = [FakeClient(name) for name in ("alice", "bob", "carol", "dave")]


def waiting(queue: FairQueue, *counts: int) -> None:
    """So many messages of alice, bob and so on, one sender's after another's."""
    at = 0
    for sender, count in zip(SENDERS, counts, strict=False):
        for _ in range(count):
            at += 1
            queue.add(entry(at, at, sender=sender))


def senders(batch: list[Entry]) -> list[str]:
    return [one.sender.user for one in batch]


def test_all_that_fits_is_taken_in_the_order_of_acceptance() -> None:
    queue = FairQueue(fair=True)
    for at, sender in enumerate(SENDERS * 3):
        queue.add(entry(at, at, sender=sender))
    batch = queue.take(12)
    assert [one.accepted_at for one in batch] == list(range(12))


def test_a_sender_with_one_message_is_in_the_next_batch_whoever_floods() -> None:
    queue = FairQueue(fair=True)
    waiting(queue, 1_000, 1_000, 1)
    assert "carol" in senders(queue.take(3))


def test_what_is_left_of_a_batch_goes_to_those_who_have_more() -> None:
    queue = FairQueue(fair=True)
    waiting(queue, 100, 2)
    assert senders(queue.take(10)) == ["alice"] * 8 + ["bob"] * 2


def test_with_more_senders_than_places_each_comes_in_turn() -> None:
    queue = FairQueue(fair=True)
    waiting(queue, 10, 10, 10, 10)
    heard = []
    for _ in range(4):
        heard += senders(queue.take(2))
        queue.done()
    assert sorted(heard) == sorted([one.user for one in SENDERS] * 2)


def test_long_messages_of_one_leave_room_for_the_others() -> None:
    queue = FairQueue(fair=True)
    for n in range(10):
        long = replace(message(n), content="x" * 400)
        queue.add(Entry(long, None, SENDERS[0], n))
    queue.add(entry(99, 99, sender=SENDERS[1]))
    assert senders(queue.take(100, 1_000)) == ["alice", "alice", "bob"]


def test_in_a_flood_a_batch_has_all_of_those_with_few_and_a_bound_of_the_others() -> None:
    queue = FairQueue(fair=True)
    waiting(queue, 500, 3, 500, 1)
    taken = Counter(senders(queue.take(100, math.inf, 10)))
    assert taken == {"alice": 5, "bob": 3, "carol": 5, "dave": 1}
    queue.done()
    assert Counter(senders(queue.take(100, math.inf, 10))) == {"alice": 25, "carol": 25}


def test_what_fits_into_a_batch_is_no_flood_nor_are_many_with_few() -> None:
    queue = FairQueue(fair=True)
    waiting(queue, 99, 1)
    assert len(queue.take(100, math.inf, 10)) == 100
    queue.done()
    waiting(queue, 8, 8, 8, 8)
    assert len(queue.take(15, math.inf, 10)) == 15


def test_unfair_is_first_come_first_served() -> None:
    queue = FairQueue(fair=False)
    waiting(queue, 100, 1)
    assert senders(queue.take(50)) == ["alice"] * 50


@dataclass
class Step:
    """Say something, or take a batch and perhaps get it saved."""

    sender: int
    says: int
    size_max: int
    chars_max: float
    saved: bool


steps = st.builds(
    Step,
    sender=st.integers(0, 3),
    says=st.integers(0, 12),
    size_max=st.integers(1, 9),
    chars_max=st.sampled_from([1, 20, 60, math.inf]),
    saved=st.booleans(),
)


@given(st.lists(steps, max_size=12), st.booleans())
def test_nothing_is_lost_doubled_or_out_of_order(plan: list[Step], fair: bool) -> None:
    queue = FairQueue(fair)
    said: list[Entry] = []
    saved: list[Entry] = []
    for step in plan:
        for _ in range(step.says):
            said.append(entry(len(said), len(said), sender=SENDERS[step.sender]))
            queue.add(said[-1])
        if queue:
            oldest = queue.accepted_at
            batch = queue.take(step.size_max, step.chars_max)
            assert 1 <= len(batch) <= step.size_max
            chars = sum(len(one.message.content) for one in batch)
            assert chars <= step.chars_max or len(batch) == 1
            assert oldest == min(one.accepted_at for one in queue)
            if step.saved:
                saved += batch
                queue.done()
        left = [one for one in said if one not in saved]
        assert len(queue) == len(left) == len(list(queue))
        for sender in SENDERS:
            mine = [one for one in left if one.sender is sender]
            assert [one for one in queue if one.sender is sender] == mine
            assert queue.of(sender) == (len(mine) if fair else len(left))
    for sender in SENDERS:
        order = [one.accepted_at for one in saved if one.sender is sender]
        assert order == sorted(order)
