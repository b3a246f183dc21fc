"""Checks of `08_delivery`: saved messages reach their rooms, and nobody waits for anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chatlab.chat.parts.delivery import Delivery
from chatlab.chat.presence import Presence
from chatlab.chat.protocol import FRAME_CHARS_MAX, FrameStyle
from chatlab.course.checks import CheckBench, check
from chatlab.course.checks.listeners import Listener, expect_heard, opened
from chatlab.course.checks.messages import said
from chatlab.course.simulation import settle
from chatlab.data.records import Message

AT_ONCE_S = 0.001
SLOW_S = 5.0


class _House:
    """Rooms with people in them, and the learner's delivery before them.

    It keeps them as the server does, so that who comes and goes changes what `members` has given.
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
        listener = Listener(self._bench, user, style, slow_s)
        for room_id in rooms:
            self._presence.enter(listener, room_id)
        self.people.append(listener)
        return listener

    def join(self, listener: Listener, room_id: str) -> None:
        self._bench.story.tell(f"{listener.user} joins {room_id}")
        self._presence.enter(listener, room_id)

    def leave(self, listener: Listener) -> None:
        self._bench.story.tell(f"{listener.user} leaves")
        self._presence.leave(listener)

    async def deliver(self, batch: Sequence[Message], within_s: float = 60.0) -> int:
        """Have a batch delivered; returns the number of frames that was given back.

        Raises:
            Miss: it took longer, or gave back no number.
        """
        rooms = len({message.room_id for message in batch})
        self._bench.story.tell(
            f"deliver {len(batch):,} messages{f' of {rooms} rooms' if rooms > 1 else ''}"
        )
        sent = await self._bench.within(within_s, self.delivery.deliver(batch), "deliver")
        self._bench.expect(
            isinstance(sent, int),
            expected="deliver to return the number of frames sent",
            actual=f"it returned {sent!r:.80}",
        )
        return sent

    def frames(self) -> int:
        """How many frames all people together have been given."""
        return sum(len(listener.frames) for listener in self.people)

    def forget(self) -> None:
        """Begin anew to count, and to listen."""
        for listener in self.people:
            listener.frames.clear()


@check(
    "examples",
    asked="Every member of a room gets every message, in order, and nobody else does; the number "
    "of frames sent is returned.",
    why="A message that is saved and not delivered is as good as lost for those in the room. One "
    "that is delivered to a stranger is worse.",
)
async def everyone(bench: CheckBench) -> None:
    house = _House(bench)
    bob, carol = house.enter("bob", "general"), house.enter("carol", "general", "secret")
    dave, erin = house.enter("dave", "secret"), house.enter("erin")
    general, secret, empty = said(3), said(2, "secret"), said(1, "empty")
    sent = await house.deliver([general[0], secret[0], general[1], *empty, secret[1], general[2]])
    await settle()
    expect_heard(bob, general, "what bob hears, who is in general")
    expect_heard(dave, secret, "what dave hears, who is in secret")
    bench.equal(len(erin.frames), 0, "frames to erin, who is in no room")
    for messages in (general, secret):
        room_id = messages[0].room_id
        what = f"what carol hears of {room_id}, who is in both rooms"
        expect_heard(carol, messages, what, room_id=room_id)
    bench.equal(sent, house.frames(), "the number of frames that deliver returns")
    bench.equal(await house.deliver([]), 0, "the number of frames for an empty batch")


@check(
    "interleavings",
    asked="People may join and leave while a batch is being delivered.",
    why="In a busy room, there is always someone who is just coming or going. An error then ends "
    "the delivery of the whole batch, for everyone.",
)
async def come_and_go(bench: CheckBench) -> None:
    house = _House(bench)
    stays = house.enter("bob", "general")
    goers = [house.enter(f"guest {n + 1}", "general") for n in range(5)]
    batch = said(5)
    delivering = asyncio.create_task(house.deliver(batch))
    for goer in goers:
        for _ in range(bench.chance.randrange(1, 5)):
            await asyncio.sleep(0)
        house.leave(goer)
        house.join(house.enter(f"a friend of {goer.user}"), "general")
    await delivering
    await settle()
    expect_heard(stays, batch, "what bob hears, who stays")


@check(
    "interleavings",
    asked="One who reads slowly holds up nobody: when deliver returns, every frame has been handed "
    "to every member, and no time has passed.",
    why="One phone on a bad line would stop the room for everyone. Nor may frames be left to tasks "
    "that go on later: they pile up behind the slow one, and a server that stops loses them.",
)
async def slow_client(bench: CheckBench) -> None:
    house = _House(bench)
    styles: list[FrameStyle] = ["single", "batch"]
    people = [(f"reader {n + 1}", styles[n % 2], 0.0) for n in range(6)]
    people += [(f"slow reader {n + 1}", styles[n], SLOW_S) for n in range(2)]
    bench.chance.shuffle(people)
    for user, style, slow_s in people:
        house.enter(user, "general", style=style, slow_s=slow_s)
    for batch in (said(3), said(1, sender="bob")):
        house.forget()
        await house.deliver(batch, within_s=AT_ONCE_S)
        for listener in house.people:
            expect_heard(listener, batch, f"what {listener.user} has been handed by now")


@check(
    "counts",
    asked="What many receive is encoded once, and not once for each of them.",
    why="To turn a message into JSON costs as much for one receiver as for all. In a room of 50, "
    "49 of 50 encodings make bytes that were there already.",
)
async def encode_once(bench: CheckBench) -> None:
    house = _House(bench)
    styles: tuple[FrameStyle, ...] = ("single",) * 30 + ("batch",) * 20
    for n, style in enumerate(styles):
        house.enter(f"reader {n + 1}", "general", style=style)
    batch = said(20)
    await house.deliver(batch)
    await settle()
    for listener in house.people:
        expect_heard(listener, batch, f"what {listener.user} hears")
    different = {id(frame.data) for listener in house.people for frame in listener.frames}
    bench.spend(len(different), "encodings of 20 messages, for 50 readers of both kinds")


@check(
    "counts",
    asked='frames = "batch": who asks for batch frames gets all messages of a batch in one frame; '
    "who does not gets a frame a message, as before.",
    why="A frame costs a header, a call to the system and a wake-up at the other end: far more "
    "than the bytes of a short message. A hundred messages can share all that.",
)
async def batch_frames(bench: CheckBench) -> None:
    house = _House(bench)
    bench.expect(
        getattr(house.delivery, "frames", None) == "batch",
        expected='the attribute frames of your class to be "batch": else the server offers batch '
        "frames to nobody",
        actual=f"it is {getattr(house.delivery, 'frames', None)!r}",
    )
    takers = [house.enter(user, "general", style="batch") for user in ("bob", "carol")]
    plain = house.enter("dave", "general")
    batch = said(100)
    sent = await house.deliver(batch)
    await settle()
    for listener in house.people:
        expect_heard(listener, batch, f"what {listener.user} hears")
    bench.equal(len(plain.frames), 100, "frames to dave, who did not ask for batches")
    bench.spend(
        max(len(listener.frames) for listener in takers),
        "frame(s) for 100 messages, to someone who takes batches",
    )
    bench.equal(sent, house.frames(), "the number of frames that deliver returns")
    house.forget()
    alone = said(1, sender="carol")
    await house.deliver(alone, within_s=AT_ONCE_S)
    await settle()
    expect_heard(takers[0], alone, "what bob hears at once of a message that comes alone")


@check(
    "counts",
    asked="A batch of several rooms becomes a frame for each room, in each room's own order.",
    why="What is saved together comes from everywhere. A frame that holds it all shows a private "
    "room's messages to everyone; a frame for each change of room is hardly better than none.",
)
async def rooms_apart(bench: CheckBench) -> None:
    house = _House(bench)
    rooms = {room_id: said(30, room_id) for room_id in ("general", "random", "secret")}
    batch = _shuffled_together(bench, list(rooms.values()))
    members = {
        room_id: [house.enter(f"{user} in {room_id}", room_id, style="batch") for user in "ab"]
        for room_id in rooms
    }
    await house.deliver(batch)
    await settle()
    for room_id, messages in rooms.items():
        for listener in members[room_id]:
            expect_heard(listener, messages, f"what {listener.user} hears")
            frames = len(listener.frames)
            bench.equal(
                frames, 1, f"frames for the {len(messages)} messages of one room in a batch"
            )


@check(
    "counts",
    asked=f"A large batch is cut: no frame holds more than {FRAME_CHARS_MAX:,} characters of text, "
    "and hardly more frames are made than that takes.",
    why="A client whose buffer overflows is disconnected. One huge frame would do that to people "
    "who read as fast as anyone can.",
)
async def large_batch(bench: CheckBench) -> None:
    house = _House(bench)
    reader = house.enter("bob", "general", style="batch")
    chars = [bench.chance.randrange(2_000, 4_000) for _ in range(150)]
    batch = [
        one for n, size in enumerate(chars) for one in said(1, content="x" * size, sender=f"{n}")
    ]
    await house.deliver(batch)
    await settle()
    expect_heard(reader, batch, "what bob hears of 150 long messages")
    largest = max(sum(len(message.content) for message in frame) for frame in opened(reader))
    bench.expect(
        largest <= FRAME_CHARS_MAX,
        expected=f"at most {FRAME_CHARS_MAX:,} characters of text in a frame",
        actual=f"a frame with {largest:,} characters",
    )
    fewest = -(-sum(chars) // FRAME_CHARS_MAX)
    bench.expect(
        len(reader.frames) <= 2 * fewest,
        expected=f"at most {2 * fewest} frames, where {fewest} could do",
        actual=f"{len(reader.frames)} frames",
    )


def _shuffled_together(bench: CheckBench, rooms: list[list[Message]]) -> list[Message]:
    """The messages of several rooms in one row, in which each room keeps its order."""
    turns = [number for number, messages in enumerate(rooms) for _ in messages]
    bench.chance.shuffle(turns)
    rest = [iter(messages) for messages in rooms]
    return [next(rest[number]) for number in turns]
