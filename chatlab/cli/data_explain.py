"""`chatlab data explain`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from chatlab.cli.options import DEFAULT_FOLDER, JsonFile, check_writable

MESSAGES = 100_000


def explain(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The data folder of a server with the sqlite store; it may be running."
            f"  \\[default: {DEFAULT_FOLDER}]",
        ),
    ] = None,
    room: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Whose history.  \\[default: the busiest and the quietest room]"
        ),
    ] = None,
    messages: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=100,
            max=5_000_000,
            help="Where there is no database: so many in one made for this.",
        ),
    ] = MESSAGES,
    json: JsonFile = None,
) -> None:
    """See what an index does: the history query with it and without it, measured.

    Prints SQLite's own plan of both, the rows and bytes that they read, their time, and what the
    index costs. Works on copies: the data folder is only read.
    """
    from tempfile import TemporaryDirectory

    from rich.console import Console

    from chatlab.labs.common import encode
    from chatlab.labs.narrator import Narrator
    from chatlab.labs.query_plan.measure import QueryPlan
    from chatlab.labs.query_plan.view import render

    check_writable("--json", json)
    source = _source(data)
    command = shlex.join(["chatlab", *sys.argv[1:]])
    with TemporaryDirectory(prefix="chatlab-") as work, Narrator() as narrator:
        report = QueryPlan(
            Path(work), source, messages=messages, room=room, say=narrator.say
        ).measure(command)
    console = Console(highlight=False)
    console.print(render(report))
    if json is not None:
        json.write_bytes(encode(report))
        console.print(f"written to {json}", style="dim")


def _source(data: Path | None) -> Path | None:
    """The folder to explain, or None if it has no database.

    Raises:
        UsageError: there is no such folder.
    """
    from chatlab.data.sqlite_database import NAME
    from chatlab.errors import UsageError

    if data is not None and not data.is_dir():
        raise UsageError(f"--data {data}: there is no such folder")
    folder = data or DEFAULT_FOLDER
    return folder if (folder / NAME).is_file() else None
