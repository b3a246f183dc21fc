"""`chatlab`, `chatlab --help` and `chatlab help`: where to start, every command on one line,
examples, and what an exit code means.

The help of one command is typer's; its examples, at the end of it, stand here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chatlab.cli.app import COMMANDS, app
from chatlab.errors import ExitCode
from chatlab.view.console import TextConsole

START_HERE = {
    "chatlab serve": "a chat server, and live what each message costs it",
    "chatlab chat": "in a second terminal: talk, and see where time goes",
    "chatlab compare": "two modes measured: which is faster, what it promises",
}
"""What to type first, and what one sees."""

EXAMPLES = {
    "serve": {
        "chatlab serve": "the plain server, on port 8765",
        "chatlab serve -m optimized --port 9000": "a faster one beside it",
        "chatlab serve -m naive+reader=ttl": "naive, with one part changed",
        "chatlab serve -m journal --disk hdd": "on a simulated slow disk",
        "chatlab serve --host 0.0.0.0 --token SECRET": "for a class, by a secret",
        "chatlab serve --token-file FILE": "by a secret that ps does not show",
    },
    "chat": {
        "chatlab chat": "as yourself, on the server here",
        "chatlab chat :9000 -u ann -r new-year": "elsewhere, as somebody else",
        "chatlab chat teacher.local --token SECRET": "on the server of the class",
    },
    "top": {
        "chatlab top": "the server here",
        "chatlab top :9000 --interval 2": "another one, every two seconds",
        "chatlab top --explain": "what each row means",
    },
    "load": {
        "chatlab load": "midnight: everybody writes at once",
        "chatlab load --scenario class": "fifty people, while you chat",
        "chatlab load :9000 --json -": "the result alone, for a program",
    },
    "compare": {
        "chatlab compare": "naive beside optimized",
        "chatlab compare naive journal --history 10000": "with a long history",
        "chatlab compare naive naive+reader=ttl": "what one part changes",
        "chatlab compare --race naive journal": "to watch, not to measure",
        "chatlab compare --html out.html --json out.json": "and keep the result",
        "chatlab compare --fail-if 'optimized.audit.lost > 0'": "for CI",
    },
    "capacity": {
        "chatlab capacity optimized": "the rate that keeps p95 within 100 ms",
        "chatlab capacity journal --p95-ms 20": "a stricter limit",
    },
    "growth": {
        "chatlab growth": "every history, every mode",
        "chatlab growth naive journal --history 0,1000": "two modes, two histories",
    },
    "tune": {"chatlab tune": "batch sizes times flush intervals"},
    "learn": {
        "chatlab learn init": "a copy of the course, here",
        "chatlab learn": "the next exercise, checked at each save",
    },
    "list": {"chatlab list": "where you are"},
    "check": {
        "chatlab check": "the first that has not passed",
        "chatlab check 02": "exercise 02",
    },
    "hint": {"chatlab hint 02": "one more hint each time"},
    "replay": {"chatlab replay 02": "what happened, step by step"},
    "solution": {"chatlab solution 02": "once 02 has passed"},
    "reset": {"chatlab reset 02": "from the beginning; your file is kept"},
    "modes": {
        "chatlab modes": "the names that --mode takes",
        "chatlab modes --parts": "what each is made of",
    },
    "data": {
        "chatlab data inspect": "what `chatlab serve` kept",
        "chatlab data export --to - > messages.json": "all its messages",
        "chatlab data prune": "what strangers left in its rooms",
        "chatlab data import --help": "more about a command of it",
    },
    "typist": {"chatlab typist naive journal --rounds 6": "six rounds of ten seconds for each"},
    "xray": {
        "chatlab xray": "naive beside journal",
        "chatlab xray naive cached batched --rate 20": "any modes, any load",
    },
    "plug": {"chatlab plug": "kill -9 under load: what was acked, and is gone"},
    "pitfalls": {"chatlab pitfalls": "all five; a name runs one"},
    "crash": {"chatlab crash naive journal --trials 5": "five kills of each"},
    "compression": {"chatlab compression": "the wire and the disk, with and without"},
    "rungs": {"chatlab rungs --rounds 6": "every promise, tested"},
    "generator": {"chatlab generator": "is the instrument faster than the server?"},
    "watching": {"chatlab watching": "with the dashboard and without it"},
    "course": {
        "chatlab course verify 02": "does exercise 02 hold what it claims?",
        "chatlab course wrong 02": "its wrong answers, to demonstrate",
    },
    "help": {
        "chatlab help compare": "a command, with examples",
        "chatlab help exit-codes": "what a script can rely on",
    },
}
"""What to type, and what it is for, by the name of a command."""

CODES_TOPIC = "exit-codes"
NAME_WIDTH = 13
"""Columns for the longest name, and what it is indented by."""


def help_(
    words: list[str] | None = typer.Argument(
        None, metavar="COMMAND", help=f"Which one, or `{CODES_TOPIC}`.  \\[default: all of them]"
    ),
) -> None:
    """Explain a command, with examples. `exit-codes` lists what the shell gets."""
    if words == [CODES_TOPIC]:
        TextConsole().print(
            _grid([(str(code.value), code.meaning) for code in ExitCode], "exit code", "meaning")
        )
    else:
        app([*(words or ()), "--help"], prog_name="chatlab", standalone_mode=False)


def colour_help() -> None:
    """Give typer's help colours that can be read on light and dark, as every other screen has."""
    from rich.default_styles import DEFAULT_STYLES
    from rich.style import Style
    from typer import rich_utils  # slow: not for the front page

    from chatlab.view.words import DIFFERENT, QUIET

    DEFAULT_STYLES["markdown.code"] = DIFFERENT
    for name, style in vars(rich_utils).copy().items():
        if name.startswith("STYLE_") and isinstance(style, str) and Style.parse(style).dim:
            setattr(rich_utils, name, str(QUIET))
    for name in ("OPTION", "SWITCH", "COMMANDS_TABLE_FIRST_COLUMN"):
        setattr(rich_utils, f"STYLE_{name}", str(DIFFERENT))
    for name in ("TYPES", "METAVAR", "USAGE", "OPTION_ENVVAR", "NEGATIVE_OPTION"):
        setattr(rich_utils, f"STYLE_{name}", str(QUIET))


def print_first_page(commands: Mapping[str, Any]) -> None:
    """Print where to start, and the names of the commands: 24 rows have room for it."""
    console = TextConsole()
    _print_start(console)
    panels = [(panel, " ".join(listed)) for panel, listed in _by_panel(commands).items()]
    _print_rows(console, "\nCommands", panels)
    footer = {
        "chatlab --help": "says of each command what it does",
        "chatlab help COMMAND": "explains one, with examples",
    }
    _print_rows(console, "\nMore", list(footer.items()))


def print_front_page(commands: Mapping[str, Any]) -> None:
    """Print where to start, then the commands by their panels, each with its first sentence."""
    console = TextConsole()
    _print_start(console)
    for panel, listed in _by_panel(commands).items():
        _print_rows(console, panel, list(listed.items()))
    footer = {
        "chatlab": "where to start, on one screen",
        "chatlab help COMMAND": "explains a command, with examples",
        f"chatlab help {CODES_TOPIC}": "lists what a script can rely on",
        "--install-completion": "teaches your shell to complete commands and modes",
    }
    _print_rows(console, "More", list(footer.items()))


def _print_start(console: Console) -> None:
    console.print("chatlab: see, do and prove what makes a server fast without making it wrong")
    _print_rows(console, "\nStart here", list(START_HERE.items()))


def _by_panel(commands: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The first sentence of each command, by panel and name."""
    panels: dict[str, dict[str, str]] = {panel: {} for panel in COMMANDS}
    for name, command in commands.items():
        if command.rich_help_panel in panels:
            panels[command.rich_help_panel][name] = first_sentence(command.help)
    return panels


def print_examples(name: str) -> None:
    """Print the examples of a command."""
    _print_rows(TextConsole(), "Examples", list(EXAMPLES[name].items()))


def first_sentence(text: str) -> str:
    """A text up to its first full stop that ends a sentence; without that full stop."""
    return re.sub(r"\.(\s.*|$)", "", " ".join(text.split()))


def _print_rows(console: Console, heading: str, rows: Sequence[tuple[str, str]]) -> None:
    console.print(Text(heading, style="bold"))
    console.print(_grid(rows))


def _grid(rows: Sequence[tuple[str, str]], *headings: str) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(headings))
    grid.add_column(*headings[:1], no_wrap=True, min_width=NAME_WIDTH)
    grid.add_column(*headings[1:])
    for name, text in rows:
        grid.add_row(Text(name if headings else f"  {name}"), Text(text))
    return grid
