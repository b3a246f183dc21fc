"""Deliveries: each member of the room gets each message once, in order, and nobody else does."""

from __future__ import annotations

import pytest

from chatlab.chat.parts.delivery.base import Delivery
from chatlab.chat.presence import Presence
from chatlab.chat.protocol import MessageFrame, encode_message
from tests.support.parts import FakeClient, every, message

EVERY = pytest.mark.parametrize("part", every("delivery"))


def live(*clients: tuple[FakeClient, str]) -> Presence:
    """Clients in their rooms."""
    presence = Presence()
    for client, room_id in clients:
        presence.arrive(client)
        presence.enter(client, room_id)
    return presence


def texts(client: FakeClient) -> list[str]:
    return [frame.content for frame in client.heard if isinstance(frame, MessageFrame)]


@EVERY
async def test_each_member_gets_each_message_once_and_in_order(part: type[Delivery]) -> None:
    clients = [FakeClient(name) for name in ("alice", "bob", "carol")]
    presence = live(*((client, "general") for client in clients))
    await part(presence.members).deliver([message(n) for n in range(5)])

    assert [texts(client) for client in clients] == [[f"text {n}" for n in range(5)]] * 3


@EVERY
async def test_the_frame_is_the_message(part: type[Delivery]) -> None:
    alice = FakeClient("alice")
    await part(live((alice, "general")).members).deliver([message(1)])

    assert alice.frames == [encode_message(message(1))]


@EVERY
async def test_those_in_other_rooms_get_nothing(part: type[Delivery]) -> None:
    alice, bob = FakeClient("alice"), FakeClient("bob")
    presence = live((alice, "general"), (bob, "other"))
    await part(presence.members).deliver([message(1), message(2, "other"), message(3)])

    assert texts(alice) == ["text 1", "text 3"]
    assert texts(bob) == ["text 2"]


@EVERY
async def test_someone_in_two_rooms_hears_both_in_the_order_of_the_batch(
    part: type[Delivery],
) -> None:
    alice = FakeClient("alice")
    presence = live((alice, "general"))
    presence.enter(alice, "other")
    await part(presence.members).deliver([message(1), message(2, "other"), message(3)])

    assert texts(alice) == ["text 1", "text 2", "text 3"]


@EVERY
async def test_tells_how_many_frames_it_sent(part: type[Delivery]) -> None:
    alice, bob = FakeClient("alice"), FakeClient("bob")
    presence = live((alice, "general"), (bob, "general"))
    presence.enter(bob, "other")

    batch = [message(1), message(2, "other"), message(3, "empty"), message(4)]
    assert await part(presence.members).deliver(batch) == 5
    assert len(alice.frames) + len(bob.frames) == 5


@EVERY
async def test_an_empty_batch_sends_nothing(part: type[Delivery]) -> None:
    assert await part(live().members).deliver([]) == 0


@EVERY
async def test_members_who_leave_in_the_middle_do_not_break_it(part: type[Delivery]) -> None:
    presence = Presence()
    bob, carol = FakeClient("bob"), FakeClient("carol")
    alice = FakeClient("alice", on_send=lambda: presence.exit(bob, "general"))
    for client in (alice, bob, carol):
        presence.enter(client, "general")
    await part(presence.members).deliver([message(1), message(2)])

    assert texts(alice) == texts(carol) == ["text 1", "text 2"]
    assert "text 2" not in texts(bob)


@EVERY
async def test_members_who_come_in_the_middle_get_what_follows(part: type[Delivery]) -> None:
    presence = Presence()
    bob = FakeClient("bob")
    alice = FakeClient("alice", on_send=lambda: presence.enter(bob, "general"))
    presence.enter(alice, "general")
    await part(presence.members).deliver([message(1), message(2), message(3)])

    assert texts(alice) == ["text 1", "text 2", "text 3"]
    assert texts(bob) == ["text 2", "text 3"]
