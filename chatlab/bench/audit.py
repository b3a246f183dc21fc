"""The audit: was any message lost, duplicated, reordered or damaged on the way?

Compares what was sent with what was acked, what is in the data files once the server has stopped,
and what each receiver got. Speed without an audit proves nothing.

Read `analysis.py` next: what the rounds show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.scenario import content_of, number_of
from chatlab.data.readers import SavedMessages
from chatlab.data.records import Message

FAULTS = {
    "lost": "acked and lost",
    "duplicated": "duplicated",
    "misdelivered": "shown to outsiders",
    "reordered": "reordered",
    "corrupt": "corrupt",
    "unanswered": "never answered",
    "misrefused": "refused but stored anyway",
}
"""Everything the audit can find wrong, in the order in which it is shown: the name of its count in
`Audit`, and so in JSON, in CSV and in every table, and the words that follow a count."""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The audit of one round, or the sum of several. All are numbers of messages.

    Attributes:
        sent: sent by the load generator.
        acked: acknowledged by the server.
        refused: refused by the server with an `error`.
        saved: found in the data files after the server stopped; None if they cannot be read.
        delivered: received by everyone in their room.

    The others are faults: see `FAULTS`, and `view/explanations.md` for how each is found.
    """

    sent: int = 0
    acked: int = 0
    refused: int = 0
    unanswered: int = 0
    saved: int | None = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    misdelivered: int = 0
    reordered: int = 0
    corrupt: int = 0
    misrefused: int = 0

    @property
    def clean(self) -> bool:
        """Whether there is no fault. An honest refusal is none: its sender may send again."""
        return not any(getattr(self, name) for name in FAULTS)

    @property
    def faults(self) -> str:
        """`12 acked and lost, 3 duplicated`; empty for a clean audit."""
        counts = [(getattr(self, name), words) for name, words in FAULTS.items()]
        return ", ".join(f"{count:,} {words}" for count, words in counts if count)

    def __add__(self, other: Audit) -> Audit:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        sums = [None if a is None or b is None else a + b for a, b in pairs]
        return Audit(**dict(zip(self.__struct_fields__, sums, strict=True)))  # type: ignore[arg-type]


def audit(result: LoadResult, run_id: str, saved: SavedMessages | None) -> Audit:
    """Compare a run with its plan.

    Args:
        result: what the load generator noted.
        run_id: of the run.
        saved: what the server left on disk; None if that cannot be read from here.
    """
    in_file, changed = _read(result, run_id, saved.messages if saved else [])
    copies = Counter(in_file)
    reached = Counter(
        number
        for user, seen in enumerate(result.received)
        for number in set(seen)
        if _is_member(user, number, result)
    )
    acked = [n for n in range(len(result.plan)) if result.acked_s[n] != NEVER]
    missing = [n for n in acked if reached[n] < result.receivers[n] or (saved and not copies[n])]
    answered = len(acked) + sum(result.acked_s[n] == NEVER for n in result.refused)
    return Audit(
        sent=result.sent,
        acked=len(acked),
        refused=len(result.refused),
        unanswered=result.sent - answered,
        saved=len(copies) if saved else None,
        delivered=sum(count >= result.receivers[n] for n, count in reached.items()),
        lost=len(missing),
        duplicated=_extra(copies) + sum(_extra(Counter(seen)) for seen in result.received),
        misdelivered=sum(
            not _is_member(user, number, result)
            for user, seen in enumerate(result.received)
            for number in seen
        ),
        reordered=sum(_inversions(seen, result) for seen in [in_file, *result.received]),
        corrupt=result.altered + changed + (saved.damaged if saved else 0),
        misrefused=len(result.refused.keys() & set(in_file).union(*result.received)),
    )


def _read(result: LoadResult, run_id: str, messages: Iterable[Message]) -> tuple[list[int], int]:
    """The numbers of the planned messages, and how many messages differ from what was planned."""
    numbers, changed = [], 0
    for message in messages:
        number = number_of(run_id, message.content)
        if number is None:
            continue  # not of this run
        if number < len(result.plan):
            numbers.append(number)
            changed += message.content != content_of(run_id, number, result.plan[number].text)
        else:
            changed += 1
    return numbers, changed


def _is_member(user: int, number: int, result: LoadResult) -> bool:
    return user % result.rooms == result.plan[number].room


def _extra(copies: Counter[int]) -> int:
    return sum(count - 1 for count in copies.values())


def _inversions(seen: Sequence[int], result: LoadResult) -> int:
    """How many messages follow a later one of the same sender."""
    latest: dict[int, int] = {}
    count = 0
    for number in seen:
        sender = result.plan[number].user
        before = latest.get(sender, -1)
        count += number < before
        latest[sender] = max(number, before)
    return count
