"""Checks of `07_no_loss`: a queue that keeps its word when the disk fails, and when time is up."""

from __future__ import annotations

import asyncio
import random

from chatlab.course.checks import PEOPLE, CheckBench, check, ms, words
from chatlab.course.checks.queue_doubles import DISK_FULL, by_plan, down, first_fail
from chatlab.course.checks.queue_harness import SAVE_S, SLACK_S, QueueHarness
from chatlab.course.simulation import now
from chatlab.errors import StorageError

INTERVAL_S = 0.05
RETRY_FIRST_S, RETRY_MAX_S = 0.1, 5.0
"""As the settings' defaults."""


@check("counts")
async def batches(bench: CheckBench) -> None:
    """A burst of 300 messages still costs about three saves, one at a time and in order.

    People who run a server switch off what is safe and slow.
    """
    async with QueueHarness(bench, save_s=0.005) as harness:
        harness.at_once(PEOPLE, 300)
        await harness.all_taken(20, then_s=1)
        harness.expect_saved(within_s=3 * (INTERVAL_S + 0.005) + SLACK_S)
        harness.expect_none_twice()
        harness.expect_order()
        bench.equal(harness.store.under_way_max, 1, "saves at once")
        bench.spend(harness.store.begun, "saves for 300 messages")


@check("faults")
async def retries(bench: CheckBench) -> None:
    """A batch whose save fails is kept, and tried again until it is saved: once.

    Its senders have heard `queued`. A full disk often works again a minute later, when someone has
    made room; messages that were thrown away do not come back.
    """
    fails = 1 + bench.chance.randrange(4)
    async with QueueHarness(bench, fails=first_fail(fails)) as harness:
        harness.at_once(PEOPLE, 30)
        await harness.all_taken(20, then_s=30)
        harness.send("zoe", 3)
        await harness.all_taken(20, then_s=30)
        bench.expect_none(
            list(harness.outcome.failed_at),
            f"a retry: {fails} of the first saves fail, and all later ones succeed",
            "outcome.failed heard of {}",
        )
        harness.expect_saved(when=f"in the end: only the first {fails} of the saves failed")
        harness.expect_none_twice()
        bench.equal(harness.statistics().failures, fails, "statistics().failures")


@check("faults")
async def order(bench: CheckBench) -> None:
    """Even when saves fail, the messages of one person are saved in their order.

    A batch that goes back to the end of the queue is overtaken by later messages. Then the answer
    stands before the question in the history, for ever.
    """
    unlucky = bench.new_chance()
    plan = [DISK_FULL if unlucky.random() < 0.4 else None for _ in range(12)]
    fails = by_plan(plan)
    async with QueueHarness(
        bench, save_s=0.03, by_chance=True, fails=fails, batch_size_max=10
    ) as harness:
        plan[bench.chance.randrange(3)] = DISK_FULL
        for who in PEOPLE[:3]:
            harness.send(who, 20, apart_s=0.02 + 0.05 * bench.chance.random())
        await harness.all_taken(200, then_s=100)
        harness.expect_saved(when="in the end")
        harness.expect_order()


@check("counts")
async def pauses(bench: CheckBench) -> None:
    """The pauses between two tries grow, from settings.retry_first_s to settings.retry_max_s, and
    are short again after a success.

    A thousand tries a second do not help a disk in trouble, nor those who wait for the processor.
    But a hiccup must not cost seconds, and a repaired disk must be noticed soon.
    """
    soon_s = INTERVAL_S + 2 * RETRY_FIRST_S + 2 * SAVE_S + SLACK_S
    async with QueueHarness(bench, retry_first_s=RETRY_FIRST_S, retry_max_s=RETRY_MAX_S) as harness:
        await _hiccup(bench, harness, soon_s)
        bench.story.tell("the disk is full for a minute")
        harness.store.fails = down(now(), now() + 60)
        before = harness.store.begun
        harness.send("bob", 3)
        await asyncio.sleep(60)
        bench.spend(harness.store.begun - before, "tries within a minute")
        bench.story.tell("there is room on the disk again")
        await asyncio.sleep(3 * RETRY_MAX_S)
        latest_s = 60 + 1.2 * RETRY_MAX_S + INTERVAL_S
        harness.expect_saved(latest_s, harness.by("bob"), "soon after the disk is well again")
        await _hiccup(bench, harness, soon_s)
        await _drain_in_vain(bench, harness)


async def _drain_in_vain(bench: CheckBench, harness: QueueHarness) -> None:
    """The server stops while the disk is full."""
    harness.store.fails = down(now())
    harness.send("bob", 3)
    await asyncio.sleep(0.1)
    before = harness.store.begun
    bench.story.tell("the disk is full, and the server stops")
    harness.start(harness.processor.drain())
    await asyncio.sleep(3)
    tries = harness.store.begun - before
    bench.at_most(tries, 40, "tries of drain() within 3 s: it must pause between them, too")


async def _hiccup(bench: CheckBench, harness: QueueHarness, soon_s: float) -> None:
    """One save fails, and the next would succeed."""
    number = len(harness.submitted)
    harness.store.fails = first_fail(harness.store.begun + 1)
    bench.story.tell("one save is going to fail, and the next one to succeed")
    harness.send("alice", 3)
    await asyncio.sleep(30)
    submitted = harness.submitted[number:]
    harness.expect_saved(soon_s, submitted, f"after one failure and a pause of {ms(RETRY_FIRST_S)}")


@check("faults")
async def told(bench: CheckBench) -> None:
    """Each time a save fails, outcome.delayed hears of its messages, of the error, and of the
    seconds until the next try.

    People who wait want to know that they are not forgotten. And whoever runs the server must see
    that the disk is full before the queue is.
    """
    fails = 2 + bench.chance.randrange(3)
    async with QueueHarness(bench, fails=first_fail(fails)) as harness:
        harness.send("alice", 5)
        await harness.all_taken(20, then_s=30)
        delays = harness.outcome.delays
        bench.expect(
            len({delay.at_s for delay in delays}) == fails,
            f"outcome.delayed to be called after each of {fails} failed saves",
            f"it was called {len(delays)} times",
        )
        for delay in delays:
            bench.expect(
                isinstance(delay.error, StorageError) and isinstance(delay.retry_in_s, int | float),
                "outcome.delayed(batch, error, retry_in_s): the StorageError, and seconds",
                f"error is a {type(delay.error).__name__}, "
                f"retry_in_s a {type(delay.retry_in_s).__name__}",
            )
            later = [one.began_s for one in harness.store.attempts if one.began_s >= delay.at_s]
            waited_s = min(later, default=float("inf")) - delay.at_s
            bench.expect(
                abs(waited_s - delay.retry_in_s) <= INTERVAL_S + SLACK_S,
                f"the next try {ms(delay.retry_in_s)} later, as outcome.delayed heard",
                f"it began {ms(waited_s)} later" if later else "none came",
            )
        heard = {one for delay in delays for one in delay.ids}
        bench.expect_none(
            [one.id for one in harness.submitted if one.id not in heard],
            "outcome.delayed to be called for every message of the batch",
            "it was never called for {}",
        )
        harness.expect_saved(when="in the end")


@check("faults")
async def bugs(bench: CheckBench) -> None:
    """An error other than StorageError does not end the flushing, and its messages do not vanish
    either.

    A bug in a store raises what nobody has thought of. If that ends the task that saves, the server
    goes on taking messages, and never saves one of them again.
    """
    bug = bench.chance.choice([KeyError("room"), RuntimeError("a bug"), TypeError("a bug")])
    async with QueueHarness(bench, fails=first_fail(1, bug)) as harness:
        harness.send("alice", 3)
        await harness.all_taken(20, then_s=30)
        harness.send("bob", 3)
        await harness.all_taken(20, then_s=30)
        harness.expect_saved(submitted=harness.by("bob"), when="whose save does not fail")
        harness.expect_one_end_each()
        told = [*harness.outcome.errors, *(delay.error for delay in harness.outcome.delays)]
        odd = [type(one).__name__ for one in told if not isinstance(one, StorageError)]
        bench.expect(
            not odd,
            "the outcome to get a StorageError: StorageError.of(error) makes one",
            f"it got a {''.join(odd[:1])}",
        )


@check("counts")
async def bounded(bench: CheckBench) -> None:
    """The queue holds at most settings.queue_limit messages; the sender of one more gets
    Overloaded, and the message is not taken. When there is room again, messages are taken again.

    If messages come faster than the disk takes them, a queue without a bound grows until the system
    kills the process for its memory, with all that the queue holds. A refusal said aloud costs one
    message, and its sender knows.
    """
    limit, size = 50, 10
    async with QueueHarness(bench, save_s=1.0, queue_limit=limit, batch_size_max=size) as harness:
        bench.story.tell("the disk is slow; 10 people submit 200 messages in one moment")
        for number in range(200):
            harness.start(harness.try_to_submit(PEOPLE[number % len(PEOPLE)]))
        await harness.all_taken(0.5)
        taken = len(harness.submitted)
        bench.expect(
            limit <= taken <= limit + size,  # a batch being saved may stand beside the queue
            f"{limit} of 200 messages to be taken (settings.queue_limit), and Overloaded to be "
            "raised for the others",
            f"{taken} were taken",
        )
        await asyncio.sleep(0.5)
        found = harness.statistics()
        bench.equal(found.limit, limit, "statistics().limit")
        expected = f"statistics().depth of at most {limit}"
        bench.expect(found.depth <= limit + size, expected, str(found.depth))
        await asyncio.sleep(3)
        bench.story.tell("some batches are saved, and there is room in the queue again")
        expected = "a message to be taken when there is room again"
        bench.expect(await harness.try_to_submit("zoe"), expected, "Overloaded was raised")
        await asyncio.sleep(30)
        harness.expect_saved(when="that were taken")
        touched = harness.store.kept_once | harness.outcome.queued_at.keys()
        bench.expect_none(
            [one.id for one in harness.refused if one.id in touched],
            "a message that was refused not to be taken",
            "{} refused, and acknowledged or saved all the same",
        )


@check("faults")
async def drain_saves(bench: CheckBench) -> None:
    """drain() saves all that is queued, at once: also what is being saved, and also in the middle
    of a pause between two tries.

    Servers are stopped every day, for each new version. If each stop loses the queue, its loss is
    the most reliable thing about it. And nobody waits for a pause of half a minute: the process
    would be killed.
    """
    async with QueueHarness(bench, save_s=0.1, batch_size_max=10) as harness:
        harness.at_once(PEOPLE, 35)
        await asyncio.sleep(0.05)
        bench.story.tell("a save is under way, and more than two batches wait")
        await harness.drain_all(2)
    async with QueueHarness(bench, flush_interval_s=60.0) as harness:
        harness.at_once(PEOPLE, 30)
        await asyncio.sleep(0.01)
        await harness.drain_all(2)
    async with QueueHarness(
        bench, fails=down(0, 1), retry_first_s=30.0, retry_max_s=30.0
    ) as harness:
        harness.at_once(PEOPLE, 30)
        await asyncio.sleep(1)
        harness.store.fails = down(0, 0)
        bench.story.tell(
            "the first save has failed; the next try is to come in 30 s; the disk is well"
        )
        await harness.drain_all(2)


@check("faults")
async def drain_ends(bench: CheckBench) -> None:
    """When the disk stays broken, drain() keeps trying for settings.drain_timeout_s, and then ends:
    it returns what is unsaved, and outcome.failed has heard of each.

    A server that cannot be stopped is killed, without a word to anyone. One that gives up at the
    first failure loses what one more try would have saved.
    """
    save_s = 0.02
    async with QueueHarness(
        bench, save_s=save_s, batch_size_max=10, drain_timeout_s=10.0
    ) as harness:
        harness.store.fails = down(0, 1.6)
        harness.at_once(PEOPLE, 25)
        await asyncio.sleep(0.1)
        bench.story.tell("the disk will be well again in 1.5 s")
        await harness.drain_all(10 + save_s + SLACK_S, ": it may try for 10 s, and 1.5 s would do")
    async with QueueHarness(
        bench, save_s=save_s, batch_size_max=10, drain_timeout_s=3.0
    ) as harness:
        harness.send("zoe", 10)
        await asyncio.sleep(1)
        harness.store.fails = down(0)
        bench.story.tell("from now on, the disk is broken for good")
        harness.at_once(PEOPLE, 25)
        await asyncio.sleep(0.5)
        # One save may have begun just before the time was up.
        unsaved = await harness.drain(3 + 2 * save_s + SLACK_S)
        wanted = [one.id for one in harness.submitted if one not in harness.by("zoe")]
        expected = f"drain() to return the {len(wanted)} messages that it could not save"
        returned = f"it returned {words(unsaved)}"
        bench.expect(sorted(unsaved) == sorted(wanted), expected, returned)
        harness.expect_one_end_each()
        tries = harness.store.begun
        await asyncio.sleep(60)
        bench.equal(harness.store.begun - tries, 0, "saves that begin after the end of drain()")


@check("faults")
async def slow_save(bench: CheckBench) -> None:
    """A save that is running when the time is up is waited for, and its result counts: no message
    is both saved and reported as failed.

    A thread that writes a file cannot be stopped; cancelling the task only stops listening to it.
    Then a message is saved, its sender hears that it was not, and sends it again: now it is there
    twice.
    """
    save_s, timeout_s = 5.0, 2.0
    async with QueueHarness(
        bench, save_s=save_s, batch_size_max=10, drain_timeout_s=timeout_s
    ) as harness:
        harness.at_once(PEOPLE, 10)
        await asyncio.sleep(1)
        bench.story.tell("a save of 10 is under way, for 4 s more; drain() may try for 2 s")
        unsaved = await harness.drain(save_s + INTERVAL_S + SLACK_S)
        bench.expect_none(
            [one for one in unsaved if one in harness.store.kept_once],
            "no message to be given up whose save succeeds",
            "drain() returned {}, saved all the same",
        )
        harness.expect_one_end_each()
        await asyncio.sleep(20)
        harness.expect_one_end_each()


@check("interleavings")
async def no_message_vanishes(bench: CheckBench) -> None:
    """Whatever fails and whenever the server stops: each message that was taken ends as saved or as
    failed, once, and its sender hears which.

    This is the whole point: losing a message is bad, losing it in silence is worse, and saying the
    wrong thing about it is worst. If you cannot promise something, say so.
    """
    chance = bench.new_chance()
    rate = chance.choice([0.0, 0.2, 0.5])
    errors = [DISK_FULL, DISK_FULL, RuntimeError("a bug in a store")]
    plan = [chance.choice(errors) if chance.random() < rate else None for _ in range(300)]
    async with QueueHarness(
        bench,
        save_s=chance.choice([0.01, 0.1, 0.4]),
        by_chance=True,
        fails=by_plan(plan),
        batch_size_max=10,
        queue_limit=40,
        retry_max_s=0.5,
        drain_timeout_s=1.0,
    ) as harness:
        for who in PEOPLE[:4]:
            harness.start(_chatter(harness, who, random.Random(chance.random())))
        await harness.all_taken(60)
        await asyncio.sleep(chance.choice([0.0, 0.05, 0.3]) * chance.random())
        if chance.random() < 0.3:
            harness.store.fails = down(0)
            bench.story.tell("from now on, the disk is broken for good")
        unsaved = await harness.drain(1.0 + 0.8 + INTERVAL_S + SLACK_S)
        await asyncio.sleep(20)
        harness.expect_one_end_each()
        bench.expect_none(
            sorted(set(unsaved) - harness.outcome.failed_at.keys()),
            "outcome.failed to be called for all that drain() returns",
            "it was never called for {}",
        )
        harness.expect_order()


async def _chatter(harness: QueueHarness, who: str, chance: random.Random) -> None:
    """Someone writes 20 messages, in bursts."""
    for _ in range(20):
        if chance.random() < 0.3:
            await asyncio.sleep(0.2 * chance.random())
        await harness.try_to_submit(who)
