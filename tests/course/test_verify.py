"""The course is itself under test; here that test is: it finds what is wrong with an exercise."""

from __future__ import annotations

import asyncio
import shutil
from difflib import unified_diff
from pathlib import Path

import msgspec
import pytest

from chatlab.course.catalog import CheckSpec, Exercise
from chatlab.course.verify import verify
from tests.course.tiny import exercise

CHECKS = """
@check("examples", asked="It adds.", why="Sums are of use.")
async def adds(lab):
    lab.equal(await lab.part().add(1, 2), 3, "1 + 2")

@check("interleavings", asked="It is quick.", why="Nobody waits.")
async def quick(lab):
    waited = await lab.part().wait(lab.seed)
    if waited is None:
        raise CannotTell("who knows?")
    lab.expect(waited < 5, expected="quick", actual="slow")
"""
SPECS = [CheckSpec("adds", 4), CheckSpec("quick", 6)]


def answer(add: str, wait: str) -> str:
    """A file: what `add` and `wait` return."""
    methods = (("add(self, a, b)", add), ("wait(self, seed)", wait))
    code = "".join(f"    async def {name}:\n        return {it}\n" for name, it in methods)
    return f"class Thing:\n{code}" + "# and a few more words\n" * 10


ADDS, QUICK = "Bad.\nFails: adds", "Bad.\nFails: quick"
GOOD = {
    "subtracts": (answer("a - b", "1"), ADDS),
    "is_slow": (answer("a + b", "9"), QUICK),
    "is_slow_at_times": (answer("a + b", "9 if seed == 3 else 1"), QUICK),
}
ALONE, SAYS_NO_CHECK = "it should fail {} alone; it fails ", "it does not say `Fails: CHECK`"
BAD = {
    "fails_two": (answer("0", "9"), QUICK, ALONE.format("quick") + "adds, quick"),
    "fails_none": (answer("a + b", "1"), QUICK, ALONE.format("quick") + "nothing"),
    "fails_another": (answer("0", "1"), QUICK, ALONE.format("quick") + "adds"),
    "names_no_check": (answer("0", "1"), "Bad.\nFails: no", ALONE.format("no") + "adds"),
    "names_it_in_passing": (answer("0", "1"), "It Fails: adds", SAYS_NO_CHECK),
    "names_it_in_the_code": (answer("0", "1") + "# Fails: adds\n", "Bad.", SAYS_NO_CHECK),
    "says_nothing": (answer("0", "1"), "Fails: adds", "it does not say before its diff what is"),
    "is_unclear": (answer("0", "None"), ADDS, ALONE.format("adds") + "adds, and quick cannot tell"),
    "is_no_python": ("class Thing(:", ADDS, "it cannot run: SyntaxError: invalid syntax (line 1)"),
    "came_too_late": (
        *(answer("a + b", "1"), ADDS),
        "came_too_late.diff, line 7: it no longer applies to work.py: line 4 of work.py should be",
    ),
}


def fine(folder: Path, solution: str = answer("a + b", "1")) -> Exercise:
    """An exercise with nothing wrong about it, unless the solution is."""
    one = exercise(folder / "01_tiny", answer("None", "100"), CHECKS, SPECS)
    (one.answers / "wrong").mkdir(parents=True)
    one.text.write_text("What to do. " * 30, "utf-8")
    (one.answers / "WHY.md").write_text("Why it is so. " * 30, "utf-8")
    (one.answers / "work.py").write_text(solution, "utf-8")
    for name, (code, head) in GOOD.items():
        write_wrong(one, name, code, head)
    return one


def write_wrong(one: Exercise, name: str, code: str, head: str) -> None:
    """A wrong answer: the head, then the diff that makes the code out of the solution."""
    lines = [(one.answers / "work.py").read_text("utf-8").splitlines(), code.splitlines()]
    diff = "\n".join(unified_diff(*lines, "work.py", f"{name}.py", n=1, lineterm=""))
    (one.answers / "wrong" / f"{name}.diff").write_text(f"{head}\n\n{diff}\n", "utf-8")


def problems(one: Exercise, seeds: int = 5) -> list[str]:
    """What is wrong: the file, from the exercise's folder, and a sentence."""
    found = asyncio.run(verify(one, seeds))
    folder = str(one.folder)
    places = [(where.relative_to(folder).as_posix(), what) for where, what in found]
    return [f"{where}: {what.replace(folder, '')}" for where, what in places]


def respecified(one: Exercise, **changes: object) -> Exercise:
    return msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, **changes))


def test_of_a_good_exercise_there_is_nothing_to_say(tmp_path: Path) -> None:
    told: list[str] = []

    assert asyncio.run(verify(fine(tmp_path), 5, told.append)) == []
    steps = [
        "starter",
        "solution, under 5 seeds",
        *(f"wrong answer {name}" for name in sorted(GOOD)),
    ]
    assert told == [f"01_tiny: the {step}" for step in steps]


def test_each_claim_that_does_not_hold_is_found_and_nothing_else(tmp_path: Path) -> None:
    one = fine(tmp_path, answer("a + b", "9 if seed == 17 else 1"))
    one.work.write_text(answer("a + b", "100"), "utf-8")
    for name, (code, head, _) in BAD.items():
        write_wrong(one, name, code, head)
    late = one.answers / "wrong" / "came_too_late.diff"
    late.write_text(late.read_text("utf-8").replace("def wait(", "def waits("), "utf-8")
    (one.answers / "wrong" / "is_whole.py").write_text(answer("0", "1"), "utf-8")
    expected = [
        "answers/wrong/is_whole.py: a wrong answer is a diff",
        "work.py: the starter does not fail adds: it is passed",
        "answers/work.py: the solution does not pass quick, with seed 17: expected quick, found",
        *(f"answers/wrong/{name}.diff: {BAD[name][2]}" for name in sorted(BAD)),
    ]

    for found, start in zip(problems(one, seeds=18), expected, strict=True):
        assert found.startswith(start)


def test_what_is_missing_or_cannot_run_is_found(tmp_path: Path) -> None:
    one = fine(tmp_path)
    (one.answers / "WHY.md").unlink()
    (one.answers / "work.py").unlink()
    one.text.write_text("Soon.", "utf-8")
    shutil.rmtree(one.answers / "wrong")
    (one.answers / "wrong").mkdir()
    (one.answers / "wrong" / "is_lonely.diff").write_text("Fails: quick", "utf-8")
    one.work.write_text("x = 1\nraise NotImplementedError\n", "utf-8")
    poor = respecified(one, hints=["one"], objectives=[], checks=[CheckSpec("quick", 9)])

    assert problems(poor) == [
        ".: it has 1 wrong answers of 3",
        ".: it has 1 hints of 3",
        ".: its checks are worth 9 points and not 10",
        ".: it names no objectives",
        ".: README.md is missing, or empty",
        ".: WHY.md is missing, or empty",
        ".: work.py is missing, or empty",
        "work.py: it cannot run: it fails when it is loaded: NotImplementedError (line 2)",
        "answers/work.py: it cannot run: cannot read /answers/work.py: No such file or directory",
        "answers/wrong/is_lonely.diff: cannot read /answers/work.py: No such file or directory",
    ]


def test_a_starter_fails_also_a_check_that_needs_another(tmp_path: Path) -> None:
    one = fine(tmp_path)
    one.work.write_text(answer("None", "1"), "utf-8")
    shutil.rmtree(one.answers)
    for points, found in ((0, False), (6, True)):
        specs = [CheckSpec("adds", 10 - points), CheckSpec("quick", points, needs=["adds"])]
        told = problems(respecified(one, checks=specs))
        assert ("work.py: the starter does not fail quick: it is passed" in told) is found


@pytest.mark.real
def test_a_command_that_does_not_run_is_found(tmp_path: Path) -> None:
    one = fine(tmp_path)
    shown = "chatlab modes\nchatlab compare nonsense\nchatlab modes --nonsense\n"
    one.text.write_text(f"{one.text.read_text('utf-8')}\n```sh\n{shown}```\n", "utf-8")

    mode, option = problems(one)
    assert "`chatlab compare nonsense` does not run: exit code 2" in mode
    assert "unknown mode 'nonsense'" in mode
    assert "`chatlab modes --nonsense` does not run: exit code 2" in option
