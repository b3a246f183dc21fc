"""What all labs share: options as data, the run from estimate to exit code, and the report's head.

A lab is a dataclass. Its fields that carry an `Option` are the options of its command, its class
docstring is the command's help, and its methods say how long it takes, measure, and report. The
command line is built from that in `cli/labs.py`; the lab's screen stands in its `view.py`.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

import msgspec
from rich.console import RenderableType

from chatlab import signals
from chatlab.bench import machine
from chatlab.bench.documents import Documents
from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.processes import GeneratorFailed, ServerFailed
from chatlab.data.records import indented_json
from chatlab.errors import ExitCode, UsageError
from chatlab.labs.screen import Narrator
from chatlab.view.console import TextConsole
from chatlab.view.page.from_rich import sections
from chatlab.view.page.shell import environment, page, repeat
from chatlab.view.words import about

ROUND_S = 1.2
"""Seconds that a round takes to start and stop its processes, roughly."""


class Option(NamedTuple):
    """How a field of a lab stands on the command line.

    Attributes:
        metavar, help: as `--help` shows them.
        low, high: the least and the most that makes sense; of each number, where there are several.
        kind: an option with the field's name, an argument without a name, or an argument that
            names line-ups, which are checked before the lab is made.
    """

    metavar: str
    help: str
    low: float | None = None
    high: float | None = None
    kind: Literal["option", "argument", "modes"] = "option"


Seed = Annotated[int, Option("N", "The same seed gives the same messages.")]
History = Annotated[int, Option("N", "Messages in the data folder before the start.", 0)]
Rounds = Annotated[int, Option("N", "Rounds of each.", 1, 100)]
Messages = Annotated[int, Option("N", "Messages in a round.", 100, 1_000_000)]
SixRounds = Annotated[int, Option("N", "Of each; no interval with less than 6.", 1, 100)]


class LabReport(msgspec.Struct, frozen=True, kw_only=True):
    """What every lab's report begins with.

    Attributes:
        schema: its name and version; the same version never means anything else.
        command: the command line that asked for it.
        environment: the machine and the versions.
        complete: False after Ctrl-C, or if a server or the load generator failed.
    """

    schema: str
    command: str
    environment: dict[str, Any]
    complete: bool

    @property
    def passed(self) -> bool:
        """Whether what was measured is as it should be; if not, the exit code is 1."""
        return True


R = TypeVar("R", bound=LabReport)


@dataclass(kw_only=True)
class Lab:
    """A lab's class docstring is the help of its command: it says what the lab does."""

    runs_parts: ClassVar[bool] = False
    """Whether the parts of a mode run in the lab's own process, and not only in servers."""

    work: Annotated[
        Path | None,
        Option("FOLDER", "Where the data folders are made; else the place for temporary files."),
    ] = None
    complete: bool = field(default=False, init=False)
    narrator: Narrator | None = field(default=None, init=False)
    shown: list[RenderableType] = field(default_factory=list, init=False)
    """The pieces of the result that were shown before the end."""

    def __post_init__(self) -> None:
        """Raises `UsageError` where options make no sense."""
        if self.work is not None and not self.work.is_dir():
            raise UsageError(f"--work {self.work}: this is not a folder")

    @property
    def folder(self) -> Path:
        """Where the data folders are made."""
        return self.work or Path(tempfile.gettempdir())

    def estimate(self) -> tuple[float, str]:
        """About how many seconds it will take, and for what, such as "72 rounds"."""
        raise NotImplementedError

    async def measure(self) -> None:
        """Measure everything, and keep each result, so that `report` works at any time.

        Raises:
            UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
        """
        raise NotImplementedError

    def report(self) -> LabReport:
        """What was measured so far."""
        raise NotImplementedError

    def instead(self) -> RenderableType | None:
        """What is shown in place of measuring, if the options ask for just that."""
        return None

    def render(self, report: Any) -> RenderableType:
        """Its screen: what `render` in the `view.py` beside it makes of a report."""
        view = import_module(type(self).__module__.replace(".measure", ".view"))
        shown: RenderableType = view.render(report)
        return shown

    def to_html(self, report: LabReport) -> str:
        """Its screen as one page, with all that one needs to repeat it."""
        heading, parts = sections([*self.shown, self.render(report)])
        kind = re.sub("[.-]", " ", report.schema.partition("/")[0])
        has = msgspec.to_builtins(report)
        options = {key: has[key] for key in has if isinstance(has[key], int | float | str)}
        rows = {key: value for key, value in options.items() if key not in ("schema", "command")}
        ending = [repeat(report.command), environment(report.environment | rows)]
        return page(kind, heading or f"The result of {kind}", [], [*parts, *ending])

    async def run(self) -> None:
        """Measure; raises what `measure` raises."""
        await self.measure()
        self.complete = True

    def fill(self, kind: type[R], **found: Any) -> R:
        """A report of what was found; its other fields are those of the lab with the same name."""
        own = {name: getattr(self, name) for name in kind.__struct_fields__ if hasattr(self, name)}
        own["command"] = shlex.join(["chatlab", *sys.argv[1:]])
        own["environment"] = machine.describe(self.folder)
        return kind(**own | found)

    def say(self, line: str) -> None:
        """Tell the user what runs now."""
        if self.narrator is not None:
            self.narrator.say(line)

    def show(self, row: RenderableType) -> None:
        """Show a piece of the result before the end."""
        self.shown.append(row)
        if self.narrator is not None:
            self.narrator.show(row)


def carry_out(lab: Lab, documents: Documents | None = None, what: str = "") -> int:
    """Print an estimate, measure, show the result, and write it; returns the exit code.

    Ctrl-C ends a lab early, with its servers stopped; so does a server or load generator that
    fails. What it measured before is still shown and written.

    Args:
        documents: where to write the report.
        what: a sentence about what the lab does.

    Raises:
        UsageError: as `Lab.measure`.
        NotWritten: the report could not be written.
    """
    documents = documents or Documents({})
    console = TextConsole(file=documents.people)
    if (shown := lab.instead()) is not None:
        console.print(shown)
        return ExitCode.OK
    seconds, amount = lab.estimate()
    plan = f"{what} About {about(seconds)}: {amount}.".lstrip()
    errors = TextConsole(stderr=True)
    plan += " Ctrl-C stops early and shows what there is."
    errors.print(plan, soft_wrap=not sys.stderr.isatty())
    with Narrator(console) as lab.narrator:
        try:
            signals.run(lab.run())
        except KeyboardInterrupt:
            print("stopped: the unfinished round does not count", file=sys.stderr)
        except (ServerFailed, GeneratorFailed) as error:
            errors.print(f"stopped: {error}")
    report = lab.report()
    try:
        console.print(lab.render(report))
    finally:  # a screen that is gone costs no document
        documents.write(
            {"--json": lambda: indented_json(report), "--html": lambda: lab.to_html(report)}
        )
    return ExitCode.of(report.passed, complete=report.complete)


def most_at_risk(load: LoadResult) -> int:
    """The most messages that were acked and not yet delivered, at any one moment.

    Delivery follows the save. So these were promised to their senders and only in the server's
    memory: what a crash at that moment would have lost, if an ack means `queued`.
    """
    changes = []
    for acked_s, delivered_s in zip(load.acked_s, load.delivered_s, strict=True):
        if acked_s != NEVER:
            if delivered_s == NEVER:
                changes.append((acked_s, 1))
            elif delivered_s > acked_s:
                changes += [(acked_s, 1), (delivered_s, -1)]
    most = now = 0
    for _, change in sorted(changes):  # at the same moment, what ends comes first
        now += change
        most = max(most, now)
    return most
