"""Export and import: messages between the kinds of stores, by way of the JSON of `messages.json`.

What is written appears whole or not at all: it is made under another name, and moved into place at
the end. Nothing is overwritten unless the user says so. `data/inspection.py` shows what lies in a
folder; the stores themselves stand in `parts/store/`.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import zip_longest
from pathlib import Path

import msgspec

from chatlab.chat.modes import parse, storage
from chatlab.chat.settings import Settings
from chatlab.data.folder import LOCK_NAME, locked
from chatlab.data.inspection import names_in
from chatlab.data.journal_format import FILLING
from chatlab.data.journal_segments import is_of_a_journal
from chatlab.data.message_rule import MessageCheck
from chatlab.data.readers import READERS, StoreKind, StoreReader
from chatlab.data.records import ALL_FILES, MESSAGES, Message
from chatlab.data.sqlite_database import LOG, SIDE_FILES
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.disk.counted import TEMPORARY_SUFFIX, Disk
from chatlab.disk.files import Files
from chatlab.errors import CorruptFile, StorageError, UsageError

PART: dict[StoreKind, str] = {"json": "rewrite", "journal": "journal", "sqlite": "sqlite"}
"""The store that reads and writes each kind."""

Append = Callable[[bytes], object]

_WORKSHOP = ".chatlab-import"
_WRITE_AT_ONCE = 1024 * 1024


def export_messages(
    folder: Path, target: Path | Append, kind: StoreKind | None = None, *, force: bool = False
) -> tuple[StoreKind, int, int, str]:
    """Write the messages of a data folder to a file, in the JSON of `messages.json`.

    Args:
        target: the file, or what takes one piece after another of what would stand in it.
        kind: which store; None takes the only one beside `messages.json`.
        force: whether to replace an existing `target`.

    Returns the kind, how many messages were written, how many bytes of an unfinished save were left
    out, and which messages break the rule of messages, in words: they are written, too.

    Raises:
        UsageError: there is no such store, more than one, or `target` cannot be used.
        StorageError: the store is damaged, or a file cannot be read or written. `target` is as it
            was.
    """
    reader = _chosen(Disk(folder), kind)
    check = MessageCheck()
    messages = check.through(reader.undamaged())
    if not isinstance(target, Path):
        count = _write_pieces(target, messages)
        return reader.kind, count, reader.torn_bytes, check.words
    _check_target(folder, target, force)
    into_the_folder = target.resolve().parent == folder.resolve()
    with locked(folder) if into_the_folder else nullcontext():
        return reader.kind, write_json(target, messages), reader.torn_bytes, check.words


def import_messages(folder: Path, source: Path | bytes, kind: StoreKind) -> int:
    """Fill an empty or absent store of a data folder from a file like `messages.json`.

    Args:
        folder: made if missing.
        source: the file, or what standard input has in its place.

    Returns how many messages it holds now.

    Raises:
        UsageError: the store has messages already, a server uses the folder, or `source` cannot be
            used, or has a message that breaks the rule of messages.
        StorageError: a file is damaged, or cannot be read or written. The store is empty as before,
            or, if no more than the last sync failed, it holds everything.
    """
    messages = _decoded(source)
    with locked(folder):
        disk, workshop = Disk(folder), folder / _WORKSHOP
        _check_empty(disk, kind)
        if kind == "json":
            return write_json(folder / MESSAGES.name, messages)
        try:
            with _storage_errors("make", _WORKSHOP):
                shutil.rmtree(workshop, ignore_errors=True)
                workshop.mkdir(0o700)  # what an empty store keeps to itself stays so
            asyncio.run(_make_store(workshop, kind, messages))
            with _storage_errors("move", READERS[kind].words):
                _install(disk, sorted(path.name for path in workshop.iterdir()), kind)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    return len(messages)


def write_json(target: Path, messages: Iterable[Message]) -> int:
    """Write messages to a file, as `MESSAGES.encode` does, but one at a time; whole or not at all.

    Returns how many there were.
    """
    target = target.resolve()  # a link stays a link
    disk, temporary = Disk(target.parent), f".chatlab-{target.name}{TEMPORARY_SUFFIX}"
    try:
        with _storage_errors("write", target.name):
            disk.write(temporary, b"", like=target.name)
            count = _write_pieces(lambda piece: disk.append(temporary, piece), messages)
            disk.append(temporary, b"", fsync=True)
            disk.rename(temporary, target.name)
            disk.fsync_folder()
    except BaseException:
        (target.parent / temporary).unlink(missing_ok=True)
        raise
    return count


def _write_pieces(append: Append, messages: Iterable[Message]) -> int:
    piece, count = bytearray(b"["), 0
    for count, message in enumerate(messages, 1):
        text = msgspec.json.format(msgspec.json.encode(message), indent=2)
        piece += b",\n  " if count > 1 else b"\n  "
        piece += text.replace(b"\n", b"\n  ")
        if len(piece) >= _WRITE_AT_ONCE:
            append(bytes(piece))
            piece.clear()
    append(bytes(piece) + (b"\n]" if count else b"]"))
    return count


def _chosen(disk: Disk, kind: StoreKind | None) -> StoreReader:
    """The reader of the store to export."""
    folder, names = disk.folder, names_in(disk)
    there = {one: reader for one in READERS if (reader := READERS[one](disk, names)).files}
    if kind is not None and kind not in there:
        raise UsageError(f"{folder} does not have {READERS[kind].words}: nothing to export")
    if not there:
        raise UsageError(f"{folder} has no messages: nothing to export")
    if kind is None and {"journal", "sqlite"} <= there.keys():
        raise UsageError(
            f"{folder} has both a journal and a database: choose one with --from journal or "
            "--from sqlite"
        )
    chosen = there[kind] if kind else list(there.values())[-1]  # the JSON comes first
    if chosen.unfinished:
        raise UsageError(
            f"the journal of {folder} is not filled yet: start a server on it once, and try again"
        )
    return chosen


def _check_target(folder: Path, target: Path, force: bool) -> None:
    try:
        real = target.resolve()
    except RuntimeError:
        raise UsageError(f"--to {target} is a link that leads to itself") from None
    if target.is_dir():
        raise UsageError(f"--to {target} is a folder: name a file in it")
    if target.exists() and not target.is_file():
        raise UsageError(f"--to {target} is no ordinary file: name one, or - for standard output")
    if not target.parent.is_dir():
        raise UsageError(f"--to {target}: there is no folder {target.parent}")
    taken = {DATABASE, LOG, LOCK_NAME, FILLING, *(file.name for file in ALL_FILES)}
    if real.parent == folder.resolve() and (
        real.name in taken - {MESSAGES.name} or is_of_a_journal(real.name)
    ):
        raise UsageError(f"--to {target} is a file of the data folder itself: choose another name")
    if target.exists() and not force:
        raise UsageError(f"--to {target} exists already: choose another name, or add --force")


def _check_empty(disk: Disk, kind: StoreKind) -> None:
    names = disk.names()
    store = READERS[kind](disk, names)
    stray = [name for name in SIDE_FILES if name in names]
    if kind == "sqlite" and stray and not store.files:
        raise UsageError(
            f"{disk.folder} has {stray[0]}, which belongs to a {DATABASE} that is not there: bring "
            "that back, or move both away"
        )
    if not store.files or store.unfinished:
        return
    count = sum(1 for _ in store.messages())
    if store.damage:
        raise UsageError(
            f"{store.words} of {disk.folder} is damaged, and may hold messages: look at it with "
            "chatlab data inspect, or import into another folder"
        )
    if count:
        raise UsageError(
            f"{store.words} of {disk.folder} has {count:,} messages already, and an import does "
            "not mix: import into another folder"
        )


async def _make_store(workshop: Path, kind: StoreKind, messages: list[Message]) -> None:
    """Fill a store in a folder of its own, and read it back."""
    files = Files(workshop)
    *_, store = storage(parse(f"naive+writer=atomic+store={PART[kind]}"), files, Settings())
    try:
        await store.start(messages)
        await store.close()
        kept = READERS[kind](Disk(workshop), await files.names()).undamaged()
    finally:
        files.close()
    if any(one != other for one, other in zip_longest(messages, kept)):
        raise StorageError("import into", READERS[kind].words, "it does not hold what was given")


def _install(disk: Disk, made: list[str], kind: StoreKind) -> None:
    """Move a store's files into the data folder, in place of an empty store's.

    A crash in between leaves the empty store, or a journal that says that it is being filled: then
    the next start begins it anew.
    """
    names = disk.names()
    if kind == "journal":
        disk.write(FILLING, b"", fsync=True)
        disk.fsync_folder()
    # An empty database goes last, by being replaced; the log of the old one must not meet the new.
    for name in names:
        if is_of_a_journal(name) if kind == "journal" else name == LOG:
            disk.remove(name)
    disk.fsync_folder()
    for name in made:
        disk.rename(f"{_WORKSHOP}/{name}", name)
    disk.fsync_folder()
    if kind == "journal":
        disk.remove(FILLING)
        disk.fsync_folder()


def _decoded(source: Path | bytes) -> list[Message]:
    name = _name(source)
    try:
        if isinstance(source, Path):
            source = Disk(source.parent).read(source.name)
        messages = MESSAGES.decode(source)
    except FileNotFoundError:
        raise UsageError(f"there is no file {name}") from None
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    except CorruptFile as error:
        raise UsageError(f"{name} is not a list of messages: {error.finding}") from error
    check = MessageCheck()
    for message in messages:
        check.look(message)
    if check.words:
        raise UsageError(f"{name}: {check.words}; mend the file, then import it")
    return messages


def _name(source: Path | bytes) -> str:
    return str(source) if isinstance(source, Path) else "standard input"


@contextmanager
def _storage_errors(operation: str, name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError.from_os(operation, name, error) from error
