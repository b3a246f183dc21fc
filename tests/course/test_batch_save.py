"""`05_batch_save`: right answers of any shape pass; wrong ones are told what is wrong."""

from __future__ import annotations

from textwrap import dedent

from tests.course.judging import right, wrong

HEAD = """
import asyncio
from chatlab.data.records import MESSAGES
from chatlab.errors import StorageError
from chatlab.chat.parts.storage_seams import Store

class BatchStore(Store):
    kept_in = MESSAGES.name
    promise = property(lambda self: self.writer.promise)

    async def history(self, room_id, limit):
        async with self.lock.hold(MESSAGES.name):
            messages = await self.reader.read(MESSAGES)
        return [message for message in messages if message.room_id == room_id][-limit:]

"""
SAVE = dedent("""
    async def save(self, batch):
        async with self.lock.hold(MESSAGES.name):
            kept = await self.reader.read(MESSAGES)
            known = {message.id for message in kept}
            messages = kept + [message for message in batch if message.id not in known]
            await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
            self.reader.written(MESSAGES, messages)

    really_save = save
""")
LOCKS = "    async with self.lock"
WRITES = "        await self.writer.replace"
NEW = "kept + [message for message in batch if message.id not in known]"
RIGHT = {
    "leaves out of the batch what is there": SAVE,
    "a dict by id": SAVE.replace(
        NEW, "[*{message.id: message for message in [*kept, *batch]}.values()]"
    ),
    "nothing to do for no messages": SAVE.replace(LOCKS, f"    if not batch: return\n{LOCKS}"),
    "does not write what is all there": SAVE.replace(
        WRITES,
        "        if len(messages) == len(kept) and self.writer.promise == 'written':\n"
        f"            return\n{WRITES}",
    ),
    "tries a second time by itself": SAVE
    + """
async def save(self, batch):
    try:
        await self.really_save(batch)
    except StorageError:
        await self.really_save(batch)
""",
    "one save for all who wait": SAVE
    + """
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
        await self.really_save([message for batch, _ in together for message in batch])
    except StorageError as error:
        for _, done in together:
            done.set_exception(error)
    else:
        for _, done in together:
            done.set_result(None)
""",
}
HISTORY = "\nasync def history(self, room_id, limit): return "
WRONG = {
    "keeps nothing": ("keeps: missing: 3 messages (alice-3", "async def save(self, batch): pass"),
    "not a coroutine": ("keeps: NoneType", "def save(self, batch): pass"),
    "history of nothing": ("keeps: history: a list of messages; None", SAVE + HISTORY + "None"),
    "all rooms": ("keeps: bob-", SAVE + HISTORY + "(await self.reader.read(MESSAGES))[-limit:]"),
    "newest first": (
        "keeps: another order",
        SAVE.replace("kept + [", "[").replace("not in known]", "not in known] + kept"),
    ),
    "says that it is done before it is": (
        "keeps: missing: 3 messages (alice-3",
        SAVE + "async def save(self, batch): asyncio.create_task(self.really_save(batch))",
    ),
    "promises more than the writer": ("keeps: synced", SAVE + 'promise = "synced"'),
    "needs its settings at once": (
        "keeps: batch_size_max",
        SAVE
        + "def __init__(self, *parts):\n    super().__init__(*parts)\n"
        + "    self.most = parts[-1].batch_size_max",
    ),
    "waits for more": (
        "one_write: 52 ms",
        SAVE.replace(LOCKS, f"    await asyncio.sleep(0.05)\n{LOCKS}"),
    ),
    "a write for every ten": (
        "one_write: 20 reads and writes",
        SAVE
        + "async def save(self, batch):\n"
        + "    for at in range(0, len(batch) or 1, 10):\n"
        + "        await self.really_save(batch[at:at + 10])",
    ),
    "tells the reader of the batch alone": (
        "tells_the_reader: missing: 2 messages (zoe-1",
        SAVE.replace("written(MESSAGES, messages)", "written(MESSAGES, list(batch))"),
    ),
    "turns the error into another one": (
        "all_or_nothing: RuntimeError",
        SAVE
        + "async def save(self, batch):\n"
        + "    try:\n        await self.really_save(batch)\n"
        + "    except StorageError as error:\n        raise RuntimeError('no') from error",
    ),
}

test_a_right_answer_of_another_shape_passes = right("05_batch_save", RIGHT, HEAD)
test_a_wrong_answer_is_told_what_is_wrong = wrong("05_batch_save", WRONG, HEAD)
