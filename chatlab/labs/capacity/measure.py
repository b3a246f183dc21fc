"""The capacity lab: the highest steady rate at which a mode keeps its promises.

Each probe is a round at one rate. It succeeds if nothing was lost, refused or left unanswered and
delivery was quick enough. A probe in which the load generator itself fell behind says nothing
about the server: it is repeated once, and if it happens again, the generator is the limit.
Read `search.py` for which rate is probed when, `probe.py` for when a probe succeeds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from chatlab.bench import environment
from chatlab.bench.rounds import measure_round
from chatlab.bench.scenario import Scenario
from chatlab.labs.capacity.probe import Probe, Verdict, judged
from chatlab.labs.capacity.search import SUCCESSES, Search
from chatlab.labs.common import Say, silent

SCHEMA = "chatlab.capacity/1"
MESSAGES_MIN = 20
USERS = 10
START_PER_S = 100.0


class CapacityReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    Attributes:
        limit_ms: what delivery p95 may be.
        seconds: of a probe.
        complete: False after Ctrl-C.
        answer_per_s: the highest rate that was kept in `successes` probes; None if none was.
        ceiling_per_s: the lowest rate that was not kept; None if all were.
        ceiling_verdict, ceiling_reasons: of the probe that failed there.
    """

    schema: str = SCHEMA
    command: str
    seed: int
    environment: dict[str, Any]
    mode: str
    ack_means: str
    history: int
    limit_ms: float
    seconds: float
    successes: int = SUCCESSES
    complete: bool
    answer_per_s: float | None
    ceiling_per_s: float | None
    ceiling_verdict: Verdict | None
    ceiling_reasons: list[str]
    probes: list[Probe]


class Capacity:
    """The lab, under way.

    Args:
        mode: its line-up.
        limit_ms: what delivery p95 may be.
        seconds: of a probe.
        start_per_s: the first rate to try.
        history: messages before each probe.
        seed: of the load.
        work_folder: where data folders are made; the system's place for temporary files if None.
        say: hears what is being measured.
        show: is given each probe when it is done.
    """

    def __init__(
        self,
        mode: str,
        *,
        limit_ms: float = 100.0,
        seconds: float = 3.0,
        start_per_s: float = START_PER_S,
        history: int = 0,
        seed: int = 1,
        work_folder: Path | None = None,
        say: Say = silent,
        show: Callable[[Probe], None] = lambda _probe: None,
    ) -> None:
        self.mode = mode
        self.limit_ms = limit_ms
        self.seconds = seconds
        self.history = history
        self.seed = seed
        self.work_folder = work_folder or Path(tempfile.gettempdir())
        self.probes: list[Probe] = []
        self._search = Search(start_per_s)
        self._ended = False
        self._ack_means = "unknown"
        self._say = say
        self._show = show

    async def run(self) -> None:
        """Probe until the answer is sure.

        Raises:
            UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
        """
        while (rate := self._search.next_rate()) is not None:
            probe = await self._probe(rate)
            if probe.verdict == "generator":
                probe = await self._probe(rate)
            self._search.record(rate, success=probe.verdict == "kept")
        self._ended = True

    def report(self, command: str) -> CapacityReport:
        """What was measured so far; `command` is the command line that asked for it."""
        ceiling = self._search.ceiling
        failed = [p for p in self.probes if p.rate_per_s == ceiling and p.verdict != "kept"]
        return CapacityReport(
            command=command,
            seed=self.seed,
            environment=environment.describe(self.work_folder),
            mode=self.mode,
            ack_means=self._ack_means,
            history=self.history,
            limit_ms=self.limit_ms,
            seconds=self.seconds,
            complete=self._ended,
            answer_per_s=self._search.answer,
            ceiling_per_s=ceiling,
            ceiling_verdict=failed[-1].verdict if failed else None,
            ceiling_reasons=failed[-1].reasons if failed else [],
            probes=self.probes,
        )

    async def _probe(self, rate: float) -> Probe:
        number = len(self.probes) + 1
        self._say(f"probe {number}: {self.mode} at {rate:,g} messages a second")
        scenario = Scenario(
            name="capacity",
            words="a steady rate",
            messages=max(MESSAGES_MIN, round(rate * self.seconds)),
            users=USERS,
            rate_per_s=rate,
            history=self.history,
        )
        done = await measure_round(self.mode, scenario, self.seed, work_folder=self.work_folder)
        self._ack_means = done.after.ack_means
        probe = judged(number, rate, done, self.limit_ms)
        self.probes.append(probe)
        self._show(probe)
        return probe
