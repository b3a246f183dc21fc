"""Longer texts of an exercise: its task, and its answer with the reasons."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from chatlab.view.course.common import markdown, safe
from chatlab.view.lines import HEADING


def task(text: str) -> RenderableType:
    """A `README.md`."""
    return markdown(text)


def answer(code: str, why: str) -> RenderableType:
    """A solution, and why it works."""
    from rich.syntax import Syntax  # takes its time, and most commands need none

    return Group(
        Text("work.py of the solution", HEADING),
        Text(),
        Syntax(safe(code), "python", theme="ansi_dark", background_color="default"),
        Text(),
        markdown(why),
    )
