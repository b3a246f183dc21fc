"""The audit: each way in which a message can go wrong is found and named, and nothing else is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.bench.audit import Audit, audit
from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.scenario import PlannedSend, content_of, number_of
from chatlab.data.readers import SavedMessages, read_saved
from chatlab.data.records import ALL_FILES, CHATROOMS, MESSAGES, USERS, Message
from tests.support.reports import a_load, faults

RUN = "run"
USERS_COUNT = 4
ROOMS = 2
COUNT = 20
DISK = -1
Step = tuple[Any, ...]


def everything_received() -> list[list[int]]:
    """Users 0 and 2 are in room 0, users 1 and 3 in room 1; user n sends n, n + 4, n + 8, ..."""
    return [[n for n in range(COUNT) if n % ROOMS == user % ROOMS] for user in range(USERS_COUNT)]


@dataclass
class Run:
    """A run in which nothing went wrong, to be damaged by tests."""

    saved: list[int] = field(default_factory=lambda: list(range(COUNT)))
    received: list[list[int]] = field(default_factory=everything_received)
    not_acked: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    not_sent: set[int] = field(default_factory=set)
    altered_on_disk: set[int] = field(default_factory=set)
    altered_on_the_way: int = 0
    damaged: int = 0

    def refuse(self, number: int) -> None:
        """The server says no, and does nothing else."""
        self.refused.add(number)
        self.not_acked.add(number)
        for place in (DISK, *range(USERS_COUNT)):
            self.lose(place, number)

    def at(self, place: int) -> list[int]:
        """What lies on the disk, or what a user has received."""
        return self.saved if place == DISK else self.received[place]

    def lose(self, place: int, number: int) -> None:
        self.at(place)[:] = [n for n in self.at(place) if n != number]

    def insert(self, place: int, before: int, number: int) -> None:
        self.at(place).insert(self.at(place).index(before), number)

    def swap(self, place: int, one: int, other: int) -> None:
        numbers = self.at(place)
        a, b = numbers.index(one), numbers.index(other)
        numbers[a], numbers[b] = other, one

    def set(self, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            setattr(self, name, value)

    def result(self) -> LoadResult:
        acked = set(range(COUNT)) - self.not_acked - self.not_sent
        places = [(n % USERS_COUNT, n % USERS_COUNT % ROOMS) for n in range(COUNT)]
        return a_load(
            [1.0 if n in acked else NEVER for n in range(COUNT)],
            plan=[PlannedSend(0.0, *place, f"text {n}") for n, place in enumerate(places)],
            rooms=ROOMS,
            receivers=[USERS_COUNT // ROOMS] * COUNT,
            sent_s=[NEVER if n in self.not_sent else 0.5 for n in range(COUNT)],
            delivered_s=[1.5] * COUNT,
            receipts=[sum(seen.count(n) for seen in self.received) for n in range(COUNT)],
            received=self.received,
            refused=dict.fromkeys(self.refused, "overloaded"),
            sent=COUNT - len(self.not_sent),
            acked=COUNT,  # one acked twice must not hide one that never was: nothing rests on this
            altered=self.altered_on_the_way,
        )

    def on_disk(self) -> SavedMessages:
        return SavedMessages([self._message(n) for n in self.saved], self.damaged)

    def audit(self) -> Audit:
        return audit(self.result(), RUN, self.on_disk())

    def _message(self, n: int) -> Message:
        content = content_of(RUN, n, f"text {n}") + "!" * (n in self.altered_on_disk)
        return Message(f"m-{n}", f"room-{n}", f"user-{n}", content, "2026-01-01T00:00:00.000Z")


# What damages a run (methods of `Run`), and what the audit finds; other faults are mixed further
# below. Users 1 and 3 should get message 7; 4 and 8 are both of user 0.
LOST_AT_3: Step = ("lose", 3, 7)
REFUSED: Step = ("refuse", 7)
SHOWN: Step = ("insert", 3, 9, 7)
STRANGER: Step = ("insert", 0, 8, 7)
SAVED: Step = ("insert", DISK, 8, 7)
CASES: dict[str, tuple[list[Step], dict[str, int]]] = {
    "nothing": ([], {}),
    "a copy that hides a loss": ([LOST_AT_3, ("insert", 1, 7, 7)], {"lost": 1, "duplicated": 1}),
    "shown outside its room": ([STRANGER], {"misdelivered": 1}),
    "shown to a stranger, not a member": ([LOST_AT_3, STRANGER], {"misdelivered": 1, "lost": 1}),
    "reordered at a receiver": ([("swap", 2, 4, 8)], {"reordered": 1}),
    "other senders in another order": ([("swap", DISK, 4, 5)], {}),
    "altered on the way": ([("set", {"altered_on_the_way": 1})], {"corrupt": 1}),
    "refused": ([REFUSED], {"refused": 1}),
    "refused and saved": ([REFUSED, SAVED], {"refused": 1, "misrefused": 1}),
    "refused and shown to one": ([REFUSED, SHOWN], {"refused": 1, "misrefused": 1}),
    "refused, shown and saved": ([REFUSED, SHOWN, SAVED], {"refused": 1, "misrefused": 1}),
    "acked and then refused": ([REFUSED, ("set", {"not_acked": set()})], {"lost": 1, "refused": 1}),
    "not sent": ([REFUSED, ("set", {"refused": set(), "not_sent": {7}})], {}),
}


@pytest.mark.parametrize(("steps", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_found_and_named_and_nothing_else_is(steps, expected) -> None:
    run = Run()
    for what, *arguments in steps:
        getattr(run, what)(*arguments)
    found = run.audit()
    assert faults(found) == expected
    assert found.clean == (not expected.keys() - {"refused"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, {}) for text in ("Happy New Year!", "other/3 x", "run/ x", "", "run/-1 x")),
        (f"run/{COUNT + 5} text 7", {"corrupt": 1}),  # ours, but its number is damaged
    ],
)
def test_a_message_of_others_is_left_out_and_a_damaged_number_reported(text, expected) -> None:
    run = Run()
    saved = run.on_disk()
    saved.messages.insert(3, msgspec.structs.replace(saved.messages[0], content=text))
    found = audit(run.result(), RUN, saved)
    assert faults(found) == expected
    assert found.saved == COUNT


def test_audits_add_up_number_by_number() -> None:
    one = Audit(sent=1, acked=2, refused=3, unanswered=4, saved=5, misrefused=6)
    other = Audit(saved=10, delivered=20, lost=30, misdelivered=40, reordered=50, corrupt=60)
    sums = (1, 2, 3, 4, 15, 20, 30, 0, 40, 50, 60, 6)
    assert one + other == Audit(**dict(zip(Audit.__struct_fields__, sums, strict=True)))
    assert (Audit(saved=5) + Audit(saved=None)).saved is None
    assert not sum([Audit(), Audit(lost=1), Audit()], Audit()).clean


@pytest.mark.parametrize("file", ALL_FILES, ids=lambda file: file.name)
@pytest.mark.parametrize("torn", [True, False])
def test_messages_are_read_in_order_and_a_torn_or_missing_file_is_damaged(
    file: Any, torn: bool, tmp_path: Path
) -> None:
    saved = Run().on_disk()
    for one in (USERS, CHATROOMS):
        (tmp_path / one.name).write_bytes(one.encode([]))
    (tmp_path / MESSAGES.name).write_bytes(MESSAGES.encode(saved.messages))
    assert read_saved(tmp_path) == saved
    path = tmp_path / file.name
    path.write_bytes(b'[{"id": "m') if torn else path.unlink()
    assert read_saved(tmp_path).damaged == 1


@given(run_id=st.text(alphabet="abc/0123 ", max_size=8).filter(lambda t: " " not in t))
def test_a_mark_is_read_back_and_by_nobody_else(run_id: str) -> None:
    content = content_of(run_id, 42, "Happy New Year!")
    assert number_of(run_id, content) == 42
    assert number_of(run_id + "x", content) is None


PAIRS = [(user, n) for user, seen in enumerate(everything_received()) for n in seen]
numbers = st.sets(st.integers(0, COUNT - 1), max_size=5)
pairs = st.sets(st.sampled_from(PAIRS), max_size=5)


@given(st.data())
def test_any_mixture_of_faults_is_counted_exactly(data: st.DataObject) -> None:
    lost, doubled, altered, not_acked, refused_numbers = (data.draw(numbers) for _ in range(5))
    lost_at, doubled_at = data.draw(pairs), data.draw(pairs)
    damaged = data.draw(st.integers(0, 1))
    run = Run(not_acked=set(not_acked), altered_on_disk=altered, damaged=damaged)
    run.saved = [n for n in run.saved for _ in range(1 + (n in doubled)) if n not in lost]
    run.received = [
        [n for n in seen for _ in range(1 + ((u, n) in doubled_at)) if (u, n) not in lost_at]
        for u, seen in enumerate(run.received)
    ]
    for number in refused_numbers:
        run.refuse(number)

    acked = set(range(COUNT)) - not_acked - refused_numbers
    there = set(range(COUNT)) - lost - refused_numbers
    gone = lost | {n for _, n in lost_at}
    heard = {(u, n) for u, n in doubled_at - lost_at if n not in refused_numbers}
    found = run.audit()
    assert found == Audit(
        **{"sent": COUNT, "acked": len(acked), "refused": len(refused_numbers)},
        **{"unanswered": len(not_acked - refused_numbers), "saved": len(there)},
        delivered=COUNT - len({n for _, n in lost_at} | refused_numbers),
        lost=len(acked & gone),
        duplicated=len(doubled & there) + len(heard),
        reordered=0,
        corrupt=len(altered & there) + len(altered & doubled & there) + damaged,
    )
    assert found.clean == (not faults(found).keys() - {"refused"})


@given(order=st.permutations(range(COUNT)))
def test_a_shuffled_file_has_as_many_reorderings_as_messages_behind_a_later_one(order) -> None:
    run = Run(saved=order)
    behind = sum(
        any(order[j] > n and order[j] % USERS_COUNT == n % USERS_COUNT for j in range(i))
        for i, n in enumerate(order)
    )
    assert faults(run.audit()) == ({"reordered": behind} if behind else {})
