"""New Year's Eve in a chat, in virtual time: what a batch size and a flush interval make of it.

Four parts of the same evening, each on a fresh `QueueingProcessor` and a store that takes its time.
Nothing here depends on the machine: the same pair gives the same figures, everywhere. The learner's
file of `10_tune` prints them; its checks hold them against the limits.

    quiet      a message now and then           each sender waits for the interval
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
from itertools import accumulate, pairwise
from typing import NamedTuple, cast

from chatlab.chat.parts.message_seams import Client, Entry
from chatlab.chat.parts.processor.queueing import QueueingProcessor
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.course.simulation import now, run
from chatlab.data.records import Message

SAVE_S = 0.020
"""What each save takes, however small it is: a write, an fsync, a rename."""
MESSAGE_S = 0.000_2
"""What each message in it adds."""

PARTS = ("quiet", "steady", "rush", "midnight")
_PER_S = {"quiet": 2.0, "steady": 200.0, "rush": 2_500.0}
_MESSAGES = {"quiet": 100, "steady": 600, "rush": 1_500, "midnight": 5_000}


class KnobLimit(NamedTuple):
    """What one figure of a part of the evening may be.

    Attributes:
        part: one of `PARTS`.
        figure: an attribute of `PartFigures`.
        at_most: in its unit.
        words: what stands behind the figure in a sentence.
        title: of its column in the table; empty if it has none.
    """

    part: str
    figure: str
    at_most: float
    words: str
    title: str


LIMITS = (
    KnobLimit("quiet", "p95_ms", 150.0, "ms of delay at p95", "p95 ms"),
    KnobLimit("steady", "saves_per_s", 15.0, "saves per second", "saves/s"),
    KnobLimit("steady", "p95_ms", 300.0, "ms of delay at p95", ""),
    KnobLimit("rush", "at_risk", 360, "messages at risk", "at risk"),
    KnobLimit("midnight", "seconds", 1.6, "s until the last one is saved", "drained s"),
    KnobLimit("midnight", "silence_ms", 125.0, "ms of silence", "silence ms"),
)


def limits_of(part: str) -> list[KnobLimit]:
    """What holds for one part of the evening."""
    return [limit for limit in LIMITS if limit.part == part]


@dataclass(frozen=True, slots=True)
class KnobPair:
    """The two knobs.

    Attributes:
        batch_size: messages that are saved at once.
        flush_interval_s: seconds that the oldest waits for others, at most.
    """

    batch_size: int
    flush_interval_s: float

    def __str__(self) -> str:
        return f"{self.batch_size:,} messages or {self.flush_interval_s * 1000:,g} ms"


@dataclass(frozen=True, slots=True)
class PartFigures:
    """What was measured in one part of the evening.

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

    def over(self, part: str) -> list[str]:
        """What is over a limit, each in a few words with its figure; empty if nothing is."""
        found = [(getattr(self, limit.figure), limit) for limit in limits_of(part)]
        return [f"{figure(one)} {limit.words}" for one, limit in found if one > limit.at_most]


def figure(value: float) -> str:
    """`1,234`, `150.4` or `1.46`, as for people; a whole number as it is."""
    if isinstance(value, int) or value >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


async def simulate(pair: KnobPair, part: str) -> PartFigures:
    """One part of the evening; the second time, from memory.

    Args:
        part: one of `PARTS`.
    """
    key = (pair, part)
    if key not in _known:
        if len(_known) >= KNOWN_MAX:
            _known.clear()
        _known[key] = await _PartOfEvening(pair).run(_moments_s(part))
    return _known[key]


KNOWN_MAX = 1_000
_known: dict[tuple[KnobPair, str], PartFigures] = {}


async def simulate_all(pair: KnobPair) -> dict[str, PartFigures]:
    """All parts of the evening."""
    return {part: await simulate(pair, part) for part in PARTS}


def table(pairs: Iterable[tuple[int, float]]) -> str:
    """What some pairs make of the evening, as a table for a terminal; `!` marks what is too much.

    Args:
        pairs: each a batch size in messages and a flush interval in seconds.
    """
    shown = [limit for limit in LIMITS if limit.title]
    first = {limit.part: limit.figure for limit in reversed(shown)}
    rows = [
        ("", "", *(limit.part if first[limit.part] == limit.figure else "" for limit in shown)),
        ("batch", "interval", *(limit.title for limit in shown)),
        ("", "at most", *(f"{limit.at_most:g}" for limit in shown)),
    ]
    for batch_size, interval_s in pairs:
        found = run(simulate_all(KnobPair(batch_size, interval_s)))
        cells = [(getattr(found[limit.part], limit.figure), limit.at_most) for limit in shown]
        marked = (f"{figure(value)}{'!' if value > at_most else ''}" for value, at_most in cells)
        rows.append((f"{batch_size:,}", f"{interval_s:g} s", *marked))
    return "\n".join("".join(f"{cell:>12}" for cell in row).rstrip() for row in rows)


def _moments_s(part: str) -> list[float]:
    """When each message comes: at random, and the same each time; at midnight, all at once."""
    if part == "midnight":
        return [0.0] * _MESSAGES[part]
    chance = random.Random(PARTS.index(part))
    return list(accumulate(chance.expovariate(_PER_S[part]) for _ in range(_MESSAGES[part])))


class _PartOfEvening:
    """Runs one part of an evening: the outcome of its processor, and its counters."""

    def __init__(self, pair: KnobPair) -> None:
        settings = Settings(batch_size_max=pair.batch_size, flush_interval_s=pair.flush_interval_s)
        self._processor = QueueingProcessor(_SlowStore(), self, settings, now)
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
            await self._processor.submit(Entry(_MESSAGE, None, _NOBODY, now()))
            self._submitted += 1
            self._at_risk = max(self._at_risk, self._submitted - len(self._delays_s))
        await self._all_saved.wait()
        await self._processor.drain()
        return self._figures(began_s + moments_s[0])

    def _figures(self, began_s: float) -> PartFigures:
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

    failed = delayed


class _SlowStore(Store):
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


_NOBODY = cast(Client, None)  # the outcome above answers nobody
_MESSAGE = Message("m", "general", "alice", "a happy new year", "2026-01-01T00:00:00.000Z")
