"""`06_message_processor` and `07_no_loss`: right answers of any shape pass, mistakes are told."""

from __future__ import annotations

from pathlib import Path

from tests.course.judging import Mistake, changed, judged, mistakes, right, right_files, solution

QUEUE, LOSS = "06_message_processor", "07_no_loss"
BUILT_IN = """
from chatlab.chat.parts.processor.queueing import QueueingProcessor
class MessageProcessor(QueueingProcessor): pass
class NoLossProcessor(QueueingProcessor): pass
"""
SAVE = "await self.store.save([entry.message for entry in batch])"
SAVED = "await self.outcome.saved(batch)"
QUEUED = "        await self.outcome.queued(entry)\n"
WAITS = "        while entry in self._queue:\n            await asyncio.sleep(0.01)\n"
RETURN = "            except TimeoutError:\n                return\n"
DRAINED = "        return []\n"
SIZE = "self.settings.batch_size_max"
ALONE = "await asyncio.gather(*[self.store.save([entry.message]) for entry in batch])"
AGE = ("- self._queue[0].accepted_at if", "- self._queue[-1].accepted_at if")
POLLS = "async with asyncio.timeout(0.002):"
NOT_YET = "if self._queue and self.clock() >= due_at:\n" + 20 * " " + "return"
QUEUE_MISTAKES: dict[str, Mistake] = {
    "entries are saved": ("saves: given a list of messages", SAVE, "await self.store.save(batch)"),
    "told too early": ("saves: messages that store.save has saved", SAVE, f"{SAVED}; {SAVE}"),
    "told of one entry": ("saves: given a list of entries", SAVED, SAVED.replace("ch)", "ch[0])")),
    "a slip": ("saves: no exception", "self._queue.popleft()", "self._queue.pop_left()"),
    "drain returns None": ("saves: to return a list", DRAINED, ""),
    "submit is sync": ("saves: `async def`", "async def submit", "def submit", QUEUED, ""),
    "another argument": ("saves: like those of the base class", "entry: Entry)", "entry, more)"),
    "the flusher dies": ("goes_on", "except Exception as", "except KeyError as"),
    "fixed figures": ("full_batch: settings.batch_size_max", SIZE, "100"),
    "no ack": ("acks: outcome.queued to be called once", QUEUED, ""),
    "acks_queued is False": ("acks: acks_queued = True", "[bool] = True", "[bool] = False"),
    "the sender waits": ("acks: to be taken within", QUEUED, QUEUED + WAITS),
    "counts messages": ("statistics: flushes", "._flushes += 1", "._flushes += len(batch)"),
    "the age of the latest": ("statistics: oldest_s", *AGE),
    "statistics are None": ("statistics: ProcessorStatistics", "return ProcessorS", "ProcessorS"),
    "a poll": (
        "idle: woke up",
        "async with asyncio.timeout(left_s):",
        POLLS,
        RETURN,
        RETURN.replace("return", NOT_YET),
    ),
    "each alone in a batch": ("few_saves: saves for 1,000 messages", SAVE, ALONE),
}

LIMIT = "        if len(self._queue) >= self.settings.queue_limit:\n            raise Overloaded"
FOR_ROOM = LIMIT.replace("if", "while").replace("raise Overloaded", "await asyncio.sleep(1) or")
DOUBLE = "min(2 * pause_s, self.settings.retry_max_s)"
DELAYED = "await self.outcome.delayed(batch, error, pause_s)"
AS_TEXT = DELAYED.replace("error", "str(error)")
TO_ONE = DELAYED.replace("batch", "batch[:1]")
HURRY = "                self._hurry.clear()\n"
WAITED = "            await asyncio.wait([self._flusher])\n"
GAVE_UP = "            self._gave_up = True\n            self._hurry.set()\n"
EARLY = ("timeout=self.settings.drain_timeout_s", "timeout=1.0")
NO_LIMIT = ("limit=self.settings.queue_limit", "limit=0")
RAW = ("return StorageError.of(error)", "return error")
LOSS_MISTAKES: dict[str, Mistake] = {
    "it waits for room": ("bounded: to be taken within", LIMIT, FOR_ROOM),
    "another exception": ("bounded: no exception", "raise Overloaded", "raise asyncio.QueueFull"),
    "refused in silence": ("bounded: Overloaded to be raised", "raise Overloaded", "return print"),
    "the limit is not shown": ("bounded: limit", *NO_LIMIT),
    "the pause is always short": ("pauses: tries within a minute", DOUBLE, "pause_s"),
    "the pause has no limit": ("pauses: soon after the disk is well", DOUBLE, "2 * pause_s"),
    "a drain hammers": ("pauses: a pause after each save", HURRY, ""),
    "a wrong pause": ("told: as outcome.delayed heard", DELAYED, DELAYED.replace("pause_s", "9.0")),
    "told as text": ("told: the StorageError", DELAYED, AS_TEXT),
    "told to one of many": ("told: every message of the batch", DELAYED, TO_ONE),
    "a bug is passed on raw": ("bugs: StorageError.of", *RAW),
    "drain counts": ("drain_saves: return a list", "return unsaved", "return len(unsaved)"),
    "drain gives up early": ("drain_ends: it may try for 10 s", *EARLY),
    "it goes on": ("drain_ends: after the end of drain()", GAVE_UP, "", WAITED, ""),
    "does not wait for the save": ("slow_save: as failed not to be saved", WAITED, ""),
}

test_right_queues_of_another_shape_get_all_points = right_files(
    QUEUE, "queue_timer_and_lock", "queue_asyncio_queue", "queue_sender_flushes"
)
test_a_right_queue_without_loss_gets_all_points = right_files(LOSS, "queue_batch_beside_the_queue")
test_the_built_in_queue_gets_all_points_in_06 = right(QUEUE, {"built in": BUILT_IN})
test_the_built_in_queue_gets_all_points_in_07 = right(LOSS, {"built in": BUILT_IN})
test_mistakes_in_the_queue_are_told = mistakes(QUEUE, QUEUE_MISTAKES)
test_mistakes_with_failures_are_told = mistakes(LOSS, LOSS_MISTAKES)


def test_a_task_that_died_is_told_with_what_is_missing(tmp_path: Path) -> None:
    answer = changed(solution(LOSS), ("except Exception as", "except KeyError as"))
    result = judged(LOSS, tmp_path, answer, "retries")["retries"]

    assert "a task of yours had ended with StorageError" in result.actual
    assert "self.store.save" in result.code


def test_a_slow_ticker_loses_a_part_of_a_point_and_not_all_of_it(tmp_path: Path) -> None:
    ticks = ("left_s = None  # nobody waits: for as long as it takes", "left_s = 0.05")
    goes_on = (RETURN, RETURN.replace("return", "if self._queue:\n" + 20 * " " + "return"))
    answer = changed(solution(QUEUE), ticks, goes_on)
    result = judged(QUEUE, tmp_path, answer, "idle")["idle"]

    assert result.verdict == "partial"
    assert 0.5 < result.points < 1
