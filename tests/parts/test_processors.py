"""Processors: one contract for all of them, then the exact times and limits of the queue.

All of them run on a virtual clock: the times are exact, and cost nothing.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatlab.chat.parts.message_seams import Entry, Processor
from chatlab.chat.parts.processor.group_commit import GroupCommitProcessor
from chatlab.chat.parts.processor.immediate import ImmediateProcessor
from chatlab.chat.parts.processor.queueing import QueueingProcessor
from chatlab.chat.settings import Settings
from chatlab.disk.files import to_the_end
from chatlab.errors import Overloaded, StorageError
from tests.support.parts import FakeClient, FakeOutcome, FakeStore, entry, every, ids, message
from tests.support.virtual_clock import now, on_virtual_clock, run, settle

EVERY = pytest.mark.parametrize("part", every("processor"))
DISK_FULL = StorageError("write", "messages.json", "No space left on device")


class Bench:
    """A processor between a store and an outcome that remember everything."""

    def __init__(
        self,
        part: type[Processor],
        outcome: FakeOutcome | None = None,
        *,
        takes_s: float = 0.0,
        failures: Any = (),
        **knobs: Any,
    ) -> None:
        self.store = FakeStore(takes_s=takes_s, failures=failures)
        self.outcome = outcome or FakeOutcome()
        self.sender = FakeClient("alice")
        self.processor = part(self.store, self.outcome, Settings(**knobs), now)

    async def submit(self, *numbers: int) -> None:
        """Submit messages, one after another, accepted now."""
        for n in numbers:
            await self.processor.submit(entry(n, now(), sender=self.sender))

    async def drain(self) -> list[str]:
        """Drain; the ids of what was not saved."""
        return ids(one.message for one in await self.processor.drain())

    @property
    def saved_at(self) -> list[tuple[float, int]]:
        """(time, size) of each attempt to save a batch."""
        return [(pytest.approx(at), len(batch)) for at, batch in self.store.attempts]

    @property
    def delivered_at(self) -> list[float]:
        """When each batch had been delivered."""
        return [at for what, _, at in self.outcome.events if what == "saved"]


# The contract of every processor.


@EVERY
@on_virtual_clock
async def test_messages_of_one_sender_are_saved_in_the_order_of_submission(part) -> None:
    bench = Bench(part, takes_s=0.01)
    senders = [FakeClient(name) for name in ("alice", "bob", "carol")]

    async def talk(start: int, sender: FakeClient) -> None:
        for n in range(start, start + 20):
            await bench.processor.submit(entry(n, now(), sender=sender))

    await asyncio.gather(*(talk(100 * i, who) for i, who in enumerate(senders)))
    await bench.drain()

    for i, who in enumerate(senders):
        mine = ids(one for one in bench.store.kept if one.sender == who.user)
        assert mine == ids(message(n) for n in range(100 * i, 100 * i + 20))


@EVERY
@on_virtual_clock
async def test_nothing_is_reported_saved_before_it_is_and_the_statistics_agree(part) -> None:
    bench = Bench(part, takes_s=1.0)
    submitting = asyncio.create_task(bench.submit(1))
    await asyncio.sleep(0.9)
    assert bench.outcome.of("saved") == []
    busy = bench.processor.statistics()
    assert (busy.depth, busy.oldest_s, busy.flushes) == (1, pytest.approx(0.9), 0)

    await submitting
    await bench.drain()
    assert bench.outcome.of("saved") == ["m-000001"]
    idle = bench.processor.statistics()
    assert (idle.depth, idle.oldest_s, idle.flushes, idle.failures) == (0, 0, 1, 0)


@EVERY
@on_virtual_clock
async def test_the_drain_saves_everything_and_leaves_nothing(part) -> None:
    idle = Bench(part)
    assert await idle.drain() == []
    assert now() == 0

    bench = Bench(part, takes_s=0.1, batch_size_max=10)
    submitting = [asyncio.create_task(bench.submit(n)) for n in range(35)]
    await settle()
    assert await bench.drain() == []
    await asyncio.gather(*submitting)
    assert len(bench.store.kept) == 35
    assert bench.processor.statistics().depth == 0


@pytest.mark.parametrize(
    ("part", "trouble"),
    [
        (ImmediateProcessor, {"takes_s": 3600}),
        (QueueingProcessor, {"failures": [DISK_FULL] * 999, "retry_max_s": 1}),
        (GroupCommitProcessor, {"failures": [DISK_FULL] * 999, "retry_max_s": 1}),
    ],
)
@on_virtual_clock
async def test_the_drain_gives_up_after_its_timeout_and_says_so(part, trouble) -> None:
    bench = Bench(part, **trouble, drain_timeout_s=10, batch_size_max=2)
    submitting = [asyncio.create_task(bench.submit(n)) for n in (1, 2, 3)]
    await settle()

    assert await bench.drain() == ["m-000001", "m-000002", "m-000003"]
    assert now() == pytest.approx(10)
    assert bench.outcome.of("failed") == ["m-000001", "m-000002", "m-000003"]
    attempts = len(bench.store.attempts)
    await asyncio.sleep(100)
    assert bench.store.kept == []
    assert len(bench.store.attempts) == attempts, "it stops trying"
    for one in submitting:
        one.cancel()


@EVERY
@pytest.mark.parametrize("failure", [DISK_FULL, RuntimeError("a bug in a store")])
@on_virtual_clock
async def test_a_failing_save_is_reported_and_the_next_message_is_saved(part, failure) -> None:
    bench = Bench(part, failures=[failure])
    await bench.submit(1)
    await asyncio.sleep(60)
    await bench.submit(2)
    await bench.drain()

    assert "m-000002" in ids(bench.store.kept)
    assert [type(error) for error in bench.outcome.errors] == [StorageError]
    assert str(failure) in str(bench.outcome.errors[0])
    assert bench.processor.statistics().failures == 1


@EVERY
@settings(max_examples=60, deadline=None)
@given(
    pauses_s=st.lists(st.sampled_from([0, 0, 0, 0.001, 0.02, 0.05, 0.2]), max_size=60),
    failures=st.lists(st.sampled_from([None, None, DISK_FULL, ValueError("a bug")]), max_size=20),
    takes_s=st.sampled_from([0, 0.01, 0.3]),
    batch_size_max=st.integers(1, 10),
)
def test_no_message_or_report_is_lost_doubled_or_out_of_order(part, pauses_s, **knobs) -> None:
    async def scenario() -> None:
        bench = Bench(part, **knobs, drain_timeout_s=1_000)
        for n, pause_s in enumerate(pauses_s):
            await asyncio.sleep(pause_s)
            await bench.submit(n)
        assert await bench.drain() == []

        kept, failed = bench.store.kept, bench.outcome.of("failed")
        submitted = [message(n) for n in range(len(pauses_s))]
        assert kept == [one for one in submitted if one.id not in failed]
        assert bench.outcome.of("saved") == ids(kept)
        assert bench.outcome.of("queued") == (ids(submitted) if part.acks_queued else [])
        assert bench.store.under_way_max <= 1
        if part.acks_queued:  # it has taken charge, so that it may not give up
            assert failed == []

    run(scenario())


# The plain processor.


@on_virtual_clock
async def test_immediate_tries_each_message_once_and_alone_before_submit_returns() -> None:
    bench = Bench(ImmediateProcessor, takes_s=1.0, failures=[None, DISK_FULL])
    await bench.submit(1, 2, 3)

    assert bench.saved_at == [(0, 1), (1, 1), (2, 1)]
    assert [what for what, _, _ in bench.outcome.events] == ["saved", "failed", "saved"]
    assert bench.outcome.of("failed") == ["m-000002"]
    assert now() == pytest.approx(3)


# The queueing processor: when a batch is due.


@pytest.mark.parametrize(
    ("knobs", "said", "saved_at"),
    [
        # said: (at, number of messages); a full batch goes at once, ...
        ({"batch_size_max": 100}, [(0, 99), (0, 1)], [(0, 100)]),
        ({"batch_size_max": 100}, [(0, 250)], [(0, 100), (0, 100), (0.05, 50)]),
        # ... another one when its oldest message has waited for the interval.
        ({}, [(0, 1)], [(0.05, 1)]),
        ({}, [(1, 1), (1.02, 1), (1.04, 1), (1.06, 1)], [(1.05, 3), (1.11, 1)]),
        # What comes while a save is under way goes with the next one.
        ({"takes_s": 1}, [(0, 1), (0.5, 2)], [(0.05, 1), (1.05, 2)]),
    ],
)
@on_virtual_clock
async def test_queueing_saves_a_batch_when_it_is_due_and_no_earlier(knobs, said, saved_at) -> None:
    bench = Bench(QueueingProcessor, flush_interval_s=0.05, **knobs)
    for at, count in said:
        await asyncio.sleep(at - now())
        await bench.submit(*range(count))
    await asyncio.sleep(3600)

    assert bench.saved_at == saved_at


@on_virtual_clock
async def test_queueing_counts_the_interval_from_the_acceptance_of_the_message() -> None:
    bench = Bench(QueueingProcessor, flush_interval_s=0.05)
    await bench.processor.submit(entry(1, at=-0.04))
    await asyncio.sleep(1)

    assert bench.saved_at == [(0.01, 1)]


# ... its bound, ...


@on_virtual_clock
async def test_queueing_turns_away_one_too_many_and_takes_others_once_there_is_room() -> None:
    bench = Bench(QueueingProcessor, takes_s=10, queue_limit=3, batch_size_max=3)
    await bench.submit(1, 2, 3)
    await asyncio.sleep(5)  # what is being saved still counts as queued
    with pytest.raises(Overloaded, match="3 messages wait"):
        await bench.submit(4)
    assert bench.processor.statistics().depth == 3
    await asyncio.sleep(6)
    await bench.submit(5)
    await bench.drain()

    assert ids(bench.store.kept) == ["m-000001", "m-000002", "m-000003", "m-000005"]
    assert bench.outcome.story("m-000004") == []


# ... and its patience.


@on_virtual_clock
async def test_queueing_tries_again_with_pauses_that_double_up_to_the_limit() -> None:
    knobs = {"flush_interval_s": 0.05, "retry_first_s": 0.1, "retry_max_s": 5}
    bench = Bench(QueueingProcessor, failures=[*[DISK_FULL] * 8, None, DISK_FULL], **knobs)
    await bench.submit(1)
    await asyncio.sleep(60)

    pauses_s = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]
    assert bench.outcome.pauses_s == pytest.approx(pauses_s)
    at = [0.05 + sum(pauses_s[:n]) for n in range(9)]
    assert bench.saved_at == [(pytest.approx(one), 1) for one in at]
    assert bench.outcome.story("m-000001") == ["queued", *["delayed"] * 8, "saved"]
    await bench.submit(2, 3)
    await asyncio.sleep(60)
    assert bench.outcome.pauses_s[8:] == [pytest.approx(0.1)], "short again after a success"
    assert bench.outcome.of("delayed")[8:] == ["m-000002", "m-000003"], "each sender is told"


@on_virtual_clock
async def test_queueing_the_drain_starts_at_once_and_reports_only_what_is_unsaved() -> None:
    knobs = {"flush_interval_s": 30, "drain_timeout_s": 10, "batch_size_max": 2}
    bench = Bench(QueueingProcessor, failures=[DISK_FULL, None, *[DISK_FULL] * 99], **knobs)
    await bench.submit(1, 2, 3)

    assert await bench.drain() == ["m-000003"]
    assert bench.saved_at[:3] == [(0, 3), (0, 2), (0, 1)], "all at once, then what may still fit"
    assert bench.outcome.of("saved") == ["m-000001", "m-000002"]


@on_virtual_clock
async def test_queueing_the_drain_tries_at_least_once_more_during_a_long_pause() -> None:
    bench = Bench(QueueingProcessor, failures=[DISK_FULL], retry_first_s=30, drain_timeout_s=10)
    await bench.submit(1)
    await asyncio.sleep(1)  # the first try failed, and the disk is well again since

    assert await bench.drain() == []


class SlowToStop(FakeStore):
    """A store whose save, once begun, cannot be stopped: like a thread that writes a file."""

    async def save(self, batch: Any) -> None:
        await to_the_end(super().save(batch))


@on_virtual_clock
async def test_queueing_does_not_call_unsaved_what_was_saved_in_the_end() -> None:
    bench = Bench(QueueingProcessor, drain_timeout_s=10)
    bench.processor.store = bench.store = SlowToStop(takes_s=15)
    await bench.submit(1)
    unsaved = await bench.drain()

    assert bool(unsaved) != bool(bench.store.kept)


@pytest.mark.parametrize("hurries", [False, True])
@on_virtual_clock
async def test_a_drain_that_ends_its_delivery_releases_those_whose_messages_it_saved(
    hurries: bool,
) -> None:
    """Else they wait for their share of the queue for ever, and the server for them."""
    bench = Bench(QueueingProcessor, SlowOutcome(3), flush_interval_s=30, batch_size_max=2)
    await bench.submit(*range(7))  # the second delivery ends at 6 s, after the time for all
    if hurries:
        bench.processor.hurry.set()
    assert await bench.drain() == []

    assert len(bench.store.kept) == 7
    delivered = len(bench.outcome.of("saved"))
    assert delivered == (0 if hurries else 4)
    assert bench.sender.released == 7 - delivered  # the outcome releases the others


# The group commit.


@on_virtual_clock
async def test_group_commit_saves_few_long_messages_together_and_one_that_is_longer_alone() -> None:
    """What is saved together is delivered in one go, into send buffers that are bounded."""
    bench = Bench(GroupCommitProcessor, takes_s=0.01)
    for n, size in enumerate([1, 30_000, 30_000, 30_000, 70_000, 1]):
        long = replace(message(n), content="x" * size)
        await bench.processor.submit(Entry(long, None, bench.sender, now()))
    await asyncio.sleep(1)

    assert [len(batch) for _, batch in bench.store.attempts] == [3, 1, 1, 1]
    assert ids(bench.store.kept) == ids(message(n) for n in range(6))


class SlowOutcome(FakeOutcome):
    """Takes so many seconds to deliver what was saved."""

    def __init__(self, takes_s: float) -> None:
        super().__init__()
        self._takes_s = takes_s

    async def saved(self, batch: Any) -> None:
        await asyncio.sleep(self._takes_s)
        await super().saved(batch)


@pytest.mark.parametrize(
    ("part", "saved_at", "delivered_at"),
    [(GroupCommitProcessor, [0, 2], [5, 8]), (QueueingProcessor, [0, 5], [5, 10])],
)
@on_virtual_clock
async def test_only_group_commit_saves_during_a_delivery(part, saved_at, delivered_at) -> None:
    bench = Bench(part, SlowOutcome(3), takes_s=2, batch_size_max=1)
    await bench.submit(1)
    await asyncio.sleep(1)  # the first save goes on until 2, its delivery until 5
    await bench.submit(2)
    await asyncio.sleep(2)
    assert bench.outcome.of("saved") == []
    await bench.drain()

    assert bench.saved_at == [(at, 1) for at in saved_at]
    assert bench.delivered_at == pytest.approx(delivered_at), "the drain waits for both"


@on_virtual_clock
async def test_group_commit_is_at_most_one_delivery_behind() -> None:
    bench = Bench(GroupCommitProcessor, SlowOutcome(10), takes_s=1)
    for n in range(30):
        await bench.submit(n)
        await asyncio.sleep(1)
        behind = len(bench.store.attempts) - len(bench.outcome.events)
        assert behind <= 3  # one that is delivered, one that is saved and waits, one to save
    await bench.drain()

    assert min(end - begin for begin, end in itertools.pairwise(bench.delivered_at)) > 9.99
    assert bench.outcome.of("saved") == ids(message(n) for n in range(30))


@on_virtual_clock
async def test_group_commit_delivers_what_was_saved_while_the_next_save_fails() -> None:
    failures = [None, DISK_FULL, DISK_FULL]
    bench = Bench(GroupCommitProcessor, SlowOutcome(0.5), takes_s=1, failures=failures)
    await bench.submit(1)
    await asyncio.sleep(0.5)
    await bench.submit(2)
    await asyncio.sleep(60)

    told = [(what, batch) for what, batch, _ in bench.outcome.events]
    one, two = ["m-000001"], ["m-000002"]
    assert told == [("saved", one), ("delayed", two), ("delayed", two), ("saved", two)]
