"""`chatlab data prune`: strangers' leftovers go, and nothing that anybody said or needs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from chatlab.data.folder import LOCK_NAME, DataFolder
from chatlab.data.readers import StoreKind
from chatlab.data.records import CHATROOMS, USERS, Room, User
from chatlab.disk.counted import Disk
from tests.support.command_line import run_here
from tests.test_cli_data import EACH_KIND, Run, chatlab_data, kept, scribble, state

__all__ = ["chatlab_data"]  # a fixture

ROOMS = [
    Room("general", "", ("s1", "alice", "bob", "s2")),  # all that was said, alice said, a stranger
    Room("other", "", ("alice", "s1")),
    Room("hall", "", ("s1", "bob")),
    Room("squat", "", ("s1", "s2")),
    Room("empty", ""),
    Room("den", "", ("s1", "bob"), private=True),
    Room("cave", "", ("s1", "alice"), private=True),
]
PRUNED = [
    Room("general", "", ("alice", "bob")),
    Room("other", "", ("alice",)),
    Room("hall", "", ("bob",)),
    Room("den", "", ("s1", "bob"), private=True),
]


def folder_of(folder: Path, kind: StoreKind = "json", rooms: list[Room] = ROOMS) -> Path:
    kept(folder, kind)
    (folder / USERS.name).write_bytes(USERS.encode([User("bob", "Bob")]))
    (folder / CHATROOMS.name).write_bytes(CHATROOMS.encode(rooms))
    return folder


def rooms_in(folder: Path) -> list[Room]:
    return CHATROOMS.decode((folder / CHATROOMS.name).read_bytes())


@EACH_KIND
def test_it_shows_what_it_would_remove_and_removes_that_with_yes(
    chatlab_data: Run, tmp_path, kind
) -> None:
    folder = folder_of(tmp_path / "data", kind)
    before = state(folder)
    said = chatlab_data("prune", folder)
    assert "3 rooms without a message, left to strangers squat, empty, cave" in said
    assert "general 2 4 other 1 2 hall 1 2" in said
    assert "Nothing was changed: --yes removes all this." in said
    assert state(folder) == before

    assert "All this was removed." in chatlab_data("prune", folder, "--yes")
    assert rooms_in(folder) == PRUNED
    changed = {CHATROOMS.name, LOCK_NAME}
    assert {n: s for n, s in state(folder).items() if n not in changed} == {
        n: s for n, s in before.items() if n not in changed
    }
    assert "Strangers left nothing behind." in chatlab_data("prune", folder, "--yes")


def test_ten_thousand_of_each_fit_on_a_screen_and_json_names_them_all(
    chatlab_data: Run, tmp_path: Path
) -> None:
    many = tuple(f"s{n}" for n in range(9_994))
    squats = [Room(f"squat-{n}", "", ("s1",)) for n in range(9_990)]
    folder = folder_of(tmp_path, rooms=[Room("general", "", ("alice", *many)), *squats])
    shown = chatlab_data("prune", folder, "--json", tmp_path / "out.json", raw=True)
    assert len(shown.splitlines()) < 24
    assert max(map(len, shown.splitlines()[:-1])) <= 80  # the last one names the file
    assert "and 9,980 more" in " ".join(shown.split())
    found = msgspec.json.decode((tmp_path / "out.json").read_bytes())
    assert found["participants"] == {"general": list(many)}
    assert found["rooms"] == [room.id for room in squats]
    assert (found["removed"], found["totals"]) == (False, {"general": 9_995})


async def test_a_server_on_the_folder_keeps_it_from_removing(chatlab_data, tmp_path) -> None:
    folder = folder_of(tmp_path)
    async with DataFolder(folder):
        assert "Nothing was changed" in chatlab_data("prune", folder)
        said = chatlab_data("prune", folder, "--yes", code=2)
    assert "another chatlab server uses the data folder" in said
    assert rooms_in(folder) == ROOMS


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: scribble(folder / "messages.json"), "messages.json"),
        (lambda folder: (folder / "messages.json").unlink(), "no messages that chatlab can read"),
        (lambda folder: scribble(folder / CHATROOMS.name), CHATROOMS.name),
        (lambda folder: (folder / USERS.name).unlink(), USERS.name),
    ],
)
def test_what_it_cannot_know_it_does_not_remove(chatlab_data, tmp_path, harm, words) -> None:
    folder = folder_of(tmp_path, rooms=ROOMS * 20)
    harm(folder)
    before = (folder / CHATROOMS.name).read_bytes()
    assert words in chatlab_data("prune", folder, "--yes", code=2)
    assert (folder / CHATROOMS.name).read_bytes() == before


def test_a_disk_that_fails_leaves_the_rooms_as_they_were(tmp_path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    folder = folder_of(tmp_path)
    monkeypatch.setattr(Disk, "rename", full)
    done = run_here("data", "prune", str(folder), "--yes")
    assert (done.code, "No space left" in done.err) == (2, True)
    assert rooms_in(folder) == ROOMS
    assert not [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_there_must_be_a_folder(chatlab_data: Run, tmp_path: Path) -> None:
    assert "no data folder" in chatlab_data("prune", tmp_path / "none", "--yes", code=2)
    assert not (tmp_path / "none").exists()
