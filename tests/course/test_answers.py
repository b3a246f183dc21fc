"""Wrong answers as diffs: each applies exactly, or is refused with its line."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.course.answers import NoLongerApplies, WrongAnswer, patched, read_wrong

SOLUTION = "one\ntwo\n\nfour\nfive\nsix\nseven\n"
HEAD = "It drops what\ncomes second. Too bad.\nFails: order\n\n"
GOOD = """--- work.py
+++ drops.py
@@ -1,3 +1,3 @@
 one
-two
+2

@@ -6,2 +6 @@
 six
-seven
"""


def write(folder: Path, diff: str) -> WrongAnswer:
    (folder / "drops.diff").write_text(HEAD + diff, "utf-8")
    return read_wrong(folder / "drops.diff")


def test_a_wrong_answer_is_the_solution_with_a_change(tmp_path: Path) -> None:
    wrong = write(tmp_path, GOOD)

    assert (wrong.name, wrong.check) == ("drops", "order")
    assert wrong.reason == "It drops what comes second. Too bad."
    assert wrong.in_short == "It drops what comes second."
    assert wrong.diff == GOOD
    assert patched(SOLUTION, wrong) == "one\n2\n\nfour\nfive\nsix\n"


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("-two", "-too", 9, "line 2 of work.py should be 'too', and is 'two'"),
        (" one", " two", 8, "line 1 of work.py should be 'two', and is 'one'"),
        (" one", "  one", 8, "line 1 of work.py should be ' one', and is 'one'"),
        ("-seven\n", "-seven\n-eight\n", 15, "a `@@` line should stand here"),
        ("+2\n", "+2\n+3\n", 12, "the hunk has more lines"),
        ("-6,2 +6", "-7,2 +7", 13, "line 7 of work.py should be 'six', and is 'seven'"),
        ("+6 @@", "+7 @@", 12, "does not follow from the hunks before"),
        ("-6,2 +6", "-60,2 +60", 12, "work.py has 7 lines"),
        ("-6,2 +6", "-2,2 +2", 12, "an earlier hunk covers this"),
        ("-seven\n", "", 13, "ends in the middle of a hunk"),
        ("+2\n", "", 11, "a line of a hunk begins with a blank"),
        ("+2", "*2", 10, "a line of a hunk begins with a blank"),
        ("@@ -6", "@ -6", 12, "a `@@` line should stand here"),
        (GOOD, "", 5, "there is no unified diff"),
        ("-6,2 +6 @@\n six\n-seven\n", "-6,3 +6,2 @@\n six\n-seven\n end\n", 15, "end of the file"),
    ],
)
def test_a_diff_that_does_not_fit_is_refused_with_its_line(
    old: str, new: str, line: int, why: str, tmp_path: Path
) -> None:
    assert old in GOOD
    wrong = write(tmp_path, GOOD.replace(old, new))

    with pytest.raises(NoLongerApplies) as refused:
        patched(SOLUTION, wrong)
    assert f"drops.diff, line {line}: it no longer applies to work.py: " in str(refused.value)
    assert why in str(refused.value)


LINES = st.lists(st.sampled_from(["", "a", "b", "  c", "+d", "-e", "@@ -1 +1 @@", "--- f"]))


@given(LINES, LINES, st.integers(0, 3))
def test_every_diff_gives_the_file_that_it_was_made_for(
    old: list[str], new: list[str], context: int
) -> None:
    diff = "\n".join(unified_diff(old, new, "work.py", "x.py", n=context, lineterm=""))
    if not diff:
        return
    wrong = WrongAnswer("x", Path("x.diff"), "", "", diff + "\n", 1)

    assert patched(text_of(old), wrong) == text_of(new)


def text_of(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
