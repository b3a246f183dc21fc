"""Stand-ins for the parts and for clients: each does what its seam says, and remembers it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chatlab.chat.modes import PARTS
from chatlab.chat.parts.message_seams import Entry
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.parts.text_frames import TextFrames
from chatlab.chat.protocol import FrameStyle, Outgoing, Ref, decode_outgoing
from chatlab.data.records import CHATROOMS, MESSAGES, USERS, Message, Room
from chatlab.disk.counted import Disk
from chatlab.disk.files import Files
from chatlab.errors import StorageError

DISK_FULL = OSError(28, "No space left on device")


def every(role: str, *, without: str | None = None) -> list[Any]:
    """All implementations of a role, for `pytest.mark.parametrize`."""
    return [pytest.param(part, id=name) for name, part in PARTS[role].items() if name != without]


def message(n: int, room_id: str = "general", sender: str = "alice") -> Message:
    """The n-th message; ids sort by n."""
    return Message(f"m-{n:06d}", room_id, sender, f"text {n}", "2026-01-01T00:00:00.000Z")


def ids(messages: Iterable[Message]) -> list[str]:
    """The ids, which are enough to tell messages apart."""
    return [one.id for one in messages]


def fill(folder: Path, messages: Sequence[Message] = ()) -> Path:
    """Make a small data folder: a public room, a second one and a private one."""
    folder.mkdir(parents=True, exist_ok=True)
    rooms = [
        Room("general", "General", ("alice", "bob")),
        Room("other", "Other", ("alice",)),
        Room("staff", "Staff", ("alice",), private=True),
    ]
    (folder / USERS.name).write_bytes(USERS.encode([]))
    (folder / CHATROOMS.name).write_bytes(CHATROOMS.encode(rooms))
    (folder / MESSAGES.name).write_bytes(MESSAGES.encode(list(messages)))
    return folder


@contextmanager
def quiet_loop() -> Iterator[None]:
    """Nothing that fails meanwhile is reported by asyncio as an error that nobody retrieved."""
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: complaints.append(context["message"])
    )
    yield
    gc.collect()
    assert complaints == []


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class InlineFiles(Files):
    """Real files without threads, on which operations can be made to fail or to wait.

    Attributes:
        operations: (operation, name) in the order of their start.
        under_way, under_way_max: operations that run now, and the most that ever did at once.
        gate: while set to an event, operations wait for it once they have done their work.
        go_on: clear it to stop the next write half-way, with half of the data in the file.
        fail: told (operation, name) before each operation; may return an error to raise.
    """

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        super().__init__(folder, disk=disk)
        self.operations: list[tuple[str, str]] = []
        self.under_way = self.under_way_max = 0
        self.gate: asyncio.Event | None = None
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.fail: Callable[[str, str], OSError | None] = lambda _operation, _name: None

    async def work(
        self, operation: str, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        def act() -> Any:
            if (error := self.fail(operation, name)) is not None:
                raise error
            return function(*args, **kwargs)

        self.operations.append((operation, name))
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        try:
            return await super().work(operation, name, act)
        finally:
            self.under_way -= 1

    async def write(self, name: str, data: bytes, *, fsync: bool = False, like: str = "") -> None:
        if not self.go_on.is_set():
            (self.folder / name).write_bytes(data[: len(data) // 2])
            await self.go_on.wait()
        await super().write(name, data, fsync=fsync, like=like)

    async def perform(self, call: Callable[[], Any]) -> Any:
        result = call()
        if self.gate is not None:
            await self.gate.wait()
        return result


class FakeClient:
    """A client who keeps what it is sent. A send gives way to others, as a real one may."""

    def __init__(
        self, user: str, *, on_send: Callable[[], None] | None = None, frames: FrameStyle = "single"
    ) -> None:
        self.user = user
        self.frame_style = frames
        self.latest_ref = -1
        self.frames: list[bytes] = []
        self.released = self.reserved = 0
        self.arrival = 0.0
        self._on_send = on_send

    async def send(self, frame: bytes) -> None:
        self.push(frame)
        await asyncio.sleep(0)

    def push(self, frame: bytes) -> None:
        self.frames.append(frame)
        if self._on_send is not None:
            self._on_send()

    def push_all(self, frames: TextFrames) -> None:
        for frame in frames.texts:
            self.push(frame)

    def arrived_at(self) -> float:
        return self.arrival

    def behind(self) -> int:
        return 0

    def gone(self) -> bool:
        return False

    def has_room(self) -> bool:
        return True

    async def room(self) -> None:
        pass

    def reserved_at_once(self) -> bool:
        self.reserved += 1
        return True

    async def reserve(self) -> None:
        assert self.reserved_at_once()

    def release(self) -> None:
        self.released += 1

    @property
    def heard(self) -> list[Outgoing]:
        """The frames, decoded."""
        return [decode_outgoing(frame) for frame in self.frames]


class FakeStore(Store):
    """Keeps messages in memory, as slowly and as unreliably as it is told.

    Args:
        takes_s: how long each save takes.
        failures: what the first saves raise, one after another; None for success.
    """

    promise = "written"  # type: ignore[assignment]
    kept_in = ""

    def __init__(self, *, takes_s: float = 0.0, failures: Iterable[Exception | None] = ()) -> None:
        self.kept: list[Message] = []
        self.attempts: list[tuple[float, list[str]]] = []
        self.under_way = self.under_way_max = 0
        self._takes_s = takes_s
        self._failures = iter(failures)

    async def save(self, batch: Sequence[Message]) -> None:
        self.attempts.append((asyncio.get_running_loop().time(), ids(batch)))
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        try:
            await asyncio.sleep(self._takes_s)
            if (failure := next(self._failures, None)) is not None:
                raise failure
            self.kept.extend(batch)
        finally:
            self.under_way -= 1

    async def history(self, room_id: str, limit: int) -> list[Message]:
        return [one for one in self.kept if one.room_id == room_id][-limit:]


class FakeOutcome:
    """Writes down what becomes of each message: (what, ids, seconds)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, list[str], float]] = []
        self.errors: list[StorageError] = []
        self.pauses_s: list[float] = []

    async def queued(self, entry: Entry) -> None:
        self._note("queued", [entry])

    async def saved(self, batch: Sequence[Entry]) -> None:
        self._note("saved", batch)

    async def delayed(self, batch: Sequence[Entry], error: StorageError, retry_in_s: float) -> None:
        self._note("delayed", batch, error)
        self.pauses_s.append(retry_in_s)

    async def failed(self, batch: Sequence[Entry], error: StorageError) -> None:
        self._note("failed", batch, error)

    def of(self, what: str) -> list[str]:
        """The ids of the messages that this happened to, in order."""
        return [one for kind, batch, _ in self.events if kind == what for one in batch]

    def story(self, message_id: str) -> list[str]:
        """All that happened to one message, in order."""
        return [kind for kind, batch, _ in self.events if message_id in batch]

    def _note(self, what: str, batch: Sequence[Entry], *errors: StorageError) -> None:
        self.errors += errors
        at = asyncio.get_running_loop().time()
        self.events.append((what, [entry.message.id for entry in batch], at))


def entry(n: int, at: float = 0.0, *, sender: FakeClient | None = None, ref: Ref = None) -> Entry:
    """The n-th message on its way, accepted at that time."""
    who = sender or FakeClient("alice")
    return Entry(message(n, sender=who.user), ref, who, at)
