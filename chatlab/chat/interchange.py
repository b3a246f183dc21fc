"""Messages from one kind of store to another, by way of the JSON of `messages.json`.

What is written appears whole or not at all: it is made under another name, and moved in at the end.
Nothing that is there is written over unless the user says so. What lies in a folder is told by
`inspection.py`; the stores themselves stand in `parts/stores/`.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import zip_longest
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from chatlab.chat.modes import PARTS
from chatlab.chat.parts.store import Store
from chatlab.chat.settings import Settings
from chatlab.data import journal_compressed as packed
from chatlab.data import journal_format as form
from chatlab.data.database_copy import database_copy
from chatlab.data.folder import LOCK_NAME
from chatlab.data.inspection import Contents, StoreKind, inspect, names_in
from chatlab.data.journal_format import FILLING
from chatlab.data.records import ALL_FILES, MESSAGES, Message
from chatlab.data.segment_files import SegmentFiles
from chatlab.data.sqlite_database import LOG, SIDE_FILES
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.disk.counted import TEMPORARY_SUFFIX, Disk
from chatlab.disk.files import Files
from chatlab.errors import CorruptFile, StorageError, UsageError

PART: dict[StoreKind, str] = {"json": "rewrite", "journal": "journal", "sqlite": "sqlite"}
"""The store that reads and writes each kind."""

WORDS: dict[StoreKind, str] = {
    "json": MESSAGES.name,
    "journal": "the journal",
    "sqlite": "the database",
}

_WORKSHOP = ".chatlab-import"
_WRITE_AT_ONCE = 1024 * 1024


def export_messages(
    folder: Path, target: Path, kind: StoreKind | None = None, *, force: bool = False
) -> tuple[StoreKind, int, int]:
    """Write the messages of a data folder to a file, in the JSON of `messages.json`.

    Args:
        kind: which store; None takes the only one that there is, beside `messages.json`.
        force: whether `target` may be there already, and be replaced.

    Returns the kind, how many messages were written, and how many bytes of an unfinished save were
    left out.

    Raises:
        UsageError: there is no such store, more than one, or `target` cannot be used.
        StorageError: the store is damaged, or a file cannot be read or written. `target` is as it
            was.
    """
    disk = Disk(folder)
    kind = _chosen(folder, names_in(disk), kind)
    _check_target(folder, target, force)
    into_the_folder = target.resolve().parent == folder.resolve()
    with alone(folder) if into_the_folder else nullcontext():
        if kind == "sqlite":
            with database_copy(folder) as database:
                database.check()
                return kind, write_json(target, database.messages()), 0
        if kind == "journal":
            journal = _Journal(disk)
            return kind, write_json(target, journal.messages()), journal.torn_bytes
        return kind, write_json(target, _decoded(folder / MESSAGES.name)), 0


def import_messages(folder: Path, source: Path, kind: StoreKind) -> int:
    """Fill an empty or absent store of a data folder from a file like `messages.json`.

    Args:
        folder: made if there is none.

    Returns how many messages it holds now.

    Raises:
        UsageError: the store has messages already, a server uses the folder, or `source` cannot be
            used.
        StorageError: a file is damaged, or cannot be read or written. The store is empty as before,
            or, if no more than the last sync failed, it holds everything.
    """
    messages = _decoded(source)
    if kind == "sqlite" and len({message.id for message in messages}) < len(messages):
        raise UsageError(
            f"{source} has several messages with the same id, which a database does not take: "
            "import it --into journal"
        )
    with _told("make", str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        _check_empty(inspect(folder), kind)
        if kind == "sqlite":
            _check_no_leftovers(folder)
        if kind == "json":
            return write_json(folder / MESSAGES.name, messages)
        workshop = folder / _WORKSHOP
        with _told("make", _WORKSHOP):
            shutil.rmtree(workshop, ignore_errors=True)
            workshop.mkdir()
        try:
            asyncio.run(_make_store(workshop, kind, messages))
            with _told("move", WORDS[kind]):
                _install(Disk(folder), sorted(path.name for path in workshop.iterdir()), kind)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    return len(messages)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep servers off a data folder.

    Raises:
        UsageError: one uses it.
    """
    lock = FileLock(folder / LOCK_NAME, timeout=0)
    try:
        with _told("lock", str(folder)):
            lock.acquire()
    except Timeout:
        raise UsageError(f"a chatlab server uses the data folder {folder}: stop it first") from None
    try:
        yield
    finally:
        lock.release()


def write_json(target: Path, messages: Iterable[Message]) -> int:
    """Write messages to a file, as `MESSAGES.encode` does, but one at a time; whole or not at all.

    Returns how many there were.
    """
    disk, temporary, count = Disk(target.parent), f".chatlab-{target.name}{TEMPORARY_SUFFIX}", 0
    try:
        with _told("write", target.name):
            disk.write(temporary, b"")
            piece = bytearray(b"[")
            for count, message in enumerate(messages, 1):
                text = msgspec.json.format(msgspec.json.encode(message), indent=2)
                piece += b",\n  " if count > 1 else b"\n  "
                piece += text.replace(b"\n", b"\n  ")
                if len(piece) >= _WRITE_AT_ONCE:
                    disk.append(temporary, bytes(piece))
                    piece.clear()
            disk.append(temporary, bytes(piece) + (b"\n]" if count else b"]"), fsync=True)
            disk.rename(temporary, target.name)
            disk.fsync_folder()
    except BaseException:
        (target.parent / temporary).unlink(missing_ok=True)
        raise
    return count


class _Journal:
    """The messages of a journal, segment after segment; a damaged one stops it.

    Attributes:
        torn_bytes: at the end, left out.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.torn_bytes = 0

    def messages(self) -> Iterator[Message]:
        names = packed.segments_among(self._disk.names())
        files = SegmentFiles(self._disk)
        with _told("read", "the journal"):
            form.check_row((name, files.size(name)) for name in names)
        for name in names:
            with _told("read", name):
                data = files.read(name)
            found = form.scan(name, data)
            if found.torn and name != names[-1]:
                raise CorruptFile(name, f"the line at byte {found.size} is damaged")
            self.torn_bytes = found.torn
            for record in form.records(name, data):
                yield record.message


def _chosen(folder: Path, names: list[str], kind: StoreKind | None) -> StoreKind:
    there: list[StoreKind] = []
    if any(map(packed.is_of_a_journal, names)):
        there.append("journal")
    if DATABASE in names:
        there.append("sqlite")
    if MESSAGES.name in names and (kind == "json" or not there):
        there.append("json")
    if kind is not None and kind not in there:
        raise UsageError(f"{folder} does not have {WORDS[kind]}: nothing to export")
    if not there:
        raise UsageError(f"{folder} has no messages: nothing to export")
    if kind is None and len(there) > 1:
        raise UsageError(
            f"{folder} has both a journal and a database: say which with --from journal or "
            "--from sqlite"
        )
    chosen = kind or there[0]
    if chosen == "journal" and FILLING in names:
        raise UsageError(
            f"the journal of {folder} is not filled yet: start a server on it once, and try again"
        )
    return chosen


def _check_target(folder: Path, target: Path, force: bool) -> None:
    if target.is_dir():
        raise UsageError(f"--to {target} is a folder: name a file in it")
    if not target.parent.is_dir():
        raise UsageError(f"--to {target}: there is no folder {target.parent}")
    own = {DATABASE, LOG, LOCK_NAME, FILLING, *(file.name for file in ALL_FILES)}
    own.remove(MESSAGES.name)
    if target.resolve().parent == folder.resolve() and (
        target.name in own or packed.is_of_a_journal(target.name)
    ):
        raise UsageError(f"--to {target} is a file of the data folder's own: choose another name")
    if target.exists() and not force:
        raise UsageError(f"--to {target} is there already: choose another name, or add --force")


def _check_empty(contents: Contents, kind: StoreKind) -> None:
    store = contents.store(kind)
    if store is None or store.unfinished:
        return
    if store.damage:
        raise UsageError(
            f"{WORDS[kind]} of {contents.folder} is damaged, so that nobody knows whether it is "
            "empty: look at it with chatlab data inspect, or import into another folder"
        )
    if store.messages:
        raise UsageError(
            f"{WORDS[kind]} of {contents.folder} has {store.messages:,} messages already, and an "
            "import does not mix: import into another folder"
        )


def _check_no_leftovers(folder: Path) -> None:
    names = Disk(folder).names()
    for name in SIDE_FILES if DATABASE not in names else ():
        if name in names:
            raise UsageError(
                f"{folder} has {name}, which belongs to a {DATABASE} that is not there: bring that "
                "back, or move both away"
            )


async def _make_store(workshop: Path, kind: StoreKind, messages: list[Message]) -> None:
    """Fill a store in a folder of its own, and read it back."""
    files = Files(workshop)
    make = PARTS["store"][PART[kind]]
    reader = PARTS["reader"]["direct"](files, Settings(), time.perf_counter)
    writer = PARTS["writer"]["atomic"](files)
    store: Store = make(files, reader, writer, PARTS["lock"]["per-file"](), Settings())
    try:
        await store.start(messages)
        await store.close()
        for given, kept in zip_longest(messages, _read_back(workshop, kind)):
            if given != kept:
                raise StorageError("import into", WORDS[kind], "it does not hold what was given")
    finally:
        files.close()


def _read_back(folder: Path, kind: StoreKind) -> Iterator[Message]:
    if kind == "journal":
        yield from _Journal(Disk(folder)).messages()
    else:
        with database_copy(folder) as database:
            database.check()
            yield from database.messages()


def _install(disk: Disk, made: list[str], kind: StoreKind) -> None:
    """Move a store's files to where they belong, in place of an empty store's.

    A crash in between leaves the empty store, or a journal that says that it is being filled: then
    the next start begins it anew.
    """
    names = disk.names()
    if kind == "journal":
        disk.write(FILLING, b"", fsync=True)
        disk.fsync_folder()
    # An empty database goes last, by being replaced; the log of the old one must not meet the new.
    for name in names:
        if packed.is_of_a_journal(name) if kind == "journal" else name == LOG:
            disk.remove(name)
    disk.fsync_folder()
    for name in made:
        disk.rename(f"{_WORKSHOP}/{name}", name)
    disk.fsync_folder()
    if kind == "journal":
        disk.remove(FILLING)
        disk.fsync_folder()


def _decoded(path: Path) -> list[Message]:
    try:
        return MESSAGES.decode(Disk(path.parent).read(path.name))
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except CorruptFile as error:
        raise UsageError(f"{path} is no list of messages: {error.reason}") from error


@contextmanager
def _told(operation: str, name: str) -> Iterator[None]:
    try:
        yield
    except Timeout:
        raise  # an OSError, too, and told otherwise
    except OSError as error:
        raise StorageError(operation, name, error.strerror or str(error)) from error
