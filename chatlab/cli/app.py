"""The command line, assembled: a table with one row for each command.

A command's module is imported when the command is used, so that `chatlab --help` is quick, and so
the module may import at its top whatever the command needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_group

from chatlab.labs import LABS

COMMANDS: dict[str | None, list[tuple[str, str, str]]] = {
    None: [
        ("serve", "chatlab.cli.serve:serve", "Start the chat server and watch it work."),
        (
            "chat",
            "chatlab.cli.chat:chat",
            "Chat in a terminal. Behind each of your messages: when its ack came, and when it "
            "came back.",
        ),
        (
            "top",
            "chatlab.cli.top:top",
            "Attach the live dashboard to a running server. Ctrl-C detaches; the server goes on.",
        ),
        (
            "load",
            "chatlab.cli.load:load",
            "Send planned messages to a running server, and measure acks and deliveries.",
        ),
        (
            "compare",
            "chatlab.cli.compare:compare",
            "Race modes side by side, and audit that none cheated.",
        ),
        (
            "modes",
            "chatlab.cli.serve:modes",
            "Print every mode's line-up: which part plays each role, and what an ack means.",
        ),
        (
            "data",
            "chatlab.cli.data:app",
            "Look at what lies in a data folder, and move messages in and out.",
        ),
    ],
    "Course": [
        (
            "check",
            "chatlab.cli.course:check",
            "Check your file of an exercise, and show what to look at next.",
        ),
        (
            "hint",
            "chatlab.cli.course:hint",
            "Show a hint; each call shows one more: a nudge, a direction, nearly the answer.",
        ),
        (
            "solution",
            "chatlab.cli.course:solution",
            "Show a solution, why it works and what it costs: the reward for passing.",
        ),
        (
            "reset",
            "chatlab.cli.course:reset",
            "Restore the starter of an exercise. Your file is kept in .chatlab/backups.",
        ),
        (
            "replay",
            "chatlab.cli.course:replay",
            "Run one check again, exactly as it failed, and tell the whole story.",
        ),
        (
            "list",
            "chatlab.cli.course:list_exercises",
            "List all exercises: points, what has passed, and which one is next.",
        ),
        (
            "learn",
            "chatlab.cli.learn:app",
            "Do the course: checks your file each time you save it. `chatlab learn init` makes a "
            "copy.",
        ),
        (
            "course",
            "chatlab.cli.course_teach:app",
            "For teachers: test the course, show wrong answers.",
        ),
    ],
    "Labs": [
        (name, f"chatlab.cli.labs:{name}", entry.summary)
        for name, entry in LABS.items()
        if name != "query_plan"  # this is `chatlab data explain`
    ],
}
"""By the heading under which `chatlab --help` lists them: a command's name, the `module:attribute`
of its function (or of a `Typer` with commands of its own), and the first paragraph of its help."""

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


class LazyCommand(TyperCommand):
    """A command of which only the name and the help are known until it is used."""

    target = ""

    def load(self) -> TyperCommand:
        """The command itself."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(module), attribute)
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


for _panel, _commands in COMMANDS.items():
    for _name, _target, _help in _commands:
        _kind = type("LazyCommand", (LazyCommand,), {"target": _target})
        app.command(_name, cls=_kind, help=_help, rich_help_panel=_panel)(_stub)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from chatlab import __version__

        print(f"chatlab {__version__}")
        raise typer.Exit
