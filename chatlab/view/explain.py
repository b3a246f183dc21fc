"""What each figure is, how it is measured, and what would fool it: for `--explain`.

There is one entry for each row of the comparison, and one for each row of the dashboard; a test
keeps them in step with what is shown. Read `explanations.md`: it holds the words.
"""

from __future__ import annotations

import re
from importlib.resources import files

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

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


def dashboard() -> dict[str, Explanation]:
    """Each row of the dashboard, by its label."""
    return _section("The dashboard", comparison())


def render(explanations: dict[str, Explanation]) -> RenderableType:
    """Explanations, in their order."""
    return Group(*(_one(label, explanation) for label, explanation in explanations.items()))


def _section(title: str, known: dict[str, Explanation]) -> dict[str, Explanation]:
    """The entries under a heading of `explanations.md`; `LABEL = OTHER` shares one of `known`."""
    text = files("chatlab.view").joinpath("explanations.md").read_text(encoding="utf-8")
    _, _, section = text.partition(f"# {title}\n")
    _, *entries = re.split(r"^## ", re.split(r"^# ", section, flags=re.MULTILINE)[0], flags=re.M)
    found = {}
    for entry in map(str.strip, entries):
        label, _, other = entry.partition(" = ")
        if other:
            found[label] = known[other]
        elif match := _ENTRY.fullmatch(entry):
            label, *texts = (" ".join(part.split()) for part in match.groups())
            found[label] = Explanation(*texts)
        else:
            raise ValueError(f"explanations.md: {label!r} needs a text, measured and fooled by")
    return found


def _one(label: str, explanation: Explanation) -> RenderableType:
    text = Text(f"{explanation.what}\n")
    text.append("measured: ", style="dim").append(f"{explanation.how}\n")
    text.append("fooled by: ", style="dim").append(f"{explanation.fooled}\n")
    return Group(Text(label, style="bold"), Padding(text, (0, 0, 0, 2)))
