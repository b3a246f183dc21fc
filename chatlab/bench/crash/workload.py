"""A small workload through the parts of a mode, and a record of all that it does to the disk.

No socket and no process: this assembles the parts as the server does, lets a few simulated clients
talk, and records every disk operation. It also notes when each message was handed over and when it
was acked, so that the record shows what had been promised at any moment.

The same seed gives the same record: files are worked on step by step, without threads.
Read `disk/power_loss.py` next.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from chatlab.chat.metrics import Metrics
from chatlab.chat.modes import LineUp, Parts, assemble
from chatlab.chat.parts.message_seams import Entry
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.parts.text_frames import TextFrames
from chatlab.chat.protocol import Ack, AckLevel, FrameStyle, decode_outgoing
from chatlab.chat.settings import Settings
from chatlab.data.folder import LOCK_NAME, DataFolder
from chatlab.data.records import CHATROOMS, Message
from chatlab.disk.conditions import RecordedStep, Recorder
from chatlab.disk.files import Files
from chatlab.errors import Overloaded

MESSAGES_SENT = 40
SENDERS = ("alice", "bob", "carol")
BURSTS = (1, 1, 2, 3, 6)
ALL = 1_000_000
IDLE_TIMEOUT_S = 5.0

# Small, so that two dozen messages fill batches, begin new segments, and carry a database's log
# into the database more than once. Compressing adds moments, and leaves all others as they are.
SETTINGS = Settings(
    batch_size_max=4,
    flush_interval_s=0.02,
    segment_bytes_max=1_500,
    compress_segments=True,
    log_pages_max=12,
    drain_timeout_s=5.0,
)

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a mode did.

    Attributes:
        ack_means: what its acks promise.
        files: what was on the disk before the first step.
        steps: all that happened, in order.
        messages: those that were sent, by id, in order.
        base: those that were there from the beginning, by id.
    """

    ack_means: AckLevel
    files: dict[str, bytes]
    steps: list[RecordedStep]
    messages: dict[str, Message]
    base: dict[str, Message]

    @property
    def known(self) -> dict[str, Message]:
        """All messages that there can be, by id: first those of the beginning, then as sent."""
        return self.base | self.messages


class StepByStep(Files):
    """Files without threads: one operation after another, in an order that a seed repeats."""

    async def perform(self, call: Callable[[], R]) -> R:
        await asyncio.sleep(0)  # others may go on meanwhile, as they do while a thread works
        try:
            return call()
        finally:
            await asyncio.sleep(0)


async def record(line_up: LineUp, folder: Path, seed: int, count: int = MESSAGES_SENT) -> Recording:
    """Run the workload of a seed.

    Args:
        line_up: the mode.
        folder: a fresh data folder, made if missing.
        seed, count: which messages, and how many.
    """
    recorder = Recorder()
    async with opened(line_up, folder, recorder) as (parts, starting):
        before, rooms = contents(folder), public_rooms(folder)
        await parts.store.start(starting)
        base = await read_all(parts.store, rooms)
        recorder.note("ready")
        messages = _messages(random.Random(seed), rooms, count)
        await _talk(parts, recorder, messages, random.Random(seed + 1))
        await parts.processor.drain()
        await parts.store.close()
    return Recording(
        ack_means=parts.ack_means,
        files=before,
        steps=recorder.steps,
        messages={message.id: message for message in messages},
        base={message.id: message for kept in base.values() for message in kept},
    )


@asynccontextmanager
async def opened(
    line_up: LineUp, folder: Path, *recorders: Recorder
) -> AsyncIterator[tuple[Parts, Iterable[Message]]]:
    """The parts of a mode over a data folder, with nobody in any room.

    Args:
        folder: made if it is missing.
        recorders: note what the parts do to it.

    Yields the parts, and the messages with which their store starts.
    """
    data = DataFolder(folder, kept_in=line_up.classes["store"].kept_in)  # type: ignore[attr-defined]
    clock = time.perf_counter
    async with data as path:
        files = StepByStep(path, recorders)
        try:
            yield (
                assemble(
                    line_up,
                    files=files,
                    settings=SETTINGS,
                    clock=clock,
                    metrics=Metrics(clock),
                    members=lambda _room_id: (),
                ),
                data.starting,
            )
        finally:
            files.close()


async def read_all(store: Store, rooms: list[str]) -> dict[str, list[Message]]:
    """Everything that a store gives back, by room."""
    return {room_id: await store.history(room_id, ALL) for room_id in rooms}


def public_rooms(folder: Path) -> list[str]:
    """The rooms of a data folder in which the workload talks."""
    rooms = CHATROOMS.decode((folder / CHATROOMS.name).read_bytes())
    return [room.id for room in rooms if not room.private]


def contents(folder: Path) -> dict[str, bytes]:
    """What the data files hold."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file()]
    return {path.name: path.read_bytes() for path in paths if path.name != LOCK_NAME}


class _Listener:
    """A client that notes the acks it gets."""

    frame_style: FrameStyle = "single"

    def __init__(self, user: str, recorder: Recorder) -> None:
        self.user = user
        self._recorder = recorder

    async def send(self, frame: bytes) -> None:
        self.push(frame)

    def push(self, frame: bytes) -> None:
        try:
            decoded = decode_outgoing(frame)
        except msgspec.MsgspecError:
            return  # a user's part may send anything; this is no ack
        if isinstance(decoded, Ack):
            self._recorder.note("acked", str(decoded.ref))

    def push_all(self, frames: TextFrames) -> None:
        for frame in frames.texts:
            self.push(frame)

    def release(self) -> None:
        """Nothing: the workload is bounded as it is."""


def _messages(chance: random.Random, rooms: list[str], count: int) -> list[Message]:
    """Of many lengths, and not only ASCII, so that writes are torn at every kind of byte."""
    return [
        Message(
            id=f"crash-{number:04d}",
            room_id=chance.choice(rooms),
            sender=chance.choice(SENDERS),
            content=f"message {number} " + "é!" * chance.randrange(60),
            timestamp="2026-01-01T00:00:00.000Z",
        )
        for number in range(1, count + 1)
    ]


async def _talk(
    parts: Parts, recorder: Recorder, messages: list[Message], chance: random.Random
) -> None:
    """In bursts: some while the one before is being saved, some after all is quiet again."""
    clients = {user: _Listener(user, recorder) for user in SENDERS}
    rest = list(messages)
    while rest:
        burst = [rest.pop(0) for _ in range(min(chance.choice(BURSTS), len(rest)))]
        by_sender = [[one for one in burst if one.sender == user] for user in SENDERS]
        await asyncio.gather(
            *(_speak(parts, recorder, clients[own[0].sender], own) for own in by_sender if own)
        )
        if chance.random() < 0.5:
            await _until_idle(parts)
        else:
            await asyncio.sleep(0)
    await _until_idle(parts)


async def _speak(
    parts: Parts, recorder: Recorder, client: _Listener, messages: list[Message]
) -> None:
    for message in messages:
        recorder.note("sent", message.id)
        entry = Entry(message, message.id, client, time.perf_counter())
        try:
            await parts.processor.submit(entry)
        except Overloaded:
            await _until_idle(parts)  # it was not taken, and never will be


async def _until_idle(parts: Parts) -> None:
    """Until nothing waits to be saved; not for ever, because a part may never save anything."""
    with suppress(TimeoutError):
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            while parts.processor.statistics().depth:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.001)
