"""Rooms: who may speak where, asked and changed through every mode's parts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatlab.chat.modes import MODES, PARTS
from chatlab.chat.rates import OF_A_USER
from chatlab.chat.rooms import Presence, Rooms
from chatlab.chat.settings import Settings
from chatlab.data.records import CHATROOMS, USERS, Room, User
from chatlab.errors import Refusal, StorageError
from tests.support.parts import DISK_FULL, FakeClient, FakeClock, InlineFiles, fill
from tests.support.virtual_clock import settle


@pytest.fixture
def files(tmp_path: Path) -> InlineFiles:
    return InlineFiles(fill(tmp_path))


@pytest.fixture
def presence() -> Presence:
    return Presence()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["naive", "optimized"])
def rooms(files: InlineFiles, presence: Presence, clock: FakeClock, request) -> Rooms:
    return opened(files, request.param, presence, clock)


def opened(
    files: InlineFiles, mode: str, presence: Presence | None = None, clock: FakeClock | None = None
) -> Rooms:
    make = {role: PARTS[role][choice] for role, choice in MODES[mode].parts.items()}
    reader = make["reader"](files, Settings(), FakeClock())
    storage = reader, make["writer"](files), make["lock"]()
    presence = Presence() if presence is None else presence  # an empty one is false
    return Rooms(*storage, presence, clock or FakeClock())


def connect(presence: Presence, *users: str) -> None:
    for user in users:
        presence.arrive(FakeClient(user))


def know(files: InlineFiles, *users: str) -> None:
    """Write them into `users.json`."""
    (files.folder / USERS.name).write_bytes(USERS.encode([User(user, user) for user in users]))


def on_disk(files: InlineFiles, room_id: str) -> tuple[str, ...]:
    """The participants of a room."""
    rooms = CHATROOMS.decode((files.folder / CHATROOMS.name).read_bytes())
    return next(room.participants for room in rooms if room.id == room_id)


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


async def test_a_change_is_on_the_disk_and_no_change_writes_nothing(rooms, files) -> None:
    await rooms.join("general", "alice")
    await rooms.leave("general", "carol")
    assert files.statistics()[CHATROOMS.name].writes == 0
    await rooms.join("general", "carol")
    assert on_disk(files, "general") == ("alice", "bob", "carol")
    await rooms.leave("general", "alice")
    with refused("not_a_member"):
        await rooms.require_member("general", "alice")
    assert on_disk(files, "general") == ("bob", "carol")


async def test_a_private_room_is_for_those_invited_until_they_leave(
    rooms: Rooms, files, presence
) -> None:
    connect(presence, "bob", "carol")
    await rooms.join("staff", "alice")  # who is in already, may
    with refused("no_such_room", "invite you"):
        await rooms.join("staff", "bob")
    with refused("not_a_member", "may invite"):
        await rooms.invite("general", "carol", "carol")
    for host in ("bob", "carol"):
        with refused("no_such_room"):
            await rooms.invite("staff", host, "carol")
    assert on_disk(files, "staff") == ("alice",)

    await rooms.invite("staff", "alice", "bob")
    await rooms.invite("staff", "bob", "carol")
    await rooms.require_member("staff", "carol")
    await rooms.join("staff", "bob")
    assert on_disk(files, "staff") == ("alice", "bob", "carol")
    await rooms.leave("staff", "bob")
    with refused("no_such_room"):
        await rooms.join("staff", "bob")


# What strangers leave behind.


async def test_only_users_of_record_and_those_who_are_here_can_be_invited(
    rooms, files, presence
) -> None:
    know(files, "dave")
    connect(presence, "erin")
    with refused("no_such_user", "then invite them"):
        await rooms.invite("staff", "alice", "frank")
    for guest in ("alice", "dave", "erin"):
        await rooms.invite("staff", "alice", guest)
    assert on_disk(files, "staff") == ("alice", "dave", "erin")


async def test_a_full_public_room_drops_who_was_in_it_longest_of_those_unknown_and_away(
    rooms, files, presence, monkeypatch
) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.PARTICIPANTS_MAX", 4)
    know(files, "alice")
    connect(presence, "bob")
    for name in ("s1", "s2", "s3"):
        await rooms.join("general", name)
    assert on_disk(files, "general") == ("alice", "bob", "s2", "s3")
    await rooms.join("general", "alice")  # who is in already changes nothing
    connect(presence, "s2", "s3")
    with refused("room_full"):
        await rooms.join("general", "s4")
    assert on_disk(files, "general") == ("alice", "bob", "s2", "s3")


async def test_all_rooms_together_have_a_bound_kept_by_the_fullest_public_one(
    rooms, files, presence, monkeypatch
) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.PARTICIPANTS_IN_ALL_MAX", 6)
    know(files, "alice", "bob")
    connect(presence, "s3")
    for name in ("s1", "s2", "s3"):
        await rooms.join("general", name)
    assert on_disk(files, "general") == ("alice", "bob", "s2", "s3")
    await rooms.join("other", "s4")
    assert (on_disk(files, "general"), on_disk(files, "other")) == (
        ("alice", "bob", "s3"),
        ("alice", "s4"),
    )
    await rooms.create(Room("new", "", ("s3",)), "s3")
    assert on_disk(files, "other") == ("alice",)
    await rooms.create(Room("last", "", ("s3",)), "s3")  # no stranger is away: all stay
    assert [len(on_disk(files, one)) for one in ids_on_disk(files)] == [3, 1, 1, 1, 1]


async def test_nobody_makes_way_in_a_private_room(rooms, presence, monkeypatch) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.PARTICIPANTS_MAX", 1)
    connect(presence, "bob")
    with refused("room_full"):
        await rooms.invite("staff", "alice", "bob")


async def test_among_too_many_rooms_the_oldest_that_is_left_to_strangers_makes_way(
    rooms, files, presence, monkeypatch
) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.ROOMS_MAX", 5)
    know(files, "alice", "bob")
    carol = FakeClient("carol")
    connect(presence, "dave")
    presence.enter(carol, "carols")  # live, though her name is not connected any more
    await rooms.create(Room("carols", "", ("carol",)), "carol")
    await rooms.create(Room("daves", "", ("dave",)), "dave")
    with refused("too_many_rooms"):
        await rooms.create(Room("sixth", "", ("s",)), "s")
    presence.exit(carol, "carols")
    await rooms.create(Room("sixth", "", ("s",)), "s")
    assert ids_on_disk(files) == ["general", "other", "staff", "daves", "sixth"]

    await rooms.leave("other", "alice")  # nobody is in it: it goes after those of strangers
    await rooms.create(Room("seventh", "", ("alice",)), "alice")
    assert ids_on_disk(files) == ["general", "other", "staff", "daves", "seventh"]
    await rooms.create(Room("eighth", "", ("alice",)), "alice")
    assert ids_on_disk(files) == ["general", "staff", "daves", "seventh", "eighth"]


async def test_private_rooms_never_make_way_and_leave_half_of_the_places_to_others(
    rooms, files, monkeypatch
) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.ROOMS_MAX", 4)
    monkeypatch.setattr("chatlab.chat.rooms.PRIVATE_ROOMS_MAX", 2)
    await rooms.create(Room("den", "", ("s",), private=True), "s")
    with refused("too_many_rooms", "create a public one"):
        await rooms.create(Room("den-2", "", ("s",), private=True), "s")
    await rooms.create(Room("open", "", ("s",)), "s")
    assert ids_on_disk(files) == ["other", "staff", "den", "open"]


async def test_a_user_alone_in_many_rooms_gets_no_more(rooms, monkeypatch) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.ROOMS_ALONE_MAX", 2)
    for name in ("a", "b"):
        await rooms.create(Room(name, "", ("s",)), "s")
    with refused("too_many_rooms", "alone in 2 rooms"):
        await rooms.create(Room("c", "", ("s",)), "s")
    await rooms.join("a", "t")
    await rooms.create(Room("c", "", ("s",)), "s")


async def test_changes_have_a_rate_and_what_changes_nothing_costs_nothing(
    rooms, files, clock
) -> None:
    for _ in range(OF_A_USER[0] // 2):
        await rooms.join("general", "s")
        await rooms.join("general", "s")
        await rooms.leave("general", "s")
        await rooms.leave("general", "s")
    before = files.statistics()[CHATROOMS.name].writes
    for change in (
        lambda: rooms.join("general", "s"),
        lambda: rooms.create(Room("new", "", ("s",)), "s"),
    ):
        with refused("slow_down", "in 1 s"):
            await change()
    assert files.statistics()[CHATROOMS.name].writes == before
    await rooms.join("other", "t")  # others are not slowed down
    clock.advance(1)
    await rooms.join("general", "s")


def ids_on_disk(files: InlineFiles) -> list[str]:
    return [room.id for room in CHATROOMS.decode((files.folder / CHATROOMS.name).read_bytes())]


async def test_changes_at_the_same_time_are_all_kept(rooms: Rooms, files) -> None:
    guests = [f"guest{n}" for n in range(20)]
    await asyncio.gather(*(rooms.join("general", guest) for guest in guests))

    assert set(on_disk(files, "general")) == {"alice", "bob", *guests}


async def test_a_membership_check_never_sees_half_a_file(rooms: Rooms, files: InlineFiles) -> None:
    files.go_on.clear()
    changing = asyncio.create_task(rooms.join("general", "carol"))
    await settle()
    checking = asyncio.create_task(rooms.require_member("other", "alice"))
    await settle()
    files.go_on.set()
    await changing

    assert (await checking).id == "other"


async def test_a_change_that_fails_did_not_happen_and_frees_the_lock(rooms: Rooms, files) -> None:
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
async def test_what_a_check_costs_and_a_change_promises(files, mode, reads, level) -> None:
    asked = opened(files, mode)
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


def test_members_are_listed_once_as_they_came_and_a_room_without_any_takes_no_memory() -> None:
    presence = Presence()
    clients = [FakeClient(name) for name in ("carol", "alice", "bob")]
    for client in [*clients, clients[0]]:
        presence.enter(client, "general")
    assert list(presence.members("general")) == clients
    for client in clients:
        presence.exit(client, "general")
        presence.exit(client, "never entered")
    assert presence._rooms == {}
