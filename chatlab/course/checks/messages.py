"""Messages in checks: made, heard by clients in memory, and compared so that one can read how."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import msgspec

from chatlab.chat.parts.text_frames import TextFrames
from chatlab.chat.protocol import (
    FrameStyle,
    MessageFrame,
    MessagesFrame,
    decode_outgoing,
)
from chatlab.course.checks import CheckBench, Mismatch, repeated, words
from chatlab.course.simulation import Story, now
from chatlab.data.records import MESSAGES, Message

TOLD_MAX = 20
"""Frames to one listener that the story tells; more of them would say nothing new."""
TIMESTAMP = "2026-01-01T00:00:00Z"


def said(
    count: int, room_id: str = "general", *, sender: str = "alice", content: str = "message {}"
) -> list[Message]:
    """Messages in a room; `{}` in `content` becomes their number, from 1."""
    return [
        one(f"{room_id}-{n:05d}", room_id, sender=sender, content=content.format(n))
        for n in range(1, count + 1)
    ]


def one(id_: str, room_id: str = "general", *, sender: str = "bob", content: str = "") -> Message:
    """A message that says its own id, if nothing else."""
    return Message(id_, room_id, sender, content or id_, TIMESTAMP)


def by_id(found: list[Message]) -> list[Message]:
    """Messages in the order of their ids, where no order was promised; anything else as it is."""
    return sorted(found, key=lambda message: message.id) if _are_messages(found) else found


def whole_for(bench: CheckBench, who: str) -> AbstractContextManager[None]:
    """Someone saves or reads inside; an error means that they have read half a file.

    Raises:
        Mismatch: says so.
    """
    return bench.no_error(
        f"{who} to find {MESSAGES.name} whole",
        f"{who} read it while someone else was writing it, and found half of it ({{}})",
    )


def expect_messages(found: object, wanted: Sequence[Message], what: str) -> None:
    """Go on if just these messages were found, in this order.

    Args:
        what: names it, e.g. "what bob hears".

    Raises:
        Mismatch: says what is missing, too much, changed, or out of order; or that it is no list
            of messages.
    """
    messages = must_be_messages(found, what)
    if messages != list(wanted):
        raise Mismatch(f"{what}: {words(ids_of(wanted))}", difference(messages, wanted))


def must_be_messages(found: object, what: str) -> list[Message]:
    """The same, if it is a list of messages.

    Raises:
        Mismatch: it is none.
    """
    if not isinstance(found, list) or not _are_messages(found):
        raise Mismatch(f"{what}: a list of messages", _type(found))
    return found


def ids_of(messages: Sequence[Message]) -> list[str]:
    """Their ids, in order."""
    return [message.id for message in messages]


def difference(found: list[Message], wanted: Sequence[Message]) -> str:
    """What was found, and how that differs from what was wanted."""
    ids, wanted_ids = ids_of(found), ids_of(wanted)
    if strangers := [id_ for id_ in ids if id_ not in wanted_ids]:
        return f"{words(ids)}; among them, and wrong here: {words(strangers)}"
    if missing := [id_ for id_ in wanted_ids if id_ not in ids]:
        return f"{words(ids)}; missing: {words(missing)}"
    if changed := [message.id for message in found if message not in wanted]:
        return f"{words(changed)}, but with another text, sender or time"
    if twice := repeated(ids):
        return f"{words(ids)}; there more than once: {words(twice)}"
    return words(ids) if ids == wanted_ids else "all of them, in another order"


def _are_messages(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(one, Message) for one in found)


def _type(found: object) -> str:
    if isinstance(found, list):
        other = next(one for one in found if not isinstance(one, Message))
        return f"a list with an object of type {type(other).__name__} in it"
    return "None" if found is None else f"an object of type {type(found).__name__}"


class ReceivedFrame(NamedTuple):
    """A frame that a listener was given.

    Attributes:
        at_s: when, in virtual seconds.
        data: the object itself that was handed over, so that it can be told from a copy.
    """

    at_s: float
    data: object


class Listener:
    """A client in memory that keeps every frame it is given.

    Args:
        story: hears of each frame.
        user: who it is.
        frame_style: what it has asked for.
        slow_s: how long its `send` takes, in virtual seconds. `push` takes none.

    Attributes:
        frames: so far, in the order in which they came.
    """

    def __init__(
        self, story: Story, user: str, frame_style: FrameStyle = "single", slow_s: float = 0.0
    ) -> None:
        self.user = user
        self.frame_style: FrameStyle = frame_style
        self.frames: list[ReceivedFrame] = []
        self._story = story
        self._slow_s = slow_s
        self._told = 0

    async def send(self, frame: bytes) -> None:
        """Takes `slow_s`, and then the frame is there."""
        takes = f", which takes {self._slow_s * 1000:,.0f} ms" if self._slow_s else ""
        self._tell(f"send to {self.user}{takes}")
        await asyncio.sleep(self._slow_s)
        self.frames.append(ReceivedFrame(now(), frame))

    def push(self, frame: bytes) -> None:
        """The frame is there at once."""
        self._tell(f"push to {self.user}")
        self.frames.append(ReceivedFrame(now(), frame))

    def push_all(self, frames: TextFrames) -> None:
        """They are there at once."""
        for frame in frames.texts:
            self.push(frame)

    def release(self) -> None:
        """Nothing: this client is never held back."""

    def opened(self) -> list[list[Message]]:
        """What each frame says.

        Raises:
            Mismatch: one is no frame, or of another kind than this client has asked for.
        """
        return [self._open(frame.data) for frame in self.frames]

    def expect_heard(self, wanted: Sequence[Message], what: str, *, room_id: str = "") -> None:
        """Go on if this client was told just these messages, in this order.

        Args:
            what: names it, e.g. "what bob hears".
            room_id: look only at what was said in this room.

        Raises:
            Mismatch: says what is missing, too much, or out of order.
        """
        heard = [message for messages in self.opened() for message in messages]
        found = [message for message in heard if room_id in ("", message.room_id)]
        expect_messages(found, wanted, what)

    def _tell(self, what: str) -> None:
        self._told += 1
        if self._told <= TOLD_MAX:
            self._story.tell(what)

    def _open(self, data: object) -> list[Message]:
        wanted = f"{self.user} to be given frames of bytes, as encode() makes them"
        if not isinstance(data, bytes):
            raise Mismatch(wanted, f"an object of type {type(data).__name__}")
        try:
            frame = decode_outgoing(data)
        except msgspec.MsgspecError as error:
            raise Mismatch(wanted, f"bytes that no client can read: {error}") from None
        match frame:
            case MessageFrame():
                found = (frame.id, frame.room_id, frame.sender, frame.content, frame.timestamp)
                return [Message(*found)]
            case MessagesFrame() if self.frame_style == "single":
                raise Mismatch(
                    f"{self.user}, who did not ask for batch frames, to get a frame a message",
                    f"a batch frame with {len(frame.messages):,} messages",
                )
            case MessagesFrame():
                for message in frame.messages:
                    if message.room_id != frame.room_id:
                        raise Mismatch(
                            "a batch frame to hold only messages of its own room",
                            f"a frame of room {frame.room_id} with a message of {message.room_id}",
                        )
                return list(frame.messages)
        kind = type(frame).__name__
        raise Mismatch(f"{self.user} to be given message frames", f"a frame of type {kind}")
