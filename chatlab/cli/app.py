"""The front door: the command line, assembled from a table with one row for each command.

A command's module is imported when the command is used, so that `chatlab --help` is quick, and so
the module may import at its top whatever the command needs.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_group

from chatlab.errors import ChatlabError, ExitCode

COMMANDS: dict[str | None, str] = {
    None: """
serve        serve:serve            Start the chat server and watch it work.
chat         chat:chat              Chat in a terminal, and see how long each of your messages
                                    takes, and where that time goes.
top          clients:top            Attach the live dashboard to a running server. q or Ctrl-C
                                    detaches; the server goes on.
load         clients:load           Send planned messages to a running server, and measure acks and
                                    deliveries.
compare      compare:compare        Race modes side by side, and audit that none cheated.
modes        serve:modes            Print every mode's line-up: which part plays each role, and what
                                    an ack means.
data         data:app               Look at what lies in a data folder, and move messages in and
                                    out.
""",
    "Course": """
check        course:check           Check your file of an exercise, and show what to look at next.
hint         course:hint            Show a hint; each call shows one more: a nudge, a direction,
                                    nearly the answer.
solution     course:solution        Show a solution, why it works and what it costs: the reward for
                                    passing.
reset        course:reset           Restore the starter of an exercise. Your file is kept in
                                    .chatlab/backups.
replay       course:replay          Run one check again, exactly as it failed, and tell the whole
                                    story.
list         course:list_exercises  List all exercises: points, what has passed, and which one is
                                    next.
learn        learn:app              Do the course: checks your file each time you save it.
                                    `chatlab learn init` makes a copy.
course       course_teach:app       For teachers: test the course, show wrong answers.
""",
}
"""By the heading under which `chatlab --help` lists them: a command's name; the module here and the
attribute in it that is its function, or a `Typer` with commands of its own; and the first paragraph
of its help."""

LABS = {
    "growth": "See what a long history does to the price of a message.",
    "tune": "Find a good batch size and flush interval, and see why others are worse.",
    "capacity": "Find the highest steady rate that a mode keeps up with.",
    "pitfalls": "Make five famous mistakes, and cure each by one flag.",
    "plug": "Kill a server under load, and see which of the messages that it acked are gone.",
    "crash": "Kill servers and cut their power, and see what is left of what they acked.",
    "compression": "See how many bytes compression saves, and what they cost.",
    "rungs": "Measure what the upper rungs promise, and say which promises are kept.",
    "generator": "Measure the load generator itself, against a server that does next to nothing.",
    "watching": (
        "Measure what the live dashboard costs: the same load with it and without it, in turn."
    ),
    "query_plan": "See what an index does: the history query with it and without it, measured.",
}
"""What one sees in each lab: a sentence by the name of its folder."""

_STYLE: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "markdown",
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

app = typer.Typer(
    name="chatlab",
    help="See, do and prove server performance: one chat server, interchangeable parts, an honest "
    "benchmark.",
    no_args_is_help=True,
    **_STYLE,
)


def main() -> None:
    """Run a command; a mistake of the user's is one clear line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character shows a "?" in its place, rather than a traceback.
            stream.reconfigure(errors="replace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except ChatlabError as error:
        print(f"chatlab: {error}", file=sys.stderr)
        sys.exit(ExitCode.USAGE)
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        print(f"chatlab: cannot write to standard output: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries once more, at its end
        sys.exit(ExitCode.USAGE)


class LazyCommand(TyperCommand):
    """A command of which only the name and the help are known until it is used."""

    target = ""

    def load(self) -> TyperCommand:
        """The command itself."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(f"chatlab.cli.{module}"), attribute)
        alone = typer.Typer(**_STYLE)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=self.name)
        else:
            alone.command(self.name)(found)
        return get_group(alone).commands[str(self.name)]  # type: ignore[return-value]

    def make_context(self, *args: Any, **more: Any) -> Any:
        return self.load().make_context(*args, **more)


def _stub() -> None:
    """Never called: `LazyCommand.make_context` puts the command itself in its place."""


def _list(panel: str | None, name: str, target: str, *help_words: str) -> None:
    kind = type("LazyCommand", (LazyCommand,), {"target": target})
    app.command(name, cls=kind, help=" ".join(help_words), rich_help_panel=panel)(_stub)


for _panel, _rows in COMMANDS.items():
    for _row in re.split(r"\n(?=\w)", _rows.strip()):
        _list(_panel, *_row.split())
for _name, _summary in LABS.items():
    if _name != "query_plan":  # this is `chatlab data explain`
        _list("Labs", _name, f"labs:{_name}", _summary)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from chatlab import __version__

        print(f"chatlab {__version__}")
        raise typer.Exit
