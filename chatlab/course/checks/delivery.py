"""Checks of `08_delivery`: saved messages reach their rooms, and nobody waits for anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chatlab.chat.parts.message_seams import Delivery
from chatlab.chat.protocol import FRAME_CHARS_MAX, FrameStyle
from chatlab.chat.rooms import Presence
from chatlab.course.checks import CheckBench, check
from chatlab.course.checks.messages import Listener, said
from chatlab.course.simulation import settle
from chatlab.data.records import Message

AT_ONCE_S = 0.001
SLOW_S = 5.0


class DeliveryHarness:
    """The learner's delivery before rooms with people in them.

    The rooms are kept as the server keeps them: joining and leaving changes what `members` gave.

    Attributes:
        people: all who were ever there.
    """

    def __init__(self, bench: CheckBench) -> None:
        self._bench = bench
        self._presence = Presence()
        self.people: list[Listener] = []
        self.delivery: Delivery = bench.part(self._presence.members)

    def enter(
        self, user: str, *rooms: str, style: FrameStyle = "single", slow_s: float = 0.0
    ) -> Listener:
        """Someone new comes into rooms."""
        listener = Listener(self._bench.story, user, style, slow_s)
        for room_id in rooms:
            self._presence.enter(listener, room_id)
        self.people.append(listener)
        return listener

    def replace(self, listener: Listener) -> None:
        """Someone leaves, and a friend joins general."""
        self._bench.story.tell(f"{listener.user} leaves")
        self._presence.leave(listener)
        friend = self.enter(f"a friend of {listener.user}")
        self._bench.story.tell(f"{friend.user} joins general")
        self._presence.enter(friend, "general")

    async def deliver(self, batch: Sequence[Message], within_s: float = 60.0) -> int:
        """Have a batch delivered; returns the number of frames that `deliver` returned.

        Raises:
            Mismatch: it took longer, or returned no number.
        """
        rooms = len({message.room_id for message in batch})
        self._bench.story.tell(
            f"deliver {len(batch):,} messages{f' of {rooms} rooms' if rooms > 1 else ''}"
        )
        sent = await self._bench.within(within_s, self.delivery.deliver(batch), "deliver")
        returned = f"it returned {sent!r:.80}"
        self._bench.expect(
            isinstance(sent, int), "deliver to return the number of frames sent", returned
        )
        return sent

    async def deliver_to_all(self, batch: Sequence[Message]) -> int:
        """Have a batch delivered, all of which everyone must hear; returns what `deliver` does."""
        sent = await self.deliver(batch)
        await settle()
        for listener in self.people:
            listener.expect_heard(batch, f"what {listener.user} hears")
        return sent

    def expect_sent(self, sent: int) -> None:
        """Go on if that is how many frames all people together were given."""
        frames = sum(len(listener.frames) for listener in self.people)
        self._bench.equal(sent, frames, "the number of frames that deliver returns")

    def forget(self) -> None:
        """Forget all frames so far."""
        for listener in self.people:
            listener.frames.clear()


@check("examples")
async def everyone(bench: CheckBench) -> None:
    """Every member of a room gets every message, in order, and nobody else does; `deliver` returns
    the number of frames sent.

    A message that is saved and not delivered is as good as lost for those in the room. One that is
    delivered to a stranger is worse.
    """
    harness = DeliveryHarness(bench)
    bob, carol = harness.enter("bob", "general"), harness.enter("carol", "general", "secret")
    dave, erin = harness.enter("dave", "secret"), harness.enter("erin")
    general, secret, empty = said(3), said(2, "secret"), said(1, "empty")
    sent = await harness.deliver([general[0], secret[0], general[1], *empty, secret[1], general[2]])
    await settle()
    bob.expect_heard(general, "what bob hears, who is in general")
    dave.expect_heard(secret, "what dave hears, who is in secret")
    bench.equal(len(erin.frames), 0, "frames to erin, who is in no room")
    for messages in (general, secret):
        room_id = messages[0].room_id
        what = f"what carol hears of {room_id}, who is in both rooms"
        carol.expect_heard(messages, what, room_id=room_id)
    harness.expect_sent(sent)
    bench.equal(await harness.deliver([]), 0, "the number of frames for an empty batch")


@check("interleavings")
async def come_and_go(bench: CheckBench) -> None:
    """People may join and leave while a batch is being delivered.

    In a busy room, someone is always coming or going. An error then ends the delivery of the whole
    batch, for everyone.
    """
    harness = DeliveryHarness(bench)
    stays = harness.enter("bob", "general")
    goers = [harness.enter(f"guest {n + 1}", "general") for n in range(5)]
    batch = said(5)
    delivering = asyncio.create_task(harness.deliver(batch))
    for goer in goers:
        for _ in range(bench.chance.randrange(1, 5)):
            await asyncio.sleep(0)
        harness.replace(goer)
    await delivering
    await settle()
    stays.expect_heard(batch, "what bob hears, who stays")


@check("interleavings")
async def slow_client(bench: CheckBench) -> None:
    """A slow reader holds up nobody: when deliver returns, every frame has been handed to every
    member, and no time has passed.

    One phone on a bad line would stop the room for everyone. Nor may frames be left to tasks that
    run later: they pile up behind the slow reader, and a server that stops loses them.
    """
    harness = DeliveryHarness(bench)
    styles: list[FrameStyle] = ["single", "batch"]
    people = [(f"reader {n + 1}", styles[n % 2], 0.0) for n in range(6)]
    people += [(f"slow reader {n + 1}", styles[n], SLOW_S) for n in range(2)]
    bench.chance.shuffle(people)
    for user, style, slow_s in people:
        harness.enter(user, "general", style=style, slow_s=slow_s)
    for batch in (said(3), said(1, sender="bob")):
        harness.forget()
        await harness.deliver(batch, within_s=AT_ONCE_S)
        for listener in harness.people:
            listener.expect_heard(batch, f"what {listener.user} has been handed by now")


@check("counts")
async def encode_once(bench: CheckBench) -> None:
    """A message for many receivers is encoded once, not once for each.

    Turning a message into JSON costs as much for one receiver as for all. In a room of 50, 49 of 50
    encodings make bytes that were already there.
    """
    harness = DeliveryHarness(bench)
    styles: tuple[FrameStyle, ...] = ("single",) * 30 + ("batch",) * 20
    for n, style in enumerate(styles):
        harness.enter(f"reader {n + 1}", "general", style=style)
    await harness.deliver_to_all(said(20))
    different = {id(frame.data) for listener in harness.people for frame in listener.frames}
    bench.spend(len(different), "encodings of 20 messages, for 50 readers of both kinds")


@check("counts")
async def batch_frames(bench: CheckBench) -> None:
    """frames = "batch": a client that asks for batch frames gets all messages of a batch in one
    frame; every other client gets one frame for each message, as before.

    A frame costs a header, a system call and a wake-up at the other end: far more than the bytes of
    a short message. A hundred messages can share all that.
    """
    harness = DeliveryHarness(bench)
    frames = getattr(harness.delivery, "frames", None)
    bench.expect(
        frames == "batch",
        'the attribute frames of your class to be "batch": else the server offers batch frames to '
        "nobody",
        f"it is {frames!r}",
    )
    takers = [harness.enter(user, "general", style="batch") for user in ("bob", "carol")]
    plain = harness.enter("dave", "general")
    sent = await harness.deliver_to_all(said(100))
    bench.equal(len(plain.frames), 100, "frames to dave, who did not ask for batches")
    bench.spend(
        max(len(listener.frames) for listener in takers),
        "frame(s) for 100 messages, to someone who takes batches",
    )
    harness.expect_sent(sent)
    harness.forget()
    alone = said(1, sender="carol")
    await harness.deliver(alone, within_s=AT_ONCE_S)
    await settle()
    takers[0].expect_heard(alone, "what bob hears at once of a message that comes alone")


@check("counts")
async def rooms_apart(bench: CheckBench) -> None:
    """A batch of several rooms becomes one frame for each room, in each room's own order.

    What is saved together comes from everywhere. A frame that holds it all shows a private room's
    messages to everyone; a frame for each change of room is hardly better than none.
    """
    harness = DeliveryHarness(bench)
    rooms = {room_id: said(30, room_id) for room_id in ("general", "random", "secret")}
    batch = _shuffled_together(bench, list(rooms.values()))
    members = {
        room_id: [harness.enter(f"{user} in {room_id}", room_id, style="batch") for user in "ab"]
        for room_id in rooms
    }
    await harness.deliver(batch)
    await settle()
    for room_id, messages in rooms.items():
        for listener in members[room_id]:
            listener.expect_heard(messages, f"what {listener.user} hears")
            frames = len(listener.frames)
            bench.equal(
                frames, 1, f"frames for the {len(messages)} messages of one room in a batch"
            )


@check("counts")
async def large_batch(bench: CheckBench) -> None:
    """A large batch is split: no frame holds more than 65,536 characters of text, and hardly more
    frames are made than that takes.

    A client whose buffer overflows is disconnected. One huge frame would do that even to the
    fastest readers.
    """
    harness = DeliveryHarness(bench)
    reader = harness.enter("bob", "general", style="batch")
    chars = [bench.chance.randrange(2_000, 4_000) for _ in range(150)]
    batch = [
        one for n, size in enumerate(chars) for one in said(1, content="x" * size, sender=f"{n}")
    ]
    await harness.deliver(batch)
    await settle()
    reader.expect_heard(batch, "what bob hears of 150 long messages")
    largest = max(sum(len(message.content) for message in frame) for frame in reader.opened())
    bench.at_most(largest, FRAME_CHARS_MAX, "characters of text in a frame")
    fewest = -(-sum(chars) // FRAME_CHARS_MAX)
    bench.at_most(len(reader.frames), 2 * fewest, f"frames, where {fewest} could do")


def _shuffled_together(bench: CheckBench, rooms: list[list[Message]]) -> list[Message]:
    """The messages of several rooms in one row, in which each room keeps its order."""
    turns = [number for number, messages in enumerate(rooms) for _ in messages]
    bench.chance.shuffle(turns)
    rest = [iter(messages) for messages in rooms]
    return [next(rest[number]) for number in turns]
