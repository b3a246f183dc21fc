"""The command line, assembled. Each command imports what it needs only when it runs, so that
`chatlab --help` is quick."""

from __future__ import annotations

import typer

from chatlab.cli import (
    chat,
    compare,
    compression,
    course,
    course_answers,
    crash,
    data,
    generator,
    labs,
    learn,
    load,
    rungs,
    serve,
    top,
)
from chatlab.cli import course_teach as course_verify

app = typer.Typer(
    name="chatlab",
    help="See, do and prove server performance: one chat server, interchangeable parts, an honest "
    "benchmark.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("chat")(chat.chat)
app.command("top")(top.top)
app.command("load")(load.load)
app.command("compare")(compare.compare)
app.command("modes")(serve.modes)

app.add_typer(data.app, name="data")

COURSE = "Course"
app.add_typer(learn.app, name="learn", rich_help_panel=COURSE)
app.command("check", rich_help_panel=COURSE)(course.check)
app.command("hint", rich_help_panel=COURSE)(course_answers.hint)
app.command("solution", rich_help_panel=COURSE)(course_answers.solution)
app.command("reset", rich_help_panel=COURSE)(course.reset)
app.command("replay", rich_help_panel=COURSE)(course.replay)
app.command("list", rich_help_panel=COURSE)(course.list_exercises)
app.add_typer(course_verify.app, name="course", rich_help_panel=COURSE)

LABS = "Labs"
app.command("growth", rich_help_panel=LABS)(labs.growth)
app.command("tune", rich_help_panel=LABS)(labs.tune)
app.command("capacity", rich_help_panel=LABS)(labs.capacity)
app.command("pitfalls", rich_help_panel=LABS)(labs.pitfalls)
app.command("crash", rich_help_panel=LABS)(crash.crash)
app.command("compression", rich_help_panel=LABS)(compression.compression)
app.command("rungs", rich_help_panel=LABS)(rungs.rungs)
app.command("generator", rich_help_panel=LABS)(generator.generator)
app.command("watching", rich_help_panel=LABS)(generator.watching)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from chatlab import __version__

        print(f"chatlab {__version__}")
        raise typer.Exit
