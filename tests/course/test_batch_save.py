"""`05_batch_save`: right answers of any shape pass; wrong ones are told what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.answers import body, judged, not_passed

NAME = "05_batch_save"

HEAD = """
import asyncio

from chatlab.data.records import MESSAGES
from chatlab.errors import StorageError
from chatlab.chat.parts.store import Store


class BatchStore(Store):
    kept_in = MESSAGES.name

    @property
    def promise(self):
        return self.writer.promise

    async def history(self, room_id, limit):
        async with self.lock.hold(MESSAGES.name):
            messages = await self.reader.read(MESSAGES)
        return [message for message in messages if message.room_id == room_id][-limit:]

"""

LEAVES_OUT = """
async def save(self, batch):
    async with self.lock.hold(MESSAGES.name):
        kept = await self.reader.read(MESSAGES)
        known = {message.id for message in kept}
        messages = kept + [message for message in batch if message.id not in known]
        await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
        self.reader.written(MESSAGES, messages)
"""

RIGHT = {
    "leaves out of the batch what is there": LEAVES_OUT,
    "a dict by id": """
        async def save(self, batch):
            async with self.lock.hold(MESSAGES.name):
                by_id = {message.id: message for message in await self.reader.read(MESSAGES)}
                by_id.update((message.id, message) for message in batch)
                messages = list(by_id.values())
                await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
                self.reader.written(MESSAGES, messages)
    """,
    "nothing to do for no messages": LEAVES_OUT.replace(
        "    async with", "    if not batch:\n        return\n    async with", 1
    ),
    "does not write what is all there": LEAVES_OUT.replace(
        "        await self.writer",
        "        if len(messages) == len(kept) and self.writer.promise == 'written':\n"
        "            return\n        await self.writer",
    ),
    "tries a second time by itself": LEAVES_OUT
    + """
_save = save

async def save(self, batch):
    try:
        await self._save(batch)
    except StorageError:
        await self._save(batch)
""",
    "one save for all who wait": """
        def __init__(self, *parts):
            super().__init__(*parts)
            self.waiting = []
            self.one_after_another = asyncio.Lock()

        async def save(self, batch):
            done = asyncio.get_running_loop().create_future()
            self.waiting.append((batch, done))
            async with self.one_after_another:
                if not done.done():
                    together, self.waiting = self.waiting, []
                    await self.save_together(together)
            done.result()

        async def save_together(self, together):
            try:
                async with self.lock.hold(MESSAGES.name):
                    kept = await self.reader.read(MESSAGES)
                    known = {message.id for message in kept}
                    new = [one for batch, _ in together for one in batch if one.id not in known]
                    messages = [*kept, *new]
                    await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
                    self.reader.written(MESSAGES, messages)
            except StorageError as error:
                for _, done in together:
                    done.set_exception(error)
            else:
                for _, done in together:
                    done.set_result(None)
    """,
}

WRONG = {
    "keeps nothing": ("keeps", "async def save(self, batch): pass", "missing: 3 messages (alice-3"),
    "not a coroutine": ("keeps", "def save(self, batch): pass", "NoneType"),
    "history of nothing": (
        "keeps",
        LEAVES_OUT + "\nasync def history(self, room_id, limit): return None",
        "history: a list of messages",
    ),
    "history of all rooms": (
        "keeps",
        LEAVES_OUT
        + "\nasync def history(self, room_id, limit):\n"
        + "    return (await self.reader.read(MESSAGES))[-limit:]",
        "bob-",
    ),
    "newest first": (
        "keeps",
        LEAVES_OUT.replace("kept + [", "[").replace("not in known]", "not in known] + kept"),
        "another order",
    ),
    "says that it is done before it is": (
        "keeps",
        LEAVES_OUT.replace("async def save", "async def really_save")
        + "\nasync def save(self, batch): asyncio.create_task(self.really_save(batch))",
        "missing: 3 messages (alice-3",
    ),
    "promises more than the writer": (
        "keeps",
        LEAVES_OUT + '\npromise = "synced"',
        "synced",
    ),
    "needs its settings at once": (
        "keeps",
        LEAVES_OUT
        + "\ndef __init__(self, files, reader, writer, lock, settings):\n"
        + "    super().__init__(files, reader, writer, lock, settings)\n"
        + "    self.most = settings.batch_size_max",
        "batch_size_max",
    ),
    "waits for more": (
        "one_write",
        LEAVES_OUT.replace("    async with", "    await asyncio.sleep(0.05)\n    async with", 1),
        "52 ms",
    ),
    "a write for every ten": (
        "one_write",
        LEAVES_OUT.replace("async def save", "async def save_ten")
        + "\nasync def save(self, batch):\n"
        + "    for at in range(0, len(batch) or 1, 10):\n"
        + "        await self.save_ten(batch[at:at + 10])",
        "20 reads and writes",
    ),
    "tells the reader of the batch alone": (
        "tells_the_reader",
        LEAVES_OUT.replace("written(MESSAGES, messages)", "written(MESSAGES, list(batch))"),
        "missing: 2 messages (zoe-1",
    ),
    "a lock of its own for each save": (
        "at_once",
        LEAVES_OUT.replace("self.lock.hold(MESSAGES.name)", "asyncio.Lock()"),
        "",
    ),
    "turns the error into another one": (
        "all_or_nothing",
        LEAVES_OUT.replace("        await self.writer.replace", "        await self.replace")
        + "\nasync def replace(self, name, data):\n"
        + "    try:\n        await self.writer.replace(name, data)\n"
        + "    except StorageError as error:\n        raise RuntimeError('no') from error",
        "RuntimeError",
    ),
}


@pytest.mark.parametrize("shape", RIGHT)
def test_a_right_answer_of_another_shape_passes(shape: str, tmp_path: Path) -> None:
    assert not not_passed(judged(NAME, HEAD + body(RIGHT[shape]), tmp_path))


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(kind: str, tmp_path: Path) -> None:
    check, source, words = WRONG[kind]
    result = judged(NAME, HEAD + body(source), tmp_path)[check]
    assert result.verdict == "failed"
    assert words in result.actual + result.expected
