"""Longer texts: Markdown, the named wrong answers, and what `chatlab course verify` found.

Takes time to import (Markdown, syntax highlighting), so only commands that show such texts do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import CodeBlock, Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from chatlab.course.answers import WrongAnswer
from chatlab.course.catalog import Exercise
from chatlab.course.verify import CourseProblem
from chatlab.view import words
from chatlab.view.course.common import indented, plain, safe, shown_path
from chatlab.view.words import BAD, GOOD, HEADING, QUIET, STRONG, many

INDENT = 2


class _Block(CodeBlock):
    """Code and pictures: up to the edge if they need it, because a picture must not wrap."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        width = max(map(len, code.splitlines()), default=0)
        syntax = Syntax(
            code, self.lexer_name, theme=self.theme, word_wrap=True, background_color="default"
        )
        yield Padding(syntax, (0, 0, 0, INDENT if width + INDENT <= options.max_width else 0))


class MarkdownText(Markdown):
    """A README or the like; its text comes from a file that anyone may have written."""

    elements: ClassVar = {**Markdown.elements, "fence": _Block, "code_block": _Block}

    def __init__(self, text: str) -> None:
        super().__init__(safe(text), hyperlinks=False, code_theme="ansi_dark")


def wrong_answers(exercise: Exercise, all_of_them: Sequence[WrongAnswer]) -> RenderableType:
    """Each wrong answer: its name, the check it fails, and below, what is wrong."""
    rows = [each for one in all_of_them for each in (_named(one), indented(plain(one.in_short)))]
    how = Text(f"Write one of them as a file: chatlab course wrong {exercise.name} NAME", HEADING)
    return Group(*rows, Text(), how)


def wrong_answer(wrong: WrongAnswer) -> RenderableType:
    """What is wrong, which check finds it, and the change to the solution."""
    diff = Syntax(
        safe(wrong.diff), "diff", theme="ansi_dark", background_color="default", word_wrap=True
    )
    return Group(_named(wrong), Text(), plain(wrong.reason), Text(), diff)


def _named(wrong: WrongAnswer) -> Text:
    return Text.assemble((words.printable(wrong.name), STRONG), f" fails {wrong.check}")


def verified(
    all_of_them: Sequence[Exercise], found: Mapping[str, Sequence[CourseProblem]], seeds: int
) -> RenderableType:
    """The answer to `chatlab course verify`: a line for each exercise, then each problem.

    Args:
        found: exercise name to its problems.
        seeds: under which each solution was tried.
    """
    table = _table("exercise")
    for heading in ("checks", "points", "wrong answers", "problems"):
        table.add_column(heading, justify="right")
    for one in all_of_them:
        problems = len(found[one.name])
        counts = (len(one.spec.checks), one.points, len(one.wrong))
        state = Text("none", GOOD) if not problems else Text(f"{problems:,}", BAD)
        table.add_row(one.name, *map(str, counts), state)
    parts: list[RenderableType] = []
    for problem in (one for problems in found.values() for one in problems):
        parts += [Text(), Text(shown_path(problem.where), BAD), plain(f"  {problem.what}")]
    count = many(sum(map(len, found.values())), "problem")
    end = Text(f"{count}; each solution under {many(seeds, 'seed')}", STRONG)
    return Group(table, *parts, Text(), end)


def _table(*names: str) -> Table:
    """A table whose first columns stay on one line each."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    for name in names:
        table.add_column(name, no_wrap=True)
    return table
