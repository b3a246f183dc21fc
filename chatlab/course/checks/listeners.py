"""People in a room, for checks: clients in memory that keep every frame they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chatlab.chat.protocol import FrameStyle, MessageFrame, MessagesFrame, decode_outgoing
from chatlab.course.checks import CheckBench, Mismatch
from chatlab.course.checks.messages import expect_messages
from chatlab.course.simulation import now
from chatlab.data.records import Message

TOLD_MAX = 20
"""Frames to one listener that the story tells; the rest of a long row says nothing new."""


class ReceivedFrame(NamedTuple):
    """A frame that has come.

    Attributes:
        at_s: when, in virtual seconds.
        data: just what was handed over: the object itself, so that it can be told from a copy.
    """

    at_s: float
    data: object


class Listener:
    """A client that keeps what it is given.

    Args:
        bench: hears the story.
        user: who it is.
        frame_style: what it has asked for.
        slow_s: how long its `send` takes, in virtual seconds. `push` takes none.

    Attributes:
        frames: so far, in the order of their coming.
    """

    def __init__(
        self, bench: CheckBench, user: str, frame_style: FrameStyle = "single", slow_s: float = 0.0
    ) -> None:
        self.user = user
        self.frame_style: FrameStyle = frame_style
        self.frames: list[ReceivedFrame] = []
        self._story = bench.story
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

    def release(self) -> None:
        """Nothing: nobody here is held back."""

    def _tell(self, what: str) -> None:
        self._told += 1
        if self._told <= TOLD_MAX:
            self._story.tell(what)


def opened(listener: Listener) -> list[list[Message]]:
    """What each frame of a listener says.

    Raises:
        Mismatch: one is no frame, or of another kind than the listener has asked for.
    """
    return [_opened(listener, frame.data) for frame in listener.frames]


def heard(listener: Listener) -> list[Message]:
    """All that a listener was told; see `opened`."""
    return [message for messages in opened(listener) for message in messages]


def expect_heard(
    listener: Listener, wanted: Sequence[Message], what: str, *, room_id: str = ""
) -> None:
    """Go on if a listener was told just this, in this order.

    Args:
        what: names it, e.g. "what bob hears".
        room_id: look at what was said in this room alone.

    Raises:
        Mismatch: says what is missing, too much, or out of order.
    """
    found = [message for message in heard(listener) if room_id in ("", message.room_id)]
    expect_messages(found, wanted, what)


def _opened(listener: Listener, data: object) -> list[Message]:
    wanted = f"{listener.user} to be given frames of bytes, as encode() makes them"
    if not isinstance(data, bytes):
        raise Mismatch(wanted, f"an object of type {type(data).__name__}")
    try:
        frame = decode_outgoing(data)
    except msgspec.MsgspecError as error:
        raise Mismatch(wanted, f"bytes that no client can read: {error}") from None
    match frame:
        case MessageFrame():
            return [Message(frame.id, frame.room_id, frame.sender, frame.content, frame.timestamp)]
        case MessagesFrame() if listener.frame_style == "single":
            raise Mismatch(
                f"{listener.user}, who did not ask for batch frames, to get a frame a message",
                f"a batch frame with {len(frame.messages):,} messages",
            )
        case MessagesFrame():
            for message in frame.messages:
                if message.room_id != frame.room_id:
                    raise Mismatch(
                        "a batch frame to hold messages of its own room alone",
                        f"a frame of room {frame.room_id} with a message of {message.room_id}",
                    )
            return list(frame.messages)
    raise Mismatch(
        f"{listener.user} to be given message frames", f"a frame of type {type(frame).__name__}"
    )
