"""`03_atomic_write`: right answers of any shape pass; wrong ones are told what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.answers import body, judged, not_passed

NAME = "03_atomic_write"

HEAD = """
from asyncio import Event
from itertools import count

from chatlab.errors import StorageError
from chatlab.disk.counted import TEMPORARY_SUFFIX
from chatlab.chat.parts.writer import Writer


class SafeWriter(Writer):
    promise = "synced"

"""

RIGHT = {
    "syncs in a step of its own": """
        async def replace(self, name, data):
            temporary = name + TEMPORARY_SUFFIX
            await self.files.write(temporary, data)
            await self.files.append(temporary, b"", fsync=True)
            await self.files.rename(temporary, name)
            await self.files.fsync_folder()
    """,
    "cleans up after a failure": """
        async def replace(self, name, data):
            temporary = name + TEMPORARY_SUFFIX
            try:
                await self.files.write(temporary, data, fsync=True)
                await self.files.rename(temporary, name)
            except StorageError:
                if temporary in await self.files.names():
                    await self.files.remove(temporary)
                raise
            await self.files.fsync_folder()
    """,
    "a new name each time, removed on failure": """
        numbers = count()

        async def replace(self, name, data):
            temporary = f"{name}.{next(self.numbers)}{TEMPORARY_SUFFIX}"
            try:
                await self.files.write(temporary, data, fsync=True)
                await self.files.rename(temporary, name)
            except BaseException:
                if temporary in await self.files.names():
                    await self.files.remove(temporary)
                raise
            await self.files.fsync_folder()
    """,
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
    "tries a second time by itself": """
        async def replace(self, name, data):
            try:
                await self.try_to_replace(name, data)
            except StorageError:
                await self.try_to_replace(name, data)

        async def try_to_replace(self, name, data):
            temporary = name + TEMPORARY_SUFFIX
            await self.files.write(temporary, data, fsync=True)
            await self.files.rename(temporary, name)
            await self.files.fsync_folder()
    """,
    "syncs more than it must": """
        async def replace(self, name, data):
            temporary = name + TEMPORARY_SUFFIX
            await self.files.write(temporary, data, fsync=True)
            await self.files.fsync_folder()
            await self.files.rename(temporary, name)
            await self.files.append(name, b"", fsync=True)
            await self.files.fsync_folder()
    """,
}

SAFE = """
async def replace(self, name, data):
    temporary = name + TEMPORARY_SUFFIX
    await self.files.write(temporary, data, fsync=True)
    await self.files.rename(temporary, name)
    await self.files.fsync_folder()
"""

WRONG = {
    "does nothing": ("replaces", "async def replace(self, name, data): pass", "version 1, whole"),
    "not a coroutine": ("replaces", "def replace(self, name, data): return None", "NoneType"),
    "other arguments": ("replaces", "async def replace(self, name): pass", "positional argument"),
    "promises less": ("power_cut_kept", 'promise = "written"\n' + SAFE, "written"),
    "two temporary files get in each other's way": (
        "never_half",
        SAFE.replace("name + TEMPORARY_SUFFIX", '"one" + TEMPORARY_SUFFIX'),
        "cannot rename",
    ),
    "syncs the file in a call that comes too late": (
        "power_cut_whole",
        SAFE.replace(", fsync=True", "") + "    await self.files.append(name, b'', fsync=True)",
        "No fsync of messages.json.tmp had returned before the rename",
    ),
    "keeps the first try's rename to itself": (
        "disk_fails",
        SAFE.replace(
            "    await self.files.fsync_folder()",
            "    try:\n        await self.files.fsync_folder()\n"
            "    except StorageError:\n        pass",
        ),
        "a power cut may leave",
    ),
    "leaves a file of a new name after each failure": (
        "disk_fails",
        "numbers = count()\n"
        + SAFE.replace("name + TEMPORARY_SUFFIX", 'f"{name}.{next(self.numbers)}.tmp"'),
        "they pile up",
    ),
    "waits for ever": (
        "replaces",
        "async def replace(self, name, data): await Event().wait()",
        "had not ended",
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
    assert words in result.actual
