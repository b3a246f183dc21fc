"""Checks of `06_message_processor`: a queue whose messages are saved in batches."""

from __future__ import annotations

import asyncio

from chatlab.course.checks import PEOPLE, CheckBench, check
from chatlab.course.checks.processing import DISK_FULL, SAVE_S, SLACK_S, ProcessorHarness, ms, words
from chatlab.course.simulation import VirtualClockLoop, now, settle

BATCH = 100
INTERVAL_S = 0.05
"""The training's figures, which are also the defaults of the settings."""


@check(
    "examples",
    asked="Every message is saved, once, and outcome.saved is told of it after the save.",
    why="A message that is delivered to the room and not saved is gone after the next restart.",
)
async def saves(bench: CheckBench) -> None:
    async with ProcessorHarness(bench) as stage:
        stage.send("alice", 3)
        stage.send("bob", 2, apart_s=0.02)
        await stage.all_taken(1)
        await asyncio.sleep(1)
        await stage.drain_all(10)


@check(
    "counts",
    asked="A burst of 1,000 messages costs about ten saves, and is saved within a second.",
    why="A save of the naive store reads and rewrites the whole of messages.json. For a hundred "
    "messages it costs as much as for one: at midnight, that is the difference between a chat "
    "and a queue of angry people.",
)
async def few_saves(bench: CheckBench) -> None:
    async with ProcessorHarness(bench, save_s=0.005) as stage:
        stage.at_once(PEOPLE, 1_000)
        await stage.all_taken(20)
        await asyncio.sleep(1)
        stage.expect_saved(within_s=10 * (INTERVAL_S + 0.005) + SLACK_S)
        bench.spend(stage.store.begun, "saves for 1,000 messages")


@check(
    "counts",
    asked="Messages that come within the interval share a save, and none waits for longer than the "
    "interval before its save.",
    why="The interval is a promise: at most so long does a message wait for company. A timer that "
    "starts anew with each message breaks it just when the chat is busy, because there is always "
    "another message.",
)
async def interval(bench: CheckBench) -> None:
    async with ProcessorHarness(bench, flush_interval_s=INTERVAL_S) as stage:
        for _ in range(30):
            stage.start(_later(stage, 0.04 * bench.chance.random()))
        await asyncio.sleep(0.5)
        stage.send("bob", 100, apart_s=0.007)
        await stage.all_taken(20)
        await asyncio.sleep(0.5)
        # Two saves: another one may be under way when its time has come.
        stage.expect_saved(within_s=INTERVAL_S + 2 * SAVE_S + SLACK_S)
        bench.spend(
            stage.store.begun,
            "saves for 30 messages within 40 ms, and then one every 7 ms for 0.7 s",
        )


async def _later(stage: ProcessorHarness, delay_s: float, who: str = "alice") -> None:
    await asyncio.sleep(delay_s)
    await stage.hand_over(who)


@check(
    "examples",
    asked="When settings.batch_size_max messages wait, they are saved at once, without waiting for "
    "the clock, and no batch is larger.",
    why="Under load, a batch fills long before the interval is over; to wait would only let the "
    "queue grow. And a batch without a limit makes everyone wait for a save of any size.",
)
async def full_batch(bench: CheckBench) -> None:
    size, save_s = 20, 0.005
    async with ProcessorHarness(
        bench, save_s=save_s, batch_size_max=size, flush_interval_s=1.0
    ) as stage:
        stage.at_once(PEOPLE, size - 1)
        await asyncio.sleep(0.01)
        bench.story.tell(f"{size - 1} messages wait; now the {size}th comes, and a batch is full")
        stage.send("alice")
        await stage.all_taken(1)
        await asyncio.sleep(2 * save_s)
        bench.expect(
            len(stage.unsaved()) < size,
            expected=f"no full batch of {size} (settings.batch_size_max) to wait for the clock",
            actual=f"{len(stage.unsaved())} messages still waited {ms(2 * save_s)} later",
        )
        bench.expect(
            stage.store.begun <= 3,
            expected=f"one save for {size} messages that wait together",
            actual=f"{stage.store.begun} saves",
        )
        await asyncio.sleep(2)
        began_s = now()
        stage.at_once(PEOPLE, 2 * size + 10)
        await stage.all_taken(1)
        await asyncio.sleep(4 * save_s)
        saved = len(stage.store.kept) - size
        bench.expect(
            saved >= 2 * size,
            expected=f"{2 * size} messages, two full batches, saved {ms(now() - began_s)} after "
            f"{2 * size + 10} came at once",
            actual=f"{saved} saved",
        )
        await asyncio.sleep(2)
        bench.expect(
            stage.store.largest <= size,
            expected=f"at most {size} messages in a batch (settings.batch_size_max)",
            actual=f"a batch of {stage.store.largest}",
        )


@check(
    "interleavings",
    asked="There is one save at a time, and messages are saved in the order in which they came.",
    why="Two saves at once hurry to the same file, and the later one may arrive first: answers "
    "stand before their questions. A store that reads, adds and rewrites even loses one of them.",
)
async def one_at_a_time(bench: CheckBench) -> None:
    async with ProcessorHarness(bench, save_s=0.06, by_chance=True, batch_size_max=10) as stage:
        for who in PEOPLE[:5]:
            for _ in range(4):
                stage.start(_some(stage, who, 0.4 * bench.chance.random()))
        await stage.all_taken(60)
        await asyncio.sleep(10)
        bench.expect(
            stage.store.under_way_max == 1,
            expected="one save at a time, also when the next batch is full before it ends",
            actual=f"{stage.store.under_way_max} saves at once",
        )
        stage.expect_order()


async def _some(stage: ProcessorHarness, who: str, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    for _ in range(5):
        await stage.hand_over(who)


@check(
    "interleavings",
    asked="Messages that come while a save is under way go with the next one: none is lost, none "
    "is saved twice, none is left lying.",
    why="The moment between two batches is where queues lose messages: the list is emptied after "
    "the save, and what came meanwhile goes with it. Or nobody sets the timer again, and the last "
    "message lies there until someone else writes.",
)
async def during_flush(bench: CheckBench) -> None:
    save_s = 0.3
    async with ProcessorHarness(bench, save_s=save_s) as stage:
        stage.at_once(PEOPLE, BATCH)
        await asyncio.sleep(0.1)
        for number in range(40):
            delay_s = 0.19 * bench.chance.random()
            stage.start(_later(stage, delay_s, PEOPLE[number % len(PEOPLE)]))
        await stage.all_taken(20)
        await asyncio.sleep(5)
        stage.expect_saved(within_s=INTERVAL_S + 3 * save_s + SLACK_S)
        stage.expect_none_twice()
        bench.expect(
            stage.store.begun <= 6,
            expected="the messages that come during a save to share the next one: at most 6 saves "
            f"for {len(stage.handed)} messages",
            actual=f"{stage.store.begun} saves",
        )

    for turns in (0, 1, 2, 3, 4, 6, 8):
        await _last_message(bench, turns)


async def _last_message(bench: CheckBench, turns: int) -> None:
    """Someone writes in just the moment when a save has ended, and then nobody else does.

    Args:
        turns: of the loop, from the end of the save.
    """
    async with ProcessorHarness(bench) as stage:
        stage.send("alice")
        await bench.within(5, stage.store.ended.wait(), "the save of a lone message")
        for _ in range(turns):
            await asyncio.sleep(0)
        await stage.hand_over("bob")
        bench.story.tell("nobody else writes")
        await asyncio.sleep(1)
        stage.expect_saved(within_s=INTERVAL_S + 2 * SAVE_S + SLACK_S)


@check(
    "interleavings",
    asked="A message is acknowledged when it is queued: acks_queued is True, and outcome.queued is "
    "told of it at once, when it is in the queue already.",
    why="The sender need not wait for the disk any more. But an ack is a promise: who is told "
    "`queued` before the message is in the queue may have been told a lie, because a server that "
    "stops in between knows nothing of it.",
)
async def acks(bench: CheckBench) -> None:
    async with ProcessorHarness(bench, save_s=0.1) as stage:
        bench.expect(
            stage.processor.acks_queued is True,
            expected="acks_queued = True: a message is acknowledged before it is saved",
            actual=f"acks_queued = {stage.processor.acks_queued}",
        )
        stage.send("alice", 20)
        stage.at_once(PEOPLE, 20)
        await stage.all_taken(1)
        await asyncio.sleep(1)
        for one in stage.handed:
            told = stage.outcome.queued_at.get(one.id, [])
            bench.expect(
                len(told) == 1,
                expected=f"outcome.queued to be told once of {one.id}",
                actual=f"it was told {len(told)} times",
            )
            bench.expect(
                told[0] - one.at_s <= SLACK_S,
                expected="outcome.queued to be told at once, not after a save",
                actual=f"{one.id} was acknowledged after {ms(told[0] - one.at_s)}",
            )
        stage.outcome.ack_s = 0.005 + 0.02 * bench.chance.random()
        bench.story.tell("from now on, the connections of all are slow: an ack takes some time")
        stage.at_once(PEOPLE, 10)
        await settle()
        await stage.drain(10)
        bench.expect(
            len(stage.store.kept_once) == len(stage.handed),
            expected="all messages saved when drain() returns, also those whose acks are still "
            "on their way",
            actual=f"{words([one.id for one in stage.unsaved()])} not saved",
        )


@check(
    "counts",
    asked="A server to which nobody writes does nothing, and wakes up for the next message.",
    why="Most servers idle most of the time. A timer that ticks for ever costs power for nothing, "
    "and a save of an empty batch rewrites the whole file to say so.",
)
async def idle(bench: CheckBench) -> None:
    async with ProcessorHarness(bench) as stage:
        stage.at_once(PEOPLE, 30)
        await stage.all_taken(5)
        await asyncio.sleep(1)
        jumps = _jumps()
        bench.story.tell("for ten seconds, nobody writes")
        await asyncio.sleep(10)
        jumps = _jumps() - jumps
        bench.equal(stage.store.empty_saves, 0, "saves of an empty batch within ten seconds")
        stage.at_once(PEOPLE, 30)
        await stage.all_taken(5)
        await asyncio.sleep(1)
        stage.expect_saved(within_s=INTERVAL_S + 2 * SAVE_S + SLACK_S)
        bench.expect(
            stage.store.begun <= 4,
            expected="one save for 30 messages, and after the pause another one for the next 30",
            actual=f"{stage.store.begun} saves",
        )
        bench.spend(jumps, "times that the idle server woke up within ten seconds")


def _jumps() -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualClockLoop)
    return loop.jumps


@check(
    "examples",
    asked="drain() saves what waits, in batches and at once, and returns when it is done.",
    why="Their senders have heard `queued`. A server that stops without saving them breaks its "
    "word with every restart.",
)
async def drain(bench: CheckBench) -> None:
    save_s = 0.1
    async with ProcessorHarness(bench, save_s=save_s, flush_interval_s=60.0) as stage:
        await stage.drain(1)
    async with ProcessorHarness(bench, save_s=save_s, flush_interval_s=60.0) as stage:
        stage.at_once(PEOPLE, 30)
        await asyncio.sleep(0.01)
        await _drained(bench, stage, save_s)
    async with ProcessorHarness(bench, save_s=save_s) as stage:
        stage.at_once(PEOPLE, BATCH + 30)
        await asyncio.sleep(save_s / 2)
        bench.story.tell(f"a save is under way, and 30 of {BATCH + 30} messages wait")
        await _drained(bench, stage, save_s)


async def _drained(bench: CheckBench, stage: ProcessorHarness, save_s: float) -> None:
    await stage.drain_all(5)
    stage.expect_saved(within_s=3 * save_s)
    bench.expect(
        stage.store.begun <= 3,
        expected=f"the {len(stage.handed)} messages to be saved together",
        actual=f"{stage.store.begun} saves",
    )


@check(
    "examples",
    asked="statistics() tells the truth: how many messages are not yet saved, how long the oldest "
    "has waited, and how many batches were saved.",
    why="The dashboard shows these figures. When a disk becomes slow, a growing queue is the first "
    "sign, and an old message the first harm.",
)
async def statistics(bench: CheckBench) -> None:
    async with ProcessorHarness(bench, save_s=0.05, flush_interval_s=0.1) as stage:
        await asyncio.sleep(1)
        _compare(bench, stage, "before the first message")
        stage.at_once(PEOPLE, 20)
        await asyncio.sleep(0.03)
        stage.at_once(PEOPLE, 10)
        await asyncio.sleep(0.01)
        _compare(bench, stage, "40 ms after the first of 30 messages came")
        await asyncio.sleep(0.08)
        _compare(bench, stage, "120 ms after the first came, while their save is under way")
        await asyncio.sleep(1)
        _compare(bench, stage, "a second later")
        bench.expect(
            stage.store.begun <= 3,
            expected="30 messages within 30 ms in one flush",
            actual=f"{stage.store.begun} flushes",
        )


def _compare(bench: CheckBench, stage: ProcessorHarness, when: str) -> None:
    """Hold the statistics against what the store and the outcome have seen."""
    found, unsaved = stage.statistics(), stage.unsaved()
    oldest_s = now() - unsaved[0].at_s if unsaved else 0.0
    bench.story.tell(f"{when}, {len(unsaved)} are not saved")
    bench.equal(found.depth, len(unsaved), f"statistics().depth, {when}")
    bench.equal(round(found.oldest_s, 3), round(oldest_s, 3), f"statistics().oldest_s, {when}")
    flushes = sum(attempt.error is None for attempt in stage.store.attempts)
    flushes += stage.store.empty_saves
    bench.equal(found.flushes, flushes, f"statistics().flushes, {when}")


@check(
    "faults",
    asked="When a save fails, its messages are reported to outcome.failed or saved later, and the "
    "messages after them are saved.",
    why="A task that nobody watches dies in silence: the server looks well, takes messages, and "
    "saves none of them ever again.",
)
async def goes_on(bench: CheckBench) -> None:
    async with ProcessorHarness(
        bench, fails=lambda attempt, _: DISK_FULL if attempt == 0 else None
    ) as stage:
        stage.send("alice", 3)
        await stage.all_taken(20)
        await asyncio.sleep(20)
        stage.send("bob", 2)
        await stage.all_taken(20)
        await asyncio.sleep(20)
        await stage.drain(20)
        stage.expect_saved(handed=[one for one in stage.handed if one.id.startswith("bob")])
        lost = [one.id for one in stage.unsaved()]
        bench.expect(
            not lost,
            expected="outcome.failed to be told of the messages whose save failed",
            actual=f"nobody has heard of {words(lost)} again",
        )
