"""The capacity lab: the highest steady rate at which a mode keeps its promises.

Each probe is a round at one rate. It succeeds if nothing was lost, refused or left unanswered and
delivery was quick enough. A probe in which the load generator itself fell behind says nothing
about the server: it is repeated once, and if it happens again, the generator is the limit.
Read `search.py` for when a probe succeeds and which rate is probed next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from rich.console import Group, RenderableType
from rich.text import Text

from chatlab.bench.rounds import measure_round
from chatlab.bench.scenario import Scenario
from chatlab.labs import screen
from chatlab.labs.base import ROUND_S, History, Lab, LabReport, Option, Seed
from chatlab.labs.capacity.search import SUCCESSES, Probe, Search, Verdict, judged
from chatlab.view import words

MESSAGES_MIN = 20
USERS = 10
PROBES_EXPECTED = 12
BAR_WIDTH = 20
OVER_WIDTH = 5
VERDICTS = {"kept": words.GOOD, "failed": words.BAD, "generator": words.WARNING}


class CapacityReport(LabReport, frozen=True, kw_only=True):
    """All probes, and what follows from them.

    Attributes:
        limit_ms: what delivery p95 may be.
        seconds: of a probe.
        answer_per_s: the highest rate that was kept in `successes` probes; None if none was.
        ceiling_per_s: the lowest rate that was not kept; None if all were.
        ceiling_verdict, ceiling_reasons: of the probe that failed there.
    """

    schema: str = "chatlab.capacity/1"
    seed: int
    mode: str
    ack_means: str
    history: int
    limit_ms: float
    seconds: float
    successes: int = SUCCESSES
    answer_per_s: float | None
    ceiling_per_s: float | None
    ceiling_verdict: Verdict | None
    ceiling_reasons: list[str]
    probes: list[Probe]


@dataclass(kw_only=True)
class Capacity(Lab):
    """Doubles the rate until delivery is too slow or something is lost, closes in on the edge, and
    confirms the answer. Prints every probe.
    """

    mode: Annotated[str, Option("MODE", "A line-up.", kind="modes")] = "optimized"
    p95_ms: Annotated[float, Option("MS", "What delivery p95 may be.", 1)] = 100.0
    seconds: Annotated[float, Option("N", "How long a probe sends.", 0.5, 600)] = 3.0
    start: Annotated[float, Option("N", "Messages per second of the first probe.", 1, 100_000)] = (
        100.0
    )
    history: History = 0
    seed: Seed = 1
    probes: list[Probe] = field(default_factory=list, init=False)
    ack_means: str = field(default="unknown", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._search = Search(self.start)

    def estimate(self) -> tuple[float, str]:
        each_s = ROUND_S + self.seconds
        return PROBES_EXPECTED * each_s, f"some {PROBES_EXPECTED} probes of {self.seconds:g} s"

    async def measure(self) -> None:
        self.show(heading(self.mode, self.p95_ms, self.seconds))
        while (rate := self._search.next_rate()) is not None:
            probe = await self._probe(rate)
            if probe.verdict == "generator":
                probe = await self._probe(rate)
            self._search.record(rate, success=probe.verdict == "kept")

    def report(self) -> CapacityReport:
        ceiling = self._search.ceiling
        failed = [p for p in self.probes if p.rate_per_s == ceiling and p.verdict != "kept"]
        return self.fill(
            CapacityReport,
            limit_ms=self.p95_ms,
            answer_per_s=self._search.answer,
            ceiling_per_s=ceiling,
            ceiling_verdict=failed[-1].verdict if failed else None,
            ceiling_reasons=failed[-1].reasons if failed else [],
        )

    def render(self, report: CapacityReport) -> RenderableType:
        if not report.probes:
            return screen.nothing()
        return Group(Text(), *_answer(report), *_remarks(report))

    async def _probe(self, rate: float) -> Probe:
        number = len(self.probes) + 1
        self.say(f"probe {number}: {self.mode} at {rate:,g} messages a second")
        scenario = Scenario(
            name="capacity",
            words="a steady rate",
            messages=max(MESSAGES_MIN, round(rate * self.seconds)),
            users=USERS,
            rate_per_s=rate,
            history=self.history,
        )
        done = await measure_round(self.mode, scenario, self.seed, work_folder=self.folder)
        self.ack_means = done.after.ack_means
        probe = judged(number, rate, done, self.p95_ms)
        self.probes.append(probe)
        self.show(row(probe, self.p95_ms))
        return probe


def heading(mode: str, limit_ms: float, seconds: float) -> Group:
    """What stands above the probes."""
    text = (
        f"{mode}: which steady rate keeps delivery p95 within {limit_ms:g} ms and loses nothing? "
        f"Probes of {seconds:g} s"
    )
    ruler = f"{'rate/s':>10}  {'delivery p95':>12}  {'0':<{BAR_WIDTH - 1}}limit"
    return Group(Text(text, style="bold"), Text(ruler + "  verdict", style="bold"))


def row(probe: Probe, limit_ms: float) -> Text:
    """One probe: a bar that reaches the line at the limit, and goes on beyond it."""
    figure = words.milliseconds(probe.delivery_ms) + (" " if probe.by_p95 else "*")
    line = Text(f"{probe.rate_per_s:>10,g}  {figure:>12}  ")
    line.append(_bar(probe.delivery_ms or 0.0, limit_ms), VERDICTS[probe.verdict])
    return line.append(f"  {probe.verdict}", VERDICTS[probe.verdict])


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
        yield Text(text, style=words.QUIET)
    text = (
        "Kept: nothing lost, refused, unanswered or damaged, and p95 within the limit. Above its "
        "limit a server falls behind a little more every second, so that waiting times grow as "
        f"long as the load lasts. An ack of this mode means {report.ack_means}. "
    )
    if report.history:
        text += f"Each probe began with {report.history:,} messages of history. "
    else:
        text += "Each probe began without history; try --history 10000. "
    yield Text(text, style=words.QUIET)
