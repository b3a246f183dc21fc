"""The capacity lab: the highest steady rate at which a mode keeps its promises.

Each probe is a round at one rate. It succeeds if nothing was lost, refused or left unanswered and
delivery was quick enough. A probe in which the load generator itself fell behind says nothing
about the server: it is repeated once, and if it happens again, the generator is the limit.
Read `search.py` for when a probe succeeds and which rate is probed next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from chatlab.bench.rounds import measure_round
from chatlab.bench.scenario import Scenario
from chatlab.labs.base import ROUND_S, Lab, LabReport, Option, Seed
from chatlab.labs.capacity.search import SUCCESSES, Probe, Search, Verdict, judged

MESSAGES_MIN = 20
USERS = 10
PROBES_EXPECTED = 12


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
    history: Annotated[int, Option("N", "Messages in the data folder before the start.", 0)] = 0
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
        from chatlab.labs.capacity.view import heading  # it needs the report above

        self.show(heading(self.mode, self.p95_ms, self.seconds))
        while (rate := self._search.next_rate()) is not None:
            probe = await self._probe(rate)
            if probe.verdict == "generator":
                probe = await self._probe(rate)
            self._search.record(rate, success=probe.verdict == "kept")

    def report(self) -> CapacityReport:
        ceiling = self._search.ceiling
        failed = [p for p in self.probes if p.rate_per_s == ceiling and p.verdict != "kept"]
        return CapacityReport(
            **self.head(),
            seed=self.seed,
            mode=self.mode,
            ack_means=self.ack_means,
            history=self.history,
            limit_ms=self.p95_ms,
            seconds=self.seconds,
            answer_per_s=self._search.answer,
            ceiling_per_s=ceiling,
            ceiling_verdict=failed[-1].verdict if failed else None,
            ceiling_reasons=failed[-1].reasons if failed else [],
            probes=self.probes,
        )

    async def _probe(self, rate: float) -> Probe:
        from chatlab.labs.capacity.view import row  # it needs the report above

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
