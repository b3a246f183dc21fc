"""The room as one sees it, and what is found in it: each message that was sent, and its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from chatlab.bench.crash.killing import Remains
from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.chat.protocol import AckLevel
from chatlab.labs.base import LabReport

State = Literal["sent", "acked", "kept", "gone"]
"""Of a message: no ack has come; acked; acked, and there after the restart; acked, and gone."""


class Line(msgspec.Struct, frozen=True):
    """A message in the room.

    Attributes:
        number: its place in the load.
        user: number of its sender.
        text: what it says.
        state: see there.
    """

    number: int
    user: int
    text: str
    state: State


class PulledMode(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the messages of one mode.

    Attributes:
        ack_means: the server's own word for it.
        pid: of the process that was killed.
        killed_s: seconds after the start of the load.
        waiting: acked and not yet delivered, as the clients saw it at the kill.
        unacked_saved: no ack had come, and yet it is there.
        wrong: messages stored twice, or changed.
        corrupt: why the folder cannot be used any more; empty if it can.
        recovery_s: from the start of a new server until it listens; None if it does not.
        lines: every message that was sent, in order.
    """

    ack_means: AckLevel
    pid: int
    killed_s: float
    waiting: int
    unacked_saved: int
    wrong: int
    corrupt: str
    recovery_s: float | None
    lines: list[Line]

    @property
    def gone(self) -> int:
        """Acked, and missing after the restart."""
        return self.count("gone")

    @property
    def acked(self) -> int:
        """Messages whose ack reached their sender."""
        return self.gone + self.count("kept")

    @property
    def broken(self) -> bool:
        """Whether acks promised to survive a crash of the server, and that was not true."""
        return self.ack_means != "queued" and bool(self.gone or self.corrupt or self.wrong)

    def count(self, state: State) -> int:
        """How many messages are in a state."""
        return sum(line.state == state for line in self.lines)


class PlugReport(LabReport, frozen=True, kw_only=True):
    """All modes.

    Attributes:
        messages: acked before the kill.
        rate_per_s: messages sent a second, towards the end.
    """

    schema: str = "chatlab.plug/1"
    seed: int
    messages: int
    rate_per_s: float
    modes: dict[str, PulledMode]

    @property
    def passed(self) -> bool:
        """Whether every promise was kept: a `queued` ack promises nothing across a crash."""
        return not any(mode.broken for mode in self.modes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is to be seen at one moment.

    Attributes:
        mode: its line-up.
        ack_means: None until the server has said so.
        lines: every message that was sent, in order.
        waiting: acked and not yet delivered, as the clients see it; None once the server is dead.
        events: what has happened, a sentence each: kill, restart, count.
    """

    mode: str
    ack_means: AckLevel | None = None
    lines: list[Line] = field(default_factory=list)
    waiting: int | None = 0
    events: tuple[str, ...] = ()


class Stage:
    """Where a pull is shown; this one shows nothing, and does not wait for eyes.

    Attributes:
        frames: pictures of a movement; 1 shows only its end.
    """

    frames = 1

    def show(self, scene: Scene) -> None:
        """Show a moment."""

    async def pause(self, seconds: float) -> None:
        """Let people look."""


def lines_of(
    result: LoadResult, left: Remains | None = None, struck: int | None = None
) -> list[Line]:
    """Every message that was sent, and its state.

    Args:
        result: what the load has noted so far.
        left: what is left after the restart; None before.
        struck: how many of the lost ones to tell already; all if None.
    """
    lost = set(left.lost[:struck]) if left else set()
    there = left.there if left else set()

    def state(number: int) -> State:
        if result.acked_s[number] == NEVER:
            return "sent"
        if number in lost:
            return "gone"
        return "kept" if number in there else "acked"

    return [
        Line(number, send.user, send.text, state(number))
        for number, send in enumerate(result.plan)
        if result.sent_s[number] != NEVER
    ]


def count_of(acked: int, gone: int, means: AckLevel) -> str:
    """`412 acked, 37 of them gone: the ack said queued.`"""
    return f"{acked:,} acked, {gone or 'none'} of them gone: the ack said {means}."
