"""The front door: one typer app, a file for each group of commands."""

from __future__ import annotations

import io
import sys

from chatlab import exit_codes
from chatlab.cli.app import app
from chatlab.errors import ChatlabError


def main() -> None:
    """Run a command; a mistake of the user's is one clear line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character shows a "?" in its place, rather than a traceback.
            stream.reconfigure(errors="replace")
    try:
        app()
    except ChatlabError as error:
        print(f"chatlab: {error}", file=sys.stderr)
        sys.exit(exit_codes.USAGE)
