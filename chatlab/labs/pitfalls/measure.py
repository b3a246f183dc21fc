"""The pitfalls lab: five famous mistakes, each made on a real server, and cured by one flag.

What the lab does to each server stands in `runs.py`; the words about it, and the lab's
screen, stand here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.chat.metrics import BEYOND_MIN
from chatlab.errors import UsageError
from chatlab.labs import screen
from chatlab.labs.base import Lab, LabReport, Option, Seed
from chatlab.labs.pitfalls import runs
from chatlab.labs.pitfalls.runs import PATIENCE_S, Figure, Side
from chatlab.view import words

CLEAR = 2.0
BAR_WIDTH = 26
EACH_S = 12.0
"""What a mistake and its cure take, about."""

_PARTS = Path(__file__).with_name("parts.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pitfall:
    """A mistake and its cure.

    Attributes:
        title: the mistake in a few words.
        wrong, cured: the two servers, which differ in one flag.
        measure: what the lab does to each.
        proof: the name of the figure that shows the mistake.
        happens, cure: a sentence each.
    """

    title: str
    wrong: Side
    cured: Side
    measure: Callable[[Side, int, Path], Awaitable[list[Figure]]]
    proof: str
    happens: str
    cure: str


PITFALLS: dict[str, Pitfall] = {
    "batch": Pitfall(
        title="a batch that is too large",
        wrong=Side("optimized", ("--flush-interval", "2", "--batch-size", "100000")),
        cured=Side("optimized", ("--flush-interval", "2", "--batch-size", "100")),
        measure=runs.busy_evening,
        proof="delivery p95",
        happens="The batch never fills, so that every message waits in memory for the clock.",
        cure="A batch that fills is saved at once, whatever the interval; little waits in memory.",
    ),
    "interval": Pitfall(
        title="a flush interval that is too long",
        wrong=Side("optimized", ("--flush-interval", "1")),
        cured=Side("optimized", ("--flush-interval", "0.05")),
        measure=runs.quiet_evening,
        proof="delivery p95",
        happens="In a quiet hour no batch fills, so that everybody waits for the interval to end.",
        cure="The interval bounds the wait; a short one costs a few more saves.",
    ),
    "cache": Pitfall(
        title="a cache without an end",
        wrong=Side("optimized", ("--cache-ttl", "86400")),
        cured=Side("optimized", ("--cache-ttl", "0.5")),
        measure=runs.changed_membership,
        proof="until the removed one is refused",
        happens="chatrooms.json was changed by somebody else, and the server never looks again.",
        cure="With a time to live, what the cache believes is never older than that.",
    ),
    "errors": Pitfall(
        title="a failed save that nobody handles",
        wrong=Side(f"optimized+processor={_PARTS}:ForgetfulProcessor", ()),
        cured=Side("optimized+processor=queueing", ()),
        measure=runs.failing_disk,
        proof="acked and lost",
        happens="A batch whose save fails is dropped, though its senders have their acks.",
        cure="A batch leaves the queue only once it is saved; until then it is tried again.",
    ),
    "blocking": Pitfall(
        title="a blocking call in the event loop",
        wrong=Side(f"optimized+writer={_PARTS}:BlockingWriter", ()),
        cured=Side(f"optimized+writer={_PARTS}:OffLoopWriter", ()),
        measure=runs.long_history,
        proof="ack p95",
        happens="While the loop compresses a copy, it reads nobody and answers nobody.",
        cure="The same work in a thread: each save takes as long, but the loop goes on.",
    ),
}
"""The mistakes by name, in the order in which the training tells of them."""


class PitfallResult(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake, made and cured.

    Attributes:
        shown: whether this run showed it: the proof is at least `CLEAR` times as bad as cured.
        wrong, cured: the options of `chatlab serve`.
        figures: side by side.
    """

    name: str
    title: str
    shown: bool
    proof: str
    wrong: str
    cured: str
    figures: list[tuple[Figure, Figure]]
    happens: str
    cure: str


class PitfallsReport(LabReport, frozen=True, kw_only=True):
    """The mistakes that were made and cured."""

    schema: str = "chatlab.pitfalls/1"
    seed: int
    results: list[PitfallResult]


@dataclass(kw_only=True)
class Pitfalls(Lab):
    """Batch too large, flush interval too long, cache without an end, failed save forgotten,
    blocking call in the event loop: before and after, measured. `chatlab pitfalls list` shows
    their names.
    """

    names: Annotated[tuple[str, ...], Option("NAMES", "Which ones, or list.", kind="argument")] = ()
    seed: Seed = 1
    results: list[PitfallResult] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Raises `UsageError` where there is no mistake of a name."""
        super().__post_init__()
        for name in self.names if self.names != ("list",) else ():
            if name not in PITFALLS:
                raise UsageError(f"unknown pitfall {name!r}; there are: {', '.join(PITFALLS)}")
        self.names = self.names or tuple(PITFALLS)

    def instead(self) -> RenderableType | None:
        return pitfall_list() if self.names == ("list",) else None

    def estimate(self) -> tuple[float, str]:
        return EACH_S * len(self.names), f"{len(self.names)} mistakes, each made and cured"

    async def measure(self) -> None:
        for name in self.names:
            pitfall = PITFALLS[name]
            self.say(f"{name}: {pitfall.title}")
            wrong = await pitfall.measure(pitfall.wrong, self.seed, self.folder)
            self.say(f"{name}: cured")
            cured = await pitfall.measure(pitfall.cured, self.seed, self.folder)
            self.results.append(result(name, pitfall, wrong, cured))

    def report(self) -> PitfallsReport:
        return self.fill(PitfallsReport)

    def render(self, report: PitfallsReport) -> RenderableType:
        if not report.results:
            return screen.nothing()
        heading = "Mistakes, each made on a real server and cured by one flag"
        return Group(
            screen.title(heading, complete=report.complete),
            *(part for one in report.results for part in _one(one)),
        )


def pitfall_list() -> RenderableType:
    """Which mistakes there are."""
    table = screen.table("name", "the mistake", left=2)
    for name, pitfall in PITFALLS.items():
        table.add_row(name, pitfall.title)
    return Group(table, Text(), Text(f"Next: chatlab pitfalls {next(iter(PITFALLS))}", words.QUIET))


def result(
    name: str, pitfall: Pitfall, wrong: Sequence[Figure], cured: Sequence[Figure]
) -> PitfallResult:
    """Both sides of a mistake, put together."""
    figures = list(zip(wrong, cured, strict=True))
    proof = next(pair for pair in figures if pair[0].what == pitfall.proof)
    texts = {one: getattr(pitfall, one) for one in ("title", "proof", "happens", "cure")}
    sides = {"wrong": str(pitfall.wrong), "cured": str(pitfall.cured)}
    return PitfallResult(name=name, shown=is_clear(*proof), figures=figures, **texts, **sides)


def is_clear(wrong: Figure, cured: Figure) -> bool:
    """Whether one is clearly worse: never where the other is at some time, or `CLEAR` times it."""
    if wrong.value is None or cured.value is None:
        return wrong.value is None and cured.value is not None and wrong.unit == "s"
    return wrong.value > 0 and wrong.value >= CLEAR * cured.value


# The screen


def _one(found: PitfallResult) -> Iterator[RenderableType]:
    yield Text(f"\n{found.name}: {found.title}", style="bold")
    yield Text(f"  wrong  {_short(found.wrong)}", style=words.BAD)
    yield Text(f"  cured  {_short(found.cured)}", style=words.GOOD)
    yield _table(found)
    yield _chart(found)
    if any(f.value is None and f.unit != "s" for pair in found.figures for f in pair):
        yield Text(f"{words.DASH} too few samples: a p95 takes {20 * BEYOND_MIN}.", words.QUIET)
    if found.shown:
        yield Text(found.happens)
        yield Text(found.cure)
    else:
        text = (
            f"This run did not show it: {found.proof} is not clearly worse. A busy machine can "
            f"hide it; run it again alone: chatlab pitfalls {found.name}"
        )
        yield Text(text, style=words.WARNING)


def _table(found: PitfallResult) -> Table:
    table = screen.table("", "wrong", "cured")
    for wrong, cured in found.figures:
        style = "bold" if wrong.what == found.proof else None
        table.add_row(f"  {wrong.what}", _figure(wrong), _figure(cured), style=style)
    return table


def _chart(found: PitfallResult) -> Table:
    """The figure that proves it, as two bars; "never" fills the whole width."""
    pair = next(pair for pair in found.figures if pair[0].what == found.proof)
    highest = max((f.value for f in pair if f.value is not None), default=0.0)
    grid = Table.grid(padding=(0, 1))
    if any(figure.value is None for figure in pair):
        highest = max(highest, PATIENCE_S)
    for side, figure, style in zip(("wrong", "cured"), pair, (words.BAD, words.GOOD), strict=True):
        bar = screen.bar(highest if figure.value is None else figure.value, highest, BAR_WIDTH)
        grid.add_row(f"  {side}", Text(bar or "·", style), _figure(figure))
    return grid


def _figure(figure: Figure) -> str:
    if figure.value is None:
        return f"not in {PATIENCE_S:g} s" if figure.unit == "s" else words.DASH
    match figure.unit:
        case "ms":
            return words.milliseconds(figure.value)
        case "s":
            return f"{figure.value:.2f} s"
        case "bytes":
            return words.size(figure.value)
        case "count":
            return words.count(round(figure.value))


def _short(options: str) -> str:
    """A command, with paths cut to the file's name: where it is installed teaches nothing."""
    found = []
    for word in options.split(" "):
        head, equals, path = word.rpartition("=")
        found.append(head + equals + path.replace("\\", "/").rpartition("/")[2])
    return " ".join(found)
