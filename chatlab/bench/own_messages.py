"""The messages of one person that are on their way: when each was acked, when it came back, and
where that time went."""

from __future__ import annotations

import time
from dataclasses import dataclass

from chatlab.chat.protocol import Ack, MessageFrame, Ref, TraceFrame

STEPS = ("waiting", "check", "queue", "lock", "save", "delivery", "network")
"""The steps of a message's way, in their order; the last is that to the server and back, and this
program."""


def steps_ms(trace: TraceFrame, back_ms: float) -> dict[str, float]:
    """The parts of the time until a message came back, in milliseconds; they add up to it.

    What the server does not account for went to the network and this program. The server's delivery
    ends with the last member of the room; what came after our own copy is left out.
    """
    server = (
        trace.waiting_ms,
        trace.check_ms,
        trace.queue_ms,
        trace.lock_ms,
        trace.save_ms,
        trace.delivery_ms,
    )
    parts, left = [], back_ms
    for part in server:
        parts.append(min(max(part, 0.0), left))
        left -= parts[-1]
    return dict(zip(STEPS, [*parts, left], strict=True))


@dataclass
class OwnMessage:
    """A message that was sent.

    Attributes:
        sent_at: seconds, on the performance counter.
        ack_ms: after sending; None without an ack.
        means: what the ack promised.
        back_ms: after sending; 0.0 while it has not come back.
    """

    ref: Ref
    room_id: str
    content: str
    sent_at: float
    ack_ms: float | None = None
    means: str = ""
    back_ms: float = 0.0


class OwnMessages:
    """One person's messages that have not come back; bounded by what a person types meanwhile."""

    def __init__(self) -> None:
        self._pending: dict[Ref, OwnMessage] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, ref: object) -> bool:
        return ref in self._pending

    def sent(self, ref: Ref, room_id: str, content: str) -> None:
        """Call it right before the message is sent."""
        self._pending[ref] = OwnMessage(ref, room_id, content, time.perf_counter())

    def acked(self, frame: Ack) -> None:
        """The ack of one of them came."""
        assert isinstance(frame.ref, int)
        message = self._pending[frame.ref]
        message.ack_ms = (time.perf_counter() - message.sent_at) * 1000
        message.means = frame.means

    def refused(self, ref: Ref) -> None:
        """It will not come back."""
        self._pending.pop(ref, None)

    def back(self, frame: MessageFrame) -> OwnMessage | None:
        """Which of them this is: the first that says the same in the same room, if there is one.

        A room's messages come in the order in which they were sent, but those of two rooms may
        overtake each other.
        """
        for message in self._pending.values():
            if (message.room_id, message.content) == (frame.room_id, frame.content):
                message.back_ms = (time.perf_counter() - message.sent_at) * 1000
                return self._pending.pop(message.ref)
        return None

    def acks(self) -> list[str]:
        """What the ack of each promised; empty for one without an ack."""
        return [message.means for message in self._pending.values()]
