"""`chatlab data`: look at what lies in a data folder, and move messages in and out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from chatlab.cli import labs
from chatlab.cli.options import check_writable, flag, option
from chatlab.data.folder import DEFAULT_FOLDER
from chatlab.data.records import indented_json
from chatlab.errors import ExitCode

TAIL_DEFAULT = 5

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The data folder.")]
StoreName = Literal["journal", "sqlite", "json"]

app = typer.Typer(
    help="Look at what lies in a data folder, and move messages in and out.", no_args_is_help=True
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
    from rich.console import Console

    from chatlab.data import inspection
    from chatlab.view.data import render, render_lines

    to_stdout = json is not None and str(json) == "-"
    if not to_stdout:
        check_writable("--json", json)
    contents = inspection.inspect(folder)
    value, shown = msgspec.to_builtins(contents), render(contents)
    console = Console()
    if tail is not None or segment is not None:
        lines = inspection.read_lines(folder, tail or TAIL_DEFAULT, segment)
        value["lines"], shown = msgspec.to_builtins(lines), render_lines(lines, console.width)
    encoded = indented_json(value)
    if to_stdout:
        sys.stdout.buffer.write(encoded)
        sys.stdout.flush()
    else:
        console.print(shown)
        if json is not None:
            json.write_bytes(encoded)
    sys.exit(ExitCode.of(not contents.damage))


@app.command("export")
def export(
    folder: Folder = DEFAULT_FOLDER,
    *,
    to: Path = option(..., "FILE", "The file to write, such as messages.json."),
    kind: StoreName | None = option(
        None, "STORE", "journal, sqlite or json; default: the one in use.", "--from"
    ),
    force: bool = flag("--force", "Replace FILE if it exists already."),
) -> None:
    """Write all messages to a file, in the JSON of messages.json.

    FILE appears whole or not at all. A damaged store is not exported; see chatlab data inspect.
    """
    from chatlab.chat.interchange import export_messages
    from chatlab.data.readers import READERS

    used, count, torn_bytes = export_messages(folder, to, kind, force=force)
    words = READERS[used].words
    print(f"wrote {count:,} messages from {words} of {folder} to {to}")
    if torn_bytes:
        print(f"left out {torn_bytes:,} bytes of an unfinished save at the end of {words}")


@app.command("import")
def import_(
    folder: Folder = DEFAULT_FOLDER,
    *,
    source: Path = option(..., "FILE", "A file like messages.json.", "--from"),
    kind: StoreName = option(..., "STORE", "journal, sqlite or json.", "--into"),
) -> None:
    """Fill an empty store of a data folder with the messages of a file.

    Ids, order and text stay as they are. A store that has messages is left alone, and so is a
    folder on which a server runs. Users and rooms are not imported: they are in users.json and
    chatrooms.json.
    """
    from chatlab.chat.interchange import import_messages
    from chatlab.data.readers import READERS

    count = import_messages(folder, source, kind)
    print(f"imported {count:,} messages from {source} into {READERS[kind].words} of {folder}")


app.command("explain")(labs.query_plan)
