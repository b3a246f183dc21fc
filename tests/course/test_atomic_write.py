"""`03_atomic_write`: right answers of any shape pass; wrong ones are told what is wrong."""

from __future__ import annotations

from textwrap import dedent

from tests.course.judging import right, wrong

HEAD = """
from asyncio import Event
from itertools import count
from chatlab.errors import StorageError
from chatlab.disk.counted import TEMPORARY_SUFFIX
from chatlab.chat.parts.storage_seams import Writer

class SafeWriter(Writer):
    promise = "synced"
    numbers = count()

"""
SAFE = dedent("""
    async def replace(self, name, data):
        temporary = name + TEMPORARY_SUFFIX
        await self.files.write(temporary, data, fsync=True)
        await self.files.rename(temporary, name)
        await self.files.fsync_folder()
""")
CLEANS_UP = """
    async def replace(self, name, data):
        temporary = name + TEMPORARY_SUFFIX
        try:
            await self.files.write(temporary, data, fsync=True)
            await self.files.rename(temporary, name)
        except BaseException:
            if temporary in await self.files.names():
                await self.files.remove(temporary)
            raise
        await self.files.fsync_folder()
"""
NEW_NAME = ("name + TEMPORARY_SUFFIX", 'f"{name}.{next(self.numbers)}{TEMPORARY_SUFFIX}"')
RIGHT = {
    "syncs in a step of its own": SAFE.replace(
        ", fsync=True)", ")\n    await self.files.append(temporary, b'', fsync=True)"
    ),
    "cleans up after a failure": CLEANS_UP.replace("BaseException", "StorageError"),
    "a new name each time, removed on failure": CLEANS_UP.replace(*NEW_NAME),
    "a log, cut before use": """
        async def replace(self, name, data):
            temporary = name + TEMPORARY_SUFFIX
            log = await self.files.open_log(temporary)
            try:
                await log.cut(0)
                await log.append(data, fsync=True)
            finally:
                await log.close()
            await self.files.rename(temporary, name)
            await self.files.fsync_folder()
    """,
    "tries a second time by itself": SAFE
    + """
_replace = replace

async def replace(self, name, data):
    try:
        await self._replace(name, data)
    except StorageError:
        await self._replace(name, data)
""",
    "syncs more than it must": SAFE.replace(
        "    await self.files.rename",
        "    await self.files.fsync_folder()\n    await self.files.rename",
    ).replace("name)\n", "name)\n    await self.files.append(name, b'', fsync=True)\n"),
}
KEEPS_TO_ITSELF = SAFE.replace(
    "    await self.files.fsync_folder()",
    "    try:\n        await self.files.fsync_folder()\n    except StorageError:\n        pass",
)
SYNCS_LATE = SAFE.replace(", fsync=True", "") + "    await self.files.append(name, b'', fsync=True)"
WAITS = "async def replace(self, name, data): await Event().wait()"
PROMISES_LESS = 'promise = "written"\n' + SAFE
ONE_NAME = SAFE.replace("name + TEMPORARY_SUFFIX", '"one" + TEMPORARY_SUFFIX')
WRONG = {
    "does nothing": ("replaces: version 1, whole", "async def replace(self, name, data): pass"),
    "not a coroutine": ("replaces: NoneType", "def replace(self, name, data): return None"),
    "other arguments": ("replaces: positional argument", "async def replace(self, name): pass"),
    "promises less": ("power_cut_kept: written", PROMISES_LESS),
    "two temporary files get in each other's way": ("never_half: cannot rename", ONE_NAME),
    "syncs the file in a call that comes too late": (
        "power_cut_whole: No fsync of messages.json.tmp had returned before the rename",
        SYNCS_LATE,
    ),
    "keeps an fsync's error to itself": ("disk_fails: a power cut may leave", KEEPS_TO_ITSELF),
    "a new file after each failure": ("disk_fails: they pile up", SAFE.replace(*NEW_NAME)),
    "waits for ever": ("replaces: had not ended", WAITS),
}

test_a_right_answer_of_another_shape_passes = right("03_atomic_write", RIGHT, HEAD)
test_a_wrong_answer_is_told_what_is_wrong = wrong("03_atomic_write", WRONG, HEAD)
