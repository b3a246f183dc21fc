"""Checks of `06_message_processor`: a queue whose messages are saved in batches."""

from __future__ import annotations

import asyncio

from chatlab.course.checks import PEOPLE, CheckBench, check, ms, words
from chatlab.course.checks.queue_doubles import first_fail
from chatlab.course.checks.queue_harness import SAVE_S, SLACK_S, QueueHarness
from chatlab.course.simulation import now, settle, virtual_loop

BATCH = 100
INTERVAL_S = 0.05
"""The training's figures, which are also the defaults of the settings."""


@check("examples")
async def saves(bench: CheckBench) -> None:
    """Every message is saved, once, and outcome.saved is called after the save.

    A message that was delivered to the room but not saved is gone after the next restart.
    """
    async with QueueHarness(bench) as harness:
        harness.send("alice", 3)
        harness.send("bob", 2, apart_s=0.02)
        await harness.all_taken(1, then_s=1)
        await harness.drain_all(10)


@check("counts")
async def few_saves(bench: CheckBench) -> None:
    """A burst of 1,000 messages costs about ten saves, and is saved within a second.

    A save of the naive store reads and rewrites the whole of messages.json. It costs as much for a
    hundred messages as for one: at midnight, that is the difference between a chat and a queue of
    angry people.
    """
    async with QueueHarness(bench, save_s=0.005) as harness:
        harness.at_once(PEOPLE, 1_000)
        await harness.all_taken(20, then_s=1)
        harness.expect_saved(within_s=10 * (INTERVAL_S + 0.005) + SLACK_S)
        bench.spend(harness.store.begun, "saves for 1,000 messages")


@check("counts")
async def interval(bench: CheckBench) -> None:
    """Messages that come within the interval share a save, and none waits longer than the interval
    before its save.

    The interval is a promise: a message waits for others no longer than that. A timer that restarts
    with each message breaks it just when the chat is busy, because there is always another message.
    """
    async with QueueHarness(bench, flush_interval_s=INTERVAL_S) as harness:
        for _ in range(30):
            harness.send("alice", after_s=0.04 * bench.chance.random())
        await asyncio.sleep(0.5)
        harness.send("bob", 100, apart_s=0.007)
        await harness.all_taken(20, then_s=0.5)
        # Two saves: another one may be running when the interval is over.
        harness.expect_saved(within_s=INTERVAL_S + 2 * SAVE_S + SLACK_S)
        bench.spend(
            harness.store.begun,
            "saves for 30 messages within 40 ms, and then one every 7 ms for 0.7 s",
        )


@check("examples")
async def full_batch(bench: CheckBench) -> None:
    """When settings.batch_size_max messages wait, they are saved at once, without waiting for the
    clock, and no batch is larger.

    Under load, a batch fills long before the interval is over; waiting would only let the queue
    grow. And with a batch of any size, everyone waits for a save of any length.
    """
    size, save_s = 20, 0.005
    async with QueueHarness(
        bench, save_s=save_s, batch_size_max=size, flush_interval_s=1.0
    ) as harness:
        harness.at_once(PEOPLE, size - 1)
        await asyncio.sleep(0.01)
        bench.story.tell(f"{size - 1} messages wait; now the {size}th comes, and a batch is full")
        harness.send("alice")
        await harness.all_taken(1)
        await asyncio.sleep(2 * save_s)
        bench.expect(
            len(harness.unsaved()) < size,
            f"no full batch of {size} (settings.batch_size_max) to wait for the clock",
            f"{len(harness.unsaved())} messages still waited {ms(2 * save_s)} later",
        )
        bench.at_most(harness.store.begun, 3, f"saves for {size} messages that wait together")
        await asyncio.sleep(2)
        began_s = now()
        harness.at_once(PEOPLE, 2 * size + 10)
        await harness.all_taken(1)
        await asyncio.sleep(4 * save_s)
        saved = len(harness.store.kept) - size
        bench.expect(
            saved >= 2 * size,
            f"{2 * size} messages, two full batches, saved {ms(now() - began_s)} after "
            f"{2 * size + 10} came at once",
            f"{saved} saved",
        )
        await asyncio.sleep(2)
        largest = max((len(attempt.ids) for attempt in harness.store.attempts), default=0)
        bench.at_most(largest, size, "messages in a batch (settings.batch_size_max)")


@check("interleavings")
async def one_at_a_time(bench: CheckBench) -> None:
    """There is one save at a time, and messages are saved in the order in which they came.

    Two saves at once race to the same file, and the later one may arrive first: answers stand
    before their questions. A store that reads, adds and rewrites even loses one of them.
    """
    async with QueueHarness(bench, save_s=0.06, by_chance=True, batch_size_max=10) as harness:
        for who in PEOPLE[:5]:
            for _ in range(4):
                harness.send(who, 5, after_s=0.4 * bench.chance.random())
        await harness.all_taken(60, then_s=10)
        bench.expect(
            harness.store.under_way_max == 1,
            "one save at a time, also when the next batch is full before it ends",
            f"{harness.store.under_way_max} saves at once",
        )
        harness.expect_order()


@check("interleavings")
async def during_flush(bench: CheckBench) -> None:
    """Messages that come during a save go with the next one: none is lost, none is saved twice,
    none is left behind.

    The moment between two batches is where queues lose messages: the list is cleared after the
    save, and what came meanwhile goes with it. Or nobody sets the timer again, and the last message
    stays there until someone else writes.
    """
    save_s = 0.3
    async with QueueHarness(bench, save_s=save_s) as harness:
        harness.at_once(PEOPLE, BATCH)
        await asyncio.sleep(0.1)
        for number in range(40):
            who = PEOPLE[number % len(PEOPLE)]
            harness.send(who, after_s=0.19 * bench.chance.random())
        await harness.all_taken(20, then_s=5)
        harness.expect_saved(within_s=INTERVAL_S + 3 * save_s + SLACK_S)
        harness.expect_none_twice()
        count = len(harness.submitted)
        bench.at_most(
            harness.store.begun, 6, f"saves for {count} messages, 40 of which came during a save"
        )
    for turns in (0, 1, 2, 3, 4, 6, 8):
        await _last_message(bench, turns)


async def _last_message(bench: CheckBench, turns: int) -> None:
    """Someone writes in just the moment when a save has ended, and then nobody else does.

    Args:
        turns: of the loop, from the end of the save.
    """
    async with QueueHarness(bench) as harness:
        harness.send("alice")
        await bench.within(5, harness.store.ended.wait(), "the save of a lone message")
        for _ in range(turns):
            await asyncio.sleep(0)
        await harness.submit("bob")
        bench.story.tell("nobody else writes")
        await asyncio.sleep(1)
        harness.expect_saved(within_s=INTERVAL_S + 2 * SAVE_S + SLACK_S)


@check("interleavings")
async def acks(bench: CheckBench) -> None:
    """A message is acknowledged when it is queued: acks_queued is True, and outcome.queued is
    called at once, when the message is already in the queue.

    The sender no longer waits for the disk. But an ack is a promise: a sender who hears `queued`
    before the message is in the queue may have heard a lie, because a server that stops in between
    knows nothing of it.
    """
    async with QueueHarness(bench, save_s=0.1) as harness:
        bench.expect(
            harness.processor.acks_queued is True,
            "acks_queued = True: a message is acknowledged before it is saved",
            f"acks_queued = {harness.processor.acks_queued}",
        )
        harness.send("alice", 20)
        harness.at_once(PEOPLE, 20)
        await harness.all_taken(1, then_s=1)
        for one in harness.submitted:
            told = harness.outcome.queued_at.get(one.id, [])
            expected = f"outcome.queued to be called once for {one.id}"
            bench.expect(len(told) == 1, expected, f"it was called {len(told)} times")
            waited_s = told[0] - one.at_s
            bench.expect(
                waited_s <= SLACK_S,
                "outcome.queued to be called at once, not after a save",
                f"{one.id} was acknowledged after {ms(waited_s)}",
            )
        harness.outcome.ack_s = 0.005 + 0.02 * bench.chance.random()
        bench.story.tell("from now on, the connections of all are slow: an ack takes some time")
        harness.at_once(PEOPLE, 10)
        await settle()
        await harness.drain(10)
        bench.expect(
            len(harness.store.kept_once) == len(harness.submitted),
            "all messages saved when drain() returns, also those whose acks are still on their way",
            f"{words([one.id for one in harness.unsaved()])} not saved",
        )


@check("counts")
async def idle(bench: CheckBench) -> None:
    """While nobody writes, the server does nothing, and it wakes up for the next message.

    Most servers idle most of the time. A timer that ticks for ever costs power for nothing, and a
    save of an empty batch rewrites the whole file for nothing.
    """
    async with QueueHarness(bench) as harness:
        harness.at_once(PEOPLE, 30)
        await harness.all_taken(5, then_s=1)
        jumps = virtual_loop().jumps
        bench.story.tell("for ten seconds, nobody writes")
        await asyncio.sleep(10)
        jumps = virtual_loop().jumps - jumps
        bench.equal(harness.store.empty_saves, 0, "saves of an empty batch within ten seconds")
        harness.at_once(PEOPLE, 30)
        await harness.all_taken(5, then_s=1)
        harness.expect_saved(within_s=INTERVAL_S + 2 * SAVE_S + SLACK_S)
        bench.at_most(harness.store.begun, 4, "saves for 30 messages, and 30 more after a pause")
        bench.spend(jumps, "times that the idle server woke up within ten seconds")


@check("examples")
async def drain(bench: CheckBench) -> None:
    """drain() saves what waits, in batches and at once, and then returns.

    The senders have heard `queued`. A server that stops without saving their messages breaks its
    promise at every restart.
    """
    save_s = 0.1
    async with QueueHarness(bench, save_s=save_s, flush_interval_s=60.0) as harness:
        await harness.drain(1)
    async with QueueHarness(bench, save_s=save_s, flush_interval_s=60.0) as harness:
        harness.at_once(PEOPLE, 30)
        await asyncio.sleep(0.01)
        await _drained(bench, harness, save_s)
    async with QueueHarness(bench, save_s=save_s) as harness:
        harness.at_once(PEOPLE, BATCH + 30)
        await asyncio.sleep(save_s / 2)
        bench.story.tell(f"a save is under way, and 30 of {BATCH + 30} messages wait")
        await _drained(bench, harness, save_s)


async def _drained(bench: CheckBench, harness: QueueHarness, save_s: float) -> None:
    await harness.drain_all(5)
    harness.expect_saved(within_s=3 * save_s)
    what = f"saves for {len(harness.submitted)} messages that wait together"
    bench.at_most(harness.store.begun, 3, what)


@check("examples")
async def statistics(bench: CheckBench) -> None:
    """statistics() tells the truth: how many messages are not saved yet, how long the oldest has
    waited, and how many batches were saved.

    The dashboard shows these figures. When a disk becomes slow, a growing queue is the first sign,
    and an old message the first harm.
    """
    async with QueueHarness(bench, save_s=0.05, flush_interval_s=0.1) as harness:
        await asyncio.sleep(1)
        _compare(bench, harness, "before the first message")
        harness.at_once(PEOPLE, 20)
        await asyncio.sleep(0.03)
        harness.at_once(PEOPLE, 10)
        await asyncio.sleep(0.01)
        _compare(bench, harness, "40 ms after the first of 30 messages came")
        await asyncio.sleep(0.08)
        _compare(bench, harness, "120 ms after the first came, while their save is under way")
        await asyncio.sleep(1)
        _compare(bench, harness, "a second later")
        bench.at_most(harness.store.begun, 3, "saves for 30 messages within 30 ms")


def _compare(bench: CheckBench, harness: QueueHarness, when: str) -> None:
    """Hold the statistics against what the store and the outcome have seen."""
    found, unsaved = harness.statistics(), harness.unsaved()
    oldest_s = now() - unsaved[0].at_s if unsaved else 0.0
    bench.story.tell(f"{when}, {len(unsaved)} are not saved")
    bench.equal(found.depth, len(unsaved), f"statistics().depth, {when}")
    bench.equal(round(found.oldest_s, 3), round(oldest_s, 3), f"statistics().oldest_s, {when}")
    flushes = sum(attempt.error is None for attempt in harness.store.attempts)
    flushes += harness.store.empty_saves
    bench.equal(found.flushes, flushes, f"statistics().flushes, {when}")


@check("faults")
async def goes_on(bench: CheckBench) -> None:
    """When a save fails, its messages are reported to outcome.failed or saved later, and the
    messages after them are saved.

    A task that nobody watches dies in silence: the server looks healthy, takes messages, and never
    saves one of them again.
    """
    async with QueueHarness(bench, fails=first_fail(1)) as harness:
        harness.send("alice", 3)
        await harness.all_taken(20, then_s=20)
        harness.send("bob", 2)
        await harness.all_taken(20, then_s=20)
        await harness.drain(20)
        harness.expect_saved(submitted=harness.by("bob"))
        bench.expect_none(
            [one.id for one in harness.unsaved()],
            "outcome.failed to be called for the messages whose save failed",
            "nobody has heard of {} again",
        )
