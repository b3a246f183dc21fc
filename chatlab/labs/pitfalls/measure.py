"""The pitfalls lab: five famous mistakes, each made on a real server, and cured by one flag.

What is done to each server stands in `pitfall_runs.py`; the words about it here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from chatlab.bench import environment
from chatlab.errors import UsageError
from chatlab.labs.common import Say, silent
from chatlab.labs.pitfalls import runs
from chatlab.labs.pitfalls.runs import Figure, Side

SCHEMA = "chatlab.pitfalls/1"
CLEAR = 2.0

_PARTS = Path(runs.__file__).with_name("parts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pitfall:
    """A mistake and its cure.

    Attributes:
        title: the mistake in a few words.
        wrong, cured: the two servers, which differ in one flag.
        measure: what is done to each.
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
        wrong=Side(f"optimized+processor={_PARTS / 'forgetful.py'}:ForgetfulProcessor", ()),
        cured=Side("optimized+processor=queueing", ()),
        measure=runs.failing_disk,
        proof="acked and lost",
        happens="A batch whose save fails is dropped, though its senders have their acks.",
        cure="A batch leaves the queue only once it is saved; until then it is tried again.",
    ),
    "blocking": Pitfall(
        title="a blocking call in the event loop",
        wrong=Side(f"optimized+writer={_PARTS / 'blocking.py'}:CompressingWriter", ()),
        cured=Side(f"optimized+writer={_PARTS / 'off_loop.py'}:CompressingWriter", ()),
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


class PitfallsReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; `complete` is False after Ctrl-C."""

    schema: str = SCHEMA
    command: str
    seed: int
    environment: dict[str, Any]
    complete: bool
    results: list[PitfallResult]


class Pitfalls:
    """The lab, under way.

    Args:
        names: which mistakes; all if empty.
        seed: of the loads.
        work_folder: where data folders are made; the system's place for temporary files if None.
        say: hears what is being measured.

    Raises:
        UsageError: there is no mistake of that name.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        *,
        seed: int = 1,
        work_folder: Path | None = None,
        say: Say = silent,
    ) -> None:
        for name in names:
            if name not in PITFALLS:
                raise UsageError(f"unknown pitfall {name!r}; there are: {', '.join(PITFALLS)}")
        self.names = list(dict.fromkeys(names)) or list(PITFALLS)
        self.seed = seed
        self.work_folder = work_folder or Path(tempfile.gettempdir())
        self.results: list[PitfallResult] = []
        self._say = say

    async def run(self) -> None:
        """Make each mistake, and cure it.

        Raises:
            UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
        """
        for name in self.names:
            pitfall = PITFALLS[name]
            self._say(f"{name}: {pitfall.title}")
            wrong = await pitfall.measure(pitfall.wrong, self.seed, self.work_folder)
            self._say(f"{name}: cured")
            cured = await pitfall.measure(pitfall.cured, self.seed, self.work_folder)
            self.results.append(result(name, pitfall, wrong, cured))

    def report(self, command: str) -> PitfallsReport:
        """What was measured so far; `command` is the command line that asked for it."""
        return PitfallsReport(
            command=command,
            seed=self.seed,
            environment=environment.describe(self.work_folder),
            complete=len(self.results) == len(self.names),
            results=self.results,
        )


def result(
    name: str, pitfall: Pitfall, wrong: Sequence[Figure], cured: Sequence[Figure]
) -> PitfallResult:
    """Both sides of a mistake, put together."""
    figures = list(zip(wrong, cured, strict=True))
    proof = next(pair for pair in figures if pair[0].what == pitfall.proof)
    return PitfallResult(
        name=name,
        title=pitfall.title,
        shown=is_clear(*proof),
        proof=pitfall.proof,
        wrong=str(pitfall.wrong),
        cured=str(pitfall.cured),
        figures=figures,
        happens=pitfall.happens,
        cure=pitfall.cure,
    )


def is_clear(wrong: Figure, cured: Figure) -> bool:
    """Whether one is clearly worse: never where the other is at some time, or `CLEAR` times it."""
    if wrong.value is None or cured.value is None:
        return wrong.value is None and cured.value is not None and wrong.unit == "s"
    return wrong.value > 0 and wrong.value >= CLEAR * cured.value
