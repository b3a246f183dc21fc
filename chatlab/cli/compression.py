"""`chatlab compression`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from chatlab.cli.labs_run import exit_code, finish, measure
from chatlab.cli.options import JsonFile, WorkFolder, check_writable


def compression(
    rounds: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=100, help="Of each; no interval with less than 6."),
    ] = 6,
    messages: Annotated[
        int, typer.Option(metavar="N", min=10, max=1_000_000, help="Messages in a round.")
    ] = 20_000,
    work: WorkFolder = None,
    json: JsonFile = None,
) -> None:
    """See how many bytes compression saves, and what they cost.

    The journal mode with nothing compressed, with the wire compressed, and with closed segments
    compressed: throughput, processor time, bytes on the wire and on the disk, for each message.
    """
    from chatlab.labs.compression import view
    from chatlab.labs.compression.measure import Compression
    from chatlab.labs.narrator import Narrator

    check_writable("--json", json)
    with Narrator() as narrator:
        lab = Compression(rounds=rounds, messages=messages, say=narrator.say, work_folder=work)
        measure(lab)
    report = finish(lab, view.render, json)
    sys.exit(exit_code(report.complete, report.clean))
