"""The data folder: made, filled with the starting data, checked, and locked for one server."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from chatlab.data.journal_format import FILLING, PATTERN
from chatlab.data.records import ALL_FILES, CHATROOMS, MESSAGES, USERS, DataFile, Message, Room
from chatlab.disk.counted import Disk
from chatlab.disk.files import to_the_end
from chatlab.disk.kept import KeptFiles
from chatlab.disk.replacement import plain_file
from chatlab.errors import CorruptFile, StorageError, UsageError

LOCK_NAME = ".chatlab.lock"
T = TypeVar("T")

DEFAULT_FOLDER = Path("chatlab-data")
"""The one that commands use if a user names none."""

_LOOKS = 5
_BETWEEN_LOOKS_S = 0.05

_FIRST_MOMENT = datetime(2025, 12, 31, 12, tzinfo=UTC)
_SMALL_TALK = (
    "Happy New Year to all of you, wherever you are!",
    "Ten, nine, eight, seven, six, five, four, three, two, one ...",
    "Can you see the fireworks from there? We can hear them.",
    "The first message of the year is mine.",
    "Is it only me, or does this chat get slower each year?",
)


def starting_data() -> Path:
    """The folder with the files of a fresh data folder."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data"
    return installed if installed.is_dir() else package.parent / "data"


def kept_files(folder: Path, kept_in: str) -> KeptFiles:
    """What must stay as it is while a server has the lock.

    Args:
        kept_in: where the store keeps its messages; see `Store.kept_in`.
    """
    watched = [file.name for file in ALL_FILES if file is not MESSAGES or kept_in == file.name]
    return KeptFiles(folder, LOCK_NAME, watched)


@contextmanager
def locked(folder: Path, else_choose: str = "another folder") -> Iterator[None]:
    """Make a data folder if it is missing, and keep every other server off it.

    Args:
        else_choose: the user's way out, for the error.

    Raises:
        UsageError: another server uses it, or it cannot be written to.
    """
    lock = FileLock(folder / LOCK_NAME, timeout=0)
    holder = _holder(folder)  # now: older releases of filelock empty the file as they try
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise UsageError(
            f"another chatlab server uses the data folder {folder}{holder}: stop it, or "
            f"choose {else_choose}"
        ) from None
    except OSError as error:
        raise UsageError(
            f"cannot use the data folder {folder}: {error.strerror}; choose {else_choose}"
        ) from error
    try:
        _sign(folder)
        yield
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    """` (process N)`, which holds the lock, as it has written into it; empty where that cannot be
    read, as on Windows."""
    with suppress(OSError):
        text = Disk(folder).read(LOCK_NAME).decode("ascii", "replace")
        if re.fullmatch(r"process \d+", text):
            return f" ({text})"
    return ""


def _sign(folder: Path) -> None:
    """Write into the lock whose it is. It helps a person only, so it may fail; and what something
    else has written into it stays."""
    with suppress(OSError):
        disk = Disk(folder)
        if not disk.size(LOCK_NAME) or _holder(folder):
            disk.write(LOCK_NAME, f"process {os.getpid()}".encode())


class DataFolder:
    """A data folder in use by this process; an async context manager.

    Args:
        path: made if missing; the starting data fill in its missing files.
        history: how many generated messages a fresh folder gets on top.
        kept_in: where the store keeps its messages; see `Store.kept_in`.

    Attributes:
        starting: the messages for a store that keeps them elsewhere than in `messages.json`, and
            that has never been used.

    Raises, on entering:
        UsageError: another server uses it, a file in it is unreadable or corrupt, it cannot be
            written to, or `history` is wanted in a folder that is not fresh. Existing files are
            never touched.
    """

    def __init__(self, path: Path, history: int = 0, kept_in: str = MESSAGES.name) -> None:
        self.path = path
        self.starting: Iterable[Message] = ()
        self._kept_in = kept_in
        self._history = history
        self._disk = Disk(path)

    async def __aenter__(self) -> Path:
        with ExitStack() as release:
            release.enter_context(locked(self.path, "another folder with --data"))
            try:
                await to_the_end(asyncio.to_thread(self._fill_and_check))
            except (StorageError, OSError) as error:
                text = f"cannot start on the data folder {self.path}: {error}"
                raise UsageError(text) from error
            self._release = release.pop_all()
        return self.path

    async def __aexit__(self, *_: object) -> None:
        self._release.close()

    def _fill_and_check(self) -> None:
        fresh = self._is_fresh()
        if self._history and not fresh:
            raise UsageError(
                f"--history fills a fresh data folder only, and {self.path} has messages "
                "already: leave it out to go on with them, or choose another folder with --data"
            )
        for one in ALL_FILES:
            self._require_plain(one.name)
        source = Disk(starting_data())
        for file in (USERS, CHATROOMS):
            if not (self.path / file.name).exists():
                self._install(file.name, source.read(file.name))
        read_list(self._disk, USERS)
        rooms = read_list(self._disk, CHATROOMS)
        if fresh:
            self.starting = chain(read_list(source, MESSAGES), self._generated(rooms))
        if self._kept_in == MESSAGES.name:
            # Last: until they are there, the folder is fresh.
            if fresh:
                self._install(MESSAGES.name, MESSAGES.encode(list(self.starting)))
            read_list(self._disk, MESSAGES)

    def _require_plain(self, name: str) -> None:
        """To read a pipe would wait for ever."""
        try:
            plain_file(self.path / name)
        except OSError as error:
            raise StorageError.from_os("read", name, error) from error

    def _is_fresh(self) -> bool:
        """Whether it holds no messages, or only the beginning of a journal's interrupted start.

        A journal that was taking over `messages.json` begins with that file again.
        """
        patterns = {self._kept_in, MESSAGES.name} - {""}
        if not any(any(self.path.glob(pattern)) for pattern in patterns):
            return True
        unfilled = self._kept_in == PATTERN and (self.path / FILLING).exists()
        return unfilled and not (self.path / MESSAGES.name).exists()

    def _install(self, name: str, data: bytes) -> None:
        # In one step: a full disk must not leave half a file that looks like data.
        try:
            self._disk.replace(name, data)
        except OSError as error:
            raise StorageError.from_os("write", name, error) from error

    def _generated(self, rooms: list[Room]) -> Iterator[Message]:
        public = [room.id for room in rooms if not room.private]
        if self._history and not public:
            raise UsageError(f"--history needs a public room, and {self.path} has none")
        return generated_history(self._history, public)


def read_list(
    disk: Disk, file: DataFile[list[T]], pause: Callable[[float], None] | None = None
) -> list[T]:
    """The records of a JSON file.

    Args:
        pause: waits for some seconds before another look, if a server may be rewriting the file in
            place: then, half is there. None where no server runs.

    Raises:
        StorageError: it cannot be read, or is damaged.
    """
    looks = _LOOKS if pause else 1
    while True:
        try:
            return file.decode(disk.read(file.name))
        except OSError as error:
            raise StorageError.from_os("read", file.name, error) from error
        except CorruptFile:
            looks -= 1
            if pause is None or not looks:
                raise
        pause(_BETWEEN_LOOKS_S)


def generated_history(count: int, rooms: list[str]) -> Iterator[Message]:
    """`count` messages, one every second, the same each time; spread evenly over `rooms`."""
    users = ("alice", "bob", "carol")
    return (
        Message(
            id=f"history-{n:08d}",
            room_id=rooms[n % len(rooms)],
            sender=users[n % len(users)],
            content=_SMALL_TALK[n % len(_SMALL_TALK)],
            timestamp=utc_text(_FIRST_MOMENT + timedelta(seconds=n)),
        )
        for n in range(count)
    )


def utc_text(moment: datetime) -> str:
    """ISO 8601 with milliseconds and a Z, as JavaScript's `toISOString` writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message_maker(now: Callable[[], float]) -> Callable[[str, str, str], Message]:
    """A function that makes a message of (room, sender, content): gives it its id and time.

    An id is the server's start time and a counter, so that ids are unique over restarts and sort in
    order of acceptance.

    Args:
        now: tells seconds since 1970, in UTC.
    """
    prefix = f"{int(now() * 1000):012x}"
    counter = count(1)
    latest_ms, text = -1, ""
    latest_s, second = -1, ""

    def new_message(room_id: str, sender: str, content: str) -> Message:
        nonlocal latest_ms, text, latest_s, second
        now_ms = int(now() * 1000)
        if now_ms != latest_ms:  # formatting a date takes longer than all the rest
            latest_ms = now_ms
            if now_ms // 1000 != latest_s:
                latest_s = now_ms // 1000
                second = utc_text(datetime.fromtimestamp(latest_s, UTC)).removesuffix("000Z")
            text = f"{second}{now_ms % 1000:03}Z"
        return Message(f"{prefix}-{next(counter):08x}", room_id, sender, content, text)

    return new_message
