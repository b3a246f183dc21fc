"""Messages for checks, and how they are compared so that a person can read the difference."""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.course.checks import Mismatch
from chatlab.data.records import Message


def said(
    count: int, room_id: str = "general", *, sender: str = "alice", content: str = "message {}"
) -> list[Message]:
    """So many messages in a room; `{}` in `content` becomes the number, from 1."""
    return [
        Message(f"{room_id}-{n:05d}", room_id, sender, content.format(n), "2026-01-01T00:00:00Z")
        for n in range(1, count + 1)
    ]


def one(id_: str, room_id: str = "general", *, sender: str = "bob", content: str = "") -> Message:
    """A message that says its own id, if nothing else."""
    return Message(id_, room_id, sender, content or id_, "2026-01-01T00:00:00Z")


def expect_messages(found: object, wanted: Sequence[Message], what: str) -> None:
    """Go on if just these messages were found, in this order.

    Args:
        what: names it, e.g. "what bob hears".

    Raises:
        Mismatch: says what is missing, too much, changed, or out of order; or that it is no list of
            messages.
    """
    if not isinstance(found, list) or not all(isinstance(one, Message) for one in found):
        raise Mismatch(f"{what}: a list of messages", _kind(found))
    if found != list(wanted):
        raise Mismatch(f"{what}: {words(wanted)}", _difference(found, wanted))


def by_id(found: list[Message]) -> list[Message]:
    """Messages whose order nobody has promised, in an order; anything else as it is."""
    if isinstance(found, list) and all(isinstance(one, Message) for one in found):
        return sorted(found, key=lambda message: message.id)
    return found


def words(messages: Sequence[Message]) -> str:
    """`general-00001`, or `100 messages (general-00001 to general-00100)`."""
    if not messages:
        return "no messages"
    if len(messages) == 1:
        return messages[0].id
    return f"{len(messages):,} messages ({messages[0].id} to {messages[-1].id})"


def _difference(found: list[Message], wanted: Sequence[Message]) -> str:
    ids, wanted_ids = [m.id for m in found], [m.id for m in wanted]
    strangers = [m for m in found if m.id not in wanted_ids]
    missing = [m for m in wanted if m.id not in ids]
    changed = [m for m in found if m.id in wanted_ids and m not in wanted]
    if strangers:
        return f"{words(found)}; among them, and wrong here: {words(strangers)}"
    if missing:
        return f"{words(found)}; missing: {words(missing)}"
    if changed:
        return f"{words(changed)}, but with another text, sender or time"
    if len(found) > len(wanted):
        return f"{words(found)}; some are there twice"
    return "all of them, in another order"


def _kind(found: object) -> str:
    if isinstance(found, list):
        other = next(one for one in found if not isinstance(one, Message))
        return f"a list with an object of type {type(other).__name__} in it"
    return "None" if found is None else f"an object of type {type(found).__name__}"
