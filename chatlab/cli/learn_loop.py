"""The loop of `chatlab learn`: keys, files and checks become events; their effects are done here.

Owns the terminal while it runs, and leaves it as it was. What an event means stands in
`course/learning/step.py`, how it looks in `view/course/learn.py`.

Files are looked at again and again rather than watched by the system: that works on every drive,
network drives too, and with every editor, however it saves.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prompt_toolkit.input import Input, create_input
from rich.console import Console
from rich.live import Live

from chatlab.chat.errors import UsageError
from chatlab.course import fresh
from chatlab.course.catalog import SPEC, WHY, WORK, Exercise, find
from chatlab.course.checking import judge
from chatlab.course.learning.events import (
    Cancel,
    Check,
    CourseBroken,
    Drawn,
    Effect,
    Ended,
    Event,
    Heard,
    Keep,
    Kept,
    Key,
    Loaded,
    PutBack,
    Quit,
    ReadText,
    Said,
    Saved,
    TextRead,
    WasReset,
)
from chatlab.course.learning.state import LearnState, Page
from chatlab.course.learning.step import step
from chatlab.course.progress import ProgressFile, moment
from chatlab.course.workplace import Workplace
from chatlab.view.course.common import shown_path
from chatlab.view.course.learn import screen

POLL_S = 0.2
ESCAPE_S = 0.1
"""Until a lone Escape is taken for one, and not for the beginning of an arrow key."""

Signature = tuple[int, int] | None
"""Time of change in nanoseconds, and size in bytes; None if the file cannot be seen."""


class Watch:
    """One sitting.

    Args:
        workplace: where.
        at: the exercise to begin with; None for the first that has not passed.
        keys: by default the terminal's.
        console: by default the terminal.
        poll_s: seconds between two looks at the files.
    """

    def __init__(
        self,
        workplace: Workplace,
        at: str | None = None,
        *,
        keys: Input | None = None,
        console: Console | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        self.state = LearnState()
        self._workplace = workplace
        self._at = at
        self._keys = keys
        self._console = console or Console(highlight=False)
        self._poll_s = poll_s
        self._kept = ProgressFile(workplace.state)
        # Bounded by what a person can type, and by the checks of one exercise.
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._check: asyncio.Task[None] | None = None
        self._watched: tuple[Exercise, Signature, Signature] | None = None
        self._going = True
        self._failure: BaseException | None = None

    async def run(self) -> int:
        """Until the learner leaves; returns the exit code.

        Raises:
            UsageError: there is no exercise of that name.
        """
        self._do_event(Kept(self._kept.read(), tuple(self._kept.notes)))
        self._load()
        poll = asyncio.create_task(self._poll())
        poll.add_done_callback(self._note_failure)
        try:
            with self._screen() as live, self._typed(), self._told_to_stop():
                while self._going:
                    self._draw(live)
                    await self._next_events()
        finally:
            poll.cancel()
            await asyncio.wait([poll])
            await self._stop_checking()
        return 0

    async def _next_events(self) -> None:
        """Wait for something to happen, and do all that has happened by then."""
        self._do_event(await self._events.get())
        while self._going and not self._events.empty():
            self._do_event(self._events.get_nowait())
        if self._failure is not None:
            raise self._failure

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        """A task that fails must be heard of: the screen would show an old state for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self._events.put_nowait(Said(""))

    def _do_event(self, event: Event) -> None:
        self.state, effects = step(self.state, event)
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Check():
                self._begin_check()
            case Cancel():
                self._cancel_check()
            case Keep(change):
                progress = self._kept.update(change)
                self._do_event(Kept(progress, tuple(self._kept.notes)))
            case ReadText(page):
                self._do_event(self._text(page))
            case PutBack():
                self._do_event(self._put_back())
            case Quit():
                self._going = False

    def _draw(self, live: Live) -> None:
        width, height = self._console.size
        drawn = screen(self.state, self._console, width, height)
        self._do_event(Drawn(drawn.scroll_max, drawn.page_lines))
        live.update(drawn.page, refresh=True)

    # Checks

    def _begin_check(self) -> None:
        before = self._cancel_check()
        exercise = self.state.exercise
        self._watched = self._look(exercise)
        self._check = asyncio.create_task(self._judge(exercise, before))
        self._check.add_done_callback(self._note_failure)

    def _cancel_check(self) -> asyncio.Task[None] | None:
        if self._check is not None:
            self._check.cancel()
        return self._check

    async def _stop_checking(self) -> None:
        if (check := self._cancel_check()) is not None:
            await asyncio.wait([check])

    async def _judge(self, exercise: Exercise, before: asyncio.Task[None] | None) -> None:
        """Check an exercise, once the check before this one is gone."""
        mine = asyncio.current_task()

        def heard(event: Event) -> None:
            if self._check is mine:  # what comes of a check that was ended is of no interest
                self._events.put_nowait(event)

        if before is not None:
            await asyncio.wait([before])
        try:
            judged = await judge(exercise, heard=lambda result: heard(Heard(result)))
        except OSError as error:  # no process can be started, for one
            heard(Said(f"the check could not be run: {error}. r tries again"))
            return
        heard(Ended(judged, moment()))

    # Files

    async def _poll(self) -> None:
        size = self._console.size
        while True:
            await asyncio.sleep(self._poll_s)
            if self.state.trouble:
                self._load_again()
            elif self._watched is not None:
                self._compare(*self._watched)
            if self._console.size != size:
                size = self._console.size
                self._events.put_nowait(Said(self.state.note))  # to be drawn anew

    def _compare(self, exercise: Exercise, work: Signature, spec: Signature) -> None:
        now = self._look(exercise)
        if now == (exercise, work, spec) or exercise is not self.state.exercise:
            return
        self._watched = now
        if now[2] != spec:
            self._load_again()
        else:
            self._events.put_nowait(Saved())

    def _look(self, exercise: Exercise) -> tuple[Exercise, Signature, Signature]:
        return exercise, signature(exercise.work), signature(exercise.folder / SPEC)

    def _load(self) -> None:
        """Read the course for the first time.

        Raises:
            UsageError: there is no exercise of the name that the learner gave.
        """
        try:
            exercises = self._workplace.exercises
        except UsageError as error:
            self._do_event(CourseBroken(str(error)))
        else:
            self._do_event(self._loaded(exercises))

    def _load_again(self) -> None:
        try:
            self._events.put_nowait(self._loaded(self._workplace.exercises))
        except UsageError as error:
            if str(error) != self.state.trouble:
                self._events.put_nowait(CourseBroken(str(error)))

    def _loaded(self, exercises: list[Exercise]) -> Loaded:
        first = self._at is not None and not self.state.exercises
        return Loaded(tuple(exercises), find(exercises, str(self._at)).name if first else "")

    def _text(self, page: Page) -> Event:
        exercise = self.state.exercise
        try:
            if page == "task":
                return TextRead(page, exercise.text.read_text(encoding="utf-8"))
            why = (exercise.answers / WHY).read_text(encoding="utf-8")
            code = (exercise.answers / WORK).read_text(encoding="utf-8")
        except OSError as error:
            return Said(f"cannot read {shown_path(Path(error.filename))}: {error.strerror}")
        except UnicodeDecodeError as error:
            return Said(f"cannot read it as UTF-8: {error.reason}")
        return TextRead(page, f"{why}\n\n# The solution\n\n```python\n{code}```\n")

    def _put_back(self) -> Event:
        try:
            kept = fresh.reset(self._workplace, self.state.exercise)
        except UsageError as error:
            return Said(str(error))
        where = f"; yours is {shown_path(kept)}" if kept else ""
        return WasReset(f"the starter is back{where}")

    # The terminal

    @contextlib.contextmanager
    def _screen(self) -> Iterator[Live]:
        live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with live:
            yield live

    @contextlib.contextmanager
    def _typed(self) -> Iterator[None]:
        """Keys become events; Ctrl-C is one of them."""
        keys = self._keys or create_input()
        flush: asyncio.TimerHandle | None = None

        def read(presses: Callable[[], Sequence[object]]) -> None:
            for press in presses():
                self._events.put_nowait(Key(_name(press)))

        def ready() -> None:
            nonlocal flush
            read(keys.read_keys)
            if flush is not None:
                flush.cancel()
            flush = asyncio.get_running_loop().call_later(
                ESCAPE_S,
                read,
                keys.flush_keys,
            )
            if keys.closed:
                self._events.put_nowait(Key("c-d"))

        try:
            with keys.raw_mode(), keys.attach(ready):
                yield
        finally:
            if flush is not None:
                flush.cancel()

    @contextlib.contextmanager
    def _told_to_stop(self) -> Iterator[None]:
        """A polite end from outside leaves the terminal clean, too."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows has no such thing
            loop.add_signal_handler(signal.SIGTERM, self._events.put_nowait, Key("c-c"))
        try:
            yield
        finally:
            with contextlib.suppress(NotImplementedError, RuntimeError):
                loop.remove_signal_handler(signal.SIGTERM)


def signature(path: Path) -> Signature:
    """Changes when the file does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _name(press: object) -> str:
    """`t`, ` `, `down`, `c-c`."""
    key = getattr(press, "key", "")
    return str(getattr(key, "value", key))
