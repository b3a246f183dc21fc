"""The capacity lab's result: each probe as it ends, then the answer and its reason."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from chatlab.labs import screen
from chatlab.labs.capacity.measure import CapacityReport
from chatlab.labs.capacity.search import Probe
from chatlab.view import words

BAR_WIDTH = 20
OVER_WIDTH = 5
VERDICTS = {"kept": "green", "failed": "red", "generator": "yellow"}


def heading(mode: str, limit_ms: float, seconds: float) -> Text:
    """What stands above the probes."""
    text = Text(
        f"{mode}: which steady rate keeps delivery p95 within {limit_ms:g} ms and loses nothing? "
        f"Probes of {seconds:g} s\n",
        style="bold",
    )
    ruler = f"{'rate/s':>10}  {'delivery p95':>12}  {'0':<{BAR_WIDTH - 1}}limit"
    return text.append(ruler + "  verdict", style="bold")


def row(probe: Probe, limit_ms: float) -> Text:
    """One probe: a bar that reaches the line at the limit, and goes on beyond it."""
    figure = words.milliseconds(probe.delivery_ms) + (" " if probe.by_p95 else "*")
    line = Text(f"{probe.rate_per_s:>10,g}  {figure:>12}  ")
    line.append(_bar(probe.delivery_ms or 0.0, limit_ms), VERDICTS[probe.verdict])
    return line.append(f"  {probe.verdict}", VERDICTS[probe.verdict])


def render(report: CapacityReport) -> RenderableType:
    """What follows from the probes."""
    if not report.probes:
        return screen.nothing()
    return Group(Text(), *_answer(report), *_remarks(report))


def _bar(value: float, limit: float) -> str:
    inside = screen.bar(min(value, limit), limit, BAR_WIDTH).ljust(BAR_WIDTH)
    if value <= limit:
        return inside + "│" + " " * (OVER_WIDTH - 1)
    # Ten times the limit fills the space beyond it, and more looks the same.
    return inside + screen.bar(value - limit, 9 * limit, OVER_WIDTH).ljust(OVER_WIDTH)


def _answer(report: CapacityReport) -> Iterator[Text]:
    answer, ceiling = report.answer_per_s, report.ceiling_per_s
    if not report.complete:
        kept = [probe.rate_per_s for probe in report.probes if probe.verdict == "kept"]
        best = f"the highest rate kept so far is {max(kept):,g} a second" if kept else "none kept"
        yield Text(f"PARTIAL (stopped early): {best}; it is not sure.", style="bold")
    elif answer is None:
        text = f"There is no rate that {report.mode} kept in {report.successes} probes."
        yield Text(text, style="bold")
    else:
        text = (
            f"{report.mode} takes {answer:,g} messages a second: kept in {report.successes} probes."
        )
        yield Text(text, style="bold")
    if ceiling is not None:
        yield Text(_why(report, ceiling))


def _why(report: CapacityReport, ceiling: float) -> str:
    reasons = "; ".join(report.ceiling_reasons)
    if report.ceiling_verdict == "generator":
        return (
            f"At {ceiling:,g} the load generator was the limit, not the server: {reasons}. "
            "The server may take more than can be shown on this machine now."
        )
    return f"At {ceiling:,g} it failed: {reasons}."


def _remarks(report: CapacityReport) -> Iterator[Text]:
    if any(not probe.by_p95 for probe in report.probes):
        text = "* too few messages for a p95: the slowest of all was held against the limit."
        yield Text(text, style="dim")
    text = (
        "Kept: nothing lost, refused, unanswered or damaged, and p95 within the limit. Above its "
        "limit a server falls behind a little more every second, so that waiting times grow as "
        f"long as the load lasts. An ack of this mode means {report.ack_means}. "
    )
    if report.history:
        text += f"Each probe began with {report.history:,} messages of history. "
    else:
        text += "Each probe began without history; try --history 10000. "
    yield Text(text, style="dim")
