"""A small course, made on the spot: exercises that take no time, with checks of their own."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chatlab.course.catalog import Exercise
from chatlab.course.verdicts import Judged, Result, Verdict
from chatlab.course.workplace import Workplace

STARTER = '''\
"""Your function."""


def double(number):
    # TODO: twice as much
    return number
'''
RIGHT = STARTER.replace("return number", "return 2 * number")
PARTLY = STARTER.replace("return number", "return 2 * abs(number)")
SYNTAX_ERROR = "def double(number:\n    return 1\n"

CHECKS = """\
from chatlab.course.checks import check


@check("examples", asked="Twice two is four.", why="Whoever counts on it must be able to.")
async def positive(bench):
    bench.story.tell("double(2) is called")
    bench.equal(bench.work.double(2), 4, "double(2)")


@check("examples", asked="Twice minus one is minus two.", why="Numbers go both ways.")
async def negative(bench):
    bench.equal(bench.work.double(-1), -2, "double(-1)")
"""

WRONG = """\
It squares. Two is the only number for which that is right.
Fails: negative

--- work.py
+++ squares.py
@@ -5,2 +5,2 @@
     # TODO: twice as much
-    return 2 * number
+    return number * number
"""

SPEC = """\
title = "Twice as much: {name}"
goal = "Double a number."
minutes = 5
objectives = ["multiply"]
hints = ["Think of two.", "Think of *.", "2 * number"]
see = ["chatlab modes"]

[[checks]]
name = "positive"
points = 6

[[checks]]
name = "negative"
points = 4
needs = ["positive"]
"""


def small_course(root: Path, *names: str) -> Workplace:
    """A workplace with exercises, all alike: they ask for a function that doubles a number."""
    for name in names or ("01_one", "02_two"):
        folder, answers = root / "exercises" / name, root / "solutions" / name
        folder.mkdir(parents=True)
        (answers / "wrong").mkdir(parents=True)
        (folder / "exercise.toml").write_text(SPEC.format(name=name), "utf-8")
        (folder / "work.py").write_text(STARTER, "utf-8")
        (folder / "checks.py").write_text(CHECKS, "utf-8")
        (folder / "README.md").write_text(f"# {name}\n\nDouble a number.\n", "utf-8")
        (answers / "work.py").write_text(RIGHT, "utf-8")
        (answers / "wrong" / "squares.diff").write_text(WRONG, "utf-8")
        (answers / "WHY.md").write_text("# Why\n\nTwo times is twice.\n", "utf-8")
    return Workplace(root)


def save(exercise: Exercise, text: str) -> None:
    """What an editor does."""
    exercise.work.write_text(text, "utf-8")


def result(verdict: Verdict = "passed", **fields: object) -> Result:
    """What a check found."""
    found = Result(asked="?", check="it", kind="examples", verdict=verdict, points=1, of=1)
    return msgspec.structs.replace(found, **fields)


def judged(name: str, *results: Result, **fields: object) -> Judged:
    """What all checks of an exercise found."""
    return msgspec.structs.replace(Judged(name, Path("work.py"), list(results)), **fields)


def lacks(text: str, *words: str) -> list[str]:
    """Those of the words that do not stand in a text."""
    return [word for word in words if word not in text]
