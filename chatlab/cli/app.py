"""The front door: the command line, assembled from a table with one row for each command.

A command's module is imported when the command is used, so that `chatlab --help` is quick, and so
the module may import at its top whatever the command needs.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from importlib import import_module
from typing import Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from chatlab.cli.streams import flush_output, output_failed, take_standard_streams
from chatlab.errors import ChatlabError, ExitCode
from chatlab.plain_text import printable_lines
from chatlab.signals import interrupt_on_signals

COMMANDS = {
    "Run": """
serve        serve:serve            Start the chat server and watch it work.
chat         chat:chat              Chat in a terminal, and see where the time of a message goes.
top          clients:top            Attach the live dashboard to a running server.
load         clients:load           Put load on a running server, and measure what becomes of it.
""",
    "Measure": """
compare      compare:compare        Race modes side by side, and audit that none cheated.
""",
    "Learn": """
learn        learn:app              Do the course: checks your file each time you save it.
list         course:list_exercises  List the exercises: points, what has passed, and what is next.
check        course:check           Check your file of an exercise, and show what to look at next.
hint         course:hint            Show a hint; each call shows one more.
replay       course:replay          Run a check again, just as it failed, and tell its story.
solution     course:solution        Show a solution, why it works and what it costs.
reset        course:reset           Restore the starter of an exercise.
""",
    "Look inside": """
modes        serve:modes            Print what each mode does, and what its ack means.
data         data:app               Look into a data folder, and move messages in and out.
""",
    "Teach": """
course       course_teach:app       For teachers: test the course, show wrong answers.
""",
}
"""By the panel of `chatlab --help` that lists them: a command's name; the module here and the
attribute in it that is its function, or a `Typer` with commands of its own; and the first sentence
of its help."""

LABS = {
    "capacity": "Find the highest steady rate that a mode keeps up with.",
    "growth": "See what a long history does to the price of a message.",
    "tune": "Find a good batch size and flush interval.",
    "typist": "Feel what one person feels while a class chats.",
    "xray": "See one message's life, step by step, in two modes.",
    "plug": "Kill a server under load, and see what it acked and lost.",
    "pitfalls": "Make five famous mistakes, and cure each by one flag.",
    "crash": "Kill servers, cut their power, and audit what they had acked.",
    "compression": "See how many bytes compression saves, and what they cost.",
    "rungs": "Measure whether the fastest modes keep what they promise.",
    "generator": "Measure how fast the load generator itself is.",
    "watching": "Measure what the live dashboard costs.",
    "query_plan": "See what an index does: the history query with it and without it, measured.",
}
"""What one sees in each lab: a sentence by the name of its folder."""

_MEASURING_LABS = {"capacity", "growth", "tune", "typist"}
"""Those that measure modes; the others look inside."""

_STYLE: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "markdown",
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

MISTYPED: Any = typer.BadParameter.__mro__[1]
"""What the command line raises of a wrong option, value or command."""


class FrontDoor(TyperGroup):
    """`chatlab --help`: where to start, and every command on one line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        from chatlab.cli.help import print_front_page

        print_front_page(self.commands)


app = typer.Typer(
    name="chatlab",
    help="See, do and prove server performance: one chat server, interchangeable parts, an honest "
    "benchmark.",
    cls=FrontDoor,
    **_STYLE | {"add_completion": True},
)


def main() -> None:
    """Run a command; a mistake of the user's is one clear line and exit code 2."""
    interrupt_on_signals()
    code = _run()
    at_the_end = flush_output()
    sys.exit(code or at_the_end)


def _run() -> str | int | None:
    """Run a command; returns its exit code, as `sys.exit` takes it."""
    try:
        take_standard_streams()
        code: int | None = app(prog_name="chatlab", standalone_mode=False)
        return code
    except MISTYPED as error:
        if said := error.format_message():  # nothing, if it has shown the help
            tell(f"chatlab: {said}")
            command = error.ctx.command_path if error.ctx else "chatlab"
            print(f"`{command} --help` lists what it takes", file=sys.stderr)
        return ExitCode.USAGE
    except typer.Abort:
        tell("chatlab: stopped, nothing was changed")
        return ExitCode.NOT_CLEAN
    except ChatlabError as error:
        for line in str(error).split("\n"):
            tell(f"chatlab: {line}")
        return error.exit_code
    except (OSError, SystemExit) as error:
        # Of a broken pipe, the library of the command line makes an exit code.
        failure = error.__context__ if isinstance(error, SystemExit) else error
        if (code := output_failed(failure)) is not None:
            return code
        if isinstance(error, OSError):
            raise
        return error.code


def tell(text: str, to: TextIO | None = None) -> None:
    """Say it in one line, which a terminal gets broken between words.

    Args:
        to: where, if not to standard error.
    """
    to, text = to or sys.stderr, printable_lines(text)
    if to.isatty():
        width = os.get_terminal_size(to.fileno()).columns
        text = textwrap.fill(text, width or 80, break_long_words=False, break_on_hyphens=False)
    print(text, file=to, flush=True)


class LazyCommand(TyperCommand):
    """A command of which only the name and the help are known until it is used."""

    target = ""

    def load(self) -> TyperCommand:
        """The command itself."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(f"chatlab.cli.{module}"), attribute)
        alone = typer.Typer(**_STYLE)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=self.name, cls=_ShownGroup)
        else:
            alone.command(self.name, cls=_ShownCommand)(found)
        return get_group(alone).commands[str(self.name)]  # type: ignore[return-value]

    def make_context(self, info_name: Any, args: list[str], *rest: Any, **more: Any) -> Any:
        if not args or {"-h", "--help"}.intersection(args):
            from chatlab.cli.help import colour_help

            colour_help()
        return self.load().make_context(info_name, args, *rest, **more)


class _WithExamples:
    """A command whose help ends with examples."""

    name: str | None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from chatlab.cli.help import print_examples

        super().format_help(ctx, formatter)  # type: ignore[misc]
        print_examples(str(self.name))


class _ShownCommand(_WithExamples, TyperCommand):
    pass


class _ShownGroup(_WithExamples, TyperGroup):
    pass


def _stub() -> None:
    """Never called: `LazyCommand.make_context` puts the command itself in its place."""


def _list(panel: str, name: str, target: str, *help_words: str, hidden: bool = False) -> None:
    kind = type("LazyCommand", (LazyCommand,), {"target": target})
    help_text = " ".join(help_words)
    app.command(name, cls=kind, help=help_text, rich_help_panel=panel, hidden=hidden)(_stub)


for _panel, _rows in COMMANDS.items():
    for _row in re.split(r"\n(?=\w)", _rows.strip()):
        _list(_panel, *_row.split())
for _name, _summary in LABS.items():
    if _name != "query_plan":  # this is `chatlab data explain`
        _panel = "Measure" if _name in _MEASURING_LABS else "Look inside"
        _list(_panel, _name, f"labs:{_name}", _summary)
_list("", "help", "help:help_", "Explain a command, with examples.", hidden=True)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from chatlab import __version__

        print(f"chatlab {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        from chatlab.cli.help import print_first_page

        front_door: Any = ctx.command
        print_first_page(front_door.commands)
