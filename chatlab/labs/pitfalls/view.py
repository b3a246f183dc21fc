"""The pitfalls: each mistake beside its cure, as figures, bars and two sentences."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.chat.metrics import BEYOND_MIN
from chatlab.labs import screen
from chatlab.labs.pitfalls.measure import PitfallResult, PitfallsReport
from chatlab.labs.pitfalls.runs import PATIENCE_S, Figure
from chatlab.view import words

BAR_WIDTH = 26


def render(report: PitfallsReport) -> RenderableType:
    """The whole result."""
    if not report.results:
        return screen.nothing()
    heading = "Mistakes, each made on a real server and cured by one flag"
    return Group(
        screen.title(heading, complete=report.complete),
        *(part for one in report.results for part in _one(one)),
    )


def _one(found: PitfallResult) -> Iterator[RenderableType]:
    yield Text(f"\n{found.name}: {found.title}", style="bold")
    wrong, cured = _differing(found.wrong, found.cured)
    yield Text(f"  wrong  {wrong}", style="red")
    yield Text(f"  cured  {cured}", style="green")
    yield _table(found)
    yield _chart(found)
    if any(f.value is None and f.unit != "s" for pair in found.figures for f in pair):
        yield Text(f"{words.DASH} too few samples: a p95 takes {20 * BEYOND_MIN}.", "dim")
    if found.shown:
        yield Text(found.happens)
        yield Text(found.cure)
    else:
        text = (
            f"This run did not show it: {found.proof} is not clearly worse. A busy machine can "
            f"hide it; run it again alone: chatlab pitfalls {found.name}"
        )
        yield Text(text, style="yellow")


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
    for side, figure, style in zip(("wrong", "cured"), pair, ("red", "green"), strict=True):
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


def _differing(wrong: str, cured: str) -> tuple[str, str]:
    """Both commands, with paths cut to the file's name: where it is installed teaches nothing."""
    return _short(wrong), _short(cured)


def _short(options: str) -> str:
    found = []
    for word in options.split(" "):
        head, equals, path = word.rpartition("=")
        found.append(head + equals + path.replace("\\", "/").rpartition("/")[2])
    return " ".join(found)
