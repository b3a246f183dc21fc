"""Rooms: who may speak where, asked and changed through every mode's parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from chatlab.chat.modes import MODES, PARTS
from chatlab.chat.presence import Presence
from chatlab.chat.rooms import Rooms
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


async def test_a_participant_may_speak(rooms: Rooms) -> None:
    assert (await rooms.require_member("general", "alice")).id == "general"


async def test_someone_else_may_not_speak_and_is_told_how_to(rooms: Rooms) -> None:
    with pytest.raises(Refusal, match="send join_room first") as caught:
        await rooms.require_member("general", "carol")
    assert caught.value.code == "not_a_member"


@pytest.mark.parametrize("act", ["require_member", "join", "leave"])
async def test_a_room_that_does_not_exist_is_refused(rooms: Rooms, act: str) -> None:
    with pytest.raises(Refusal, match="create_room") as caught:
        await getattr(rooms, act)("nowhere", "alice")
    assert caught.value.code == "no_such_room"


async def test_whoever_joins_may_speak_and_it_is_on_the_disk(rooms: Rooms, files) -> None:
    await rooms.join("general", "carol")

    await rooms.require_member("general", "carol")
    assert on_disk(files, "general").participants == ("alice", "bob", "carol")


async def test_joining_twice_changes_nothing_and_writes_nothing(rooms: Rooms, files) -> None:
    await rooms.join("general", "alice")

    assert on_disk(files, "general").participants == ("alice", "bob")
    assert writes(files) == 0


async def test_whoever_leaves_may_not_speak_any_more(rooms: Rooms, files) -> None:
    await rooms.leave("general", "alice")

    with pytest.raises(Refusal):
        await rooms.require_member("general", "alice")
    assert on_disk(files, "general").participants == ("bob",)


async def test_leaving_a_room_that_one_is_not_in_is_no_mistake(rooms: Rooms, files) -> None:
    await rooms.leave("general", "carol")

    assert writes(files) == 0


async def test_a_private_room_cannot_be_joined(rooms: Rooms, files) -> None:
    with pytest.raises(Refusal, match="ask to be invited") as caught:
        await rooms.join("staff", "bob")

    assert caught.value.code == "not_a_member"
    assert on_disk(files, "staff").participants == ("alice",)


async def test_a_participant_of_a_private_room_may_join_again(rooms: Rooms) -> None:
    await rooms.join("staff", "alice")


async def test_an_invited_guest_may_speak_in_a_private_room(rooms: Rooms, files) -> None:
    await rooms.invite("staff", "alice", "bob")

    await rooms.require_member("staff", "bob")
    await rooms.join("staff", "bob")
    assert on_disk(files, "staff") == Room("staff", "Staff", ("alice", "bob"), private=True)


async def test_only_a_participant_may_invite(rooms: Rooms, files) -> None:
    for host in ("bob", "carol"):
        with pytest.raises(Refusal, match="may invite") as caught:
            await rooms.invite("staff", host, "carol")
        assert caught.value.code == "not_a_member"
    assert on_disk(files, "staff").participants == ("alice",)


async def test_an_invited_guest_may_invite_others(rooms: Rooms) -> None:
    await rooms.invite("staff", "alice", "bob")
    await rooms.invite("staff", "bob", "carol")

    await rooms.require_member("staff", "carol")


async def test_whoever_left_a_private_room_needs_an_invitation_again(rooms: Rooms) -> None:
    await rooms.invite("staff", "alice", "bob")
    await rooms.leave("staff", "bob")

    with pytest.raises(Refusal):
        await rooms.join("staff", "bob")


async def test_a_room_that_was_created_is_there(rooms: Rooms, files) -> None:
    room = Room("new", "New", ("carol",), private=True)
    await rooms.create(room)

    assert on_disk(files, "new") == room
    assert await rooms.require_member("new", "carol") == room


async def test_a_room_cannot_be_created_twice(rooms: Rooms, files) -> None:
    with pytest.raises(Refusal) as caught:
        await rooms.create(Room("general", "Mine now", ("carol",)))

    assert caught.value.code == "room_exists"
    assert on_disk(files, "general").name == "General"


async def test_there_is_a_limit_on_rooms(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.ROOMS_MAX", 4)
    await rooms.create(Room("fourth", "Fourth"))

    with pytest.raises(Refusal) as caught:
        await rooms.create(Room("fifth", "Fifth"))
    assert caught.value.code == "too_many_rooms"


@pytest.mark.parametrize("act", ["join", "invite"])
async def test_there_is_a_limit_on_participants(
    rooms: Rooms, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.PARTICIPANTS_MAX", 2)

    with pytest.raises(Refusal) as caught:
        await (rooms.join if act == "join" else rooms.invite)(
            "general", *["alice", "carol"][act == "join" :]
        )
    assert caught.value.code == "room_full"
    await rooms.join("general", "alice")  # who is in already, stays


async def test_changes_at_the_same_time_are_all_kept(rooms: Rooms, files) -> None:
    guests = [f"guest{n}" for n in range(20)]
    await asyncio.gather(*(rooms.join("general", guest) for guest in guests))

    assert set(on_disk(files, "general").participants) == {"alice", "bob", *guests}


async def test_a_membership_check_during_a_change_never_sees_half_a_file(
    rooms: Rooms, files: HalfWayFiles
) -> None:
    files.go_on.clear()
    changing = asyncio.create_task(rooms.join("general", "carol"))
    await settle()
    checking = asyncio.create_task(rooms.require_member("other", "alice"))
    await settle()
    files.go_on.set()
    await changing

    assert (await checking).id == "other"


async def test_a_refusal_gives_the_lock_back(rooms: Rooms) -> None:
    with pytest.raises(Refusal):
        await rooms.join("nowhere", "carol")

    async with asyncio.timeout(5):
        await rooms.join("general", "carol")


async def test_a_change_that_cannot_be_written_did_not_happen(rooms: Rooms, files) -> None:
    files.fail = lambda operation, _name: DISK_FULL if operation == "write" else None
    with pytest.raises(StorageError):
        await rooms.join("general", "carol")

    with pytest.raises(Refusal):
        await rooms.require_member("general", "carol")


async def test_a_membership_check_costs_a_read_where_nothing_is_cached(open_rooms, files) -> None:
    naive = open_rooms("naive")
    for _ in range(10):
        await naive.require_member("general", "alice")

    assert files.statistics()[CHATROOMS.name].reads == 10


async def test_a_membership_check_costs_nothing_behind_a_cache(open_rooms, files) -> None:
    cached = open_rooms("cached")
    for _ in range(10):
        await cached.require_member("general", "alice")

    assert files.statistics()[CHATROOMS.name].reads == 1


@pytest.mark.parametrize(("mode", "level"), [("naive", "written"), ("optimized", "synced")])
def test_a_change_promises_what_the_writer_does(open_rooms, mode: str, level: str) -> None:
    assert open_rooms(mode).promise == level


# Presence: who is live.


def test_a_user_can_be_connected_once() -> None:
    presence = Presence()
    first, second = FakeClient("alice"), FakeClient("alice")

    assert presence.arrive(first)
    assert not presence.arrive(second)
    assert list(presence.clients()) == [first]


def test_one_who_was_turned_away_does_not_take_the_other_along() -> None:
    presence = Presence()
    first, second = FakeClient("alice"), FakeClient("alice")
    presence.arrive(first)
    presence.arrive(second)
    presence.leave(second)

    assert len(presence) == 1
    presence.leave(first)
    assert presence.arrive(second)


def test_whoever_leaves_is_in_no_room_any_more() -> None:
    presence = Presence()
    alice, bob = FakeClient("alice"), FakeClient("bob")
    for client in (alice, bob):
        presence.arrive(client)
        presence.enter(client, "general")
    presence.enter(alice, "other")
    presence.leave(alice)

    assert list(presence.members("general")) == [bob]
    assert list(presence.members("other")) == []


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
