"""The table of modes, for `chatlab modes`."""

from __future__ import annotations

from rich.console import Console

from chatlab.chat.modes import MODES, PARTS, ack_means, parse
from chatlab.chat.settings import KNOBS
from chatlab.view import words
from chatlab.view.words import DIFFERENT, QUIET, STRONG, Line, Page, cut, heading, line

WIDTH_MAX = 100
_PLAIN = "naive"


def print_modes(console: Console | None = None) -> None:
    """Print every mode's line-up, what an ack means, how to swap a part and how to turn a knob.

    Args:
        console: where to; by default the standard output.
    """
    console = console or Console()
    console.print(Page(modes(min(WIDTH_MAX, console.width))))


def modes(width: int) -> list[Line]:
    """The same, as lines of at most `width` columns."""
    lines = [*_line_ups(width), line(), *_acks(width), line(), *_choices(width)]
    lines += [line(), *_knobs(width)]
    return [cut(each, width) for each in lines]


def _line_ups(width: int) -> list[Line]:
    """A row for each mode, with a column for each part in which modes differ.

    Where the columns do not fit, a part in which a single mode differs becomes a sentence.
    """
    odd = {role: _odd_ones(role) for role in PARTS}
    name_width = max(map(len, MODES)) + 1
    widths = {  # one column is for the mark, one for the gap
        role: 2 + max(len(role), *(len(mode.parts[role]) for mode in MODES.values()))
        for role in PARTS
        if odd[role]
    }
    if name_width + sum(widths.values()) > width:
        widths = {role: each for role, each in widths.items() if len(odd[role]) > 1}
    titles = "".join(f" {role}".ljust(role_width) for role, role_width in widths.items())
    lines = [line(("mode".ljust(name_width) + titles, STRONG))]
    for name, mode in MODES.items():
        row = line((name.ljust(name_width), STRONG))
        for role, role_width in widths.items():
            differs = mode.parts[role] != MODES[_PLAIN].parts[role]
            cell = f"{'+' if differs else ' '}{mode.parts[role]}".ljust(role_width)
            row += line((cell, DIFFERENT) if differs else cell)
        text = f"{mode.words} (ack: {ack_means(parse(name))})"
        lines += [row, *_words(text, name_width + 1, width)]
    rest = [
        f"every mode{''.join(f' but {name}' for name in odd[role])} has {role} "
        f"{MODES[_PLAIN].parts[role]}"
        for role in PARTS
        if role not in widths
    ]
    return [*lines, *_words("; ".join(["+ differs from naive", *rest]), 0, width)]


def _odd_ones(role: str) -> list[str]:
    """The modes whose part is not naive's."""
    plain = MODES[_PLAIN].parts[role]
    return [name for name, mode in MODES.items() if mode.parts[role] != plain]


def _words(text: str, indent: int, width: int) -> list[Line]:
    return [line((" " * indent + part, QUIET)) for part in _wrapped(text, width - indent)]


def _acks(width: int) -> list[Line]:
    return [
        heading("what an ack means", width),
        *(line((level.ljust(10), STRONG), text) for level, text in words.ACK_WORDS.items()),
    ]


def _choices(width: int) -> list[Line]:
    return [
        heading("swap a part: --mode NAME+PART=IMPL, as often as you like", width),
        *(
            line((role.ljust(10), STRONG), text)
            for role, choices in PARTS.items()
            for text in _wrapped(" | ".join(choices), width - 10)
        ),
        line(),
        line("chatlab serve --mode naive+reader=ttl"),
        line("chatlab serve --mode naive+store=path/to/file.py:Class    a class of your own"),
        line("chatlab serve --mode naive+reader=mine    what you wrote in an exercise"),
        line("chatlab serve --mode mine                 all exercises that you have solved"),
    ]


def _knobs(width: int) -> list[Line]:
    return [
        heading("turn a knob: --mode NAME+KNOB=VALUE, as often as you like", width),
        *(
            line((name.ljust(16), STRONG), f"{knob.default:<10,} ", (knob.words, QUIET))
            for name, knob in KNOBS.items()
        ),
        line(),
        line("chatlab compare optimized optimized+batch-size=10"),
    ]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(20, width))
