"""Deliveries: each member of the room gets each message once, in order, and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from chatlab.chat.parts.delivery.batch import AT_ONCE, BatchDelivery
from chatlab.chat.parts.delivery.broadcast import BroadcastDelivery
from chatlab.chat.parts.delivery.each import EachDelivery
from chatlab.chat.parts.message_seams import Delivery
from chatlab.chat.protocol import MessageFrame, MessagesFrame, encode_message
from chatlab.chat.rooms import Presence
from tests.support.parts import FakeClient, every, message

EVERY = pytest.mark.parametrize("part", every("delivery"))


def live(**rooms: Iterable[FakeClient]) -> Presence:
    """Rooms with the clients in them."""
    presence = Presence()
    for room_id, clients in rooms.items():
        for client in clients:
            presence.enter(client, room_id)
    return presence


def texts(client: FakeClient) -> list[str]:
    return [frame.content for frame in client.heard if isinstance(frame, MessageFrame)]


@EVERY
async def test_each_member_gets_each_message_once_and_in_order(part: type[Delivery]) -> None:
    clients = [FakeClient(name) for name in ("alice", "bob", "carol")]
    presence = live(general=clients)
    batch = [message(n) for n in range(5)]

    assert await part(presence.members).deliver(batch) == 15
    assert [client.frames for client in clients] == [[encode_message(one) for one in batch]] * 3
    assert await part(presence.members).deliver([]) == 0


@EVERY
async def test_each_hears_its_rooms_and_each_room_in_order(part: type[Delivery]) -> None:
    alice, bob, carol = (FakeClient(name) for name in ("alice", "bob", "carol"))
    presence = live(general=[alice, carol], other=[bob, carol])
    batch = [message(1), message(2, "other"), message(3, "empty"), message(4)]

    assert await part(presence.members).deliver(batch) == 6
    assert (texts(alice), texts(bob)) == (["text 1", "text 4"], ["text 2"])
    assert sorted(texts(carol)) == ["text 1", "text 2", "text 4"]
    assert texts(carol).index("text 1") < texts(carol).index("text 4")


@EVERY
async def test_members_who_leave_in_the_middle_do_not_break_it(part: type[Delivery]) -> None:
    bob, carol = FakeClient("bob"), FakeClient("carol")
    alice = FakeClient("alice", on_send=lambda: presence.exit(bob, "general"))
    presence = live(general=[alice, bob, carol])
    await part(presence.members).deliver([message(1), message(2)])

    assert texts(alice) == texts(carol) == ["text 1", "text 2"]
    assert "text 2" not in texts(bob)


@EVERY
async def test_members_who_come_in_the_middle_get_what_follows(part: type[Delivery]) -> None:
    bob = FakeClient("bob")
    alice = FakeClient("alice", on_send=lambda: presence.enter(bob, "general"))
    presence = live(general=[alice])
    delivery = part(presence.members)
    await delivery.deliver([message(1), message(2), message(3)])
    await delivery.deliver([message(4)])

    assert texts(alice) == ["text 1", "text 2", "text 3", "text 4"]
    # A batch that goes out as one goes to those who were there.
    assert texts(bob) == texts(alice)[3 if part is BatchDelivery else 1 :]


# Batch frames.


def batches(client: FakeClient) -> list[tuple[str, list[str]]]:
    frames = [frame for frame in client.heard if isinstance(frame, MessagesFrame)]
    return [(frame.room_id, [one.content for one in frame.messages]) for frame in frames]


async def test_who_asked_for_batches_gets_a_frame_a_room_and_others_single_frames() -> None:
    alice, bob = (FakeClient(name, frames="batch") for name in ("alice", "bob"))
    carol = FakeClient("carol")
    presence = live(general=[alice, bob, carol], other=[alice])
    batch = [message(1), message(2, "other"), message(3), message(4, "empty")]

    assert await BatchDelivery(presence.members).deliver(batch) == 5
    assert batches(alice) == [("general", ["text 1", "text 3"]), ("other", ["text 2"])]
    assert batches(bob) == [("general", ["text 1", "text 3"])]
    assert alice.frames[0] is bob.frames[0]  # encoded once
    assert carol.frames == [encode_message(message(1)), encode_message(message(3))]
    assert EachDelivery.frames == BroadcastDelivery.frames == "single"


async def test_a_batch_of_long_messages_is_cut_into_frames_of_bounded_size() -> None:
    alice = FakeClient("alice", frames="batch")
    long = [replace(message(n), content=f"{n} " + "x" * 4_000) for n in range(40)]
    await BatchDelivery(live(general=[alice]).members).deliver(long)

    assert [text for _, part in batches(alice) for text in part] == [one.content for one in long]
    assert max(len(frame) for frame in alice.frames) < 80_000
    assert len(alice.frames) == 3


async def test_no_frame_of_a_batch_is_too_large_for_a_usual_client() -> None:
    """1 MiB, also of short messages, and of characters that take six bytes in JSON."""
    alice = FakeClient("alice", frames="batch")
    name = "n" * 64
    short = [replace(message(n, name, name), content="x") for n in range(10_000)]
    long = [replace(one, content="\x01" * 4_000) for one in short[:100]]
    dense = [replace(one, content="\x01" * 65) for one in short[:3_000]]
    for batch in (short, long, dense):
        alice.frames.clear()
        await BatchDelivery(live(**{name: [alice]}).members).deliver(batch)
        assert [one for frame in alice.heard for one in frame.messages] == batch
        assert max(map(len, alice.frames)) < 1024 * 1024


async def test_a_large_room_is_served_in_pieces_and_who_left_meanwhile_gets_nothing() -> None:
    clients = [
        FakeClient(f"user{n}", frames=("single", "batch")[n % 2]) for n in range(AT_ONCE + 2)
    ]
    presence = live(general=clients)
    delivering = asyncio.create_task(BatchDelivery(presence.members).deliver([message(1)]))
    await asyncio.sleep(0)
    assert [len(one.frames) for one in clients] == [1] * AT_ONCE + [0, 0]
    presence.exit(clients[-1], "general")

    assert await delivering == AT_ONCE + 1
    assert [len(one.frames) for one in clients] == [1] * (AT_ONCE + 1) + [0]
