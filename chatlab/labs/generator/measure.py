"""How fast is the load generator itself? Measured against a server that does next to nothing.

An instrument that is no faster than what it measures, measures itself.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import msgspec

from chatlab.bench.load_process import LoadJob, LoadProcess
from chatlab.bench.load_result import LoadResult
from chatlab.bench.rounds import measure_round
from chatlab.bench.scenario import RUN_ID, Scenario, load, override
from chatlab.bench.server_process import SinkProcess

SCHEMA = "chatlab.generator/1"
USERS, IN_FLIGHT = 10, 32
MESSAGES = 20_000
WANTED_RATIO = 2.0


class GeneratorReport(msgspec.Struct, frozen=True):
    """What the load generator can do.

    Attributes:
        mode: the fastest of the modes that were tried.
        tried_per_s: mode to messages delivered per second, one round each.
        mode_per_s, sink_per_s: one figure a round, alternating: of the fastest mode, and of the
            server that does next to nothing.
        sink_cpu_percent: of one core, that the generator used against the latter.
        ratio: the median of the rounds' ratios.
    """

    schema: str
    mode: str
    tried_per_s: dict[str, float]
    mode_per_s: list[float]
    sink_per_s: list[float]
    sink_cpu_percent: list[float]
    ratio: float

    @property
    def fast_enough(self) -> bool:
        """Whether the generator is at least `WANTED_RATIO` times as fast as any mode."""
        return self.ratio >= WANTED_RATIO


async def measure_generator(
    modes: list[str], rounds: int, tell: Callable[[str], None], messages: int = MESSAGES
) -> GeneratorReport:
    """Measure the generator and the fastest mode in turn: ten users in one room, a closed loop.

    Args:
        modes: those among which the fastest is looked for.
        rounds: of the two.
        tell: hears what is being done.
        messages: in a round of a mode; the server that does next to nothing gets three times as
            many.

    Raises:
        UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
    """
    tried: dict[str, float] = {}
    for mode in modes:
        tell(f"looking for the fastest mode: {mode}")
        tried[mode] = await _mode_per_s(mode, messages)
    fastest = max(tried, key=lambda mode: tried[mode])
    mode_per_s, sinks = [], []
    for number in range(1, rounds + 1):
        tell(f"round {number} of {rounds}: {fastest}, then a server that does next to nothing")
        mode_per_s.append(await _mode_per_s(fastest, messages))
        sinks.append(await _sink(3 * messages))
    sink_per_s = [one.throughput_per_s for one in sinks]
    return GeneratorReport(
        schema=SCHEMA,
        mode=fastest,
        tried_per_s=tried,
        mode_per_s=mode_per_s,
        sink_per_s=sink_per_s,
        sink_cpu_percent=[one.sender_cpu_percent for one in sinks],
        ratio=median(ours / theirs for ours, theirs in zip(sink_per_s, mode_per_s, strict=True)),
    )


def _closed_loop(messages: int) -> Scenario:
    return override(load("midnight"), messages=messages, users=USERS, in_flight=IN_FLIGHT)


async def _mode_per_s(mode: str, messages: int) -> float:
    one = await measure_round(mode, _closed_loop(messages), seed=1)
    return one.load.throughput_per_s


async def _sink(messages: int) -> LoadResult:
    async with LoadProcess() as worker, SinkProcess() as sink:
        return await worker.run(LoadJob(sink.url, _closed_loop(messages), 1, RUN_ID))
