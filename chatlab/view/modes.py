"""The table of modes, for `chatlab modes`."""

from __future__ import annotations

from rich.console import Console

from chatlab.chat.knobs import KNOBS
from chatlab.chat.modes import MODES, PARTS, ack_means, parse
from chatlab.chat.settings import Settings
from chatlab.view import words
from chatlab.view.lines import DIFFERENT, QUIET, STRONG, Line, Page, cut, heading, line

WIDTH_MAX = 100
_PLAIN = "naive"


def print_modes(console: Console | None = None) -> None:
    """Print every mode's line-up, what an ack then means, how to swap a part and turn a knob.

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
    name_width = max(len(name) for name in MODES) + 1
    widths = {
        role: 2 + max(len(role), *(len(mode.parts[role]) for mode in MODES.values()))
        for role in PARTS
    }
    titles = "".join(f" {role}".ljust(widths[role]) for role in PARTS)
    lines = [line(("mode".ljust(name_width) + titles + "ack", STRONG))]
    for name, mode in MODES.items():
        row = line((name.ljust(name_width), STRONG))
        for role, choice in mode.parts.items():
            differs = choice != MODES[_PLAIN].parts[role]
            cell = f"{'+' if differs else ' '}{choice}".ljust(widths[role])
            row += line((cell, DIFFERENT) if differs else cell)
        lines.append(row + line(ack_means(parse(name))))
        lines += [
            line((" " * (name_width + 1) + text, QUIET))
            for text in _wrapped(mode.words, width - name_width - 1)
        ]
    return [*lines, line(("+ marks what is not as in the naive mode", QUIET))]


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
    default = Settings()
    return [
        heading("turn a knob: --mode NAME+KNOB=VALUE, as often as you like", width),
        *(
            line(
                (name.ljust(16), STRONG),
                f"{getattr(default, knob.field):<8g} ",
                (knob.words, QUIET),
            )
            for name, knob in KNOBS.items()
        ),
        line(),
        line("chatlab compare optimized optimized+batch-size=10"),
    ]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(20, width))
