"""The processors' checks: right answers of any shape pass, and many mistakes are told clearly."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatlab.course.catalog import Exercise, load
from chatlab.course.judge import judge
from chatlab.course.verdicts import Result

ROOT = Path(__file__).parents[2]
QUEUE, LOSS = (
    load(ROOT / "exercises" / name, ROOT / "solutions" / name)
    for name in ("06_message_processor", "07_no_loss")
)
RIGHT = Path(__file__).with_name("right_processors")

RIGHT_ANSWERS = [
    *((QUEUE, name) for name in ("timer_and_lock", "asyncio_queue", "sender_flushes", "built_in")),
    *((LOSS, name) for name in ("batch_beside_the_queue", "built_in")),
]


@pytest.mark.parametrize(
    ("exercise", "name"), RIGHT_ANSWERS, ids=lambda one: getattr(one, "topic", one)
)
async def test_right_answers_of_another_shape_get_all_points(exercise: Exercise, name: str) -> None:
    judged = await judge(exercise, RIGHT / f"{name}.py")

    assert not judged.broken
    found = {one.check: one.actual for one in judged.results if one.verdict != "passed"}
    assert found == {}


async def changed(
    exercise: Exercise, folder: Path, check: str, *changes: tuple[str, str]
) -> Result:
    """What a check says of the solution with a mistake in it."""
    text = (exercise.answers / "work.py").read_text("utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = folder / "work.py"
    path.write_text(text, encoding="utf-8")
    judged = await judge(exercise, path, only=[check])
    assert not judged.broken
    return judged.results[0]


SAVE = "await self.store.save([entry.message for entry in batch])"
SAVED = "await self.outcome.saved(batch)"
QUEUED = "        await self.outcome.queued(entry)\n"
WAITS = "        while entry in self._queue:\n            await asyncio.sleep(0.01)\n"
RETURN = "            except TimeoutError:\n                return\n"
DRAINED = "        return []\n"

MISTAKES_OF_06 = {
    "entries are saved": (
        "saves",
        "given a list of messages",
        (SAVE, "await self.store.save(batch)"),
    ),
    "told too early": ("saves", "told of what store.save has saved", (SAVE, f"{SAVED}; {SAVE}")),
    "told of one entry": (
        "saves",
        "given a list of entries",
        (SAVED, SAVED.replace("batch", "batch[0]")),
    ),
    "a slip": ("saves", "no exception", ("self._queue.popleft()", "self._queue.pop_left()")),
    "drain returns None": ("saves", "to return a list", (DRAINED, "")),
    "submit is no coroutine": (
        "saves",
        "`async def`",
        ("async def submit", "def submit"),
        (QUEUED, ""),
    ),
    "another argument": (
        "saves",
        "methods like those of the base class",
        ("submit(self, entry: Entry)", "submit(self, entry: Entry, more: int)"),
    ),
    "the flusher dies": ("goes_on", "", ("except Exception as", "except KeyError as")),
    "fixed figures": (
        "full_batch",
        "settings.batch_size_max",
        ("self.settings.batch_size_max", "100"),
    ),
    "no ack": ("acks", "outcome.queued to be told once", (QUEUED, "")),
    "acks_queued is False": (
        "acks",
        "acks_queued = True",
        ("ClassVar[bool] = True", "ClassVar[bool] = False"),
    ),
    "the sender waits": (
        "acks",
        "to be taken within",
        (QUEUED, QUEUED + WAITS),
    ),
    "counts messages": (
        "statistics",
        "flushes",
        ("self._flushes += 1", "self._flushes += len(batch)"),
    ),
    "the age of the latest": (
        "statistics",
        "oldest_s",
        ("- self._queue[0].accepted_at if", "- self._queue[-1].accepted_at if"),
    ),
    "statistics are None": (
        "statistics",
        "ProcessorStatistics",
        ("return ProcessorStatistics(", "ProcessorStatistics("),
    ),
    "a poll": (
        "idle",
        "woke up",
        ("async with asyncio.timeout(left_s):", "async with asyncio.timeout(0.002):"),
        (
            RETURN,
            RETURN.replace(
                "return", "if self._queue and self.clock() >= due_at:\n" + 20 * " " + "return"
            ),
        ),
    ),
    "each alone in a batch": (
        "few_saves",
        "saves for 1,000 messages",
        (SAVE, "await asyncio.gather(*[self.store.save([entry.message]) for entry in batch])"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES_OF_06)
async def test_mistakes_in_the_queue_are_told(tmp_path: Path, mistake: str) -> None:
    check, words, *changes = MISTAKES_OF_06[mistake]
    result = await changed(QUEUE, tmp_path, check, *changes)

    assert result.verdict == "failed"
    assert words in result.expected


LIMIT = "        if len(self._queue) >= self.settings.queue_limit:\n            raise Overloaded"
WAITS_FOR_ROOM = LIMIT.replace("if", "while").replace(
    "raise Overloaded", "await asyncio.sleep(1) or"
)
DOUBLE = "min(2 * pause_s, self.settings.retry_max_s)"
DELAYED = "await self.outcome.delayed(batch, error, pause_s)"

MISTAKES_OF_07 = {
    "it waits for room": ("bounded", "to be taken within", (LIMIT, WAITS_FOR_ROOM)),
    "another exception": (
        "bounded",
        "no exception",
        ("raise Overloaded", "raise asyncio.QueueFull"),
    ),
    "refused in silence": (
        "bounded",
        "Overloaded to be raised",
        ("raise Overloaded", "return print"),
    ),
    "the limit is not shown": ("bounded", "limit", ("limit=self.settings.queue_limit", "limit=0")),
    "the pause is always short": ("pauses", "tries within a minute", (DOUBLE, "pause_s")),
    "the pause has no limit": (
        "pauses",
        "soon after the disk is well again",
        (DOUBLE, "2 * pause_s"),
    ),
    "a drain hammers": (
        "pauses",
        "a pause after each save",
        ("                self._hurry.clear()\n", ""),
    ),
    "a pause that is not so": (
        "told",
        "as outcome.delayed was told",
        (DELAYED, DELAYED.replace("pause_s", "9.0")),
    ),
    "told as text": ("told", "the StorageError", (DELAYED, DELAYED.replace("error", "str(error)"))),
    "told to one of many": (
        "told",
        "every message of the batch",
        (DELAYED, DELAYED.replace("batch", "batch[:1]")),
    ),
    "a bug is passed on raw": (
        "bugs",
        "StorageError.of",
        ("return StorageError.of(error)", "return error"),
    ),
    "drain returns a number": (
        "drain_saves",
        "return a list",
        ("return unsaved", "return len(unsaved)"),
    ),
    "drain gives up early": (
        "drain_ends",
        "it may try for 10 s",
        ("timeout=self.settings.drain_timeout_s", "timeout=1.0"),
    ),
    "it goes on after the drain": (
        "drain_ends",
        "after the end of drain()",
        ("            self._gave_up = True\n            self._hurry.set()\n", ""),
        ("            await asyncio.wait([self._flusher])\n", ""),
    ),
    "drain does not wait for the save": (
        "slow_save",
        "reported as failed not to be saved",
        ("            await asyncio.wait([self._flusher])\n", ""),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES_OF_07)
async def test_mistakes_with_failures_are_told(tmp_path: Path, mistake: str) -> None:
    check, words, *changes = MISTAKES_OF_07[mistake]
    result = await changed(LOSS, tmp_path, check, *changes)

    assert result.verdict == "failed"
    assert words in result.expected


async def test_a_task_that_died_is_told_with_what_is_missing(tmp_path: Path) -> None:
    died = ("except Exception as", "except KeyError as")
    result = await changed(LOSS, tmp_path, "retries", died)

    assert "a task of yours had ended with StorageError" in result.actual
    assert "self.store.save" in result.code


async def test_a_slow_ticker_loses_a_part_of_a_point_and_not_all_of_it(tmp_path: Path) -> None:
    ticks = ("left_s = None  # nobody waits: for as long as it takes", "left_s = 0.05")
    goes_on = (RETURN, RETURN.replace("return", "if self._queue:\n" + 20 * " " + "return"))
    result = await changed(QUEUE, tmp_path, "idle", ticks, goes_on)

    assert result.verdict == "partial"
    assert 0.5 < result.points < 1
