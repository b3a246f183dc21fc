"""What each figure is, how it is measured, and what would fool it; and how to read each chart.

There is one entry for each row of the comparison, one for each row of the dashboard, and one for
each chart; a test keeps them in step with what is shown. The words are in `explanations.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from chatlab.view import words

_ENTRY = re.compile(r"(.+?)\n\n(.+?)\n\n- measured: (.+?)\n- fooled by: (.+)", re.DOTALL)


class Explanation(msgspec.Struct, frozen=True):
    """One figure, explained.

    Attributes:
        what: what it is.
        how: how it is measured.
        fooled: what would make it lie.
    """

    what: str
    how: str
    fooled: str


def comparison() -> dict[str, Explanation]:
    """Each row of the comparison, by its label; rows of files by their last word."""
    return _section("The comparison", {})


@cache
def dashboard() -> dict[str, Explanation]:
    """Each row of the dashboard, by its label."""
    return _section("The dashboard", comparison())


@cache
def charts() -> dict[str, tuple[str, list[str]]]:
    """Of each chart of a page, by its key: the title, and how to read it, a string a paragraph."""
    found = {}
    for entry in _entries("The charts of the page"):
        head, *paragraphs = map(_in_one_line, entry.split("\n\n"))
        key, _, title = head.partition(": ")
        found[key] = title, paragraphs
    return found


def render(explanations: dict[str, Explanation]) -> RenderableType:
    """Explanations, in their order."""
    return Group(*(_one(label, explanation) for label, explanation in explanations.items()))


def _section(title: str, known: dict[str, Explanation]) -> dict[str, Explanation]:
    """The figures under a heading of `explanations.md`; `LABEL = OTHER` shares one of `known`."""
    found = {}
    for entry in _entries(title):
        label, _, other = entry.partition(" = ")
        if other:
            found[label] = known[other]
        elif match := _ENTRY.fullmatch(entry):
            label, *texts = map(_in_one_line, match.groups())
            found[label] = Explanation(*texts)
        else:
            raise ValueError(f"explanations.md: {label!r} needs a text, measured and fooled by")
    return found


def _entries(title: str) -> Iterator[str]:
    """Each entry under a heading of `explanations.md`, its own heading first."""
    text = files("chatlab.view").joinpath("explanations.md").read_text(encoding="utf-8")
    _, _, section = text.partition(f"# {title}\n")
    _, *entries = re.split(r"^## ", re.split(r"^# ", section, flags=re.MULTILINE)[0], flags=re.M)
    return map(str.strip, entries)


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _one(label: str, explanation: Explanation) -> RenderableType:
    text = Text(f"{explanation.what}\n")
    text.append("measured: ", style=words.QUIET).append(f"{explanation.how}\n")
    text.append("fooled by: ", style=words.QUIET).append(f"{explanation.fooled}\n")
    return Group(Text(label, style="bold"), Padding(text, (0, 0, 0, 2)))
