"""The frames with messages that the users of a run receive: which messages each frame holds.

A frame that ten users receive is parsed once: the other nine copies are compared with it, byte by
byte. The copies come interleaved (three frames for one user, then the same three for the next), so
the latest frames are kept to compare with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chatlab.bench.scenario import PlannedSend, content_of, number_of
from chatlab.chat.protocol import MessageFrame
from chatlab.data.records import Message

KEPT_MAX = 1_024
"""Frames. A mode that sends one frame per message sends a user a whole batch of them before the
next user's turn."""
KEPT_BYTES_MAX = 2_000_000
HEAD_BYTES = 200


@dataclass(slots=True)
class FrameRecord:
    """The messages of the plan that one frame holds, and who received it.

    Attributes:
        numbers: of the messages, in order.
        altered: how many differ from the text that was sent.
        own: for each sender, how many of them it sent.
        room: where they were sent; -1 if not all in one room.
        whole: whether it can be counted as a whole: its messages are of one room, and each was
            seen only once, in this frame.
        had_by: while it is whole, the members of the room who received it.
    """

    numbers: list[int]
    altered: int
    own: dict[int, int]
    room: int
    whole: bool
    had_by: set[int] = field(default_factory=set)


class FrameReader:
    """Parses the frames of one run, each only once.

    Args:
        run_id: of the run; other messages are ignored.
        plan: its messages.

    Attributes:
        contents: the text of each message of the plan.
    """

    def __init__(self, run_id: str, plan: Sequence[PlannedSend]) -> None:
        self._run_id = run_id
        self.contents = [content_of(run_id, n, send.text) for n, send in enumerate(plan)]
        self._number_of = {content: number for number, content in enumerate(self.contents)}
        self._users = [send.user for send in plan]
        self._rooms = [send.room for send in plan]
        # Frames by their first bytes; a whole frame would take longer to hash than to compare.
        self._kept: dict[bytes, tuple[bytes, FrameRecord]] = {}
        self._kept_bytes = 0

    def again(self, data: bytes) -> FrameRecord | None:
        """The frame with exactly these bytes, if it was read lately."""
        data_before, frame = self._kept.get(data[:HEAD_BYTES], (None, None))
        return frame if data == data_before else None

    def read(self, data: bytes, messages: Iterable[Message | MessageFrame]) -> FrameRecord:
        """Read a frame, and keep it to compare others with.

        Args:
            data: its bytes.
            messages: its messages.
        """
        numbers, altered = self._recognise([message.content for message in messages])
        rooms = {self._rooms[number] for number in numbers}
        room = rooms.pop() if len(rooms) == 1 else -1
        frame = FrameRecord(
            numbers=numbers,
            altered=altered,
            own=Counter([self._users[number] for number in numbers]),
            room=room,
            whole=room != -1 and len(set(numbers)) == len(numbers),
        )
        self._keep(data, frame)
        return frame

    def _keep(self, data: bytes, frame: FrameRecord) -> None:
        """Keep a frame instead of the oldest ones."""
        head = data[:HEAD_BYTES]
        self._forget(head)
        while self._kept and (
            len(self._kept) >= KEPT_MAX or self._kept_bytes + len(data) > KEPT_BYTES_MAX
        ):
            self._forget(next(iter(self._kept)))
        self._kept[head] = data, frame
        self._kept_bytes += len(data)

    def _forget(self, head: bytes) -> None:
        data, _ = self._kept.pop(head, (b"", None))
        self._kept_bytes -= len(data)

    def _recognise(self, contents: list[str]) -> tuple[list[int], int]:
        """The numbers of this run's messages, and how many of these were altered."""
        try:
            # The usual case: all are ours, and unaltered.
            return [self._number_of[content] for content in contents], 0
        except KeyError:
            found = [(number_of(self._run_id, content), content) for content in contents]
        planned = len(self.contents)
        ours = [(n, content) for n, content in found if n is not None and n < planned]
        return [n for n, _ in ours], sum(content != self.contents[n] for n, content in ours)
