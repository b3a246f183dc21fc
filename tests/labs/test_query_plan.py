"""`chatlab data explain`: what it says is counted, and the user's database is only read."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatlab.bench.documents import Documents
from chatlab.bench.statistics import Estimate
from chatlab.data import sqlite_database as database_copy
from chatlab.data.readers import SavedMessages, read_saved
from chatlab.data.sqlite_database import LOG, NAME, Database, copy_database
from chatlab.disk.counted import Disk
from chatlab.errors import StorageError, UsageError
from chatlab.labs.base import carry_out
from chatlab.labs.query_plan.database import LIMIT, QUIET_MESSAGES, QUIET_ROOM, make_database
from chatlab.labs.query_plan.measure import PlanReport, QueryPlan, clearly
from chatlab.labs.query_plan.view import render
from tests.labs.support import printed
from tests.support.parts import message


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a server; there is nothing in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def measured(data: Path, **options: Any) -> PlanReport:
    """The report of a lab that works beside the data, and leaves nothing there."""
    work = data.with_name("work")
    work.mkdir()
    lab = QueryPlan(work=work, data=data, **options)
    asyncio.run(lab.run())
    assert list(work.iterdir()) == []
    return lab.report()


def made(data: Path, rooms: list[str]) -> Database:
    """A database that is open, with a message in each of these rooms."""
    make_database(Disk(data), 0)
    database = Database.opened(Disk(data))
    database.save([message(n, room) for n, room in enumerate(rooms)])
    return database


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def copied(data: Path, name: str = "copy") -> SavedMessages:
    """What is in a copy."""
    copy = data.with_name(name)
    copy.mkdir()
    copy_database(data, copy)
    return read_saved(copy)


def test_a_quiet_room_is_found_by_the_index_alone(data: Path) -> None:
    report = measured(data, messages=5_000)
    busy, quiet = report.rooms

    assert (quiet.room_id, quiet.messages) == (QUIET_ROOM, QUIET_MESSAGES)
    assert quiet.indexed.plan == ["SEARCH messages USING INDEX room_and_time (room_id=?)"]
    assert quiet.scanned.plan == ["SCAN messages"]
    assert (quiet.indexed.rows_read, quiet.scanned.rows_read) == (QUIET_MESSAGES, 5_000)
    assert quiet.indexed.reads < 10 < quiet.scanned.reads
    assert (busy.found, busy.scanned.rows_read) == (LIMIT, 148)
    assert 0 < report.index_bytes < report.database_bytes / 2
    assert report.with_index.bytes_written > report.without_index.bytes_written


def test_rows_read_are_those_up_to_the_last_that_is_found(data: Path) -> None:
    rooms = ["general"] * 100 + ["other"] * 40 + ["general"] * 30 + ["other"] * 7
    made(data, rooms).close()
    report = measured(data, room="general")

    assert report.rooms[0].scanned.rows_read == 7 + 30 + 40 + (LIMIT - 30)


def test_a_running_servers_database_is_read_with_its_log_and_not_changed(data: Path) -> None:
    database = made(data, ["general"] * 100 + ["other"] * 20)
    before = content(data)
    rooms = [(one.room_id, one.messages) for one in measured(data).rooms]

    assert content(data) == before
    assert len(before[LOG]) > 0
    assert rooms == [("general", 100), ("other", 20)]
    database.close()


def test_copies_made_while_a_server_saves_are_whole(data: Path) -> None:
    database = made(data, ["general"] * 10)
    stop = threading.Event()

    def save() -> None:
        for n in range(10, 10_000, 20):  # bounded: a slow reader must not meet an ever larger file
            database.save([message(i) for i in range(n, n + 20)])
            if stop.wait(0.001):
                return

    saving = threading.Thread(target=save)
    saving.start()
    try:
        for number in range(12):
            saved = copied(data, str(number))
            assert saved.messages == [message(n) for n in range(len(saved.messages))]
            assert len(saved.messages) >= 10
            assert saved.damaged == 2  # the users and the rooms, which are not there
    finally:
        stop.set()
        saving.join()
        database.close()


def test_a_copy_is_made_anew_when_the_log_was_begun_anew_meanwhile(data, monkeypatch) -> None:
    database = made(data, ["general"] * 300)
    names: list[str] = []
    plain = shutil.copyfile

    def copy(source: Path, target: Path) -> None:
        plain(source, target)
        names.append(Path(source).name)
        if len(names) == 1:
            for n in range(3):  # two checkpoints, each followed by a new log
                database.save([message(i) for i in range(300 + 90 * n, 390 + 90 * n)], 1)

    monkeypatch.setattr(database_copy.shutil, "copyfile", copy)
    assert len(copied(data).messages) == 570
    assert names == [NAME, LOG] * 3  # the copy is read from one of its own
    database.close()


def test_a_database_that_never_stands_still_is_refused(data, monkeypatch) -> None:
    made(data, ["general"]).close()
    headers = iter(range(99))
    monkeypatch.setattr(database_copy, "_log_header", lambda _: b"%d" % next(headers))
    with pytest.raises(StorageError, match="changes too fast"):
        copied(data)


@pytest.mark.parametrize(
    ("rooms", "room", "words"),
    [
        (["general", "other"], "nowhere", "no messages of room 'nowhere'; there are of: "),
        ([f"room-{n}" for n in range(20)], "nowhere", "and 12 more"),
        ([], None, "there are no messages in "),
    ],
)
def test_a_mistake_is_told(data: Path, rooms: list[str], room: str | None, words: str) -> None:
    made(data, rooms).close()
    with pytest.raises(UsageError, match=words):
        measured(data, room=room)


def test_a_damaged_database_is_told(data: Path) -> None:
    (data / NAME).write_bytes(b"not a database" * 999)
    with pytest.raises(UsageError, match="cannot explain the history query"):
        measured(data)


def test_it_is_told_in_eighty_columns_and_in_json(data, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    made(data, ["general", "a room with a very long name " * 4] * 80).close()
    path = data.with_name("plan.json")
    carry_out(QueryPlan(data=data), Documents({"--json": path}))
    *out, written = capsys.readouterr().out.splitlines()

    assert written == f"written to {path}"
    assert max(map(len, out)) <= 80
    text = "\n".join(out)
    assert text.count("USING INDEX room_and_time") == text.count("SCAN messages") == 2
    assert msgspec.json.decode(path.read_bytes(), type=PlanReport).messages == 160
    assert not list(data.glob("*-shm"))


def test_no_difference_is_called_one_unless_the_runs_are_apart(data: Path) -> None:
    report = measured(data, messages=200)
    look = report.rooms[0].indexed
    alike = [msgspec.structs.replace(one, indexed=look, scanned=look) for one in report.rooms]
    same = msgspec.structs.replace(report, rooms=alike, without_index=report.with_index)
    text = " ".join(printed(render(same), 80).split())

    assert text.count("no clear difference") == 2
    assert "No clear difference in the time" in text
    assert "do harm" not in text


@pytest.mark.parametrize(
    ("more", "less", "clear"),
    [
        ((15.0, 14.0, 16.0), (10.0, 9.0, 13.0), True),
        ((15.0, 12.0, 16.0), (10.0, 9.0, 13.0), False),  # the intervals overlap
        ((14.0, 13.5, 16.0), (10.0, 9.0, 13.0), False),  # not 1.5 times as much
        ((10.0, 9.0, 13.0), (15.0, 14.0, 16.0), False),
    ],
)
def test_a_time_is_clearly_more_only_beyond_chance(more, less, clear) -> None:
    assert clearly(Estimate(*more, []), Estimate(*less, [])) is clear
