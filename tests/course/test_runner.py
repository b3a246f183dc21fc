"""Whatever a learner's file does, the verdict helps: it says what happened, and in which line.

Real child processes over a tiny exercise; one of them for many ways of going wrong.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chatlab.course import judge as checking
from chatlab.course.catalog import CheckSpec, Exercise
from chatlab.course.containment import SHOWN_MAX
from chatlab.course.judge import judge
from chatlab.course.runner import STORY_STEPS, TEXT_MAX
from chatlab.course.verdicts import Judged, Result, RunLimits
from tests.course.tiny import check_that_calls, exercise, line_of

QUICK = RunLimits(cpu_s=0.3, turns=5_000, blocked_s=0.8)


@pytest.fixture(autouse=True)
def _no_process_stays_behind() -> Iterator[None]:
    yield
    children = psutil.Process().children(recursive=True)
    assert [one for one in children if "chatlab.course.runner" in one.cmdline()] == []


def judged(one: Exercise, **options: object) -> Judged:
    async def judging() -> Judged:
        async with asyncio.timeout(30):
            return await judge(one, limits=QUICK, **options)  # type: ignore[arg-type]

    return asyncio.run(judging())


# Ways of going wrong, one method each: `#!` marks the line to find, and says what is told.

WORK = r"""
import asyncio, os, sys, threading, time

class Odd(BaseException):
    pass

open('left', 'w').close()

class Thing:
    def __init__(self):
        self.is_an_attribute = 5
        self.lock = threading.Lock()
        self.lock.acquire()

    async def fine(self): return 1
    async def raises(self): self.none()  #! AttributeError: 'Thing' object has no attribute 'none'
    async def raises_inside(self): await asyncio.gather(self.raises())
    async def raises_in_a_group(self):
        async with asyncio.TaskGroup() as group:  #! ZeroDivisionError: division by zero
            group.create_task(asyncio.sleep(0, 1 / 0))
    async def returns_none(self): pass
    async def returns_much(self): return 'x' * 10_000_000
    def is_not_async(self): return 1
    async def takes_more(self, more):  #! missing 1 required
        return 1
    async def recursion(self): return await self.recursion()  #! RecursionError: maximum recursion
    async def exits(self): sys.exit(3)  #! sys.exit(3) was called: in a server, that ends it
    async def interrupts(self): raise KeyboardInterrupt  #! KeyboardInterrupt
    async def is_interrupted_from_outside(self):
        if os.name != 'nt': os.kill(os.getpid(), 2)
        return await asyncio.sleep(0, 1)
    async def odd_exception(self): raise Odd  #! Odd
    async def cancels_itself(self):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)  #! it was cancelled
    async def sleeps(self): time.sleep(5)  #! time.sleep(5) was called, and nobody else is served
    async def sleeps_and_hides_it(self):
        try: time.sleep(5)  #! time.sleep(5) was called
        except Exception: return 1
    async def sleeps_and_fails_by_it(self):
        try: time.sleep(5)  #! time.sleep(5) was called
        except Exception: return 2
    async def sleeps_in_a_thread(self):
        await asyncio.to_thread(time.sleep, 0.001)
        return 1
    async def asks(self): return input('how many?')  #! input() was called
    async def loops_and_awaits(self):
        while True: await asyncio.sleep(0)  #! after 5,000 turns of the event loop
    async def waits_again_and_again(self):
        while True: await asyncio.sleep(3600)  #! on the clock there is no end
    async def deadlock(self):
        async with (lock := asyncio.Lock()):
            await lock.acquire()  #! a deadlock
    async def leaves_a_task(self):
        self.task = asyncio.create_task(asyncio.sleep(1e9))
        return 1
    async def leaves_a_task_that_fails(self):
        asyncio.create_task(self.raises())
        return 1
    async def says_odd_things(self):
        raise ValueError('\ud800' + 'x' * 5_000_000)  #! ValueError: ?x
    async def prints(self):
        print('to the output'); print('to the errors', file=sys.stderr)
        return os.write(1, b'to the descriptor') - 16
    async def prints_much(self): return print('x' * 3_000_000 + 'the end') or 1
    async def closes_its_output(self):
        sys.stdout.close(); os.close(2)
        return 1

    # Its twenty runs take more than one may, together; each takes a tenth of it.
    async def computes_in_each_run(self):
        end = time.process_time() + 0.02
        while time.process_time() < end: pass
        return 1

    # These end the process.

    async def leaves(self): os._exit(0)  #! os._exit(0) was called: in a server, that ends it
    async def is_killed(self): os.abort()
    async def loops(self):
        while True: pass  #! after 0.3 s of processor time it was still computing
    async def blocks(self): self.lock.acquire()  #! after 0.8 s it was still waiting in one call
    async def prints_for_ever(self):
        while True: print('x' * 10_000)  #! it was still computing
    async def starts_a_thread_that_never_ends(self):
        threading.Thread(target=threading.Event().wait).start()
        return 1
"""
TOLD_WITHOUT_A_LINE = {
    "is_an_attribute": "object is not callable",
    "raises_inside": "AttributeError",
    "returns_none": "None",
    "returns_much": "'xxx",
    "is_not_async": "can't be",
    "is_killed": "it ended the whole process at once",
}


def told_in(source: str) -> dict[str, tuple[int, str]]:
    """For each method, the marked line and what is told; 0 and nothing if it passes."""
    told: dict[str, tuple[int, str]] = {"is_an_attribute": (0, "")}
    for number, line in enumerate(source.splitlines(), start=1):
        if found := re.search(r"def ([a-z]\w+)\(self", line):
            told[found[1]] = 0, ""
        if "#! " in line:
            told[[*told][-1]] = number, line.partition("#! ")[2]
    return told | {name: (0, said) for name, said in TOLD_WITHOUT_A_LINE.items()}


def test_whatever_goes_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    told = told_in(WORK)
    kinds = {"computes_in_each_run": "interleavings"}
    checks = "".join(check_that_calls(name, kinds.get(name, "examples")) for name in told)
    one = exercise(tmp_path, WORK, checks, [CheckSpec(name) for name in told])
    heard: list[Result] = []
    results = {result.check: result for result in judged(one, heard=heard.append).results}

    assert list(results) == list(told)
    assert heard == list(results.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checks.py", "work.py"]
    for name, (line, said) in told.items():
        result = results[name]
        verdict = "failed" if said else "passed"
        assert (result.verdict, said in result.actual) == (verdict, True), result
        assert len(result.actual) <= TEXT_MAX + 10, name
        assert not line or (result.line, said in result.code) == (line, True), name
    # Of several lines that an exception passed, the innermost is named.
    assert results["raises_inside"].line == told["raises"][0]
    printed = results["prints"].printed.replace("descriptor", "descriptor\n").splitlines()
    assert {"to the output", "to the errors", "to the descriptor"} <= set(printed)
    assert results["fine"].printed == ""
    assert len(results["prints_much"].printed) == SHOWN_MAX
    assert results["prints_much"].printed.endswith("the end\n")
    raises = results["raises"]
    said = (raises.asked, raises.why, raises.expected)
    assert said == ("raises returns 1.", "It is asked for.", "no exception from your code")
    assert raises.replay == "chatlab replay 01_tiny raises --seed 0"


# A file that cannot be used at all.


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class Thing:\n    def f(self:  #!\n        pass\n", "SyntaxError: '(' was never"),
        ("class Thing:\npass  #!", "IndentationError: expected an indented block"),
        ("class Other: pass", "it has no class Thing"),
        ("Thing = 5", "it has no class Thing"),
        ("x = 1\nx.none  #!", "AttributeError: 'int' object has no attribute 'none'"),
        ("import nothing_of_that_name  #!", "No module named 'nothing_of_that_name'"),
        ("import sys\nsys.exit(1)  #!", "it calls sys.exit(1) when it is loaded"),
        ("import os\nos._exit(0)  #!", "os._exit(0) was called"),
        ("raise KeyboardInterrupt  #!", "KeyboardInterrupt"),
        ("import time\ntime.sleep(9)  #!", "time.sleep(9) was called"),
        ("input()  #!", "input() was called"),
        ("while True: pass  #!", "it was still computing"),
        ("import threading\nthreading.Event().wait()  #!", "it was still waiting"),
        ("import os\nos.abort()", "it ends the whole process when it is loaded"),
        ("x = '\0'", "byte 5 is zero"),
    ],
)
def test_an_unusable_file_is_told_with_its_line(code: str, said: str, tmp_path: Path) -> None:
    one = exercise(tmp_path, code, check_that_calls("fine"), [CheckSpec("fine")])
    found = judged(one)

    assert said in found.broken
    assert (found.results, found.passed, found.unsure) == ([], False, False)
    if "#!" in code:
        assert (found.line, "#!" in found.code) == (line_of(one.work, "#!"), True)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    one = exercise(tmp_path, "", check_that_calls("fine"), [CheckSpec("fine")])
    one.work.write_bytes(b"class Thing: pass\nx = '\xff'\n")
    assert "work.py is not saved as UTF-8 (line 2 has" in judged(one).broken
    one.work.unlink()
    assert judged(one).broken.endswith("work.py: No such file or directory")
    one.work.mkdir()
    assert judged(one).broken.startswith(f"cannot read {one.work}")


# What is nobody's fault.

NOBODYS = """
@check("examples", asked="a", why="b")
async def its_own_bug(lab):
    lab.part().value / 0

@check("examples", asked="a", why="b")
async def cannot_tell(lab):
    raise CannotTell("the moon was not full")

@check("counts", asked="a", why="b")
async def without_budget(lab):
    lab.spend(5, "reads")
"""


def test_what_is_no_fault_of_the_learners_is_unsure(tmp_path: Path) -> None:
    names = ["its_own_bug", "cannot_tell", "without_budget", "no_such_check"]
    code = "class Thing:\n    value = 1\n"
    found = judged(exercise(tmp_path, code, NOBODYS, [CheckSpec(name, 2) for name in names]))
    actual = {result.check: result.actual for result in found.results}

    assert [result.verdict for result in found.results] == ["unsure"] * 4
    assert "the check itself failed: ZeroDivisionError" in actual["its_own_bug"]
    assert actual["cannot_tell"] == "the moon was not full"
    assert "it needs full and zero" in actual["without_budget"]
    assert "has no check of that name" in actual["no_such_check"]
    assert (found.unsure, found.passed, found.points) == (True, False, 0)
    found = judged(exercise(tmp_path, code, "1 / 0", [CheckSpec("fine")]))
    assert found.unsure
    assert "checks.py cannot be loaded: ZeroDivisionError" in found.results[0].actual


def test_a_process_that_is_silent_for_long_is_nobodys_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "SILENCE_MAX_S", 1.0)
    code = "class Thing:\n    async def fine(self): return 1\n"
    checks = """
import threading
@check("examples", asked="a", why="b")
async def silent(lab):
    threading.Event().wait()
""" + check_that_calls("fine")
    one = exercise(tmp_path, code, checks, [CheckSpec("silent"), CheckSpec("fine")])
    found = judged(one, heard=lambda _: monkeypatch.undo())

    assert [result.verdict for result in found.results] == ["unsure", "passed"]


# Points, needs and seeds.

BUDGETS = """
@check("counts", asked="a", why="b")
async def {name}(lab):
    lab.story.tell("{name} is counted")
    lab.spend(lab.part().{name}, "reads")
"""
POINTS = {"cheap": (2, "passed", 4.0), "half": (6, "partial", 2.0), "dear": (10, "failed", 0.0)}


def test_points_lie_between_full_and_zero(tmp_path: Path) -> None:
    code = "class Thing:\n" + "".join(f"    {name} = {it[0]}\n" for name, it in POINTS.items())
    checks = "".join(BUDGETS.format(name=name) for name in POINTS)
    specs = [CheckSpec(name, 4, full=2, zero=10) for name in POINTS]
    found = judged(exercise(tmp_path, code, checks, specs))

    assert [(one.verdict, one.points) for one in found.results] == [
        (verdict, points) for _, verdict, points in POINTS.values()
    ]
    assert found.points == 6
    half = found.results[1]
    assert (half.expected, half.actual, half.of) == ("at most 2 reads", "6 reads", 4)
    assert "half is counted" in half.story[0]
    assert not found.passed
    assert judged(exercise(tmp_path, code, checks, specs[:2])).passed


def test_what_needs_a_failed_or_skipped_check_is_skipped(tmp_path: Path) -> None:
    code = "import os\nclass Thing:\n    async def first(self): os.abort()\n" + "".join(
        f"    async def {name}(self): return 1\n" for name in ("second", "third", "other")
    )
    needs = {"first": [], "second": ["first"], "third": ["second"], "other": []}
    specs = [CheckSpec(name, needs=needed) for name, needed in needs.items()]
    one = exercise(tmp_path, code, "".join(check_that_calls(s.name) for s in specs), specs)

    assert [r.verdict for r in judged(one).results] == ["failed", "skipped", "skipped", "passed"]
    assert [r.verdict for r in judged(one, alone=True).results] == ["failed", *["passed"] * 3]


BY_SEED = """
@check("interleavings", asked="a", why="b")
async def race(lab):
    files = lab.files({"a": b"x", "b": b"y"})
    async def reads():
        for _ in range(lab.seed + 1):
            await lab.part().read(files)
    await lab.together(reads(), reads(), apart_s=0.01)
    lab.expect(lab.seed < 7, expected="luck", actual=f"{lab.chance.random()} {hash('text')}")
"""
READS = """
import random

class Thing:
    async def read(self, files):
        await files.read(random.choice(["a", "b"]))  #!
"""


def test_the_first_seed_that_fails_is_told_and_replays_identically(tmp_path: Path) -> None:
    one = exercise(tmp_path, READS, BY_SEED, [CheckSpec("race")])
    [first] = judged(one).results
    [again] = judged(one, only=["race"], seeds=[7]).results
    [whole] = judged(one, only=["race"], seeds=[7], whole_story=True).results

    replay = "chatlab replay 01_tiny race --seed 7"
    assert (first.verdict, first.seed, first.replay) == ("failed", 7, replay)
    assert again == first
    left_out = "(4 earlier steps; the replay has them)"
    assert first.story == [left_out, *whole.story[-STORY_STEPS:]]
    assert len(whole.story) == 16
    assert first.line == line_of(one.work, "#!")
    assert all("(line 6)" in step for step in whole.story)
    assert {"alice", "bob"} == {step.split()[2].rstrip(":") for step in whole.story}
    seven = exercise(tmp_path, READS, BY_SEED, [CheckSpec("race", seeds=7)])
    assert judged(seven).passed
    assert not judged(seven, seeds=[3, 8]).passed
