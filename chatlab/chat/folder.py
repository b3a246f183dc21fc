"""The data folder: made, filled with the starting data, checked, and kept for one server alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from chatlab.chat.datafiles import ALL_FILES, CHATROOMS, MESSAGES
from chatlab.chat.errors import StorageError, UsageError
from chatlab.chat.parts.files import Files
from chatlab.chat.protocol import Message

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


class DataFolder:
    """A data folder in use by this process; an async context manager.

    Args:
        path: made if missing; its missing files are filled in from the starting data.
        history: how many generated messages a fresh folder gets on top.

    Raises, on entering:
        UsageError: another server uses it, a file in it is unreadable or corrupt, it cannot be
            written to, or `history` is asked for and it is not fresh. Existing files are never
            touched.
    """

    def __init__(self, path: Path, history: int = 0) -> None:
        self.path = path
        self._history = history
        self._lock = FileLock(path / LOCK_NAME, timeout=0)

    async def __aenter__(self) -> Path:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise UsageError(
                f"another chatlab server uses the data folder {self.path}: stop it, "
                "or choose another folder with --data"
            ) from None
        except OSError as error:
            raise UsageError(
                f"cannot use the data folder {self.path}: {error.strerror}; "
                "choose another one with --data"
            ) from error
        try:
            await self._fill_and_check()
        except BaseException:
            self._lock.release()
            raise
        return self.path

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    async def _fill_and_check(self) -> None:
        source, target = Files(starting_data()), Files(self.path)
        try:
            if self._history and (self.path / MESSAGES.name).exists():
                raise UsageError(
                    f"--history fills a fresh data folder only, and {self.path} has messages "
                    "already: choose another folder with --data"
                )
            for file in ALL_FILES:  # the messages last: until they are there, the folder is fresh
                if not (self.path / file.name).exists():
                    data = await source.read(file.name)
                    if file is MESSAGES and self._history:
                        data = self._with_history(data, await target.read(CHATROOMS.name))
                    await _install(target, file.name, data)
                file.decode(await target.read(file.name))
        except StorageError as error:
            raise UsageError(f"cannot start on the data folder {self.path}: {error}") from error
        finally:
            source.close()
            target.close()

    def _with_history(self, messages: bytes, chatrooms: bytes) -> bytes:
        public = [room.id for room in CHATROOMS.decode(chatrooms) if not room.private]
        if not public:
            raise UsageError(f"--history needs a public room, and {self.path} has none")
        history = generated_history(self._history, public)
        return MESSAGES.encode(MESSAGES.decode(messages) + history)


def generated_history(count: int, rooms: list[str]) -> list[Message]:
    """`count` messages, one every second, the same each time; spread evenly over `rooms`."""
    users = ("alice", "bob", "carol")
    return [
        Message(
            id=f"history-{n:08d}",
            room_id=rooms[n % len(rooms)],
            sender=users[n % len(users)],
            content=_SMALL_TALK[n % len(_SMALL_TALK)],
            timestamp=utc_text(_FIRST_MOMENT + timedelta(seconds=n)),
        )
        for n in range(count)
    ]


def utc_text(moment: datetime) -> str:
    """ISO 8601 with milliseconds and a Z, as JavaScript's `toISOString` writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _install(files: Files, name: str, data: bytes) -> None:
    # Through a temporary file: a full disk must not leave half a file that looks like data.
    await files.write(name + ".tmp", data, fsync=True)
    await files.rename(name + ".tmp", name)
