"""What lies in a data folder: read straight from the files, by none of the server's parts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chatlab.chat import journal_format as journal
from chatlab.chat.datafiles import CHATROOMS, MESSAGES, USERS
from chatlab.chat.errors import CorruptFile
from chatlab.chat.protocol import Message


class Saved(msgspec.Struct, frozen=True):
    """What lies in a data folder.

    Attributes:
        messages: in the order of the file; what can be read of it, if it is damaged.
        damaged: files that do not hold what they should.
    """

    messages: list[Message]
    damaged: int


def read_saved(folder: Path) -> Saved:
    """Read the data files of a server that does not run.

    Messages are looked for in a journal, if there is one, else in `messages.json`.
    """
    damaged = 0
    for file in (USERS, CHATROOMS):
        try:
            file.decode((folder / file.name).read_bytes())
        except (CorruptFile, OSError):
            damaged += 1
    if segments := sorted(folder.glob(journal.PATTERN)):
        messages, broken = _read_journal(segments)
    else:
        messages, broken = _read_json(folder)
    return Saved(messages, damaged + broken)


def _read_json(folder: Path) -> tuple[list[Message], int]:
    try:
        return MESSAGES.decode((folder / MESSAGES.name).read_bytes()), 0
    except (CorruptFile, OSError):
        return [], 1


def _read_journal(segments: list[Path]) -> tuple[list[Message], int]:
    """Every segment must be whole, and begin where the one before it ends."""
    messages: list[Message] = []
    damaged, begin = 0, 0
    for path in segments:
        data = path.read_bytes()
        try:
            found = journal.scan(path.name, data)
            damaged += found.torn > 0 or found.header.base != begin
        except CorruptFile:
            damaged += 1
        else:
            messages += [record.message for record in journal.records(path.name, data)]
        begin += len(data)
    return messages, damaged
