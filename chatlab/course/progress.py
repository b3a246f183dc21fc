"""What a learner has achieved: data, how each event changes it, and the file that keeps it.

The file is `.chatlab/progress.json` of the workplace. It is changed under a lock: read, changed,
written to a temporary file and renamed, so that neither a crash nor a second process loses
anything. A file that cannot be understood is moved aside, never overwritten. Where nothing can be
written, the course goes on in memory, and a note says so.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from chatlab.course.catalog import Exercise
from chatlab.course.verdicts import Judged
from chatlab.course.workplace import stamp, unused
from chatlab.data.records import indented_json
from chatlab.disk.counted import Disk

SCHEMA = "chatlab.progress/1"
FILE, LOCK = "progress.json", "progress.lock"
LOCK_TIMEOUT_S = 5.0
PENDING_MAX = 1_000
"""Changes that are kept in memory where nothing can be written."""
RACES_MAX = 100
"""The first comparison is kept for good: it is the "before"."""


class FailedCheck(msgspec.Struct, frozen=True):
    """A check that failed, and the seed with which it did."""

    check: str
    seed: int


class Standing(msgspec.Struct, frozen=True):
    """How far a learner is with one exercise.

    Attributes:
        passed: once is enough, whatever becomes of the file later.
        points: the most that were earned.
        hints: how many were shown.
        gave_up: whether the answer was shown before the exercise passed.
        failure: the latest; None if nothing has failed yet.
        passed_at: ISO 8601, when it first passed; empty if it has not.
        checks: how often it was checked.
    """

    passed: bool = False
    points: float = 0.0
    hints: int = 0
    gave_up: bool = False
    failure: FailedCheck | None = None
    passed_at: str = ""
    checks: int = 0


class ModeRecord(msgspec.Struct, frozen=True):
    """What a comparison found of one mode.

    Attributes:
        median, low, high: messages delivered per second; the last two are the 95% interval, None
            with too few rounds.
        clean: whether the audit found nothing lost, duplicated, reordered or damaged.
    """

    median: float
    low: float | None = None
    high: float | None = None
    clean: bool = True


class ComparisonRecord(msgspec.Struct, frozen=True):
    """A `chatlab compare` with the learner's own code in it.

    Attributes:
        when: ISO 8601.
        scenario: its name.
        history: messages in the data folder before it.
        rounds: of each mode.
        measurement: False for a demonstration, from which nothing can be concluded.
        modes: name as it was typed to what was found, the baseline first.
    """

    when: str
    scenario: str
    history: int
    rounds: int
    measurement: bool
    modes: dict[str, ModeRecord]


class Progress(msgspec.Struct, frozen=True):
    """All that is kept: exercise name to standing, and comparisons, oldest first."""

    schema: str = SCHEMA
    exercises: dict[str, Standing] = {}
    races: list[ComparisonRecord] = []

    def of(self, exercise: str) -> Standing:
        """The standing of one exercise."""
        return self.exercises.get(exercise, Standing())


Change = Callable[[Progress], Progress]


# Changes: pure functions


def checked(progress: Progress, judged: Judged, when: str) -> Progress:
    """After all checks of an exercise have run."""
    before = progress.of(judged.exercise)
    failed = judged.first_failure
    first = judged.passed and not before.passed
    return _with(
        progress,
        judged.exercise,
        passed=before.passed or judged.passed,
        points=max(before.points, judged.points),
        failure=FailedCheck(failed.check, failed.seed or 0) if failed else before.failure,
        passed_at=when if first else before.passed_at,
        checks=before.checks + 1,
    )


def hinted(progress: Progress, exercise: str, shown: int) -> Progress:
    """After the first `shown` hints were shown."""
    return _with(progress, exercise, hints=max(progress.of(exercise).hints, shown))


def gave_up(progress: Progress, exercise: str) -> Progress:
    """After the answer was shown; before the exercise has passed, that counts as giving up."""
    before = progress.of(exercise)
    return _with(progress, exercise, gave_up=before.gave_up or not before.passed)


def compared(progress: Progress, record: ComparisonRecord) -> Progress:
    """After a comparison."""
    records = [*progress.races, record]
    if len(records) > RACES_MAX:
        del records[1]
    return msgspec.structs.replace(progress, races=records)


def current(exercises: Sequence[Exercise], progress: Progress) -> Exercise:
    """The first exercise that has not passed; the last one if all have."""
    left = (one for one in exercises if not progress.of(one.name).passed)
    return next(left, exercises[-1])


def moment() -> str:
    """Now, as it is written into the file: ISO 8601, with the offset from UTC."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _with(progress: Progress, exercise: str, **fields: object) -> Progress:
    standing = msgspec.structs.replace(progress.of(exercise), **fields)
    return msgspec.structs.replace(progress, exercises={**progress.exercises, exercise: standing})


class ProgressFile:
    """The file, as one process sees it.

    Args:
        folder: `.chatlab`; made when there is something to write.

    Attributes:
        notes: sentences for the learner: that nothing is kept, or what was moved aside.
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
            change: gets what others may have written meanwhile.
        """
        self._pending.append(change)
        try:
            with self._locked():
                progress = self._with_pending(self._load())
                Disk(self._folder).replace(FILE, indented_json(progress))
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
        """Under the lock: what is kept; a file that cannot be understood is moved aside."""
        try:
            return _decode(self._path.read_bytes())
        except FileNotFoundError:
            return Progress()
        except ValueError as error:
            aside = unused(self._path.with_name(f"{FILE}.{stamp()}.damaged"))
            self._path.replace(aside)
            self._note(
                f"{self._path} could not be understood ({error}); it is kept as {aside.name}, and "
                "progress starts again. Your work is untouched: `chatlab check NAME` counts "
                "what passes"
            )
            return Progress()

    def _peek(self) -> Progress:
        """What is kept, without a lock and without changing anything."""
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
