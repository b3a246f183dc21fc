"""The data folder: made, filled with the starting data, checked, and locked for one server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from filelock import FileLock, Timeout

from chatlab.data.journal_format import FILLING, PATTERN
from chatlab.data.records import CHATROOMS, MESSAGES, USERS, Message, Room
from chatlab.disk.files import Files
from chatlab.errors import StorageError, UsageError

LOCK_NAME = ".chatlab.lock"

_FIRST_MOMENT = datetime(2025, 12, 31, 12, tzinfo=UTC)
_SMALL_TALK = (
    "Happy New Year to all of you, wherever you are!",
    "Ten, nine, eight, seven, six, five, four, three, two, one ...",
    "Can you see the fireworks from there? We can hear them.",
    "The first message of the year is mine.",
    "Is it only me, or does this chat get slower each year?",
)


def starting_data() -> Path:
    """The folder of the files that a fresh data folder starts with."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data"
    return installed if installed.is_dir() else package.parent / "data"


@contextmanager
def locked(folder: Path, else_choose: str = "another folder") -> Iterator[None]:
    """Make a data folder if it is missing, and keep every other server off it.

    Args:
        else_choose: the user's way out, for the error.

    Raises:
        UsageError: another server uses it, or it cannot be written to.
    """
    lock = FileLock(folder / LOCK_NAME, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise UsageError(
            f"another chatlab server uses the data folder {folder}: stop it, or choose "
            f"{else_choose}"
        ) from None
    except OSError as error:
        raise UsageError(
            f"cannot use the data folder {folder}: {error.strerror}; choose {else_choose}"
        ) from error
    try:
        yield
    finally:
        lock.release()


class DataFolder:
    """A data folder in use by this process; an async context manager.

    Args:
        path: made if missing; its missing files are filled in from the starting data.
        history: how many generated messages a fresh folder gets on top.
        kept_in: where the store keeps its messages; see `Store.kept_in`.

    Attributes:
        starting: the messages for a store that keeps them elsewhere than in `messages.json`, and
            that has never been used.

    Raises, on entering:
        UsageError: another server uses it, a file in it is unreadable or corrupt, it cannot be
            written to, or `history` is asked for and it is not fresh. Existing files are never
            touched.
    """

    def __init__(self, path: Path, history: int = 0, kept_in: str = MESSAGES.name) -> None:
        self.path = path
        self.starting: Iterable[Message] = ()
        self._kept_in = kept_in
        self._history = history
        self._locked = locked(path, "another folder with --data")

    async def __aenter__(self) -> Path:
        self._locked.__enter__()
        try:
            await self._fill_and_check()
        except BaseException:
            self._locked.__exit__(None, None, None)
            raise
        return self.path

    async def __aexit__(self, *_: object) -> None:
        self._locked.__exit__(None, None, None)

    async def _fill_and_check(self) -> None:
        source, target = Files(starting_data()), Files(self.path)
        try:
            fresh = not any(
                list(self.path.glob(name)) for name in {self._kept_in, MESSAGES.name} if name
            )
            fresh = fresh or self._begins_anew()
            if self._history and not fresh:
                raise UsageError(
                    f"--history fills a fresh data folder only, and {self.path} has messages "
                    "already: choose another folder with --data"
                )
            for file in (USERS, CHATROOMS):
                if not (self.path / file.name).exists():
                    await _install(target, file.name, await source.read(file.name))
                file.decode(await target.read(file.name))
            if fresh:
                rooms = CHATROOMS.decode(await target.read(CHATROOMS.name))
                first = MESSAGES.decode(await source.read(MESSAGES.name))
                self.starting = chain(first, self._generated(rooms))
            if self._kept_in == MESSAGES.name:
                # Last: until they are there, the folder is fresh.
                if fresh:
                    await _install(target, MESSAGES.name, MESSAGES.encode(list(self.starting)))
                MESSAGES.decode(await target.read(MESSAGES.name))
        except StorageError as error:
            raise UsageError(f"cannot start on the data folder {self.path}: {error}") from error
        finally:
            source.close()
            target.close()

    def _begins_anew(self) -> bool:
        """Whether the first start of a journal was interrupted, with nothing but its own messages.

        One that was taking over `messages.json` begins with that file again.
        """
        unfilled = self._kept_in == PATTERN and (self.path / FILLING).exists()
        return unfilled and not (self.path / MESSAGES.name).exists()

    def _generated(self, rooms: list[Room]) -> Iterator[Message]:
        public = [room.id for room in rooms if not room.private]
        if self._history and not public:
            raise UsageError(f"--history needs a public room, and {self.path} has none")
        return generated_history(self._history, public)


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


async def _install(files: Files, name: str, data: bytes) -> None:
    # Through a temporary file: a full disk must not leave half a file that looks like data.
    await files.write(name + ".tmp", data, fsync=True)
    await files.rename(name + ".tmp", name)
