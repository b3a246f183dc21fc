"""The answers to an exercise: its solution, why that works, and named wrong answers.

A wrong answer is a unified diff to the solution, `solutions/NN_name/wrong/NAME.diff`:

    A read that ends after a write stores the older content.
    Fails: late_read

    --- work.py
    +++ late_read_wins.py
    @@ -65,4 +65,3 @@
    ...

The lines before `---` say what is wrong and why it matters, and which check of the exercise it must
fail. A diff applies exactly, at the lines that it names, or not at all: one that is applied with
some tolerance might be another mistake than the one that it describes. (Libraries for diffs accept
a hunk with a line missing, and do not say which line of the diff does not fit.)
"""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

import msgspec

from chatlab.course.catalog import WHY, WORK, Exercise
from chatlab.disk.text_files import read_text
from chatlab.errors import UsageError

_FAILS = re.compile(r"^Fails: (\w+)$", re.MULTILINE)
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class NoLongerApplies(UsageError):
    """A diff does not fit the file that it is to change; the text says in which line."""


class WrongAnswer(msgspec.Struct, frozen=True):
    """A wrong answer, as its file describes it.

    Attributes:
        name: of the file, without `.diff`.
        path: of the file.
        reason: what is wrong and why it matters, in one paragraph.
        check: the one it must fail; empty if the file names none.
        text: the whole file.
        diff_line: the line of the file, from 1, in which the diff begins.
    """

    name: str
    path: Path
    reason: str
    check: str
    text: str
    diff_line: int

    @property
    def in_short(self) -> str:
        """The first sentence of the reason."""
        return self.reason.partition(". ")[0].rstrip(".") + "."

    @property
    def diff(self) -> str:
        """The change: from `---` on."""
        return "".join(self.text.splitlines(keepends=True)[self.diff_line - 1 :])


def solution_text(exercise: Exercise) -> str:
    """The solution, why it works, and the wrong answers: one text in Markdown.

    Raises:
        UsageError: a file cannot be read.
    """
    why, code = read_text(exercise.answers / WHY), read_text(exercise.answers / WORK)
    text = f"# The solution\n\n```python\n{code}```\n\n{why}\n"
    if wrong := wrong_answers(exercise):
        items = [f"- `{one.name}` fails `{one.check}`. {one.in_short}\n" for one in wrong]
        how = f"`chatlab course wrong {exercise.name} NAME` shows what differs."
        text += f"\n# Wrong answers\n\n{''.join(items)}\n{how}\n"
    return text


def wrong_answers(exercise: Exercise) -> list[WrongAnswer]:
    """The wrong answers of an exercise, by name; raises `UsageError` if one cannot be read."""
    return [read_wrong(path) for path in exercise.wrong]


def find_wrong(exercise: Exercise, name: str) -> WrongAnswer:
    """The wrong answer of that name, with or without `.diff`.

    Raises:
        UsageError: there is none; says which ones there are.
    """
    for path in exercise.wrong:
        if name.removesuffix(".diff") == path.stem:
            return read_wrong(path)
    there_are = ", ".join(path.stem for path in exercise.wrong) or "none"
    raise UsageError(f"{exercise.name} has no wrong answer {name!r}; there are: {there_are}")


def read_wrong(path: Path) -> WrongAnswer:
    """The wrong answer in a file; raises `UsageError` if it cannot be read."""
    text = read_text(path)
    head = list(takewhile(lambda line: not line.startswith("--- "), text.splitlines()))
    found = _FAILS.search("\n".join(head))
    reason = " ".join(line for line in head if not _FAILS.fullmatch(line)).strip()
    return WrongAnswer(path.stem, path, reason, found[1] if found else "", text, len(head) + 1)


def whole_file(wrong: WrongAnswer, exercise: Exercise) -> str:
    """The code of a wrong answer: the exercise's solution with the diff applied.

    Raises:
        NoLongerApplies: the diff does not fit the solution, or is no diff; says in which line.
        UsageError: the solution cannot be read.
    """
    return patched(read_text(exercise.answers / WORK), wrong)


def patched(original: str, wrong: WrongAnswer) -> str:
    """A text with the diff of a wrong answer applied; raises `NoLongerApplies`."""
    return _Patch(wrong, original.splitlines()).apply()


class _Patch:
    """One diff on its way through the lines of a file."""

    def __init__(self, wrong: WrongAnswer, old: list[str]) -> None:
        self._wrong = wrong
        self._old = old
        self._new: list[str] = []
        self._used = 0  # lines of the old file that are dealt with
        self._left_old = self._left_new = 0  # lines that the current hunk still has to have
        self._line = wrong.diff_line  # of the diff's file

    def apply(self) -> str:
        old_name, new_name, *rest = [*self._wrong.diff.splitlines(), "", ""]
        if not (old_name.startswith("--- ") and new_name.startswith("+++ ") and any(rest)):
            self._refuse("there is no unified diff, with `---`, `+++` and `@@` lines")
        self._line += 1
        for line in rest[:-2]:
            self._line += 1
            if self._left_old or self._left_new:
                self._change(line)
            else:
                self._begin_hunk(line)
        if self._left_old or self._left_new:
            self._refuse("the diff ends in the middle of a hunk")
        return "".join(f"{line}\n" for line in (*self._new, *self._old[self._used :]))

    def _begin_hunk(self, line: str) -> None:
        """Read the head of a hunk, and copy what lies before it."""
        if (found := _HUNK.match(line)) is None:
            self._refuse("a `@@` line should stand here: the numbers in the one before are used up")
        start_old, start_new = int(found[1]), int(found[3])
        self._left_old = int(found[2] or 1)
        self._left_new = int(found[4] or 1)
        to = start_old - (self._left_old > 0)
        self._new += self._old[self._used : to]
        if not self._used <= to <= len(self._old):
            self._refuse(f"{WORK} has {len(self._old)} lines, or an earlier hunk covers this")
        if len(self._new) != start_new - (self._left_new > 0):
            self._refuse("the new line number does not follow from the hunks before")
        self._used = to

    def _change(self, line: str) -> None:
        kind, text = (line[0], line[1:]) if line else (" ", "")  # editors strip blank lines
        if kind not in " -+":
            self._refuse("a line of a hunk begins with a blank, `-` or `+`")
        if kind in " -":
            there = self._old[self._used] if self._used < len(self._old) else None
            if text != there:
                found = "the end of the file" if there is None else repr(there)
                where = f"line {self._used + 1} of {WORK}"
                self._refuse(f"{where} should be {text!r}, and is {found}")
            self._used += 1
            self._left_old -= 1
        if kind in " +":
            self._new.append(text)
            self._left_new -= 1
        if self._left_old < 0 or self._left_new < 0:
            self._refuse("the hunk has more lines than its `@@` line says")

    def _refuse(self, why: str) -> NoReturn:
        where = f"{self._wrong.path.name}, line {self._line}"
        raise NoLongerApplies(f"{where}: it no longer applies to {WORK}: {why}")
