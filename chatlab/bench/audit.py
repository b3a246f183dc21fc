"""The audit: was anything lost, doubled, reordered or damaged on the way?

Compares what was sent with what was acked, what lies in the data files after the server has
stopped, and what each receiver got. Speed without this says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.scenario import content_of, number_of
from chatlab.data.records import Message
from chatlab.data.saved import Saved


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The audit of one round, or of several added up. All are numbers of messages.

    Attributes:
        sent: sent by the load generator.
        acked: acknowledged by the server.
        refused: turned down with an `error` by the server.
        unanswered: neither: dropped in silence.
        saved: found in the data files after the end; None where these cannot be seen.
        delivered: received by everyone in their room.
        lost: acked, and then missing: in the files, or with someone in the room.
        duplicated: copies too many, in the files or with a receiver.
        misdelivered: shown to someone who is not in the room.
        reordered: places where a sender's messages stand in another order than sent.
        corrupt: damaged data files, and messages whose text was changed.
        misrefused: turned down with an `error`, and yet in the data files or with a receiver.
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
        """Whether nothing went wrong. What was refused aloud is not lost, and must not be there:
        its sender was told to send it again."""
        return not (
            self.lost
            or self.duplicated
            or self.misdelivered
            or self.reordered
            or self.corrupt
            or self.unanswered
            or self.misrefused
        )

    def __add__(self, other: Audit) -> Audit:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        sums = [None if a is None or b is None else a + b for a, b in pairs]
        return Audit(**dict(zip(self.__struct_fields__, sums, strict=True)))  # type: ignore[arg-type]


def audit(result: LoadResult, run_id: str, saved: Saved | None) -> Audit:
    """Hold a run against its plan.

    Args:
        result: what the load generator noted.
        run_id: of the run.
        saved: what the server left on disk; None if that cannot be seen from here.
    """
    in_file = _numbers(run_id, saved.messages, len(result.plan)) if saved else []
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
        corrupt=result.altered + (_changed(result, run_id, saved) + saved.damaged if saved else 0),
        misrefused=len(result.refused.keys() & set(in_file).union(*result.received)),
    )


def _numbers(run_id: str, messages: Iterable[Message], planned: int) -> list[int]:
    """Which of the planned messages these are; see `_changed` for numbers that nobody planned."""
    found = (number_of(run_id, message.content) for message in messages)
    return [number for number in found if number is not None and number < planned]


def _is_member(user: int, number: int, result: LoadResult) -> bool:
    return user % result.rooms == result.plan[number].room


def _extra(copies: Counter[int]) -> int:
    return sum(count - 1 for count in copies.values())


def _inversions(seen: Sequence[int], result: LoadResult) -> int:
    """How many messages come after a later one of the same sender."""
    latest: dict[int, int] = {}
    count = 0
    for number in seen:
        sender = result.plan[number].user
        before = latest.get(sender, -1)
        count += number < before
        latest[sender] = max(number, before)
    return count


def _changed(result: LoadResult, run_id: str, saved: Saved) -> int:
    """Saved messages whose text is not what was sent."""
    count = 0
    for message in saved.messages:
        number = number_of(run_id, message.content)
        if number is not None and number >= len(result.plan):
            count += 1
        elif number is not None:
            sent = content_of(run_id, number, result.plan[number].text)
            count += message.content != sent
    return count
