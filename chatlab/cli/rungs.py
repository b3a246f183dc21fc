"""`chatlab rungs`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from chatlab.cli.labs_run import exit_code, finish, measure
from chatlab.cli.options import JsonFile, WorkFolder, check_writable


def rungs(
    rounds: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=100, help="Of each; no interval with less than 6."),
    ] = 6,
    history: Annotated[
        int, typer.Option(metavar="N", min=10, help="Messages in the long history.")
    ] = 1_000_000,
    messages: Annotated[
        int, typer.Option(metavar="N", min=60, help="Messages in a round of the fastest.")
    ] = 30_000,
    work: WorkFolder = None,
    json: JsonFile = None,
) -> None:
    """Measure what the upper rungs promise, and say which promises are kept.

    The journal and sqlite modes against a bare echo server, against optimized and naive, without
    history and with a long one. Takes some minutes. Exit code 1 if a promise is clearly missed or
    an audit is not clean.
    """
    from chatlab.labs.rungs.measure import Rungs
    from chatlab.labs.rungs.view import render

    check_writable("--json", json)
    lab = Rungs(rounds=rounds, history=history, messages=messages, tell=_tell, work_folder=work)
    measure(lab)
    report = finish(lab, render, json)
    sys.exit(exit_code(report.complete, report.audit.clean and not report.missed))


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
