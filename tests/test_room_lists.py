"""The lists of rooms: bounded in bytes whatever stands in the file, and complete by pages."""

from __future__ import annotations

from chatlab.chat.protocol import ROOMS_LISTED_MAX, ListRooms, RoomInfo, encode
from chatlab.chat.room_lists import (
    LIST_BYTES_MAX,
    WELCOME_BYTES_MAX,
    rooms_frame,
    welcome_rooms,
)
from chatlab.chat.rooms import ROOMS_MAX, Presence
from chatlab.chat.rules import ROOM_TITLE_CHARS_MAX
from chatlab.data.records import Room
from tests.support.parts import FakeClient

AROUND = 1_024
"""Bytes of a frame beside its rooms; and of the first room that does not fit any more."""


def rooms_of(count: int, title: str) -> list[Room]:
    """So many rooms, one in ten private; every hundredth is alice's."""
    return [
        Room(f"{n:064}", title, ("alice",) if n % 100 == 0 else (), private=n % 10 == 0)
        for n in range(count)
    ]


def ids(infos: list[RoomInfo]) -> list[int]:
    return [int(info.id) for info in infos]


def test_ten_thousand_rooms_with_titles_of_any_length_fit_into_any_client() -> None:
    """Each character of these titles takes six bytes in JSON."""
    rooms, presence = rooms_of(ROOMS_MAX, "\x01" * 5_000), Presence()
    for room in (rooms[7], rooms[9_999]):
        presence.enter(FakeClient("bob"), room.id)
    for told, bytes_max in (
        (welcome_rooms(rooms, "alice", presence), WELCOME_BYTES_MAX),
        (rooms_frame(rooms, "alice", presence), LIST_BYTES_MAX),
    ):
        assert bytes_max - AROUND < len(encode(told)) < bytes_max + AROUND
        assert told.total == 9_100
        assert {len(info.name) for info in told.rooms} == {ROOM_TITLE_CHARS_MAX}
    ours = [info.member for info in told.rooms].count(True)
    assert ours == 100
    assert ids(told.rooms)[:3] == [0, 100, 200]
    assert ids(told.rooms)[ours : ours + 3] == [7, 9_999, 1]  # where somebody is, then the others


def test_pages_show_every_room_once_however_it_is_cut() -> None:
    rooms, presence = rooms_of(3_000, "\N{SPARKLES}" * 80), Presence()
    rooms.append(Room("x" * 100_000, "by hand"))
    for limit in (ROOMS_LISTED_MAX, 7):
        after, shown, pages = "", [], 0
        while page := rooms_frame(
            rooms[::-1], "bob", presence, ListRooms(after=after, limit=limit)
        ):
            if not page.rooms:
                break
            assert len(page.rooms) <= limit
            assert len(encode(page)) < LIST_BYTES_MAX + AROUND
            after, shown, pages = page.rooms[-1].id, shown + page.rooms, pages + 1
        assert ids(shown) == [n for n in range(3_000) if n % 10]
        assert pages > 3_000 * 0.9 / limit


def test_who_asks_as_before_gets_what_it_got_before() -> None:
    rooms = [Room(f"room-{n}", f"Room {n}") for n in range(ROOMS_LISTED_MAX + 1)]
    listed = rooms_frame(rooms, "alice", Presence())
    assert (len(listed.rooms), listed.total) == (ROOMS_LISTED_MAX, ROOMS_LISTED_MAX + 1)
