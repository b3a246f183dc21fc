"""What the data files hold, and how it is encoded: JSON, indented by two, as in the origin.

Owns the records, their encoding and the names of their files. Refuses to know how files are read or
written: the parts decide that.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from chatlab.disk.text_files import NotText, text_of
from chatlab.errors import CorruptFile

T = TypeVar("T")

FILL_AT_ONCE = 5_000
"""Messages that a new store takes at a time, so that memory need not hold them all."""


class User(msgspec.Struct, frozen=True, rename="camel"):
    """A user with a name of record; anyone else may connect as a guest."""

    id: str
    name: str


class Room(msgspec.Struct, frozen=True, rename="camel"):
    """A room and the ids of its participants."""

    id: str
    name: str
    participants: tuple[str, ...] = ()
    private: bool = False


class Message(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One chat message, as it lies in `messages.json`.

    Attributes:
        id: unique; ids of one server sort by the time of acceptance.
        timestamp: when the server accepted it; ISO 8601 in UTC with milliseconds.
    """

    id: str
    room_id: str
    sender: str
    content: str
    timestamp: str


class DataFile(Generic[T]):
    """A named file and the type of its content.

    Args:
        name: inside the data folder.
        kind: what it decodes to; a list of records.
    """

    def __init__(self, name: str, kind: type[T]) -> None:
        self.name = name
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, data: bytes) -> T:
        """Parse a file's bytes.

        Raises:
            CorruptFile: they are not what this file should hold.
        """
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            return self._decoded_again(data, error)

    def _decoded_again(self, data: bytes, error: Exception) -> T:
        """The same of a file with a mark in front; what is wrong with any other is said by name."""
        if not data.strip():
            raise CorruptFile(self.name, "it is empty") from error
        try:
            text = text_of(data)
        except NotText as wrong:
            raise CorruptFile(self.name, f"it {wrong}", cure="") from error
        try:
            return self._decoder.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise CorruptFile(self.name, str(error)) from error

    def encode(self, value: T) -> bytes:
        """The bytes to write for `value`."""
        return msgspec.json.format(msgspec.json.encode(value), indent=2)


def indented_json(value: object) -> bytes:
    """A value as JSON for people to read, with a line feed at its end: for reports."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


USERS: DataFile[list[User]] = DataFile("users.json", list[User])
CHATROOMS: DataFile[list[Room]] = DataFile("chatrooms.json", list[Room])
MESSAGES: DataFile[list[Message]] = DataFile("messages.json", list[Message])
ALL_FILES: tuple[DataFile[list[User]] | DataFile[list[Room]] | DataFile[list[Message]], ...] = (
    USERS,
    CHATROOMS,
    MESSAGES,
)
