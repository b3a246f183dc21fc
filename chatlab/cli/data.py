"""`chatlab data`: what lies in a data folder; messages in and out; what strangers left behind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from chatlab.bench.documents import STANDARD_OUTPUT, Documents
from chatlab.cli import labs
from chatlab.cli.app import tell
from chatlab.cli.options import flag, option
from chatlab.data.folder import DEFAULT_FOLDER
from chatlab.data.records import indented_json
from chatlab.errors import ExitCode, UsageError
from chatlab.view.words import many

STANDARD_INPUT = Path("-")
TAIL_DEFAULT = 5

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The data folder.")]
StoreName = Literal["journal", "sqlite", "json"]

app = typer.Typer(
    help="Look into a data folder, and move messages in and out.", no_args_is_help=True
)


@app.command("inspect")
def inspect(
    folder: Folder = DEFAULT_FOLDER,
    tail: int | None = option(None, "N", "Explain the journal's last N lines.", min=1, max=10_000),
    segment: int | None = option(
        None, "N", "... of segment N of the journal, not of the last.", min=1
    ),
    json: Path | None = option(None, "FILE", "Write it all to FILE; - prints it."),
) -> None:
    """Show what is in a data folder, without changing a byte of it.

    Works while a server runs on the folder, and after a crash. The exit code is 1 if something is
    damaged. A torn tail is not damage: a save was not finished, nobody was told that it is safe,
    and the next start cuts it off.
    """
    import msgspec

    from chatlab.data import inspection
    from chatlab.view.console import TextConsole
    from chatlab.view.data import render, render_lines

    documents = Documents({"--json": json})
    contents = inspection.inspect(folder)
    value, shown = msgspec.to_builtins(contents), render(contents)
    console = TextConsole(file=documents.people)
    if tail is not None or segment is not None:
        lines = inspection.read_lines(folder, tail or TAIL_DEFAULT, segment)
        value["lines"], shown = msgspec.to_builtins(lines), render_lines(lines, console.width)
    try:
        console.print(shown)
    finally:  # a screen that is gone costs no document
        documents.write({"--json": lambda: indented_json(value)})
    sys.exit(ExitCode.of(not contents.damage))


@app.command("export")
def export(
    folder: Folder = DEFAULT_FOLDER,
    *,
    to: Path = option(..., "FILE", "The file to write, such as messages.json; - prints it."),
    kind: StoreName | None = option(
        None, "STORE", "journal, sqlite or json; default: the one in use.", "--from"
    ),
    force: bool = flag("--force", "Replace FILE if it exists already."),
) -> None:
    """Write all messages to a file, in the JSON of messages.json.

    FILE appears whole or not at all. A damaged store is not exported; see chatlab data inspect.
    Messages that break the rule of messages are, so that they can be mended: the exit code is 1.
    """
    from chatlab.chat.interchange import export_messages
    from chatlab.data.readers import READERS

    piped = to == STANDARD_OUTPUT
    target, people = (sys.stdout.buffer.write, sys.stderr) if piped else (to, sys.stdout)
    used, count, torn_bytes, broken = export_messages(folder, target, kind, force=force)
    words = READERS[used].words
    if piped and sys.stdout.isatty():
        print()
    goal = "standard output" if piped else to
    tell(f"wrote {many(count, 'message')} from {words} of {folder} to {goal}", people)
    if torn_bytes:
        tell(f"left out {torn_bytes:,} bytes of an unfinished save at the end of {words}", people)
    if broken:
        tell(f"{broken}: they were written as they are; mend them before an import", people)
    sys.exit(ExitCode.of(not broken))


@app.command("import")
def import_(
    folder: Folder = DEFAULT_FOLDER,
    *,
    source: Path = option(
        ..., "FILE", "A file like messages.json; - reads standard input.", "--from"
    ),
    kind: StoreName = option(..., "STORE", "journal, sqlite or json.", "--into"),
) -> None:
    """Fill an empty store of a data folder with the messages of a file.

    Ids, order and text stay as they are. A file with a message that breaks the rule of messages (an
    id that comes twice, a time that is none) is refused. A store that has messages is left alone,
    and so is a folder on which a server runs. Users and rooms are not imported: they are in
    users.json and chatrooms.json.
    """
    from chatlab.chat.interchange import import_messages
    from chatlab.data.readers import READERS

    piped = source == STANDARD_INPUT
    if piped and sys.stdin.isatty():
        raise UsageError("--from - reads a pipe, and there is none: name a file, or pipe one in")
    count = import_messages(folder, sys.stdin.buffer.read() if piped else source, kind)
    origin = "standard input" if piped else source
    tell(
        f"imported {many(count, 'message')} from {origin} into {READERS[kind].words} of {folder}",
        sys.stdout,
    )


@app.command("prune")
def prune(
    folder: Folder = DEFAULT_FOLDER,
    *,
    yes: bool = flag("--yes", "Remove it; without, nothing is changed."),
    json: Path | None = option(None, "FILE", "Write all names to FILE; - prints them."),
) -> None:
    """Show what strangers left behind in the rooms; with --yes, remove it.

    A stranger is not in users.json. Shown are rooms without a message in which nobody but strangers
    is, and strangers in public rooms who have never said anything. They may join again. Messages
    stay as they are. No server may run on the folder while --yes removes something.
    """
    import msgspec

    from chatlab.data.leftovers import leftovers
    from chatlab.view.console import TextConsole
    from chatlab.view.data import render_leftovers

    documents = Documents({"--json": json})
    found = leftovers(folder, remove=yes)
    try:
        TextConsole(file=documents.people).print(render_leftovers(found))
    finally:  # a screen that is gone costs no document
        documents.write({"--json": lambda: indented_json(msgspec.to_builtins(found))})


app.command("explain")(labs.query_plan)
