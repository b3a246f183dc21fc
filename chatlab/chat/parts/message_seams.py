"""What the parts that carry messages must do: the seams of transport, processor, delivery, monitor.

Transport: how do messages come out of a socket? Processor: when is a message saved? Delivery: how
does it reach its room? Monitor: what does the running server show? The first three classes are what
these parts pass to each other: a message on its way, and those who send and receive it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

import msgspec

from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.parts.text_frames import TextFrames
from chatlab.chat.protocol import FrameStyle, Ref
from chatlab.chat.settings import Clock, Settings
from chatlab.data.records import Message
from chatlab.errors import StorageError

if TYPE_CHECKING:  # a command that only names a mode need not load the library
    from websockets.asyncio.server import ServerConnection


class Client(Protocol):
    """A connected user. No method raises: frames to a client that has gone are dropped.

    Each client has a bounded send buffer. One that does not read is disconnected when the buffer is
    full, so that no method waits for a slow client.
    """

    user: str
    frame_style: FrameStyle

    async def send(self, frame: bytes) -> None:
        """Send one frame the ordinary way."""

    def push(self, frame: bytes) -> None:
        """Put a frame into the send buffer, without an await."""

    def push_all(self, frames: TextFrames) -> None:
        """Put several frames there, together: they cost one system call. For a client that takes
        single frames."""

    def release(self) -> None:
        """One message of this client is saved or given up: it may send another one."""


class Talker(Client, Protocol):
    """A client that also sends: each message waits for the client's share of the queue.

    Attributes:
        latest_ref: of its messages, if it takes batches and so gets cumulative acks.
    """

    latest_ref: int

    def arrived_at(self) -> float:
        """When the frame that was just taken could be read: seconds, on the server's clock."""

    def behind(self) -> int:
        """How many more of its frames wait, at least."""

    def gone(self) -> bool:
        """Whether its connection has ended, or is about to."""

    def has_room(self) -> bool:
        """Whether `reserve` needs no wait."""

    async def room(self) -> None:
        """Wait until `reserve` needs no wait."""

    def reserved_at_once(self) -> bool:
        """Reserve if that needs no wait; returns whether it did."""

    async def reserve(self) -> None:
        """Wait until the client has fewer unsaved messages than `client_queue_limit`; count one
        more."""


class Members(Protocol):
    """The clients live in a room, now."""

    def __call__(self, room_id: str) -> Collection[Client]: ...


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A message between its acceptance and its delivery.

    Attributes:
        message: what was said.
        ref: its sender's mark on it, for the answer.
        sender: who gets the answer.
        accepted_at: when the server took it: seconds, on the server's clock.
        arrived_at: when it could be read, on the same clock; None if nobody noted it.
        due_at: when its sender says that it was due, on the same clock; None if it does not say.
    """

    message: Message
    ref: Ref
    sender: Client
    accepted_at: float
    arrived_at: float | None = None
    due_at: float | None = None

    @property
    def since(self) -> float:
        """When its latency begins."""
        return self.accepted_at if self.arrived_at is None else self.arrived_at


class Transport(ABC):
    """Takes the messages out of each client's connection.

    The library checks frames, answers pings and closes connections: with code 1002 after a broken
    frame, 1007 after text that is not UTF-8, 1009 after a frame over `FRAME_BYTES_MAX`.

    Messages that have arrived and were not yet taken are bounded: when too many wait, the socket is
    not read, so that a flooding client fills its own buffers and not the server's memory. One read
    may bring many at once: the bound is a mark, not a hard limit.
    """

    def connection_class(self) -> type[ServerConnection]:
        """What the server makes for each client; by default the library's own class."""
        from websockets.asyncio.server import ServerConnection

        return ServerConnection

    def waiting(self, connection: ServerConnection) -> int:
        """Messages that have arrived at a connection and were not yet taken; by default, as the
        library's own class counts them. A message in fragments may count once for each."""
        return len(connection.recv_messages.frames)

    @abstractmethod
    def messages(self, connection: ServerConnection) -> AsyncIterator[str | bytes]:
        """A client's messages in order, `str` for text and `bytes` for binary.

        Ends when the connection has ended and all that arrived before was taken.

        Args:
            connection: of this transport's class.

        Raises:
            ConnectionClosed: the connection ended without a closing handshake.
        """


class Outcome(Protocol):
    """Hears what happens to each message, and sends acks, errors and the messages themselves."""

    async def queued(self, entry: Entry) -> None:
        """It is in memory and will be saved."""

    async def saved(self, batch: Sequence[Entry]) -> None:
        """These are saved, as safely as the store promises."""

    async def delayed(self, batch: Sequence[Entry], error: StorageError, retry_in_s: float) -> None:
        """Saving failed; they stay queued, and the next try is in `retry_in_s` seconds."""

    async def failed(self, batch: Sequence[Entry], error: StorageError) -> None:
        """Saving failed for good: the processor drops them."""


class ProcessorStatistics(msgspec.Struct, frozen=True):
    """The state of the queue.

    Attributes:
        depth: messages accepted and not yet saved.
        limit: the largest depth, in messages; 0: as many as there are clients.
        oldest_s: seconds that the oldest of them has waited; 0 if there is none.
        flushes: batches saved so far.
        failures: batches whose saving failed so far.
    """

    depth: int
    limit: int
    oldest_s: float
    flushes: int
    failures: int


class Processor(ABC):
    """Decides when a message is saved.

    Args:
        store: where to.
        outcome: hears what happens.
        settings: `batch_size_max`, `flush_interval_s`, `queue_limit`, `turn_size` and the retry
            times.
        clock: seconds.

    Attributes:
        hurry: set when a stop has no time: `drain` tries no longer.
        acks_queued: whether it takes a message before saving it, so that an ack can promise
            `queued`; otherwise acks come after the save.
    """

    acks_queued: ClassVar[bool]

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        self.store = store
        self.outcome = outcome
        self.settings = settings
        self.clock = clock
        self.hurry = asyncio.Event()

    @abstractmethod
    async def submit(self, entry: Entry) -> None:
        """Take a message. Saves each sender's messages in the order of submission.

        Raises:
            Overloaded: the queue is full; the message was not taken.
        """

    @abstractmethod
    async def drain(self) -> Sequence[Entry]:
        """Save all submitted messages, and stop; no submission follows.

        Tries for `drain_timeout_s`, or until `hurry` is set, then waits for a save in progress.
        Saves first, and delivers then: that may end before all is delivered. Returns the messages
        that could not be saved, after reporting each to `outcome.failed`.
        """

    @abstractmethod
    def statistics(self) -> ProcessorStatistics:
        """The state of the queue, now."""


class Delivery(ABC):
    """Sends saved messages to the clients live in their rooms.

    Args:
        members: lists the clients live in a room.

    Attributes:
        frames: `batch` if clients that ask for it get batch frames and cumulative acks.
    """

    frames: ClassVar[FrameStyle] = "single"

    def __init__(self, members: Members) -> None:
        self.members = members

    @abstractmethod
    async def deliver(self, batch: Sequence[Message]) -> int:
        """Send each message to each member of its room, each room's in order.

        Returns the number of frames sent. No client makes it raise; an empty room costs nothing.
        """


class Monitor(ABC):
    """Turns events into figures that a person can act on.

    It counts each event as it happens, and makes figures when someone looks: perhaps twice a
    second, perhaps not for a week. What it keeps must stay small in either case.

    `metrics.py` keeps the totals and the samples, and asks for no percentile of too few samples.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @abstractmethod
    def count(self, name: str, count: int) -> None:
        """Count events that happen now. This is called for every message: be quick.

        Args:
            name: of the kind, e.g. "saved"; there are a handful.
            count: how many; -1 takes back the one counted just before.
        """

    @abstractmethod
    def per_s(self, name: str) -> float:
        """Events of a kind per second, now; 0 for a kind that was never counted."""

    @abstractmethod
    def percentile(self, samples: Sequence[float], fraction: float) -> float | None:
        """The sample that this share of all samples is at or below.

        Args:
            samples: at least one, in any order; they belong to the caller: do not change them.
            fraction: between 0 and 1: 0.5 asks for the p50, 0.99 for the p99.

        Returns:
            None if this monitor has no percentiles; people see a dash.
        """
