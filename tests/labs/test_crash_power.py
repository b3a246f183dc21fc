"""The simulated power cut: what the model allows, and that it catches every broken promise."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from chatlab.bench.crash.recovery import Cut, what_is_wrong
from chatlab.bench.crash.workload import Recording, record
from chatlab.chat.modes import parse
from chatlab.chat.parts.store.journal import JournalStore
from chatlab.chat.parts.store.rewrite import RewriteStore
from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.data.records import Message
from chatlab.data.sqlite_database import LOG, NAME
from chatlab.disk.conditions import Change, Sync
from chatlab.disk.counted import FOLDER, Operation
from chatlab.disk.files import Files, LogFile
from chatlab.disk.power_loss import Volume, variants
from chatlab.errors import StorageError
from chatlab.labs.crash.measure import ModeCrashes
from chatlab.labs.crash.power import power_cuts
from tests.support.parts import message

SEED = 1
FEW = 12
"""Messages: enough for some batches and a new segment."""


def write(name: str, offset: int, data: bytes) -> Operation:
    return Operation("write", name, offset, data)


def possible(
    files: dict[str, bytes], *steps: Operation | Sync, capped: bool = False
) -> list[dict[str, bytes]]:
    """What a folder may hold after these steps; first what the running system shows."""
    volume = Volume(files, folder_syncs=True)
    for number, step in enumerate(steps):
        volume.apply(number, Change(step) if isinstance(step, Operation) else step)
    states, more = volume.states(50)
    assert states[0].files == volume.now()
    assert more == capped
    return [state.files for state in states]


# What the model allows.


@pytest.mark.parametrize(
    ("before", "changes", "allowed"),
    [
        # There or not, torn, or zeros.
        (
            b"old",
            [write("f", 3, b"1234")],
            b"old|old1234|old1|old12|old123|old\0\0\0\0|old12\0\0|old\0\x0034",
        ),
        # Inside a file, old bytes stay where it is torn.
        (b"abcdef", [write("f", 1, b"1234")], b"abcdef|a1234f|a1cdef|a12def|a123ef|abc34f"),
        # A later write may overtake an earlier one.
        (
            b"",
            [write("f", 0, b"11"), write("f", 2, b"22")],
            b"|1122|112|11\0\0|112\0|11\x002|\0\x0022|11|1|\0\0|1\0|\x001",
        ),
        # What a file is cut to comes before what is written then.
        (b"old", [Operation("truncate", "f", 0), write("f", 0, b"n")], b"old||n|\0"),
    ],
)
def test_what_a_file_may_hold_after_changes_that_were_not_synced(before, changes, allowed) -> None:
    assert {one.content for one in variants(before, changes)} == set(allowed.split(b"|"))


def test_a_sync_makes_sure_of_what_had_ended_when_it_began_and_of_nothing_else() -> None:
    writes = write("f", 0, b"1"), write("f", 1, b"2"), write("g", 0, b"3")
    found = possible({"f": b"", "g": b""}, *writes, Sync("f", covers=1))

    assert {files["f"] for files in found} == {b"1", b"12", b"1\0"}
    assert b"" in {files["g"] for files in found}


def test_a_new_name_needs_a_sync_of_the_folder() -> None:
    steps = write("new", 0, b"1"), Sync("new", covers=1), Sync(FOLDER, covers=2)

    assert {} in possible({}, *steps[:2])
    assert possible({}, *steps) == [{"new": b"1"}]


def test_a_rename_may_be_on_the_disk_before_the_data() -> None:
    rename = Operation("rename", "f.tmp", target="f")
    first, *others = possible({"f": b"old"}, write("f.tmp", 0, b"new"), rename)

    assert first == {"f": b"new"}
    for files in ({"f": b""}, {"f": b"old", "f.tmp": b"new"}, {"f": b"old"}):
        assert files in others


def test_too_many_states_are_cut_short_and_it_says_so() -> None:
    writes = [write("f", number * 9, b"123456789") for number in range(20)]

    assert len(possible({"f": b""}, *writes, capped=True)) == 50


# The modes.


@pytest.mark.parametrize(
    ("mode", "count"),
    [
        ("journal", FEW),
        pytest.param("sqlite", 4, marks=pytest.mark.real),
        pytest.param("naive+writer=atomic", FEW, marks=pytest.mark.real),
    ],
)
async def test_what_is_acked_as_synced_survives_every_power_cut(mode: str, count: int) -> None:
    found = await power_cuts(parse(mode), SEED, messages=count)

    assert found.acked == found.messages
    assert found.states >= 60
    assert not ModeCrashes(ack_means="synced", power=found).broken
    assert found.stories == []


@pytest.mark.parametrize(
    ("mode", "tears", "told"),
    [
        ("naive", True, ["acked as written", "cannot understand messages.json"]),
        ("optimized", False, ["in memory alone"]),
    ],
)
async def test_a_weaker_promise_loses_and_its_stories_say_how(mode, tears, told) -> None:
    found = await power_cuts(parse(mode), SEED, messages=FEW)

    assert found.losing > 0
    assert (found.corrupt > 0) == tears
    for words, story in zip(told, found.stories, strict=True):
        assert words in "\n".join(story)


async def test_the_same_seed_does_the_same_to_the_disk(tmp_path: Path) -> None:
    first = await record(parse("journal"), tmp_path / "1", SEED, FEW)
    second = await record(parse("journal"), tmp_path / "2", SEED, FEW)

    assert first.steps == second.steps
    begun = [s for s in first.steps if isinstance(s, Change) and s.operation.kind == "rename"]
    assert len(begun) > 1, "the workload begins new segments"


# Whoever breaks a promise is caught.


async def nothing(*_: object) -> None:
    await asyncio.sleep(0)


def append_unsynced(log: LogFile, data: bytes, _fsync: bool) -> None:
    log._opened.append(data)


class AcksFirst(JournalStore):
    """Says that it has saved, and saves then."""

    _later: tuple[asyncio.Task[None], ...] = ()

    async def save(self, batch: Sequence[Message]) -> None:
        self._later += (asyncio.create_task(super().save(batch)),)

    async def close(self) -> None:
        await asyncio.gather(*self._later)
        await super().close()


class RenamesEarly(AtomicWriter):
    """Does not sync what it renames."""

    async def replace(self, name: str, data: bytes) -> None:
        await self.files.write(name + ".tmp", data)
        await self.files.rename(name + ".tmp", name)
        await self.files.fsync_folder()


class Twice(RewriteStore):
    """Keeps every message twice."""

    async def save(self, batch: Sequence[Message]) -> None:
        await super().save([*batch, *batch])


class NeverSaves(RewriteStore):
    """Refuses everything: the lab must not wait for it for ever."""

    async def save(self, batch: Sequence[Message]) -> None:
        raise StorageError("write", f"{len(batch)} messages", "no")


@pytest.mark.parametrize(
    ("owner", "method", "instead"),
    [
        pytest.param(LogFile, "_append", append_unsynced, marks=pytest.mark.real),
        (LogFile, "cut", nothing),  # it leaves its torn tail
        pytest.param(Files, "fsync_folder", nothing, marks=pytest.mark.real),
    ],
)
async def test_a_journal_that_leaves_out_a_step_is_caught(
    owner: type, method: str, instead: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, method, instead)
    monkeypatch.setattr("chatlab.disk.power_loss.FOLDER_SYNCS", True)

    found = await power_cuts(parse("journal"), SEED, messages=FEW)
    assert ModeCrashes(ack_means="synced", power=found).broken
    assert found.corrupt if method == "cut" else found.losing


@pytest.mark.parametrize(
    ("mode", "role", "part", "finds"),
    [
        ("journal", "store", AcksFirst, "losing"),
        pytest.param("naive", "writer", RenamesEarly, "corrupt", marks=pytest.mark.real),
        ("naive+writer=atomic", "store", Twice, "wrong"),
        ("naive+writer=atomic", "store", NeverSaves, "corrupt"),  # it refuses one more message
    ],
)
async def test_a_part_that_breaks_a_promise_is_caught(mode, role, part, finds) -> None:
    line_up = parse(mode)
    line_up = msgspec.structs.replace(line_up, classes=line_up.classes | {role: part})
    found = await power_cuts(line_up, SEED, messages=FEW)

    assert ModeCrashes(ack_means="synced", power=found).broken
    assert getattr(found, finds) > 0
    assert found.acked == 0 if part is NeverSaves else found.acked > 0
    assert finds != "losing" or found.corrupt == 0
    assert finds != "wrong" or "twice" in found.stories[-1][-1]


def test_order_and_content_are_judged() -> None:
    one, two = message(1), message(2)
    both = {one.id: one, two.id: two}
    recording = Recording(ack_means="synced", files={}, steps=[], messages=both, base={})
    cut = Cut(step=0, promised=frozenset(), possible=frozenset(both))
    changed = msgspec.structs.replace(two, content="other")

    assert what_is_wrong({"general": [one, two]}, cut, recording) == ""
    assert "after a later" in what_is_wrong({"general": [two, one]}, cut, recording)
    assert "never sent" in what_is_wrong({"general": [one, changed]}, cut, recording)


async def test_a_databases_log_is_carried_into_it_while_messages_flow(tmp_path: Path) -> None:
    """What no cut can reach is not tested by any: the log begins anew between two acks."""
    steps = (await record(parse("sqlite"), tmp_path, SEED)).steps
    acks = [n for n, step in enumerate(steps) if getattr(step, "what", "") == "acked"]
    changes = [one.operation for one in steps[acks[0] : acks[-1]] if isinstance(one, Change)]
    writes = [one for one in changes if one.kind == "write"]

    assert sum(one.name == LOG and one.offset == 0 for one in writes) >= 2
    assert any(one.name == NAME for one in writes)
