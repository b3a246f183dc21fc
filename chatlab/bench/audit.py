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


class AuditFault(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which messages go wrong, and all that any view says of it.

    Attributes:
        name: of its count in `Audit`, and so in JSON, in CSV and in every table.
        words: as they follow a count: "3 never answered".
        what, how, fooled: what is counted, how it is found, and what would fool the audit.
    """

    name: str
    words: str
    what: str
    how: str
    fooled: str


FAULTS = (
    AuditFault(
        name="lost",
        words="acked and lost",
        what="Messages that were acked and are missing: on disk, or with someone in the room.",
        how="The audit compares acks, files and receipts, message by message.",
        fooled="A mode that never acks loses nothing by this count: look at 'unanswered', too.",
    ),
    AuditFault(
        name="duplicated",
        words="duplicated",
        what="Surplus copies of messages, on disk or at a receiver.",
        how="Each message carries its number; the audit counts the copies of each.",
        fooled="A client that sends a message again because it missed the ack.",
    ),
    AuditFault(
        name="misdelivered",
        words="shown to outsiders",
        what="Messages shown to someone who is not in the room.",
        how="The audit compares what each receiver got with the rooms of the plan.",
        fooled="A load with only one room: then there are no outsiders.",
    ),
    AuditFault(
        name="reordered",
        words="reordered",
        what="Places where a sender's messages stand in another order than they were sent.",
        how="Checked in the file and at each receiver.",
        fooled="The order between senders: no mode promises one, and it is not counted.",
    ),
    AuditFault(
        name="corrupt",
        words="corrupt",
        what="Damaged files, and messages whose text differs from what was sent.",
        how="Each file must parse, and each text must be the planned one.",
        fooled="A file that is damaged during the run and rewritten whole before it ends.",
    ),
    AuditFault(
        name="unanswered",
        words="never answered",
        what="Messages that got neither an ack nor an error.",
        how="Those left when no answer has come for some seconds.",
        fooled="A server that is merely very slow: the wait ends.",
    ),
    AuditFault(
        name="misrefused",
        words="refused but stored anyway",
        what="Messages refused with an error that are on disk or with a receiver anyway. A sender "
        "who obeys the error and sends again has such a message there twice.",
        how="The audit looks for each refused message in the files and at every receiver.",
        fooled="An honest `storage_failed`: when a write fails half-way, the server cannot know "
        "whether the message is on disk. If it is, it is counted here.",
    ),
)
"""Everything the audit can find wrong, in the order in which it is shown."""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The audit of one round, or the sum of several. All are numbers of messages.

    Attributes:
        sent: sent by the load generator.
        acked: acknowledged by the server.
        refused: refused by the server with an `error`.
        saved: found in the data files after the server stopped; None if they cannot be read.
        delivered: received by everyone in their room.

    The others are faults: see `FAULTS`.
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
        return not any(getattr(self, fault.name) for fault in FAULTS)

    @property
    def faults(self) -> str:
        """`12 acked and lost, 3 duplicated`; empty for a clean audit."""
        counts = [(getattr(self, fault.name), fault.words) for fault in FAULTS]
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
