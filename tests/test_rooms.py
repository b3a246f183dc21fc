"""Rooms: who may speak where, asked and changed through every mode's parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatlab.chat.modes import MODES, PARTS
from chatlab.chat.rooms import Presence, Rooms
from chatlab.chat.settings import Settings
from chatlab.data.records import CHATROOMS, Room
from chatlab.errors import Refusal, StorageError
from tests.support.parts import DISK_FULL, FakeClient, FakeClock, HalfWayFiles, InlineFiles, fill
from tests.support.virtual_clock import settle


@pytest.fixture
def files(tmp_path: Path) -> HalfWayFiles:
    return HalfWayFiles(fill(tmp_path))


@pytest.fixture
def open_rooms(files: InlineFiles) -> Callable[..., Rooms]:
    def opened(mode: str = "naive") -> Rooms:
        make = {role: PARTS[role][choice] for role, choice in MODES[mode].parts.items()}
        reader = make["reader"](files, Settings(), FakeClock())
        return Rooms(reader, make["writer"](files), make["lock"]())

    return opened


@pytest.fixture(params=["naive", "optimized"])
def rooms(open_rooms: Callable[..., Rooms], request: pytest.FixtureRequest) -> Rooms:
    return open_rooms(request.param)


def on_disk(files: InlineFiles, room_id: str) -> Room | None:
    rooms = CHATROOMS.decode((files.folder / CHATROOMS.name).read_bytes())
    return next((room for room in rooms if room.id == room_id), None)


def writes(files: InlineFiles) -> int:
    return files.statistics()[CHATROOMS.name].writes


@contextmanager
def refused(code: str, text: str | None = None) -> Iterator[None]:
    """Expects a refusal by that code, whose text says what to do."""
    with pytest.raises(Refusal, match=text) as caught:
        yield
    assert caught.value.code == code


async def test_only_participants_may_speak_and_others_are_told_how_to(rooms: Rooms) -> None:
    assert (await rooms.require_member("general", "alice")).id == "general"
    with refused("not_a_member", "send join_room first"):
        await rooms.require_member("general", "carol")
    for act in (rooms.require_member, rooms.join, rooms.leave):
        with refused("no_such_room", "create_room"):
            await act("nowhere", "alice")


async def test_whoever_joins_or_leaves_does_so_on_the_disk(rooms: Rooms, files) -> None:
    await rooms.join("general", "carol")
    await rooms.require_member("general", "carol")
    assert on_disk(files, "general").participants == ("alice", "bob", "carol")
    await rooms.leave("general", "alice")
    with refused("not_a_member"):
        await rooms.require_member("general", "alice")
    assert on_disk(files, "general").participants == ("bob", "carol")


async def test_what_changes_nothing_writes_nothing(rooms: Rooms, files) -> None:
    await rooms.join("general", "alice")
    await rooms.leave("general", "carol")

    assert on_disk(files, "general").participants == ("alice", "bob")
    assert writes(files) == 0


async def test_a_private_room_is_for_those_invited_until_they_leave(rooms: Rooms, files) -> None:
    await rooms.join("staff", "alice")  # who is in already, may
    with refused("not_a_member", "ask to be invited"):
        await rooms.join("staff", "bob")
    for host in ("bob", "carol"):
        with refused("not_a_member", "may invite"):
            await rooms.invite("staff", host, "carol")
    assert on_disk(files, "staff").participants == ("alice",)

    await rooms.invite("staff", "alice", "bob")
    await rooms.invite("staff", "bob", "carol")
    await rooms.require_member("staff", "carol")
    await rooms.join("staff", "bob")
    assert on_disk(files, "staff") == Room(
        "staff", "Staff", ("alice", "bob", "carol"), private=True
    )
    await rooms.leave("staff", "bob")
    with refused("not_a_member"):
        await rooms.join("staff", "bob")


async def test_a_room_is_created_once(rooms: Rooms, files) -> None:
    room = Room("new", "New", ("carol",), private=True)
    await rooms.create(room)
    assert on_disk(files, "new") == room
    assert await rooms.require_member("new", "carol") == room

    with refused("room_exists"):
        await rooms.create(Room("general", "Mine now", ("carol",)))
    assert on_disk(files, "general").name == "General"


async def test_rooms_and_participants_are_bounded(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.ROOMS_MAX", 4)
    monkeypatch.setattr("chatlab.chat.rooms.PARTICIPANTS_MAX", 2)
    await rooms.create(Room("fourth", "Fourth"))
    with refused("too_many_rooms"):
        await rooms.create(Room("fifth", "Fifth"))

    with refused("room_full"):
        await rooms.join("general", "carol")
    with refused("room_full"):
        await rooms.invite("general", "alice", "carol")
    await rooms.join("general", "alice")  # who is in already, stays


async def test_changes_at_the_same_time_are_all_kept(rooms: Rooms, files) -> None:
    guests = [f"guest{n}" for n in range(20)]
    await asyncio.gather(*(rooms.join("general", guest) for guest in guests))

    assert set(on_disk(files, "general").participants) == {"alice", "bob", *guests}


async def test_a_membership_check_never_sees_half_a_file(rooms: Rooms, files: HalfWayFiles) -> None:
    files.go_on.clear()
    changing = asyncio.create_task(rooms.join("general", "carol"))
    await settle()
    checking = asyncio.create_task(rooms.require_member("other", "alice"))
    await settle()
    files.go_on.set()
    await changing

    assert (await checking).id == "other"


async def test_a_change_that_fails_did_not_happen_and_gives_the_lock_back(
    rooms: Rooms, files
) -> None:
    files.fail = lambda operation, _name: DISK_FULL if operation == "write" else None
    with pytest.raises(StorageError):
        await rooms.join("general", "carol")
    with refused("no_such_room"):
        await rooms.join("nowhere", "carol")
    with refused("not_a_member"):
        await rooms.require_member("general", "carol")

    files.fail = lambda _operation, _name: None
    async with asyncio.timeout(5):
        await rooms.join("general", "carol")


@pytest.mark.parametrize(
    ("mode", "reads", "level"),
    [("naive", 10, "written"), ("cached", 1, "written"), ("optimized", 1, "synced")],
)
async def test_a_check_costs_a_read_and_a_change_promises_what_the_writer_does(
    open_rooms, files, mode: str, reads: int, level: str
) -> None:
    asked = open_rooms(mode)
    for _ in range(10):
        await asked.require_member("general", "alice")

    assert files.statistics()[CHATROOMS.name].reads == reads
    assert asked.promise == level


# Presence: who is live.


def test_a_user_is_connected_once_and_after_leaving_is_in_no_room_but_may_come_again() -> None:
    presence = Presence()
    alice, bob, second = FakeClient("alice"), FakeClient("bob"), FakeClient("alice")
    for client in (alice, bob):
        assert presence.arrive(client)
        presence.enter(client, "general")
    presence.enter(alice, "other")
    assert not presence.arrive(second)
    presence.leave(second)  # one who was turned away does not take the other along
    assert list(presence.clients()) == [alice, bob]
    presence.leave(alice)

    assert list(presence.members("general")) == [bob]
    assert list(presence.members("other")) == []
    assert len(presence) == 1
    assert presence.arrive(second)


def test_members_are_listed_once_in_the_order_of_their_coming() -> None:
    presence = Presence()
    clients = [FakeClient(name) for name in ("carol", "alice", "bob")]
    for client in [*clients, clients[0]]:
        presence.enter(client, "general")

    assert list(presence.members("general")) == clients


def test_a_room_that_nobody_is_in_takes_no_memory() -> None:
    presence = Presence()
    alice = FakeClient("alice")
    for n in range(100):
        presence.enter(alice, f"room{n}")
        presence.exit(alice, f"room{n}")
    presence.exit(alice, "never entered")

    assert presence._rooms == {}
