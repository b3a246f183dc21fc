"""The loop of `chatlab learn`: keys, files and checks become events, and effects are carried out.

What an event means stands in `course/learn/step.py`, how a state looks in `view/course/learn.py`,
and how a terminal is held in `learn.py`.

Files are polled rather than watched by the operating system: that works on every drive, network
drives included, and with every editor, however it saves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from chatlab.cli.keys import Pressed
from chatlab.course import learn
from chatlab.course.answers import solution_text
from chatlab.course.catalog import SPEC, Exercise, find
from chatlab.course.judge import judge
from chatlab.course.learn.step import step
from chatlab.course.progress import Progress, ProgressFile, moment
from chatlab.course.workplace import Workplace, restore_starter
from chatlab.disk.text_files import read_text
from chatlab.errors import UsageError
from chatlab.view.course.common import shown_path
from chatlab.view.course.learn import screen

POLL_S = 0.2

Terminal = Callable[[Pressed], AbstractContextManager[Live]]
Signature = tuple[int, int] | None
"""Time of change in nanoseconds, and size in bytes; None if the file cannot be seen."""


class LearnSession:
    """One run of `chatlab learn`, from its start to the key that ends it.

    Args:
        workplace: where the learner works.
        terminal: holds a screen to draw on, and is given what hears the keys.
        at: the exercise to begin with; None for the first that has not passed.
        poll_s: seconds between two polls of the files.
    """

    def __init__(
        self,
        workplace: Workplace,
        terminal: Terminal,
        at: str | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        self.state = learn.LearnState()
        self._workplace = workplace
        self._terminal = terminal
        self._at = at
        self._poll_s = poll_s
        self._kept = ProgressFile(workplace.state)
        # Bounded by what a person can type, and by the checks of one exercise.
        self._events: asyncio.Queue[learn.Event] = asyncio.Queue()
        self._check: asyncio.Task[None] | None = None
        self._watched: tuple[Exercise, Signature, Signature] | None = None
        self._going = True
        self._failure: BaseException | None = None

    async def run(self) -> int:
        """Until the learner leaves; returns the exit code.

        Raises:
            UsageError: there is no exercise of that name.
        """
        self._do_event(self._progress_read(self._kept.read()))
        self._do_event(self._load())
        with self._terminal(self._pressed) as live:
            poll = asyncio.create_task(self._poll(live.console))
            poll.add_done_callback(self._note_failure)
            try:
                while self._going:
                    self._draw(live)
                    await self._next_events()
            finally:
                poll.cancel()
                await asyncio.wait(filter(None, (poll, self._cancel_check())))
        return 0

    def _pressed(self, key: str) -> None:
        self._events.put_nowait(learn.KeyPressed(key))

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
            self._events.put_nowait(learn.NoteShown(""))

    def _do_event(self, event: learn.Event) -> None:
        self.state, effects = step(self.state, event)
        for effect in effects:
            self._do(effect)

    def _do(self, effect: learn.Effect) -> None:
        match effect:
            case learn.BeginCheck():
                self._begin_check()
            case learn.CancelCheck():
                self._cancel_check()
            case learn.KeepProgress(change):
                self._do_event(self._progress_read(self._kept.update(change)))
            case learn.ReadText(page):
                self._do_event(_text_of(self.state.exercise, page))
            case learn.RestoreStarter():
                self._do_event(_restored(self._workplace, self.state.exercise))
            case learn.Quit():
                self._going = False

    def _progress_read(self, progress: Progress) -> learn.Event:
        return learn.ProgressRead(progress, (*self._workplace.notes, *self._kept.notes))

    def _draw(self, live: Live) -> None:
        drawn = screen(self.state, live.console, *live.console.size)
        self._do_event(learn.ScreenDrawn(drawn.scroll_max, drawn.page_lines))
        live.update(drawn.page, refresh=True)

    # Checks

    def _begin_check(self) -> None:
        before = self._cancel_check()
        exercise = self.state.exercise
        self._watched = (exercise, *_signatures(exercise))
        self._check = asyncio.create_task(self._judge(exercise, before))
        self._check.add_done_callback(self._note_failure)

    def _cancel_check(self) -> asyncio.Task[None] | None:
        if self._check is not None:
            self._check.cancel()
        return self._check

    async def _judge(self, exercise: Exercise, before: asyncio.Task[None] | None) -> None:
        """Check an exercise, once the check before this one is gone."""
        mine = asyncio.current_task()

        def heard(event: learn.Event) -> None:
            if self._check is mine:  # what comes of a check that was ended is of no interest
                self._events.put_nowait(event)

        if before is not None:
            await asyncio.wait([before])
        try:
            judged = await judge(exercise, heard=lambda result: heard(learn.ResultHeard(result)))
        except OSError as error:  # no process can be started, for one
            heard(learn.CheckNotRun(f"the check could not be run: {error}. r tries again"))
            return
        heard(learn.CheckEnded(judged, moment()))

    # Files

    async def _poll(self, console: Console) -> None:
        size = console.size
        while True:
            await asyncio.sleep(self._poll_s)
            if self.state.trouble:
                self._load_again()
            elif self._watched is not None:
                self._compare(*self._watched)
            if console.size != size:
                size = console.size
                self._events.put_nowait(learn.NoteShown(self.state.note))  # to be drawn anew

    def _compare(self, exercise: Exercise, work: Signature, spec: Signature) -> None:
        now_work, now_spec = _signatures(exercise)
        if (now_work, now_spec) == (work, spec) or exercise is not self.state.exercise:
            return
        self._watched = (exercise, now_work, now_spec)
        if now_spec != spec:
            self._load_again()
        else:
            self._events.put_nowait(learn.FileSaved())

    def _load(self) -> learn.Event:
        """The course as it is now, or why it cannot be read.

        Raises:
            UsageError: there is no exercise of the name that the learner gave.
        """
        try:
            exercises = self._workplace.exercises
        except UsageError as error:
            return learn.CourseBroken(str(error))
        first = self._at is not None and not self.state.exercises
        at = find(exercises, str(self._at)).name if first else ""
        return learn.CourseLoaded(tuple(exercises), at)

    def _load_again(self) -> None:
        event = self._load()
        if event != learn.CourseBroken(self.state.trouble):
            self._events.put_nowait(event)


def _signatures(exercise: Exercise) -> tuple[Signature, Signature]:
    """Of the learner's file, and of `exercise.toml`: they change when the files do."""
    return _signature(exercise.work), _signature(exercise.folder / SPEC)


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _text_of(exercise: Exercise, page: learn.PageName) -> learn.Event:
    """The text of the page `task` or `why`, or why there is none."""
    try:
        text = solution_text(exercise) if page == "why" else read_text(exercise.text)
    except UsageError as error:
        return learn.NoteShown(str(error))
    return learn.TextRead(page, text)


def _restored(workplace: Workplace, exercise: Exercise) -> learn.Event:
    """Restore the starter; says where the learner's file is now, or why nothing was done."""
    try:
        kept = restore_starter(workplace, exercise)
    except UsageError as error:
        return learn.NoteShown(str(error))
    return learn.StarterRestored(
        "the starter is back" + (f"; your file is {shown_path(kept)}" if kept else "")
    )
