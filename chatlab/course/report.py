"""The result of a check for machines: the form of `chatlab check --json`.

    {"schema", "exercise", "title", "work", "passed", "unsure", "points", "of",
     "broken", "line", "code",
     "results": [{"check", "kind", "verdict", "points", "of", "asked", "expected", "actual",
                  "story", "why", "replay", "seed", "line", "code", "printed"}]}

`broken` says why the file could not be run at all, with its line; it is empty if it could.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chatlab.course.catalog import Exercise
from chatlab.course.verdicts import Judged

SCHEMA = "chatlab.check/1"


def report(judged: Judged, exercise: Exercise) -> dict[str, Any]:
    """What became of an exercise, as plain data."""
    return {
        "schema": SCHEMA,
        "exercise": judged.exercise,
        "title": exercise.spec.title,
        "work": str(judged.work),
        "passed": judged.passed,
        "unsure": judged.unsure,
        "points": judged.points,
        "of": exercise.points,
        "broken": judged.broken,
        "line": judged.line,
        "code": judged.code,
        "results": msgspec.to_builtins(judged.results),
    }


def encode(judged: Judged, exercise: Exercise) -> bytes:
    """The same as JSON, to be read by people, too."""
    data = msgspec.json.encode(report(judged, exercise))
    return msgspec.json.format(data, indent=2) + b"\n"
