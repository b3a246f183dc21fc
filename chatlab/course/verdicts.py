"""What comes out of a check, as it travels from the process that ran it, and as JSON.

`chatlab check --json` writes this:

    {"schema", "title", "passed", "unsure", "points", "of", "exercise", "work",
     "results": [{"check", "kind", "verdict", "points", "of", "asked", "expected", "actual",
                  "story", "why", "replay", "seed", "line", "code", "printed"}],
     "broken", "line", "code"}

`broken` says why the file could not run at all, with its line; it is empty if it could.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from chatlab.course.catalog import CheckSpec, Exercise
from chatlab.data.records import indented_json

SCHEMA = "chatlab.check/1"

Verdict = Literal["passed", "partial", "failed", "skipped", "unsure"]
"""`partial`: within its budget, with fewer points. `skipped`: it needs a check that has failed.
`unsure`: the check cannot tell, and it costs nobody a point."""


class RunLimits(msgspec.Struct, frozen=True):
    """When a run of a check, with one seed, counts as one that never ends.

    Attributes:
        cpu_s: processor time, not time of day: a busy machine makes nobody fail.
        turns: of the event loop.
        time_s: on the virtual clock.
        blocked_s: that a single call waits without using the processor.
    """

    cpu_s: float = 5.0
    turns: int = 300_000
    time_s: float = 100_000.0
    blocked_s: float = 10.0


class JudgeJob(msgspec.Struct, frozen=True):
    """What a child process has to do.

    Attributes:
        exercise: its name, for the command that replays a check.
        work: the learner's file.
        class_name: of the class in it; empty if the exercise is about none.
        checks_in: a module's name, or the path of a file.
        checks: to run, in order.
        seeds: for every check, in order; empty for those of the check, or of its kind.
        alone: whether to run a check even if one that it needs has failed.
        failed: names of checks that have failed before.
        whole_story: whether to tell every step rather than the last few.
        limits: of each run.
    """

    exercise: str
    work: str
    class_name: str
    checks_in: str
    checks: list[CheckSpec]
    seeds: list[int] = []
    alone: bool = False
    failed: list[str] = []
    whole_story: bool = False
    limits: RunLimits = RunLimits()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check. The six parts of the feedback stand first.

    Attributes:
        asked: what was asked for.
        expected, actual: what should have been found, and what was.
        story: the steps that led there.
        why: why it matters.
        replay: the command that runs just this again; empty if there is nothing to repeat.
        check, kind: which check it was.
        verdict: what came out.
        points, of: what it earned, and what it could have.
        seed: of the run that failed; None if none did.
        line, code: of the learner's file: the place to look at; 0 and empty if none is known.
        printed: the end of what the learner's code printed meanwhile.
    """

    asked: str
    expected: str = ""
    actual: str = ""
    story: list[str] = []
    why: str = ""
    replay: str = ""
    check: str
    kind: str
    verdict: Verdict
    points: float = 0.0
    of: int = 0
    seed: int | None = None
    line: int = 0
    code: str = ""
    printed: str = ""


class FileUnusable(msgspec.Struct, frozen=True, tag=True):
    """News from a child process: the learner's file cannot run at all."""

    why: str
    line: int
    code: str


class CheckBegun(msgspec.Struct, frozen=True, tag=True):
    """News: a check has begun. If nothing follows, it has ended the process."""

    check: str


class CheckDone(msgspec.Struct, frozen=True, tag=True):
    """News: a check has ended."""

    result: Result


JudgeNews = FileUnusable | CheckBegun | CheckDone


class Judged(msgspec.Struct, frozen=True):
    """What all checks of an exercise found.

    Attributes:
        exercise: its name.
        work: the file that was judged.
        results: one for each check, in order.
        broken: why no check could run at all; empty if they could.
        line, code: of that; 0 and empty if no line is known.
    """

    exercise: str
    work: Path
    results: list[Result]
    broken: str = ""
    line: int = 0
    code: str = ""

    @property
    def passed(self) -> bool:
        """Whether the file does everything that was asked."""
        fine = all(result.verdict in ("passed", "partial") for result in self.results)
        return fine and not self.broken and bool(self.results)

    @property
    def unsure(self) -> bool:
        """Whether it has not passed only because some checks cannot tell."""
        bad = any(result.verdict in ("failed", "skipped") for result in self.results)
        return not self.passed and not bad and not self.broken

    @property
    def points(self) -> float:
        """Earned."""
        return sum(result.points for result in self.results)

    @property
    def first_failure(self) -> Result | None:
        """What to look at next; None if nothing failed."""
        return next((one for one in self.results if one.verdict == "failed"), None)


def encode(judged: Judged, exercise: Exercise) -> bytes:
    """What `chatlab check --json` writes, indented for people to read."""
    report = {
        "schema": SCHEMA,
        "title": exercise.spec.title,
        "passed": judged.passed,
        "unsure": judged.unsure,
        "points": judged.points,
        "of": exercise.points,
        **msgspec.to_builtins(judged, enc_hook=str),  # a path is text
    }
    return indented_json(report)
