"""What a user's store has saved: asked of the store itself, in a process of its own.

The built-in formats are read straight from the files (`data/readers.py`). Only a user's store can
read a format of its own. So after the server has stopped, a fresh store starts on the data folder,
in a fresh process that knows nothing but the files, and returns every room's history. What it does
not find there, it has not saved.

Whatever the store does to that process (an exception, an exit, an endless loop) is a finding: one
more damaged file, with the reason.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import BinaryIO

import msgspec

from chatlab.chat.modes import LineUp, parse, storage
from chatlab.chat.server_job import ServerJob
from chatlab.chat.settings import Settings
from chatlab.chat.user_parts import user_line
from chatlab.child_process import ChildProcess, python, read_job, send, take_stdout, when_stdin_ends
from chatlab.data.readers import Keep, SavedMessages, damaged_lists, read_saved
from chatlab.data.records import CHATROOMS, MESSAGES, Message
from chatlab.disk.files import Files
from chatlab.errors import ChatlabError, ExitCode

TIMEOUT_S = 60.0
"""For all of it: a store that has not returned its messages by then counts as damaged."""
ALL = 2**31


class _KeptIn(msgspec.Struct, tag="kept_in"):
    """Comes first: the files in which the store says that it keeps messages."""

    pattern: str


class _History(msgspec.Struct, tag="history"):
    """The messages of a room."""

    messages: list[Message]


class _End(msgspec.Struct, tag="end"):
    """Comes last: why messages may be missing; empty if none is."""

    why: str = ""


async def read_saved_by_store(
    mode: str, folder: Path, keep: Keep = lambda _message: True, timeout_s: float = TIMEOUT_S
) -> SavedMessages | None:
    """What the store of a mode has saved in the data folder of a server that does not run.

    Args:
        mode: its line-up. A user's store is not loaded into this process.
        folder: the data folder. The store starts on it, and so may change it.
        keep: which messages to return.
        timeout_s: for all of it.

    Returns None if the store keeps nothing in files. If it keeps its messages in `messages.json`,
    that file is read straight.
    """
    command = python("chatlab.bench.saved_by_store", mode, str(folder))
    child = ChildProcess(command, job=ServerJob(mode, str(folder)), stderr=subprocess.DEVNULL)
    answer = _Answer(keep)
    async with child:
        try:
            async with asyncio.timeout(timeout_s):
                await answer.read(child)
        except TimeoutError:
            answer.why = f"it had not returned its messages after {timeout_s:g} s"
        except ValueError as error:  # the store can reach the channel, if it tries
            answer.why = f"it sent something that is not a message: {error}"
    if answer.pattern == "":
        return None
    if answer.pattern == MESSAGES.name:
        return await asyncio.to_thread(read_saved, folder, keep)
    damaged = damaged_lists(folder) + bool(answer.why)
    return SavedMessages(answer.messages, damaged, answer.why)


class _Answer:
    """What the child has sent so far.

    Attributes:
        pattern: where the store keeps its messages; None while unknown.
        why: why the messages may not be all.
    """

    def __init__(self, keep: Keep) -> None:
        self.pattern: str | None = None
        self.messages: list[Message] = []
        self.why = ""
        self._keep = keep

    async def read(self, child: ChildProcess) -> None:
        """Read to the end, or until nothing more can come."""
        async for sent in child.messages(_KeptIn | _History | _End):
            match sent:
                case _KeptIn(pattern=pattern):
                    self.pattern = pattern
                case _History(messages=messages):
                    self.messages += filter(self._keep, messages)
                case _End(why=why):
                    self.why = why
                    return
        self.why = f"it ended its process (exit code {await child.process.wait()})"


def main() -> None:
    """Ask the store of the job on standard input."""
    job = read_job(ServerJob)
    channel = take_stdout()  # the store may print
    when_stdin_ends(lambda: os._exit(ExitCode.INTERRUPTED))
    try:
        line_up = parse(job.mode)
        send(_KeptIn(line_up.classes["store"].kept_in), channel)  # type: ignore[attr-defined]
        if line_up.classes["store"].kept_in not in ("", MESSAGES.name):  # type: ignore[attr-defined]
            asyncio.run(_ask(line_up, Path(job.data), channel))
        end = _End()
    except BaseException as error:  # even SystemExit
        end = _End(_words(error))
    send(end, channel)
    os._exit(ExitCode.OK)  # a thread of the store may never end


async def _ask(line_up: LineUp, folder: Path, channel: BinaryIO) -> None:
    files = Files(folder)
    *_, store = storage(line_up, files, Settings())
    await store.start()
    for room in CHATROOMS.decode(await files.read(CHATROOMS.name)):
        found = list(await store.history(room.id, ALL))
        send(_History([one for one in found if isinstance(one, Message)]), channel)
        for one in found:
            if not isinstance(one, Message):
                kind = type(one).__name__
                raise TypeError(f"history returned an object of type {kind} instead of a message")


def _words(error: BaseException) -> str:
    """An error in one line, with the place in the store's file."""
    if isinstance(error, ChatlabError):
        return str(error)
    words = f": {error}" if str(error) else ""
    return f"{type(error).__name__}{words}{user_line(error)}"


if __name__ == "__main__":
    main()
