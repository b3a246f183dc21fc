"""The data folder: filled if fresh, never touched otherwise, and kept for one server."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chatlab.data.folder import DataFolder, generated_history, starting_data
from chatlab.data.journal_format import FILLING, PATTERN, segment_name
from chatlab.data.records import ALL_FILES, CHATROOMS, MESSAGES, USERS, Room
from chatlab.errors import UsageError
from tests.support.parts import fill, ids, message

NAMES = [file.name for file in ALL_FILES]


def content(folder: Path) -> dict[str, bytes]:
    paths = [folder / name for name in NAMES]
    return {path.name: path.read_bytes().strip() for path in paths if path.exists()}


async def refusal(folder: Path, history: int = 0) -> str:
    with pytest.raises(UsageError) as caught:
        await DataFolder(folder, history).__aenter__()
    return str(caught.value)


async def test_a_fresh_folder_is_made_and_filled(tmp_path: Path) -> None:
    async with DataFolder(tmp_path / "deep" / "down") as folder:
        assert content(folder) == content(starting_data())
        assert len(content(folder)) == 3


@pytest.mark.parametrize("missing", [None, USERS.name, CHATROOMS.name])
async def test_in_an_existing_folder_only_what_is_missing_is_filled_in(tmp_path, missing) -> None:
    before = content(fill(tmp_path, [message(1)]))
    if missing:
        (tmp_path / missing).unlink()
        before[missing] = content(starting_data())[missing]
    async with DataFolder(tmp_path) as folder:
        assert content(folder) == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", [b"", b"[", b'{"a": 1}', b"\xff\xfe"], ids=repr)
async def test_a_corrupt_file_is_refused_and_nothing_is_touched(tmp_path, name, data) -> None:
    fill(tmp_path, [message(1)])
    (tmp_path / name).write_bytes(data)
    before = content(tmp_path)

    assert name in await refusal(tmp_path)
    assert content(tmp_path) == before
    fill(tmp_path, [message(1)])  # mended
    async with DataFolder(tmp_path):
        pass


async def test_history_is_added_to_a_fresh_folder(tmp_path: Path) -> None:
    async with DataFolder(tmp_path, history=100) as folder:
        messages = MESSAGES.decode((folder / MESSAGES.name).read_bytes())
        assert list(folder.glob("*.tmp")) == []
    starting = MESSAGES.decode((starting_data() / MESSAGES.name).read_bytes())

    assert messages[: len(starting)] == starting
    assert len(messages) == len(starting) + 100
    assert len(set(ids(messages))) == len(messages)


async def test_history_in_a_folder_with_messages_or_no_public_room_is_refused(tmp_path) -> None:
    before = content(fill(tmp_path, [message(1)]))
    assert "fills a fresh data folder only" in await refusal(tmp_path, history=10)
    assert content(tmp_path) == before
    (tmp_path / MESSAGES.name).unlink()
    rooms = CHATROOMS.encode([Room("staff", "Staff", ("alice",), private=True)])
    (tmp_path / CHATROOMS.name).write_bytes(rooms)
    assert "public room" in await refusal(tmp_path, history=10)


async def test_a_start_interrupted_in_its_history_can_be_repeated(tmp_path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("chatlab.data.folder.generated_history", interrupted)
        with pytest.raises(ZeroDivisionError):
            await DataFolder(tmp_path, history=10).__aenter__()

    async with DataFolder(tmp_path, history=10) as folder:
        assert len(MESSAGES.decode((folder / MESSAGES.name).read_bytes())) > 10


def test_generated_history_is_the_same_each_time_and_spread_evenly() -> None:
    rooms = ["general", "new-year"]
    history = list(generated_history(1_000, rooms))

    assert history == list(generated_history(1_000, rooms))
    assert Counter(one.room_id for one in history) == {"general": 500, "new-year": 500}
    assert [one.timestamp for one in history] == sorted(one.timestamp for one in history)


async def test_a_folder_in_use_is_refused_and_free_again_after_use_or_failure(tmp_path) -> None:
    for _ in range(2):
        async with DataFolder(tmp_path):
            assert "another chatlab server uses" in await refusal(tmp_path)
    with pytest.raises(ZeroDivisionError):
        async with DataFolder(tmp_path):
            raise ZeroDivisionError
    async with DataFolder(tmp_path):
        pass


@pytest.mark.parametrize("below", ["", "below"])
async def test_a_path_that_is_a_file_or_below_one_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("hello")
    said = await refusal(tmp_path / "file" / below)
    assert said.startswith("cannot use the data folder")
    assert said.endswith("choose another folder with --data")
    assert (tmp_path / "file").read_text() == "hello"


async def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch) -> None:
    # Permissions do not bind the superuser, so the system's refusal is played here.
    def read_only(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("chatlab.disk.replacement.create", read_only)
    assert "Permission denied" in await refusal(tmp_path)


async def test_a_journal_whose_beginning_was_interrupted_is_begun_anew(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / MESSAGES.name).unlink()
    (tmp_path / segment_name(0)).write_bytes(b"half a journal")
    (tmp_path / FILLING).touch()
    folder = DataFolder(tmp_path, history=10, kept_in=PATTERN)
    async with folder:
        assert len(list(folder.starting)) > 10


@pytest.mark.parametrize("kept_in", [PATTERN, MESSAGES.name, "messages.sqlite"])
async def test_what_an_interrupted_journal_left_never_costs_a_message(tmp_path, kept_in) -> None:
    """It was taking over messages.json: that file is still all there is."""
    fill(tmp_path, [message(1)])
    (tmp_path / FILLING).touch()
    before = content(tmp_path)
    async with DataFolder(tmp_path, kept_in=kept_in) as folder:
        assert content(folder) == before
    assert "fills a fresh data folder only" in await refusal(tmp_path, history=10)
