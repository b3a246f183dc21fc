"""What a store of someone's own has saved: asked of the store itself, in a process of its own.

The built-in formats are read straight from the files (`saved.py`). Of another format only its store
knows how to read it. So after the server has stopped, a fresh store starts on the data folder, in a
fresh process that knows nothing but the files, and is asked for every room's history. What it does
not find there, it has not saved.

Whatever the store does to that process, an exception, an exit, a loop without an end, is a finding:
one more damaged file, with the reason.

    python -m chatlab.bench.saved_by_store MODE FOLDER
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import BinaryIO

import msgspec

from chatlab import exit_codes
from chatlab.chat.modes import LineUp, parse
from chatlab.chat.parts.store import Store
from chatlab.chat.settings import Settings
from chatlab.data.readers import Keep, SavedMessages, damaged_lists, read_saved
from chatlab.data.records import CHATROOMS, MESSAGES, Message
from chatlab.disk.files import Files
from chatlab.errors import ChatlabError

TIMEOUT_S = 60.0
"""For all of it: a store that has not given back its messages by then counts as damaged."""
ALL = 2**31


class _KeptIn(msgspec.Struct, tag="kept_in"):
    """First: which files the store says it keeps messages in."""

    pattern: str


class _Found(msgspec.Struct, tag="found"):
    """A message."""

    message: Message


class _End(msgspec.Struct, tag="end"):
    """Last: why there may be more than that; empty if there is not."""

    why: str = ""


_Line = _KeptIn | _Found | _End
_decoder: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


async def read_saved_by_store(
    mode: str, folder: Path, keep: Keep = lambda _message: True, timeout_s: float = TIMEOUT_S
) -> SavedMessages | None:
    """What the store of a mode has saved in the data folder of a server that does not run.

    Args:
        mode: its line-up; its store may come from anybody's file, which is not loaded here.
        folder: the data folder. The store starts on it, and so may change it.
        keep: which messages are wanted.
        timeout_s: for all of it.

    Returns None if the store keeps nothing in files. One that keeps its messages in
    `messages.json` is not asked: that file is read straight.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatlab.bench.saved_by_store", mode, str(folder)),
        stdin=subprocess.PIPE,  # its end tells the child that nobody waits any more
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=sys.platform != "win32",  # a Ctrl-C in the terminal is for us alone
        limit=2**24,
    )
    told = _Told(keep)
    try:
        async with asyncio.timeout(timeout_s):
            await told.listen(process)
    except TimeoutError:
        told.why = f"it had not given back its messages after {timeout_s:g} s"
    except ValueError as error:  # of msgspec, too: the store can reach the channel, if it tries
        told.why = f"it said something that is no message: {error}"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
    if told.pattern == "":
        return None
    if told.pattern == MESSAGES.name:
        return await asyncio.to_thread(read_saved, folder, keep)
    damaged = damaged_lists(folder) + bool(told.why)
    return SavedMessages(told.messages, damaged, told.why)


class _Told:
    """What the child has said so far.

    Attributes:
        pattern: where the store keeps its messages; None as long as nobody knows.
        why: why the messages may not be all.
    """

    def __init__(self, keep: Keep) -> None:
        self.pattern: str | None = None
        self.messages: list[Message] = []
        self.why = ""
        self._keep = keep

    async def listen(self, process: asyncio.subprocess.Process) -> None:
        """Listen to the end, or until nothing more can come."""
        assert process.stdout is not None
        async for line in process.stdout:
            match _decoder.decode(line):
                case _KeptIn(pattern=pattern):
                    self.pattern = pattern
                case _Found(message=message):
                    if self._keep(message):
                        self.messages.append(message)
                case _End(why=why):
                    self.why = why
                    return
        self.why = f"it ended its process (exit code {await process.wait()})"


def main() -> None:
    """Ask the store of a mode; see the head of this file."""
    mode, folder = sys.argv[1:]
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the store prints is no message
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    line_up: LineUp | None = None
    try:
        line_up = parse(mode)
        _say(channel, _KeptIn(line_up.classes["store"].kept_in))  # type: ignore[attr-defined]
        if line_up.classes["store"].kept_in not in ("", MESSAGES.name):  # type: ignore[attr-defined]
            asyncio.run(_ask(line_up, Path(folder), channel))
        end = _End()
    except BaseException as error:  # also an exit: that of a store is no end of ours
        end = _End(_words(error, line_up))
    _say(channel, end)
    channel.flush()
    os._exit(exit_codes.OK)  # a thread of the store's must not keep the answer waiting


async def _ask(line_up: LineUp, folder: Path, channel: BinaryIO) -> None:
    files = Files(folder)
    store = _store(line_up, files)
    await store.start()
    for room in CHATROOMS.decode(await files.read(CHATROOMS.name)):
        for message in await store.history(room.id, ALL):
            if not isinstance(message, Message):
                kind = type(message).__name__
                raise TypeError(f"history gave back an object of type {kind}, and no message")
            _say(channel, _Found(message))


def _store(line_up: LineUp, files: Files) -> Store:
    make, settings = line_up.classes, Settings()
    reader = make["reader"](files, settings, time.perf_counter)
    store: Store = make["store"](files, reader, make["writer"](files), make["lock"](), settings)
    return store


def _say(channel: BinaryIO, line: _Line) -> None:
    channel.write(msgspec.json.encode(line) + b"\n")


def _words(error: BaseException, line_up: LineUp | None) -> str:
    """An error in one line, with the place in the store's own file."""
    if isinstance(error, ChatlabError):
        return str(error)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if line_up is None:
        return words
    path = inspect.getfile(line_up.classes["store"])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == path:
            return f"{words} ({Path(path).name}, line {frame.lineno})"
    return words


def _end_with_stdin() -> None:
    """Whoever asked is gone: end, whatever the store is doing."""
    while os.read(0, 4096):
        pass
    os._exit(exit_codes.INTERRUPTED)


if __name__ == "__main__":
    main()
