"""Reading the frames with messages that the users of a run receive: which messages each one has.

A frame that ten users receive is read once: the other nine copies are compared with it, byte by
byte. The users' copies come interleaved (three frames for one, then the same three for the next),
so that a number of the latest frames is kept to compare with.

Read `load_tracker.py` next: it notes who has received what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chatlab.bench.scenario import PlannedSend, content_of, number_of
from chatlab.chat.protocol import MessageFrame
from chatlab.data.records import Message

KEPT_MAX = 1_024
"""Frames. A mode that sends each message in a frame of its own brings a user a whole batch of them
before the next user's turn comes."""
KEPT_BYTES_MAX = 2_000_000
HEAD_BYTES = 200


@dataclass(slots=True)
class FrameRecord:
    """What one frame with messages says, as far as this run's plan goes, and who has it.

    Attributes:
        numbers: which messages, in order.
        altered: how many have another text than was sent.
        own: for each sender, how many of them are its own.
        room: in which room they were sent; -1 if not all in one.
        whole: whether it can be accounted for as a whole: its messages are of one room, and none
            of them is in it twice or has been seen in another frame.
        had_by: while it is whole, those in the room who have it.
    """

    numbers: list[int]
    altered: int
    own: dict[int, int]
    room: int
    whole: bool
    had_by: set[int] = field(default_factory=set)


class FrameReader:
    """All frames with messages of one run.

    Args:
        run_id: of the run; messages of anybody else are passed over.
        plan: its messages.

    Attributes:
        contents: what each message of the plan says.
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
        """The frame that these very bytes were read as lately, if they were."""
        data_before, frame = self._kept.get(data[:HEAD_BYTES], (None, None))
        return frame if data == data_before else None

    def read(self, data: bytes, messages: Iterable[Message | MessageFrame]) -> FrameRecord:
        """Read a frame, and keep it for those who receive it too.

        Args:
            data: its bytes.
            messages: what it holds.
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
        """Keep a frame to compare others with, in place of the oldest ones."""
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
        """The numbers of those that are ours, and how many of these were altered."""
        try:
            # Nearly always: all are ours, and as they were sent.
            return [self._number_of[content] for content in contents], 0
        except KeyError:
            found = [(number_of(self._run_id, content), content) for content in contents]
        planned = len(self.contents)
        ours = [(n, content) for n, content in found if n is not None and n < planned]
        return [n for n, _ in ours], sum(content != self.contents[n] for n, content in ours)
