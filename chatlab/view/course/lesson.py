"""The answer to an exercise, with the reasons."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.text import Text

from chatlab.view.course.common import safe
from chatlab.view.course.prose import Prose
from chatlab.view.lines import HEADING


def answer(code: str, why: str) -> RenderableType:
    """A solution, and why it works."""
    return Group(
        Text("work.py of the solution", HEADING),
        Text(),
        Syntax(safe(code), "python", theme="ansi_dark", background_color="default"),
        Text(),
        Prose(why),
    )
