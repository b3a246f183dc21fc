"""What a learner has reached, kept in `.chatlab/progress.json` of the workplace.

Owns how that file is changed: under a lock, read, changed, written beside and renamed, so that
neither a crash nor a second process loses anything. A file that cannot be understood is set aside,
never overwritten. Where nothing can be written, everything goes on in memory, and a note says so.
Read `reached.py` for what is in it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from chatlab.course.reached import SCHEMA, Change, Progress, Race, raced
from chatlab.course.safe_files import stamp, unused, write_atomically
from chatlab.course.workplace import Workplace

FILE, LOCK = "progress.json", "progress.lock"
LOCK_TIMEOUT_S = 5.0
PENDING_MAX = 1_000
"""Changes that are kept in memory where nothing can be written."""


def add_race(workplace: Workplace, race: Race) -> list[str]:
    """Keep the result of a comparison; returns what the learner should be told, if anything."""
    kept = ProgressFile(workplace.state)
    kept.update(lambda progress: raced(progress, race))
    return kept.notes


def moment() -> str:
    """Now, as it is written into the file: ISO 8601, with the offset from UTC."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


class ProgressFile:
    """The file, as one process sees it.

    Args:
        folder: `.chatlab`; made when there is something to write.

    Attributes:
        notes: sentences for the learner: that nothing is kept, or what was set aside.
    """

    def __init__(self, folder: Path) -> None:
        self.notes: list[str] = []
        self._folder = folder
        self._path = folder / FILE
        self._pending: deque[Change] = deque(maxlen=PENDING_MAX)  # while nothing can be written

    def read(self) -> Progress:
        """What is kept."""
        if not self._path.exists():
            return self._with_pending(Progress())
        try:
            with self._locked():
                return self._with_pending(self._load())
        except OSError:  # in a read-only folder there is nobody to wait for
            return self._with_pending(self._peek())

    def update(self, change: Change) -> Progress:
        """Change what is kept; returns it as it is now.

        Args:
            change: is given what others may have written meanwhile.
        """
        self._pending.append(change)
        try:
            with self._locked():
                progress = self._with_pending(self._load())
                self._write(progress)
        except OSError as error:
            where = error.filename or self._path
            self._note(f"progress is not kept: cannot write {where}: {_reason(error)}")
            return self._with_pending(self._peek())
        self._pending.clear()
        return progress

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Raises `OSError` where there can be no lock; filelock's Timeout is one, too."""
        from filelock import FileLock

        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / LOCK, timeout=LOCK_TIMEOUT_S):
            yield

    def _load(self) -> Progress:
        """Under the lock: what is kept, after setting aside what cannot be understood."""
        try:
            return _decode(self._path.read_bytes())
        except FileNotFoundError:
            return Progress()
        except ValueError as error:
            aside = unused(self._path.with_name(f"{FILE}.{stamp()}.damaged"))
            self._path.replace(aside)
            self._note(
                f"{self._path} could not be understood ({error}); it is kept as {aside.name}, and "
                "progress begins anew. Your work is not touched: `chatlab check NAME` counts "
                "what passes"
            )
            return Progress()

    def _peek(self) -> Progress:
        """What is kept, without a lock and without touching anything."""
        try:
            return _decode(self._path.read_bytes())
        except (OSError, ValueError) as error:
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
                self._note(f"cannot read {self._path}: {_reason(error)}")
            return Progress()

    def _with_pending(self, progress: Progress) -> Progress:
        for change in self._pending:
            progress = change(progress)
        return progress

    def _write(self, progress: Progress) -> None:
        data = msgspec.json.format(msgspec.json.encode(progress), indent=2) + b"\n"
        write_atomically(self._path, data)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _decode(data: bytes) -> Progress:
    progress = msgspec.json.decode(data, type=Progress)
    if progress.schema != SCHEMA:
        raise ValueError(f"it says {progress.schema[:40]!r} and not {SCHEMA!r}")
    return progress


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
