"""Checks of `07_no_loss`: a queue that keeps its word when the disk fails, and when time is up."""

from __future__ import annotations

import asyncio
import random

from chatlab.course.checks import PEOPLE, CheckBench, check
from chatlab.course.checks.processing import (
    DISK_FULL,
    SAVE_S,
    SLACK_S,
    Fails,
    ProcessorHarness,
    ms,
    repeated,
    words,
)
from chatlab.course.simulation import now
from chatlab.errors import StorageError

INTERVAL_S = 0.05
RETRY_FIRST_S, RETRY_MAX_S = 0.1, 5.0
"""As the settings' defaults."""


def first_fail(count: int, error: Exception = DISK_FULL) -> Fails:
    """The first saves fail, and all others succeed."""
    return lambda attempt, _at_s: error if attempt < count else None


def down(from_s: float, until_s: float = float("inf")) -> Fails:
    """Every save fails that ends within that time."""
    return lambda _attempt, at_s: DISK_FULL if from_s <= at_s < until_s else None


@check(
    "counts",
    asked="A burst of 300 messages still costs about three saves, one at a time and in order.",
    why="What is safe and slow is switched off again by whoever runs it.",
)
async def batches(bench: CheckBench) -> None:
    async with ProcessorHarness(bench, save_s=0.005) as stage:
        stage.at_once(PEOPLE, 300)
        await stage.all_taken(20)
        await asyncio.sleep(1)
        stage.expect_saved(within_s=3 * (INTERVAL_S + 0.005) + SLACK_S)
        stage.expect_none_twice()
        stage.expect_order()
        bench.equal(stage.store.under_way_max, 1, "saves at once")
        bench.spend(stage.store.begun, "saves for 300 messages")


@check(
    "faults",
    asked="A batch whose save fails is kept, and tried again until it is saved: once.",
    why="Its senders have heard `queued`. A full disk is often well again after a minute, when "
    "someone has made room; messages that were thrown away are not.",
)
async def retries(bench: CheckBench) -> None:
    fails = 1 + bench.chance.randrange(4)
    async with ProcessorHarness(bench, fails=first_fail(fails)) as stage:
        stage.at_once(PEOPLE, 30)
        await stage.all_taken(20)
        await asyncio.sleep(30)
        stage.send("zoe", 3)
        await stage.all_taken(20)
        await asyncio.sleep(30)
        given_up = list(stage.outcome.failed_at)
        bench.expect(
            not given_up,
            expected=f"a retry: {fails} of the first saves fail, and all later ones succeed",
            actual=f"outcome.failed heard of {words(given_up)}",
        )
        stage.expect_saved(when=f"in the end: only the first {fails} of the saves failed")
        stage.expect_none_twice()
        found = stage.statistics()
        bench.equal(found.failures, fails, "statistics().failures")


@check(
    "faults",
    asked="Through failures, too, the messages of one person are saved in their order.",
    why="A batch that goes back to the end of the queue is overtaken by what came after it. Then "
    "the answer stands before the question in the history, for ever.",
)
async def order(bench: CheckBench) -> None:
    unlucky = random.Random(bench.chance.random())
    plan = [DISK_FULL if unlucky.random() < 0.4 else None for _ in range(12)]
    fails: Fails = lambda attempt, _at_s: plan[attempt] if attempt < len(plan) else None  # noqa: E731
    async with ProcessorHarness(
        bench, save_s=0.03, by_chance=True, fails=fails, batch_size_max=10
    ) as stage:
        plan[bench.chance.randrange(3)] = DISK_FULL
        for who in PEOPLE[:3]:
            stage.send(who, 20, apart_s=0.02 + 0.05 * bench.chance.random())
        await stage.all_taken(200)
        await asyncio.sleep(100)
        stage.expect_saved(when="in the end")
        stage.expect_order()


@check(
    "counts",
    asked="The pauses between two tries grow, from settings.retry_first_s to settings.retry_max_s, "
    "and are short again after a success.",
    why="A disk in trouble is not helped by a thousand tries a second, nor are those who wait for "
    "the processor. But a hiccup must not cost seconds, and a repaired disk must be noticed soon.",
)
async def pauses(bench: CheckBench) -> None:
    soon_s = INTERVAL_S + 2 * RETRY_FIRST_S + 2 * SAVE_S + SLACK_S
    async with ProcessorHarness(
        bench, retry_first_s=RETRY_FIRST_S, retry_max_s=RETRY_MAX_S
    ) as stage:
        await _hiccup(bench, stage, soon_s)
        bench.story.tell("the disk is full for a minute")
        stage.store.fails = down(now(), now() + 60)
        before, number = stage.store.begun, len(stage.handed)
        stage.send("bob", 3)
        await asyncio.sleep(60)
        bench.spend(stage.store.begun - before, "tries within a minute")
        bench.story.tell("there is room on the disk again")
        await asyncio.sleep(3 * RETRY_MAX_S)
        latest_s = 60 + 1.2 * RETRY_MAX_S + INTERVAL_S
        stage.expect_saved(latest_s, stage.handed[number:], "soon after the disk is well again")
        await _hiccup(bench, stage, soon_s)
        await _drain_in_vain(bench, stage)


async def _drain_in_vain(bench: CheckBench, stage: ProcessorHarness) -> None:
    """The server stops while the disk is full."""
    stage.store.fails = down(now())
    stage.send("bob", 3)
    await asyncio.sleep(0.1)
    before = stage.store.begun
    bench.story.tell("the disk is full, and the server stops")
    stage.start(stage.processor.drain())
    await asyncio.sleep(3)
    bench.expect(
        stage.store.begun - before <= 40,
        expected="pauses between the tries of drain(), too: at most 40 tries in 3 s",
        actual=f"{stage.store.begun - before} tries",
    )


async def _hiccup(bench: CheckBench, stage: ProcessorHarness, soon_s: float) -> None:
    """One save fails, and the next would succeed."""
    number = len(stage.handed)
    stage.store.fails = first_fail(stage.store.begun + 1)
    bench.story.tell("one save is going to fail, and the next one to succeed")
    stage.send("alice", 3)
    await asyncio.sleep(30)
    handed = stage.handed[number:]
    stage.expect_saved(soon_s, handed, f"after one failure and a pause of {ms(RETRY_FIRST_S)}")


@check(
    "faults",
    asked="Each time that a save fails, outcome.delayed hears of its messages, of the error, and "
    "of the seconds until the next try.",
    why="Whoever waits wants to know that it is not forgotten. And whoever runs the server must "
    "see that the disk is full before the queue is.",
)
async def told(bench: CheckBench) -> None:
    fails = 2 + bench.chance.randrange(3)
    async with ProcessorHarness(bench, fails=first_fail(fails)) as stage:
        stage.send("alice", 5)
        await stage.all_taken(20)
        await asyncio.sleep(30)
        delays, attempts = stage.outcome.delays, stage.store.attempts
        bench.expect(
            len({delay.at_s for delay in delays}) == fails,
            expected=f"outcome.delayed to be told after each of {fails} failed saves",
            actual=f"it was told {len(delays)} times",
        )
        for delay in delays:
            bench.expect(
                isinstance(delay.error, StorageError) and isinstance(delay.retry_in_s, int | float),
                expected="outcome.delayed(batch, error, retry_in_s): the StorageError, and seconds",
                actual=f"error is a {type(delay.error).__name__}, "
                f"retry_in_s a {type(delay.retry_in_s).__name__}",
            )
            following = min(
                (one.began_s for one in attempts if one.began_s >= delay.at_s), default=None
            )
            waited_s = following - delay.at_s if following is not None else float("inf")
            bench.expect(
                abs(waited_s - delay.retry_in_s) <= INTERVAL_S + SLACK_S,
                expected=f"the next try {ms(delay.retry_in_s)} later, as outcome.delayed was told",
                actual=f"it began {ms(waited_s)} later" if following is not None else "none came",
            )
        unheard = {one.id for one in stage.handed} - {one for each in delays for one in each.ids}
        bench.expect(
            not unheard,
            expected="outcome.delayed to be told of every message of the batch",
            actual=f"it never heard of {words(sorted(unheard))}",
        )
        stage.expect_saved(when="in the end")


@check(
    "faults",
    asked="An error that is no StorageError does not end the flushing, and its messages do not "
    "vanish either.",
    why="A bug in a store raises what nobody has thought of. If that ends the task that saves, the "
    "server goes on taking messages, and saves none of them ever again.",
)
async def bugs(bench: CheckBench) -> None:
    bug = bench.chance.choice([KeyError("room"), RuntimeError("a bug"), TypeError("a bug")])
    async with ProcessorHarness(bench, fails=first_fail(1, bug)) as stage:
        stage.send("alice", 3)
        await stage.all_taken(20)
        await asyncio.sleep(30)
        stage.send("bob", 3)
        await stage.all_taken(20)
        await asyncio.sleep(30)
        stage.expect_saved(
            handed=[one for one in stage.handed if one.id.startswith("bob")],
            when="whose save does not fail",
        )
        _expect_one_end_each(bench, stage)
        told = [*stage.outcome.errors, *(delay.error for delay in stage.outcome.delays)]
        odd = [type(one).__name__ for one in told if not isinstance(one, StorageError)]
        bench.expect(
            not odd,
            expected="the outcome to be told of a StorageError: StorageError.of(error) makes one",
            actual=f"it was told of a {''.join(odd[:1])}",
        )


@check(
    "counts",
    asked="The queue holds at most settings.queue_limit messages; the sender of one more is told "
    "so (Overloaded), and it is not taken. When there is room again, messages are taken again.",
    why="If messages come faster than the disk takes them, a queue without a bound grows until the "
    "process is ended for its memory, and takes all that it holds along. A refusal that is said "
    "aloud costs one message, and its sender knows.",
)
async def bounded(bench: CheckBench) -> None:
    limit, size = 50, 10
    async with ProcessorHarness(bench, save_s=1.0, queue_limit=limit, batch_size_max=size) as stage:
        bench.story.tell("the disk is slow; 10 people hand over 200 messages in one moment")
        for number in range(200):
            stage.start(stage.try_to_hand_over(PEOPLE[number % len(PEOPLE)]))
        await stage.all_taken(0.5)
        _expect_taken(bench, stage, limit, size)
        await asyncio.sleep(0.5)
        found = stage.statistics()
        bench.equal(found.limit, limit, "statistics().limit")
        bench.expect(
            found.depth <= limit + size,
            expected=f"statistics().depth of at most {limit}",
            actual=str(found.depth),
        )
        await asyncio.sleep(3)
        bench.story.tell("some batches are saved, and there is room in the queue again")
        bench.expect(
            await stage.try_to_hand_over("zoe"),
            expected="a message to be taken when there is room again",
            actual="Overloaded was raised",
        )
        await asyncio.sleep(30)
        stage.expect_saved(when="that were taken")
        touched = stage.store.kept_once | stage.outcome.queued_at.keys()
        taken_anyway = [one.id for one in stage.refused if one.id in touched]
        bench.expect(
            not taken_anyway,
            expected="a message that was refused not to be taken",
            actual=f"{words(taken_anyway)} refused, and acknowledged or saved all the same",
        )


def _expect_taken(bench: CheckBench, stage: ProcessorHarness, limit: int, size: int) -> None:
    """As many as there is room for; a batch that is being saved may stand beside the queue."""
    taken = len(stage.handed)
    bench.expect(
        limit <= taken <= limit + size,
        expected=f"{limit} of 200 messages to be taken (settings.queue_limit), and Overloaded to "
        "be raised for the others",
        actual=f"{taken} were taken",
    )


@check(
    "faults",
    asked="drain() saves all that is queued, at once: also what is under way, and also in the "
    "middle of a pause between two tries.",
    why="Servers are stopped every day, for each new version. If that loses the queue each time, "
    "its loss is the most reliable thing about it. And nobody waits for half a minute's pause: "
    "the process would be ended by force.",
)
async def drain_saves(bench: CheckBench) -> None:
    async with ProcessorHarness(bench, save_s=0.1, batch_size_max=10) as stage:
        stage.at_once(PEOPLE, 35)
        await asyncio.sleep(0.05)
        bench.story.tell("a save is under way, and more than two batches wait")
        await stage.drain_all(2)
    async with ProcessorHarness(bench, flush_interval_s=60.0) as stage:
        stage.at_once(PEOPLE, 30)
        await asyncio.sleep(0.01)
        await stage.drain_all(2)
    async with ProcessorHarness(
        bench, fails=down(0, 1), retry_first_s=30.0, retry_max_s=30.0
    ) as stage:
        stage.at_once(PEOPLE, 30)
        await asyncio.sleep(1)
        stage.store.fails = down(0, 0)
        bench.story.tell(
            "the first save has failed; the next try is to come in 30 s; the disk is well"
        )
        await stage.drain_all(2)


@check(
    "faults",
    asked="When the disk stays broken, drain() goes on trying for settings.drain_timeout_s, and "
    "then ends: it returns what is unsaved, and outcome.failed has heard of each.",
    why="A server that cannot be stopped is ended by force, without a word to anyone. One that "
    "gives up at the first failure loses what one more try would have saved.",
)
async def drain_ends(bench: CheckBench) -> None:
    save_s = 0.02
    async with ProcessorHarness(
        bench, save_s=save_s, batch_size_max=10, drain_timeout_s=10.0
    ) as stage:
        stage.store.fails = down(0, 1.6)
        stage.at_once(PEOPLE, 25)
        await asyncio.sleep(0.1)
        bench.story.tell("the disk will be well again in 1.5 s")
        await stage.drain_all(10 + save_s + SLACK_S, ": it may try for 10 s, and 1.5 s would do")
    async with ProcessorHarness(
        bench, save_s=save_s, batch_size_max=10, drain_timeout_s=3.0
    ) as stage:
        stage.send("zoe", 10)
        await asyncio.sleep(1)
        stage.store.fails = down(0)
        bench.story.tell("from now on, the disk is broken for good")
        stage.at_once(PEOPLE, 25)
        await asyncio.sleep(0.5)
        # One save may have begun just before the time was up.
        unsaved = await stage.drain(3 + 2 * save_s + SLACK_S)
        wanted = [one.id for one in stage.handed if not one.id.startswith("zoe")]
        bench.expect(
            sorted(unsaved) == sorted(wanted),
            expected=f"drain() to return the {len(wanted)} messages that it could not save",
            actual=f"it returned {words(unsaved)}",
        )
        _expect_one_end_each(bench, stage)
        tries = stage.store.begun
        await asyncio.sleep(60)
        bench.equal(stage.store.begun - tries, 0, "saves that begin after the end of drain()")


@check(
    "faults",
    asked="A save that is under way when the time is up is waited for, and believed: no message is "
    "saved and reported as failed.",
    why="A thread that writes a file cannot be stopped; who cancels the task only stops listening. "
    "Then a message is saved, its sender is told that it was not, and sends it again: now it is "
    "there twice.",
)
async def slow_save(bench: CheckBench) -> None:
    save_s, timeout_s = 5.0, 2.0
    async with ProcessorHarness(
        bench, save_s=save_s, batch_size_max=10, drain_timeout_s=timeout_s
    ) as stage:
        stage.at_once(PEOPLE, 10)
        await asyncio.sleep(1)
        bench.story.tell("a save of 10 is under way, for 4 s more; drain() may try for 2 s")
        unsaved = await stage.drain(save_s + INTERVAL_S + SLACK_S)
        wrong = [one for one in unsaved if one in stage.store.kept_once]
        bench.expect(
            not wrong,
            expected="no message to be given up whose save succeeds",
            actual=f"drain() returned {words(wrong)}, saved all the same",
        )
        _expect_one_end_each(bench, stage)
        await asyncio.sleep(20)
        _expect_one_end_each(bench, stage)


@check(
    "interleavings",
    asked="Whatever fails and whenever the server stops: each message that was taken ends as saved "
    "or as failed, once, and its sender is told which.",
    why="This is the whole point: to lose a message is bad, to lose it in silence is worse, and to "
    "say the wrong thing about it is worst. What you cannot promise, say.",
)
async def no_message_vanishes(bench: CheckBench) -> None:
    chance = random.Random(bench.chance.random())
    rate = chance.choice([0.0, 0.2, 0.5])
    errors = [DISK_FULL, DISK_FULL, RuntimeError("a bug in a store")]
    plan = [chance.choice(errors) if chance.random() < rate else None for _ in range(300)]
    fails: Fails = lambda attempt, _at_s: plan[attempt % len(plan)]  # noqa: E731
    async with ProcessorHarness(
        bench,
        save_s=chance.choice([0.01, 0.1, 0.4]),
        by_chance=True,
        fails=fails,
        batch_size_max=10,
        queue_limit=40,
        retry_max_s=0.5,
        drain_timeout_s=1.0,
    ) as stage:
        for who in PEOPLE[:4]:
            stage.start(_chatter(stage, who, random.Random(chance.random())))
        await stage.all_taken(60)
        await asyncio.sleep(chance.choice([0.0, 0.05, 0.3]) * chance.random())
        if chance.random() < 0.3:
            stage.store.fails = down(0)
            bench.story.tell("from now on, the disk is broken for good")
        unsaved = await stage.drain(1.0 + 0.8 + INTERVAL_S + SLACK_S)
        await asyncio.sleep(20)
        _expect_one_end_each(bench, stage)
        untold = set(unsaved) - stage.outcome.failed_at.keys()
        bench.expect(
            not untold,
            expected="outcome.failed to be told of all that drain() returns",
            actual=f"it never heard of {words(sorted(untold))}",
        )
        stage.expect_order()


async def _chatter(stage: ProcessorHarness, who: str, chance: random.Random) -> None:
    """Someone writes 20 messages, in bursts."""
    for _ in range(20):
        if chance.random() < 0.3:
            await asyncio.sleep(0.2 * chance.random())
        await stage.try_to_hand_over(who)


def _expect_one_end_each(bench: CheckBench, stage: ProcessorHarness) -> None:
    """Every message that was taken is saved, or reported as failed, and not both."""
    saved, failed, kept = stage.outcome.saved_at, stage.outcome.failed_at, stage.store.kept_once
    lost = [one.id for one in stage.handed if one.id not in saved and one.id not in failed]
    bench.expect(
        not lost,
        expected="each message that was taken to be reported as saved or as failed",
        actual=f"nobody ever heard of {words(lost)} again",
    )
    both = [one for one in failed if one in kept]
    bench.expect(
        not both,
        expected="a message that is reported as failed not to be saved",
        actual=f"{words(both)}: both",
    )
    twice = [one for one, at in (saved | failed).items() if len(at) > 1] + repeated(
        stage.store.kept
    )
    bench.expect(
        not twice,
        expected="each message to be saved, or to fail, once",
        actual=f"{words(twice)}: more than once",
    )
