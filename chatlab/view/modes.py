"""The table of modes, for `chatlab modes`; each page fits 24 rows of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from rich.console import Console

from chatlab.chat.modes import MODES, PARTS, ack_means, parse
from chatlab.chat.settings import KNOBS
from chatlab.chat.user_parts import MINE
from chatlab.view import words
from chatlab.view.console import TextConsole
from chatlab.view.words import DIFFERENT, QUIET, STRONG, Line, Page, cut, heading, line

WIDTH_MAX = 100
_PLAIN = "naive"
_NAME_WIDTH = max(map(len, MODES)) + 2
_ACK_WIDTH = 9


def print_modes(console: Console | None = None) -> None:
    """Print what each mode does, what an ack means, and the commands that say more.

    Args:
        console: where to; by default the standard output.
    """
    _print(_modes, console)


def print_parts(console: Console | None = None) -> None:
    """Print every mode's line-up, and how to swap a part, likewise."""
    _print(_parts, console)


def print_knobs(console: Console | None = None) -> None:
    """Print every knob and how to turn it, likewise."""
    _print(_knobs, console)


def _print(page: Callable[[int], list[Line]], console: Console | None) -> None:
    console = console or TextConsole()
    width = min(WIDTH_MAX, console.width)
    console.print(Page(cut(each, width) for each in page(width)))


def _modes(width: int) -> list[Line]:
    rows = [(name, str(ack_means(parse(name))), mode.words) for name, mode in MODES.items()]
    rows.append((MINE, "", "the exercises that you have solved, naive for the rest"))
    titles = "mode".ljust(_NAME_WIDTH) + "an ack".ljust(_ACK_WIDTH) + "in words"
    lines = [line((titles, STRONG))]
    for name, ack, text in rows:
        first, *rest = _wrapped(text, width - _NAME_WIDTH - _ACK_WIDTH)
        lines.append(line((name.ljust(_NAME_WIDTH), STRONG), ack.ljust(_ACK_WIDTH), first))
        lines += [line(" " * (_NAME_WIDTH + _ACK_WIDTH) + more) for more in rest]
    return [
        *lines,
        line(),
        heading("what an ack means", width),
        *(line((level.ljust(10), STRONG), text) for level, text in words.ACK_WORDS.items()),
        line(),
        line("chatlab serve --mode journal  ", ("runs one", QUIET)),
        line(
            "chatlab modes --parts         ",
            ("what each is made of, and how to swap a part", QUIET),
        ),
        line("chatlab modes --knobs         ", ("the numbers, and how to change one", QUIET)),
    ]


def _parts(width: int) -> list[Line]:
    return [
        *_line_ups(width),
        line(),
        heading("swap a part: --mode NAME+PART=IMPL, as often as you like", width),
        *(
            line((role.ljust(10), STRONG), text)
            for role, choices in PARTS.items()
            for text in _wrapped(" | ".join(choices), width - 10)
        ),
        line(),
        line("chatlab serve --mode naive+reader=ttl"),
        line("chatlab serve --mode naive+reader=mine  ", ("what you wrote in an exercise", QUIET)),
        line("chatlab serve --mode naive+store=path/to/file.py:Class  ", ("your own class", QUIET)),
    ]


def _line_ups(width: int) -> list[Line]:
    """A row for each mode, with a column for each part in which modes differ.

    Where the columns do not fit, a part in which a single mode differs becomes a sentence.
    """
    odd = {role: _odd_ones(role) for role in PARTS}
    widths = {  # one column is for the mark, one for the gap
        role: 2 + max(len(role), *(len(mode.parts[role]) for mode in MODES.values()))
        for role in PARTS
        if odd[role]
    }
    if _NAME_WIDTH + sum(widths.values()) > width:
        widths = {role: each for role, each in widths.items() if len(odd[role]) > 1}
    titles = "".join(f" {role}".ljust(role_width) for role, role_width in widths.items())
    lines = [line(("mode".ljust(_NAME_WIDTH) + titles, STRONG))]
    for name, mode in MODES.items():
        row = line((name.ljust(_NAME_WIDTH), STRONG))
        for role, role_width in widths.items():
            differs = mode.parts[role] != MODES[_PLAIN].parts[role]
            cell = f"{'+' if differs else ' '}{mode.parts[role]}".ljust(role_width)
            row += line((cell, DIFFERENT) if differs else cell)
        lines.append(row)
    rest = [
        f"{role} is {MODES[_PLAIN].parts[role]}{''.join(f' (not in {name})' for name in odd[role])}"
        for role in PARTS
        if role not in widths
    ]
    said = _wrapped("; ".join(["+ differs from naive", *rest]), width)
    return [*lines, *(line((text, QUIET)) for text in said)]


def _odd_ones(role: str) -> list[str]:
    """The modes whose part is not naive's."""
    plain = MODES[_PLAIN].parts[role]
    return [name for name, mode in MODES.items() if mode.parts[role] != plain]


def _knobs(width: int) -> list[Line]:
    return [
        heading("turn a knob: --mode NAME+KNOB=VALUE, as often as you like", width),
        line(("knob".ljust(16) + "default".ljust(11) + "it takes", STRONG)),
        *(
            row
            for name, knob in KNOBS.items()
            for row in (
                line((name.ljust(16), STRONG), f"{knob.default:<10,} ", knob.words),
                line((f"  {knob.help}", QUIET)),
            )
        ),
        line(),
        line("chatlab compare optimized optimized+batch-size=10"),
    ]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(20, width))
