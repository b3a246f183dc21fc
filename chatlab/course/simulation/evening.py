"""New Year's Eve in a chat, in virtual time: what a batch size and a flush interval make of it.

Four parts of the same evening, each on a fresh `QueueingProcessor` and a store that takes its time.
Nothing here depends on the machine: the same pair gives the same figures, everywhere. The learner's
file of `10_tune` prints them; its checks hold them against the limits.

    quiet      a message now and then           whoever writes waits for the interval
    steady     200 messages a second            how often does the disk have to work?
    rush       2,500 messages a second          how much would a crash lose?
    midnight   5,000 messages at once           when is the last one in the room, and is it silent?
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chatlab.chat.parts.entry import Entry
from chatlab.chat.parts.processor.queueing import QueueingProcessor
from chatlab.chat.parts.store import Store
from chatlab.chat.protocol import AckLevel, FrameStyle
from chatlab.chat.settings import Settings
from chatlab.course.simulation import now, run
from chatlab.data.records import Message

SAVE_S = 0.020
"""What each save takes, however small it is: a write, an fsync, a rename."""
MESSAGE_S = 0.000_2
"""What each message in it adds."""

QUIET_P95_MAX_MS = 150.0
STEADY_SAVES_MAX_PER_S = 15.0
STEADY_P95_MAX_MS = 300.0
RUSH_AT_RISK_MAX = 360
MIDNIGHT_MAX_S = 1.6
MIDNIGHT_SILENCE_MAX_MS = 125.0

PARTS = ("quiet", "steady", "rush", "midnight")
_PER_S = {"quiet": 2.0, "steady": 200.0, "rush": 2_500.0}
_MESSAGES = {"quiet": 100, "steady": 600, "rush": 1_500, "midnight": 5_000}


@dataclass(frozen=True, slots=True)
class KnobPair:
    """The two knobs.

    Attributes:
        batch_size: messages; so many are saved at once.
        flush_interval_s: seconds; so long the oldest waits at most for others.
    """

    batch_size: int
    flush_interval_s: float

    def __str__(self) -> str:
        return f"{self.batch_size:,} messages or {self.flush_interval_s * 1000:,g} ms"


@dataclass(frozen=True, slots=True)
class PartFigures:
    """One part of the evening.

    Attributes:
        p95_ms: from a message's acceptance to the end of its save.
        saves_per_s: how often the disk had to work.
        at_risk: messages; the most that were accepted and not saved at the same moment.
        seconds: from the first message to the end of the last save.
        silence_ms: the longest time between the ends of two saves, or before the first.
    """

    p95_ms: float
    saves_per_s: float
    at_risk: int
    seconds: float
    silence_ms: float

    def misses(self, part: str) -> list[str]:
        """What is over a limit, each in a few words with its figure; none if all is well."""
        limits: dict[str, list[tuple[float, float, str]]] = {
            "quiet": [(self.p95_ms, QUIET_P95_MAX_MS, "ms of delay at p95")],
            "steady": [
                (self.saves_per_s, STEADY_SAVES_MAX_PER_S, "saves per second"),
                (self.p95_ms, STEADY_P95_MAX_MS, "ms of delay at p95"),
            ],
            "rush": [(self.at_risk, RUSH_AT_RISK_MAX, "messages at risk")],
            "midnight": [
                (self.seconds, MIDNIGHT_MAX_S, "s until the last one is saved"),
                (self.silence_ms, MIDNIGHT_SILENCE_MAX_MS, "ms of silence"),
            ],
        }
        return [f"{figure(found)} {what}" for found, limit, what in limits[part] if found > limit]


def figure(value: float) -> str:
    """`1,234`, `150.4` or `1.46`, as for people; a whole number as it is."""
    if isinstance(value, int) or value >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


async def live_through(pair: KnobPair, part: str) -> PartFigures:
    """One part of the evening; a second time, it is remembered.

    Args:
        part: one of `PARTS`.
    """
    key = (pair, part)
    if key not in _known:
        if len(_known) >= KNOWN_MAX:
            _known.clear()
        _known[key] = await _Part(pair).run(_moments_s(part))
    return _known[key]


KNOWN_MAX = 1_000
_known: dict[tuple[KnobPair, str], PartFigures] = {}


async def whole(pair: KnobPair) -> dict[str, PartFigures]:
    """All parts of the evening."""
    return {part: await live_through(pair, part) for part in PARTS}


def table(pairs: Iterable[tuple[int, float]]) -> str:
    """What some pairs make of the evening, as a table for a terminal; `!` marks what is too much.

    Args:
        pairs: each a batch size in messages and a flush interval in seconds.
    """
    titles = (
        ("", "", "quiet", "steady", "rush", "midnight", ""),
        ("batch", "interval", "p95 ms", "saves/s", "at risk", "drained s", "silence ms"),
        (
            "",
            "at most",
            f"{QUIET_P95_MAX_MS:g}",
            f"{STEADY_SAVES_MAX_PER_S:g}",
            f"{RUSH_AT_RISK_MAX:g}",
            f"{MIDNIGHT_MAX_S:g}",
            f"{MIDNIGHT_SILENCE_MAX_MS:g}",
        ),
    )
    rows = [_row(KnobPair(*pair), run(whole(KnobPair(*pair)))) for pair in pairs]
    return "\n".join("".join(f"{cell:>12}" for cell in row).rstrip() for row in (*titles, *rows))


def _row(pair: KnobPair, seen: dict[str, PartFigures]) -> Sequence[str]:
    def cell(value: float, limit: float) -> str:
        return figure(value) + ("!" if value > limit else "")

    return (
        f"{pair.batch_size:,}",
        f"{pair.flush_interval_s:g} s",
        cell(seen["quiet"].p95_ms, QUIET_P95_MAX_MS),
        cell(seen["steady"].saves_per_s, STEADY_SAVES_MAX_PER_S),
        cell(seen["rush"].at_risk, RUSH_AT_RISK_MAX),
        cell(seen["midnight"].seconds, MIDNIGHT_MAX_S),
        cell(seen["midnight"].silence_ms, MIDNIGHT_SILENCE_MAX_MS),
    )


def _moments_s(part: str) -> list[float]:
    """When each message comes: at random, and the same each time; at midnight, all at once."""
    if part == "midnight":
        return [0.0] * _MESSAGES[part]
    chance = random.Random(PARTS.index(part))
    moments, at_s = [], 0.0
    for _ in range(_MESSAGES[part]):
        at_s += chance.expovariate(_PER_S[part])
        moments.append(at_s)
    return moments


class _Part:
    """One part of an evening under way; the outcome of its processor, and what is counted."""

    def __init__(self, pair: KnobPair) -> None:
        settings = Settings(batch_size_max=pair.batch_size, flush_interval_s=pair.flush_interval_s)
        self._store = _Disk()
        self._processor = QueueingProcessor(self._store, self, settings, now)
        self._delays_s: list[float] = []
        self._saves_at_s: list[float] = []
        self._submitted = self._at_risk = 0
        self._wanted = 0
        self._all_saved = asyncio.Event()

    async def run(self, moments_s: Sequence[float]) -> PartFigures:
        """Send the messages at their moments, and wait until all are saved."""
        self._wanted = len(moments_s)
        began_s = now()
        for at_s in moments_s:
            if (wait_s := began_s + at_s - now()) > 0:
                await asyncio.sleep(wait_s)
            await self._processor.submit(Entry(_MESSAGE, None, _SENDER, now()))
            self._submitted += 1
            self._at_risk = max(self._at_risk, self._submitted - len(self._delays_s))
        await self._all_saved.wait()
        await self._processor.drain()
        return self._seen(began_s + moments_s[0])

    def _seen(self, began_s: float) -> PartFigures:
        seconds = self._saves_at_s[-1] - began_s
        ends_s = [began_s, *self._saves_at_s]
        ordered = sorted(self._delays_s)
        return PartFigures(
            p95_ms=ordered[math.ceil(len(ordered) * 0.95) - 1] * 1000,
            saves_per_s=len(self._saves_at_s) / seconds,
            at_risk=self._at_risk,
            seconds=seconds,
            silence_ms=max(later - end for end, later in pairwise(ends_s)) * 1000,
        )

    async def queued(self, entry: Entry) -> None:
        pass

    async def saved(self, batch: Sequence[Entry]) -> None:
        self._saves_at_s.append(now())
        self._delays_s += [now() - entry.accepted_at for entry in batch]
        if len(self._delays_s) == self._wanted:
            self._all_saved.set()

    async def delayed(self, *_: object) -> None:
        raise AssertionError("this store never fails")

    async def failed(self, *_: object) -> None:
        raise AssertionError("this store never fails")


class _Disk(Store):
    """Takes its time, and keeps nothing."""

    kept_in = ""

    def __init__(self) -> None:
        pass  # no files, no other parts

    @property
    def promise(self) -> AckLevel:
        return "synced"

    async def save(self, batch: Sequence[Message]) -> None:
        await asyncio.sleep(SAVE_S + MESSAGE_S * len(batch))

    async def history(self, room_id: str, limit: int) -> list[Message]:  # noqa: ARG002
        return []


class _Sender:
    """Someone who does not listen."""

    user = "alice"
    frame_style: FrameStyle = "single"

    async def send(self, frame: bytes) -> None:
        pass

    def push(self, frame: bytes) -> None:
        pass

    def release(self) -> None:
        pass


_SENDER = _Sender()
_MESSAGE = Message("m", "general", "alice", "a happy new year", "2026-01-01T00:00:00.000Z")
