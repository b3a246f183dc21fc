"""What a client may say: the rules of names, contents, refs and answers, each on its own.

`session.py` asks for them; each raises `Refusal` with a sentence that says what to do.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right

from chatlab.chat.protocol import CreateRoom, Ref
from chatlab.data.message_rule import CONTENT_CHARS_MAX, NAME_PATTERN
from chatlab.data.records import Message, Room
from chatlab.errors import Refusal

NAME_RULE = "1 to 64 letters, digits, '_', '.' or '-', the first a letter or digit"
ROOM_TITLE_CHARS_MAX = 100
HISTORY_CHARS_MAX = 100_000
BESIDE_CONTENT_CHARS = 250
"""Of an ordinary message; they do not count."""


def check_user(user: str) -> None:
    """Raises `Refusal` unless `user` is a valid name."""
    check_name("user", user)


def check_name(field: str, value: str) -> None:
    """Raises `Refusal` unless a field holds a valid name."""
    if not NAME_PATTERN.fullmatch(value):
        raise Refusal("invalid_field", f"{field} {value[:80]!r} is not a name: use {NAME_RULE}")


def growing(ref: Ref, latest: int) -> int:
    """The ref, which must be a number above the latest: a cumulative ack covers all up to one."""
    if not isinstance(ref, int) or ref <= latest:
        raise Refusal(
            "invalid_field",
            f"with frames=batch each message needs a ref that is a number above the last one, "
            f"{latest}; this one has {ref!r}"[:200],
        )
    return ref


def check_content(content: str) -> None:
    """Raises `Refusal` unless a message may say this."""
    if not content.strip():
        raise Refusal("invalid_field", "content is empty: say something")
    if len(content) > CONTENT_CHARS_MAX:
        raise Refusal(
            "too_large",
            f"content has {len(content):,} characters, {CONTENT_CHARS_MAX:,} are allowed: "
            "send it in pieces",
        )


def fitting(messages: list[Message]) -> list[Message]:
    """The latest messages that fit into one answer, so that long ones do not overrun the client's
    send buffer, nor the 1 MiB of a usual client: a character takes up to six bytes in JSON."""
    chars = list(itertools.accumulate(map(_chars, reversed(messages))))
    return messages[len(messages) - bisect_right(chars, HISTORY_CHARS_MAX) :]


def _chars(message: Message) -> int:
    """Of what may be long: the content; in an imported or damaged history, all the rest."""
    beside = len(message.id) + len(message.room_id) + len(message.sender) + len(message.timestamp)
    return len(message.content) + max(0, beside - BESIDE_CONTENT_CHARS)


def new_room(request: CreateRoom, creator: str) -> Room:
    """The room that a request asks for; raises `Refusal` if its names are not allowed."""
    check_name("roomId", request.room_id)
    title = request.name.strip() or request.room_id
    if len(title) > ROOM_TITLE_CHARS_MAX:
        raise Refusal("too_large", f"name has more than {ROOM_TITLE_CHARS_MAX} characters")
    return Room(request.room_id, title, (creator,), request.private)
