"""What a terminal shows, as HTML: tables become tables, bold lines headings, colours stay.

So whatever is made to be printed can be written as a page, too. A line that is laid out by spaces
keeps its layout, and scrolls where it is too long.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Column, Table
from rich.text import Text

from chatlab.plain_text import printable_lines
from chatlab.view.console import TextConsole
from chatlab.view.page.shell import Section, section, text, wide

FIRST = "Result"
AFTER = "Notes"
"""What follows a table or a story after an empty line."""
LAID_OUT = re.compile(r"\S {2,}\S|^ ", re.MULTILINE)
BLOCKS = re.compile(r"[█▉▊▋▌▍▎▏]+")
EIGHTHS = " ▏▎▍▌▋▊▉█"
COLOURS = {
    "color(160)": "bad",
    "color(28)": "good",
    "color(130)": "warn",
    "color(30)": "accent",
    "color(243)": "soft",
}
"""A terminal's colours, and the classes of the page that are readable in both of its schemes."""
_CONSOLE = TextConsole(file=io.StringIO(), width=10_000, color_system="truecolor")


def sections(shown: Iterable[RenderableType]) -> tuple[str, list[Section]]:
    """The first heading, for the whole page, or nothing; and a section for each further one."""
    parts: list[tuple[str, list[Text | Table | Padding]]] = [("", [])]
    for one in chain.from_iterable(map(_flat, shown)):
        if isinstance(one, Text) and is_heading(one):
            parts.append((one.plain.strip(), []))
        elif isinstance(one, Text) and not one.plain.strip():
            if any(not isinstance(other, Text) for other in parts[-1][1]):
                parts.append((AFTER, []))
        else:
            parts[-1][1].append(one)
    heading = parts[1][0] if len(parts) > 1 and not parts[0][1] else ""
    titles = [FIRST if n == bool(heading) else title for n, (title, _) in enumerate(parts)]
    return heading, [
        section(title, _blocks(content))
        for title, (_, content) in zip(titles, parts, strict=True)
        if content
    ]


def is_heading(one: Text) -> bool:
    """Whether a line is a heading: all of it bold, and no row of a table."""
    plain = one.plain.strip()
    return one.style == "bold" and not one.spans and not re.search(r"\n|  ", plain)


def _flat(shown: RenderableType) -> Iterator[Text | Table | Padding]:
    """Texts, tables, and paddings of them, one after the other."""
    if isinstance(shown, Group):
        yield from chain.from_iterable(map(_flat, shown.renderables))
    elif isinstance(shown, str):
        yield Text(printable_lines(shown))
    elif isinstance(shown, Text | Table | Padding):
        yield shown
    else:
        with _CONSOLE.capture() as capture:
            _CONSOLE.print(shown)
        yield Text.from_ansi(capture.get())


def _blocks(content: Iterable[Text | Table | Padding]) -> Iterator[str]:
    """Lines that are laid out stay together, so that their columns do."""
    lines: list[str] = []
    for one in content:
        if isinstance(one, Text) and LAID_OUT.search(one.plain.strip("\n")):
            lines.append(_spans(one))
            continue
        yield from _laid_out(lines)
        lines = []
        yield _block(one)
    yield from _laid_out(lines)


def _laid_out(lines: list[str]) -> Iterator[str]:
    if lines:
        yield wide("Output", f"<pre>{'<br>'.join(lines)}</pre>")


def _block(one: RenderableType) -> str:
    match one:
        case Table():
            return _table(one)
        case Padding():
            inside = "".join(_block(inner) for inner in _flat(one.renderable))
            return f'<div class="indent">{inside}</div>'
        case Text():
            return f"<p>{_spans(one)}</p>"
        case _:
            raise TypeError(f"{one!r} is neither text nor table")


def _spans(one: Text) -> str:
    """The text with its styles, the line ends before and after it left out."""
    found = []
    base = _style(one.style) if not one.spans else None  # with spans, rich adds it to them
    for segment in one.render(_CONSOLE):
        shown, kinds = text_of_lines(segment.text), _classes(segment.style or base)
        found.append(f'<span class="{kinds}">{shown}</span>' if kinds else shown)
    return re.sub(r"^(<span[^>]*>)?(<br>)+", r"\1", "".join(found))


def text_of_lines(plain: str) -> str:
    """Text of several lines."""
    return "<br>".join(map(text, plain.split("\n")))


def _classes(style: Style | None) -> str:
    if style is None:
        return ""
    found = [COLOURS.get(style.color.name, "")] if style.color else []
    found += ["strong"] * bool(style.bold) + ["gone"] * bool(style.strike)
    return " ".join(filter(None, found))


def _table(table: Table) -> str:
    """The first column heads its rows, where it says something."""
    columns = table.columns
    head = ""
    if table.show_header:
        cells = (_cell(column.header, column, "th", "col") for column in columns)
        head = f"<thead><tr>{''.join(cells)}</tr></thead>"
    rows = zip(*(list(column.cells) for column in columns), strict=True)
    lines = []
    for row, content in zip(table.rows, rows, strict=True):
        kinds = _classes(_style(row.style))
        made = [
            _cell(cell, column, "td" if number else "th", "row")
            for number, (cell, column) in enumerate(zip(content, columns, strict=True))
        ]
        lines.append(f'<tr class="{kinds}">{"".join(made)}</tr>')
    return wide("Table", f"<table>{head}<tbody>{''.join(lines)}</tbody></table>")


def _cell(content: RenderableType, column: Column, tag: str, scope: str) -> str:
    """An empty cell heads nothing."""
    found = list(_flat(content))
    plain = "".join(one.plain for one in found if isinstance(one, Text)).strip()
    inside = "".join(_spans(one) for one in found if isinstance(one, Text)).strip()
    kinds = ["left"] * (column.justify == "left")
    if BLOCKS.fullmatch(plain):
        style = found[0].style if isinstance(found[0], Text) else ""
        kinds += ["left", _classes(_style(style or column.style))]
        width = sum(map(EIGHTHS.index, plain)) / 8
        inside = f'<span class="block" style="width:{width:g}ch"></span>'
    where = f' scope="{scope}"' if tag == "th" and plain else ""
    tag = tag if where else "td"
    return f'<{tag}{where} class="{" ".join(filter(None, kinds))}">{inside}</{tag}>'


def _style(style: str | Style | None) -> Style | None:
    return _CONSOLE.get_style(style) if style else None
