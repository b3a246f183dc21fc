"""The simulated power cut: what the model allows, and that it catches every broken promise."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatlab.bench.crash.promises import Cut, what_is_wrong
from chatlab.bench.crash.reopening import reopen
from chatlab.bench.crash.workload import Recording, contents, record
from chatlab.chat.modes import LineUp, parse
from chatlab.chat.parts.store.journal import JournalStore
from chatlab.chat.parts.store.rewrite import RewriteStore
from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.data import journal_format as form
from chatlab.data.records import Message
from chatlab.data.sqlite_database import LOG, NAME
from chatlab.disk.counted import FOLDER, Operation
from chatlab.disk.files import Files, LogFile
from chatlab.disk.power_loss import Volume, variants
from chatlab.disk.recording import Change, Milestone, Sync
from chatlab.errors import StorageError
from chatlab.labs.crash.power import power_cuts
from chatlab.labs.crash.report import ModeCrashes, PowerResult
from tests.support.parts import ids

SEED = 1
FEW = 12
"""Messages: enough for some batches and a new segment."""


def write(name: str, offset: int, data: bytes) -> Change:
    return Change(Operation("write", name, offset, data))


def with_part(mode: str, role: str, part: type) -> LineUp:
    line_up = parse(mode)
    return dataclasses.replace(line_up, classes=line_up.classes | {role: part})


def possible(volume: Volume) -> list[dict[str, bytes]]:
    return [state.files for state in volume.states()[0]]


def is_broken(found: PowerResult) -> bool:
    return ModeCrashes(ack_means="synced", power=found).broken


# What the model allows.


def test_a_write_that_was_not_synced_may_be_there_or_not_torn_or_zeros() -> None:
    found = {v.content for v in variants(b"old", [Operation("write", "f", 3, b"1234")])}

    assert found >= {b"old", b"old1234", b"old1", b"old12", b"old123"}
    assert found >= {b"old\0\0\0\0", b"old12\0\0", b"old\0\x0034"}


def test_a_write_inside_a_file_leaves_old_bytes_where_it_is_torn() -> None:
    found = {v.content for v in variants(b"abcdef", [Operation("write", "f", 1, b"1234")])}

    assert found == {b"abcdef", b"a1234f", b"a1cdef", b"a12def", b"a123ef", b"abc34f"}


def test_a_later_write_may_overtake_an_earlier_one() -> None:
    writes = [Operation("write", "f", 0, b"11"), Operation("write", "f", 2, b"22")]

    assert b"\0\x0022" in {variant.content for variant in variants(b"", writes)}


def test_what_a_file_is_cut_to_comes_before_what_is_written_then() -> None:
    changes = [Operation("truncate", "f", 0), Operation("write", "f", 0, b"n")]

    assert {v.content for v in variants(b"old", changes)} == {b"old", b"", b"n", b"\0"}


def test_a_sync_makes_sure_of_what_had_ended_when_it_began_and_of_nothing_else() -> None:
    volume = Volume({"f": b"", "g": b""})
    for number, step in enumerate([write("f", 0, b"1"), write("f", 1, b"2"), write("g", 0, b"3")]):
        volume.apply(number, step)
    volume.apply(3, Sync("f", covers=1))

    assert {files["f"] for files in possible(volume)} == {b"1", b"12", b"1\0"}
    assert b"" in {files["g"] for files in possible(volume)}


def test_a_new_name_needs_a_sync_of_the_folder() -> None:
    volume = Volume({}, folder_syncs=True)
    volume.apply(0, write("new", 0, b"1"))
    volume.apply(1, Sync("new", covers=1))
    assert {} in possible(volume)

    volume.apply(2, Sync(FOLDER, covers=2))
    assert possible(volume) == [{"new": b"1"}]


def test_a_rename_may_be_on_the_disk_before_the_data() -> None:
    volume = Volume({"f": b"old"}, folder_syncs=True)
    volume.apply(0, write("f.tmp", 0, b"new"))
    volume.apply(1, Change(Operation("rename", "f.tmp", target="f")))

    assert possible(volume)[0] == {"f": b"new"} == volume.now()
    assert {"f": b""} in possible(volume)
    assert {"f": b"old", "f.tmp": b"new"} in possible(volume)
    assert {"f": b"old"} in possible(volume)


def test_too_many_states_are_cut_short_and_it_says_so() -> None:
    volume = Volume({"f": b""})
    for number in range(20):
        volume.apply(number, write("f", number * 9, b"123456789"))
    states, capped = volume.states(50)

    assert len(states) == 50
    assert capped
    assert states[0].files == volume.now()


# The modes.


@pytest.mark.real
@pytest.mark.parametrize("mode", ["sqlite", "naive+writer=atomic"])
async def test_what_is_acked_as_synced_survives_every_power_cut(mode: str) -> None:
    await check_synced(mode, 4 if mode == "sqlite" else FEW)


async def test_a_journals_acks_survive_every_power_cut() -> None:
    await check_synced("journal", FEW)


async def check_synced(mode: str, count: int) -> None:
    found = await power_cuts(parse(mode), SEED, messages=count)

    assert found.acked == found.messages
    assert found.states >= 60
    assert not is_broken(found)
    assert found.stories == []


async def test_naive_loses_and_tears() -> None:
    found = await power_cuts(parse("naive"), SEED, messages=FEW)

    assert found.losing > 0
    assert found.corrupt > 0
    lost, torn = ("\n".join(story) for story in found.stories)
    assert "acked as written" in lost
    assert "cannot understand messages.json" in torn


async def test_optimized_loses_and_never_tears() -> None:
    found = await power_cuts(parse("optimized"), SEED, messages=FEW)

    assert found.losing > 0
    assert found.corrupt == 0
    assert "in memory alone" in found.stories[0][-1]


async def test_the_same_seed_does_the_same_to_the_disk(tmp_path: Path) -> None:
    first = await record(parse("journal"), tmp_path / "1", SEED, FEW)
    second = await record(parse("journal"), tmp_path / "2", SEED, FEW)

    assert first.steps == second.steps
    begun = [s for s in first.steps if isinstance(s, Change) and s.operation.kind == "rename"]
    assert len(begun) > 1, "the workload begins new segments"


# Whoever breaks a promise is caught.


async def nothing(*_: object) -> None:
    await asyncio.sleep(0)


class AcksFirst(JournalStore):
    """Says that it has saved, and saves then."""

    async def start(self, starting: object = ()) -> list[str]:
        self._later: list[asyncio.Task[None]] = []
        notes = await super().start(starting)  # type: ignore[arg-type]
        await asyncio.gather(*self._later)
        return notes

    async def save(self, batch: Sequence[Message]) -> None:
        self._later.append(asyncio.create_task(super().save(batch)))

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


@pytest.mark.real
async def test_a_journal_without_fsync_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogFile, "_append", lambda self, data, _fsync: self._opened.append(data))

    found = await power_cuts(parse("journal"), SEED, messages=FEW)
    assert is_broken(found)
    assert found.losing > 0


async def test_a_journal_without_a_sync_of_the_folder_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Files, "fsync_folder", nothing)
    monkeypatch.setattr("chatlab.disk.power_loss.FOLDER_SYNCS", True)

    assert is_broken(await power_cuts(parse("journal"), SEED, messages=FEW))


async def test_a_journal_that_leaves_its_torn_tail_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LogFile, "cut", nothing)

    assert (await power_cuts(parse("journal"), SEED, messages=FEW)).corrupt > 0


async def test_a_store_that_acks_before_the_save_is_caught() -> None:
    found = await power_cuts(with_part("journal", "store", AcksFirst), SEED, messages=FEW)

    assert is_broken(found)
    assert found.losing > 0
    assert found.corrupt == 0


@pytest.mark.real
async def test_a_writer_that_renames_before_the_sync_is_caught() -> None:
    found = await power_cuts(with_part("naive", "writer", RenamesEarly), SEED, messages=FEW)

    assert found.corrupt > 0


async def test_a_store_that_keeps_messages_twice_is_caught() -> None:
    mode = with_part("naive+writer=atomic", "store", Twice)
    found = await power_cuts(mode, SEED, messages=FEW)

    assert found.wrong > 0
    assert "twice" in found.stories[-1][-1]


async def test_a_store_that_never_saves_is_no_endless_wait() -> None:
    mode = with_part("naive+writer=atomic", "store", NeverSaves)
    found = await power_cuts(mode, SEED, messages=FEW)

    assert found.acked == 0
    assert found.corrupt > 0  # it opens, and then refuses one more message


def test_order_and_content_are_judged() -> None:
    one, two = (Message(i, "general", "alice", i, "t") for i in ("1", "2"))
    both = {"1": one, "2": two}
    recording = Recording(ack_means="synced", files={}, steps=[], messages=both, base={})
    cut = Cut(step=0, promised=frozenset(), possible=frozenset(both))
    changed = Message("2", "general", "alice", "other", "t")

    assert what_is_wrong({"general": [one, two]}, cut, recording) == ""
    assert "after a later" in what_is_wrong({"general": [two, one]}, cut, recording)
    assert "never sent" in what_is_wrong({"general": [one, changed]}, cut, recording)


# Torn tails.


@pytest.mark.real
async def test_a_tail_torn_at_any_byte_leaves_just_the_messages_before(tmp_path: Path) -> None:
    journal = parse("journal")
    recording = await record(journal, tmp_path / "data", SEED, 8)
    files = contents(tmp_path / "data")
    last = max(name for name in files if form.is_segment(name))
    whole = files[last]
    begin = whole.rfind(b"\n", 0, -1) + 1
    assert whole[begin + 9 : begin + 10] in (form.FIRST, form.FURTHER)
    torn_id = recording.messages.keys() & {
        r.message.id for r in [form.decode_record(whole[begin:], 0)] if r
    }
    all_before = set(recording.known) - torn_id

    for size in range(begin, len(whole)):
        found = await reopen(journal, files | {last: whole[:size]}, tmp_path / "cut")
        assert found.error == "", size
        assert set(ids(m for room in found.rooms.values() for m in room)) == all_before, size
    found = await reopen(journal, files, tmp_path / "cut")
    assert set(ids(m for room in found.rooms.values() for m in room)) == set(recording.known)


async def test_a_databases_log_is_carried_into_it_while_messages_flow(tmp_path: Path) -> None:
    """What no cut can reach is not tested by any: the log begins anew between two acks."""
    steps = (await record(parse("sqlite"), tmp_path, SEED)).steps
    acks = [
        n for n, step in enumerate(steps) if isinstance(step, Milestone) and step.what == "acked"
    ]
    writes = [
        step.operation
        for step in steps[acks[0] : acks[-1]]
        if isinstance(step, Change) and step.operation.kind == "write"
    ]

    assert sum(one.name == LOG and one.offset == 0 for one in writes) >= 2
    assert any(one.name == NAME for one in writes)
