"""Where a command finds the secret of a server: typed, in a file, or in the environment.

What is typed stands in the list of processes (`ps`), for everybody on the machine to read. What is
in a file or in the environment does not.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from chatlab.chat.secret import VARIABLE, check_secret
from chatlab.cli.app import tell
from chatlab.disk.text_files import NotText, text_of
from chatlab.errors import UsageError, system_words

FILE_BYTES_MAX = 10_000
OTHERS_READ = stat.S_IRGRP | stat.S_IROTH


def given_secret(token: str | None, file: Path | None) -> str | None:
    """The secret that the options name; None without them.

    Raises:
        UsageError: there is none in them, or both are given.
    """
    if token is not None and file is not None:
        raise UsageError("--token and --token-file both name a secret: give one of them")
    if token is not None:
        return check_secret(token, "--token")
    return None if file is None else _first_line(file)


def secret_of_environment() -> str | None:
    """The secret in the environment; None if there is no such variable.

    Raises:
        UsageError: the variable holds none.
    """
    secret = os.environ.get(VARIABLE)
    return None if secret is None else check_secret(secret, VARIABLE)


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.readline(FILE_BYTES_MAX)
    except OSError as error:
        raise UsageError(f"cannot read the secret from {path}: {system_words(error)}") from error
    if os.name == "posix" and mode & OTHERS_READ and stat.S_ISREG(mode):
        tell(f"chatlab: warning: others can read the secret: chmod 600 {path}")
    try:
        secret = text_of(line).strip()
    except NotText as error:
        raise UsageError(f"{path} {error}") from error
    return check_secret(secret, f"the first line of {path}")
