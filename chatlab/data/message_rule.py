"""The rule of what a message is: one for every store, and for every door that messages come in by.

A server keeps it for what it accepts: `chat/rules.py` takes names and limits from here. An import
refuses a file that breaks it. An inspection calls it damage. An export says so and writes what
there is, so that it can be mended. A server serves what an old folder holds, as it is. It looks
only where it takes a whole history over into a new store; then its notes say what it found.

- An id has 1 to 128 letters, digits, `_`, `.`, `:` or `-`, the first a letter or digit. It is there
  once in a store.
- Room and sender are names: 1 to 64 of the same without `:`.
- The content is not blank, and has 4,000 characters at most.
- The time is one of ISO 8601 in UTC, with a Z: `2026-01-01T00:00:00.000Z`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache

from chatlab.data.records import Message

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CONTENT_CHARS_MAX = 4_000

_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_TIME_PATTERN = re.compile(
    r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z", re.ASCII
)
_SHOWN_CHARS = 40


class MessageCheck:
    """Looks at the messages of one store, in order.

    It keeps every id: about 150 bytes a message.

    Attributes:
        looked_at: how many messages.
        broken: how many of them break the rule.
        first: what is wrong with the first of these; empty if there is none.
    """

    def __init__(self) -> None:
        self.looked_at = self.broken = 0
        self.first = ""
        self._ids: set[str] = set()

    def through(self, messages: Iterable[Message], *, once: bool = False) -> Iterator[Message]:
        """The same messages, looked at.

        Args:
            once: whether to leave out those whose id was there before.
        """
        for message in messages:
            new = self.look(message)
            if new or not once:
                yield message

    def look(self, message: Message) -> bool:
        """Look at one; returns whether its id is new."""
        self.looked_at += 1
        before = len(self._ids)
        self._ids.add(message.id)
        new = len(self._ids) > before
        if wrong := fault(message) or ("" if new else "its id was there before"):
            self.broken += 1
            shown = repr(message.id[:_SHOWN_CHARS])
            self.first = self.first or f"message {self.looked_at:,}, {shown}: {wrong}"
        return new

    def notes(self, name: str) -> list[str]:
        """What a server notes when it has taken over the messages of a file, each id once."""
        left_out = self.looked_at - len(self._ids)
        notes = [f"left out {left_out:,} of {name}: their id was taken"] if left_out else []
        return notes + [f"{name}: {self.words}; the rest is kept as it is"] * bool(self.words)

    @property
    def words(self) -> str:
        """What was found, in words; empty if nothing breaks the rule."""
        more = f" ({self.broken:,} of {self.looked_at:,} break the rule of messages)"
        return self.first and self.first + more


def fault(message: Message) -> str:
    """What in a message breaks the rule, in words; empty if nothing does."""
    if not _ID_PATTERN.fullmatch(message.id):
        return "its id is not 1 to 128 letters, digits, '_', '.', ':' or '-'"
    if not _is_name(message.room_id):
        return f"its roomId {message.room_id[:_SHOWN_CHARS]!r} is not a name"
    if not _is_name(message.sender):
        return f"its sender {message.sender[:_SHOWN_CHARS]!r} is not a name"
    if len(message.content) > CONTENT_CHARS_MAX:
        chars = f"{len(message.content):,} characters"
        return f"its content has {chars}, {CONTENT_CHARS_MAX:,} are allowed"
    if not message.content or message.content.isspace():
        return "its content is blank"
    if not _is_time(message.timestamp):
        shown = repr(message.timestamp[:_SHOWN_CHARS])
        return f"its timestamp {shown} is no time like 2026-01-01T00:00:00.000Z"
    return ""


@lru_cache(10_000)
def _is_name(text: str) -> bool:
    return NAME_PATTERN.fullmatch(text) is not None


def _is_time(text: str) -> bool:
    return _TIME_PATTERN.fullmatch(text) is not None and _is_day(text[:10])


@lru_cache(1_000)
def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:  # the 30th of February
        return False
    return True
