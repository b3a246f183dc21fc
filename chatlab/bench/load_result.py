"""What a load generator notes: for each message of a plan, what happened to it and when.

Only raw samples, as plain lists, so that they can travel between processes. Everything else
(percentiles, curves, the audit) is derived from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from chatlab.bench.scenario import PlannedSend
from chatlab.chat.metrics import percentile
from chatlab.chat.snapshot import Percentiles, Snapshot
from chatlab.disk.counted import FileIO

NEVER = -1.0

LatencyClock = Literal["planned", "send"]
"""Where a latency starts. `planned`: when the message was due. `send`: when it was really sent; a
generator that is held up then stops its own clock, which hides the delay."""


class LoadProgress(msgspec.Struct, frozen=True):
    """How far a run is.

    Attributes:
        t_s: seconds after the start.
        sent, acked, delivered, refused: how many so far.
        oldest_s: how long the oldest message that was due and is not settled has waited.
        ack_p95_ms: 95th percentile of the latest acks, from the planned send; None if too few.
        ack_p95_send_ms: ... of the same acks, from the real send.
    """

    t_s: float
    sent: int
    acked: int
    delivered: int
    refused: int
    oldest_s: float
    ack_p95_ms: float | None
    ack_p95_send_ms: float | None

    @property
    def outstanding(self) -> int:
        """Sent, and neither delivered nor refused."""
        return self.sent - self.delivered - self.refused


class RecentLatency(msgspec.Struct, frozen=True):
    """Latencies from the planned send, of the messages that a server's own window holds: those
    acked or delivered within the last `SAMPLE_AGE_MAX_S`, at most `SAMPLES_MAX` of them."""

    ack_ms: Percentiles = Percentiles()
    delivery_ms: Percentiles = Percentiles()


class LoadResult(msgspec.Struct, kw_only=True):
    """What happened to each message of a plan. Lists are indexed by the message's number.

    Attributes:
        plan: what was to be sent.
        rooms: how many; user n is in room n modulo `rooms`.
        receivers: for each message, how many should receive it.
        sent_s, acked_s, delivered_s: seconds after the start at which it was sent, acked, and
            received by the last of its room; `NEVER` where that did not happen.
        refused: number to error code, of the messages that were refused.
        refused_s: number to the time of the refusal.
        receipts: how many receivers have it.
        received: for each user, the numbers of the messages as they came, copies included.
        sent, acked, delivered: how many so far; delivered means to everyone in the room.
        altered: messages whose text differed from what was sent.
        wall_s: seconds from the start to the last event.
        sender_cpu_s: processor time that the generator used meanwhile.
        before, after: the server's snapshots, before the first message and at the end.
        complete: whether the plan was carried out and everything answered.
        ended_s: seconds after the start at which the run ended, by itself or not.
        at_deadline: whether its deadline ended it.
        still_listed: users that could not be taken off a room that is not the load's.
        recent: latencies of the last ten seconds before `after`.
        disconnected: the server's reasons for closing connections, and how often each.
    """

    plan: list[PlannedSend]
    receivers: list[int]
    sent_s: list[float]
    acked_s: list[float]
    delivered_s: list[float]
    receipts: list[int]
    received: list[list[int]]
    rooms: int = 1
    refused: dict[int, str] = {}
    refused_s: dict[int, float] = {}
    sent: int = 0
    acked: int = 0
    delivered: int = 0
    altered: int = 0
    wall_s: float = 0.0
    sender_cpu_s: float = 0.0
    before: Snapshot | None = None
    after: Snapshot | None = None
    complete: bool = False
    ended_s: float = 0.0
    at_deadline: bool = False
    still_listed: int = 0
    recent: RecentLatency = RecentLatency()
    disconnected: dict[str, int] = {}

    @property
    def throughput_per_s(self) -> float:
        """Messages delivered to their room per second, from the first planned send (at 0 s) to
        the last delivery."""
        last_s = max(self.delivered_s, default=NEVER)
        return self.delivered / last_s if last_s > 0 else 0.0

    @property
    def unsent(self) -> int:
        """Messages of the plan that were not sent."""
        return len(self.plan) - self.sent

    @property
    def late_p99_ms(self) -> float:
        """How late the generator itself was: p99 of the time from planned to sent."""
        late_ms = sorted(since_ms(self.plan_s(), self.sent_s))
        return percentile(late_ms, 0.99) if late_ms else 0.0

    @property
    def sender_cpu_percent(self) -> float:
        """Of one core."""
        return 100 * self.sender_cpu_s / self.wall_s if self.wall_s > 0 else 0.0

    @property
    def io(self) -> dict[str, FileIO]:
        """What the server's files cost during the run; without files that were not touched."""
        before = self.before.files if self.before else {}
        after = self.after.files if self.after else {}
        return {
            name: io - before.get(name, FileIO())
            for name, io in after.items()
            if io != before.get(name)
        }

    def plan_s(self) -> list[float]:
        """When each message was due."""
        return [send.at_s for send in self.plan]

    def ack_ms(self, clock: LatencyClock = "planned") -> list[float]:
        """From each send to its ack, of those that were acked."""
        return since_ms(self._start_s(clock), self.acked_s)

    def delivery_ms(self, clock: LatencyClock = "planned") -> list[float]:
        """From each send to its last delivery, of those that were delivered."""
        return since_ms(self._start_s(clock), self.delivered_s)

    def unsettled(self) -> list[int]:
        """The messages that were sent, and neither refused nor both acked and delivered."""
        return [
            number
            for number, sent_s in enumerate(self.sent_s)
            if sent_s != NEVER
            and number not in self.refused
            and NEVER in (self.acked_s[number], self.delivered_s[number])
        ]

    def waited_ms(self) -> list[float]:
        """From each planned send to its last delivery, or to the end of the run if that came
        first; without what was refused or never sent."""
        return [
            (self.ended_s if delivered_s == NEVER else delivered_s) * 1000 - send.at_s * 1000
            for number, (send, sent_s, delivered_s) in enumerate(
                zip(self.plan, self.sent_s, self.delivered_s, strict=True)
            )
            if sent_s != NEVER and number not in self.refused
        ]

    @property
    def oldest_s(self) -> float:
        """How long, at the end, the oldest unsettled message had waited; 0 if there is none."""
        return max([self.ended_s - self.plan[n].at_s for n in self.unsettled()], default=0.0)

    @property
    def behind_s(self) -> float:
        """How far the run ended behind its plan: by the age of the oldest unsettled message, or
        by how long after the last send was due the last delivery came."""
        last_s = max(self.delivered_s, default=NEVER)
        late_s = last_s - max(self.plan_s(), default=0.0)
        return max(0.0, self.oldest_s, late_s if self.complete else 0.0)

    def _start_s(self, clock: LatencyClock) -> list[float]:
        return self.plan_s() if clock == "planned" else self.sent_s


def since_ms(starts_s: Sequence[float], ends_s: Sequence[float]) -> list[float]:
    """Milliseconds from each start to its end, of those that ended."""
    return [
        (end - start) * 1000 for start, end in zip(starts_s, ends_s, strict=True) if end != NEVER
    ]
