"""A result as one page that needs no network: it can be mailed, archived, opened in ten years.

Owns the page's outline and its safety. Every text is escaped by `text`; besides, the page's own
policy allows no request at all, and no script but the one in `shell.html`, which only serves
buttons. `shell.html` is filled as a `string.Template`: so its script has no `$` of its own.
Read `plot.py` and `drawing.py` for charts.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from chatlab.view import words

SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading of its own.

    Attributes:
        title: plain text.
        body: HTML.
        parts: names and titles of what the list of contents shows below it.
    """

    title: str
    body: str
    parts: Mapping[str, str]


def section(title: str, body: Iterable[str], **parts: str) -> Section:
    """A section made of pieces of HTML."""
    return Section(title, "\n".join(body), parts)


def page(kind: str, heading: str, lead: Iterable[str], sections: Iterable[Section]) -> str:
    """The whole page.

    Args:
        kind: the command, such as `chatlab compare`.
        heading: what the page is about.
        lead: HTML between the heading and the first section.
        sections: in the order of the page.
    """
    shell = files("chatlab.view.page").joinpath("shell.html").read_text(encoding="utf-8")
    named = {f"part-{number}": one for number, one in enumerate(sections, start=1)}
    [script] = SCRIPT.findall(shell)
    return Template(shell).substitute(
        policy=_policy(script),
        title=text(f"{heading} - {kind}"),
        kind=text(kind),
        heading=text(heading),
        lead="\n".join(lead),
        contents=_contents({name: (one.title, one.parts) for name, one in named.items()}),
        body="\n".join(
            f'<section aria-labelledby="{name}"><h2 id="{name}">{text(one.title)}</h2>'
            f"{one.body}</section>"
            for name, one in named.items()
        ),
    )


def text(plain: str) -> str:
    """Text that is nothing but text, whatever stands in it."""
    return escape(words.printable(plain))


def wide(label: str, content: str) -> str:
    """What may be wider than the page: it scrolls in its own box, and says so."""
    return (
        '<p class="hint" hidden aria-hidden="true">There is more to the right: scroll →</p>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(label)}">{content}</div>'
    )


def repeat(command: str) -> Section:
    """The command, to be copied."""
    return section(
        "Repeat it",
        [
            f'<pre><code id="command">{text(command)}</code></pre>',
            '<button type="button" class="copy" data-copies="command" hidden>'
            "Copy the command</button>",
        ],
    )


def environment(rows: Mapping[str, Any]) -> Section:
    """Machine, versions, and whatever else one needs to know to judge the figures."""
    lines = (
        f'<tr><th scope="row">{text(key)}</th><td>{text(_written(value))}</td></tr>'
        for key, value in rows.items()
    )
    table = f'<table class="texts"><tbody>{"".join(lines)}</tbody></table>'
    return section("Environment", [wide("Environment", table)])


def _written(value: object) -> str:
    return words.DASH if value is None else f"{value:,}" if type(value) is int else str(value)


def _contents(found: Mapping[str, tuple[str, Mapping[str, str]]]) -> str:
    def items() -> Iterator[str]:
        for name, (title, parts) in found.items():
            below = _contents({part: (its_title, {}) for part, its_title in parts.items()})
            yield f'<li><a href="#{name}">{text(title)}</a>{below if parts else ""}</li>'

    return f"<ul>{''.join(items())}</ul>"


def _policy(script: str) -> str:
    """No request to anywhere, and no script but this, even where escaping is forgotten."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
