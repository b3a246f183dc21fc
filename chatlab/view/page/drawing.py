"""A chart as HTML that no script has to draw: SVG for the shapes, text for the words.

The shapes are stretched to the width of the page, the words are not: so a chart can be read on a
phone as on a screen, and on paper. Each way to scale the axes is drawn; one of them is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import product

from chatlab.view.page.plot import Axis, Bar, Bars, Dot, Plot, PlotLine

WIDTH, HEIGHT = 1000, 400
"""Of the shapes' own coordinates: whole numbers are fine enough, and short."""
SCALES = {False: "linear", True: "log"}


def drawn(chart: Plot | Bars, alternative: str) -> str:
    """The chart with its switches, for those who see it; for others the alternative, escaped."""
    views, axes = (
        (_plot(chart), {"x": (chart.x, "time"), "y": (chart.y, "value")})
        if isinstance(chart, Plot)
        else (_bars(chart), {"x": (chart.axis, "value")})
    )
    picture = f'<div class="plot" role="img" aria-label="{alternative}">{"".join(views)}</div>'
    return f'<div class="drawn">{picture}{_switches(axes)}</div>'


def _plot(plot: Plot) -> Iterator[str]:
    start = (plot.x.starts_log, plot.y.starts_log)
    if plot.legend:
        items = (f"<li>{swatch(colour)}{escape(name)}</li>" for name, colour in plot.legend.items())
        yield f'<ul class="legend">{"".join(items)}</ul>'
    for x, y in product(plot.x.scales, plot.y.scales):
        yield from _view("".join(_canvas(plot, x, y)), (plot.y, y), (plot.x, x), (x, y) == start)


def _view(
    content: str, above: tuple[Axis, bool] | None, below: tuple[Axis, bool], shown: bool
) -> Iterator[str]:
    """One way to scale the axes; each axis says how."""
    scales = f'data-x="{SCALES[below[1]]}" data-y="{SCALES[bool(above and above[1])]}"'
    yield f'<div class="view" {scales}{"" if shown else " hidden"}>'
    if above:
        yield f'<p class="axis-title">{_title(*above)}</p>'
    yield f'{content}<p class="axis-title below">{_title(*below)}</p></div>'


def _title(axis: Axis, log: bool) -> str:
    return escape(axis.title) + ", logarithmic" * log


def _canvas(plot: Plot, x: bool, y: bool) -> Iterator[str]:
    kind = "canvas" if plot.x.title else "canvas named"
    yield f'<div class="{kind}" style="--gutter:{_gutter(plot.y)}ch">'
    for value, text in plot.y.ticks(y):
        yield f'<span class="y" style="bottom:{_percent(plot.y, value, y)}">{text}</span>'
    yield f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
    grid = [f"M0 {_down(plot.y.share(value, y))}h{WIDTH}" for value, _ in plot.y.ticks(y)]
    if plot.x.title:
        grid += [f"M{_across(plot.x.share(value, x))} 0v{HEIGHT}" for value, _ in plot.x.ticks(x)]
    yield f'<path class="grid" d="{"".join(grid)}"/>'
    yield from (_line(line, plot, x, y) for line in plot.lines)
    yield "</svg>"
    yield from (_dot(dot, plot, x, y) for dot in plot.dots)
    for value, text in plot.x.ticks(x):
        room = "" if plot.x.title else f";width:{100 / len(plot.x.fixed):.4g}%;white-space:normal"
        at = f"left:{_percent(plot.x, value, x)}{room}"
        yield f'<span class="x" style="{at}">{escape(text)}</span>'
    yield "</div>"


def _line(line: PlotLine, plot: Plot, x: bool, y: bool) -> str:
    points = _thinned(
        [(_across(plot.x.share(a, x)), _down(plot.y.share(b, y))) for a, b in line.points]
    )
    path = "M" + "L".join(f"{a} {b}" for a, b in points) if points else ""
    kind = "faint" if line.faint else "dotted" if line.dotted else "plain"
    return (
        f'<path class="{kind}" stroke="{line.colour}" d="{path}">'
        f"<title>{escape(line.said)}</title></path>"
    )


def _dot(dot: Dot, plot: Plot, x: bool, y: bool) -> str:
    across, down = _percent(plot.x, dot.at[0], x), _percent(plot.y, dot.at[1], y)
    kind = "dot" + " diamond" * dot.diamond + " hollow" * dot.hollow
    place = f"left:{across};bottom:{down};--colour:{dot.colour}"
    return f'<span class="{kind}" style="{place}" title="{escape(dot.said)}"></span>'


def _bars(chart: Bars) -> Iterator[str]:
    """Each bar with its name before it and its figure after it, so that no axis needs reading."""
    axis = chart.axis
    for log in axis.scales:
        bars = "".join(_bar(bar, axis, log) for bar in chart.bars)
        yield from _view(bars, None, (axis, log), log == axis.starts_log)


def _bar(bar: Bar, axis: Axis, log: bool) -> str:
    """On a logarithmic axis the bar is a thin line to a dot: its length is no proportion."""

    def at(value: float) -> float:
        return round(100 * axis.share(value, log), 2) if value > 0 else 0.0

    dots = "".join(f'<span class="one" style="left:{at(value)}%"></span>' for value in bar.dots)
    end = max(at(value) for value in (bar.value, *bar.dots))
    return (
        f'<div class="bar{" log" * log}" style="--colour:{bar.colour}" title="{escape(bar.said)}">'
        f'<span class="name">{escape(bar.name)}</span><span class="track">'
        f'<span class="fill" style="width:{at(bar.value)}%"></span>{dots}'
        f'<span class="figure" style="left:{end}%">{escape(bar.written)}</span></span></div>'
    )


def _switches(axes: dict[str, tuple[Axis, str]]) -> str:
    buttons = "".join(
        f'<button type="button" aria-pressed="{str(axis.starts_log).lower()}" data-axis="{key}">'
        f"logarithmic {name} axis</button>"
        for key, (axis, name) in axes.items()
        if axis.log_low is not None
    )
    return f'<div class="switches" hidden>{buttons}</div>' if buttons else ""


def swatch(colour: str) -> str:
    """A dot in the colour of a mode."""
    return f'<span class="swatch" style="background:{colour}" aria-hidden="true"></span>'


def _gutter(axis: Axis) -> int:
    """Room for the widest figure at the left, in digits."""
    return max((len(text) for log in axis.scales for _, text in axis.ticks(log)), default=1)


def _thinned(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The points without those that lie on a level or upright line between their neighbours."""
    kept: list[tuple[int, int]] = []
    for point in points:
        if len(kept) > 1 and _between(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return kept


def _between(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    return any(a[n] == b[n] == c[n] and a[m] <= b[m] <= c[m] for n, m in ((0, 1), (1, 0))) or (
        a[0] == b[0] == c[0] and a[1] >= b[1] >= c[1]
    )


def _percent(axis: Axis, value: float, log: bool) -> str:
    return f"{100 * axis.share(value, log):.4g}%"


def _across(share: float) -> int:
    return round(WIDTH * share)


def _down(share: float) -> int:
    return round(HEIGHT * (1 - share))
