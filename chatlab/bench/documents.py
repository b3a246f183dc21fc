"""The files that a command is asked to write: checked before it works, written whole at its end.

`-` is standard output. Then what people read goes to standard error, so that a pipe gets the
document and nothing else.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from chatlab.errors import StorageError, UsageError

STANDARD_OUTPUT = Path("-")


class Documents:
    """What is written to which file.

    Args:
        paths: by the option that names it, as typed; None for one that was not given.

    Attributes:
        people: where text for people goes.

    Raises:
        UsageError: a file cannot be written, or two options name the same.
    """

    def __init__(self, paths: Mapping[str, Path | None]) -> None:
        self._paths = {option: path for option, path in paths.items() if path is not None}
        piped = STANDARD_OUTPUT in self._paths.values()
        self.people: TextIO = sys.stderr if piped else sys.stdout
        seen: dict[object, str] = {}
        for option, path in self._paths.items():
            _check(option, path)
            first = seen.setdefault(_identity(path), option)
            if first != option:
                raise UsageError(
                    f"{first} and {option} both name {path}: one would overwrite the other"
                )

    def write(self, made: Mapping[str, Callable[[], str | bytes]]) -> None:
        """Write each document that was asked for, and say so; a file that fails stops no other.

        Args:
            made: makes the document of each option. Called only for those that were given.

        Raises:
            StorageError: a file could not be written; one that was there before is as it was.
        """
        failed: list[StorageError] = []
        for option, path in self._paths.items():
            document = made[option]()
            data = document.encode() if isinstance(document, str) else document
            try:
                _write(path, data)
            except BrokenPipeError:
                raise  # whoever reads has read enough
            except OSError as error:
                failed.append(StorageError.from_os("write", f"{option} {path}", error))
            else:
                if path != STANDARD_OUTPUT:
                    print(f"written to {path}", file=self.people)
        for other in failed[1:]:
            print(f"chatlab: {other}", file=sys.stderr)
        if failed:
            raise failed[0]


def _check(option: str, path: Path) -> None:
    """Raises `UsageError` now rather than after a minute of measuring."""
    if path == STANDARD_OUTPUT:
        return
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent} to write a file into")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{option} {path}: you may not write there; name another file")


def _identity(path: Path) -> object:
    """The same for two names of one file; devices such as /dev/null may be named twice."""
    with suppress(OSError):
        found = path.stat()
        return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else object()
    return path if path == STANDARD_OUTPUT else path.resolve()


def _write(path: Path, data: bytes) -> None:
    """Write under another name, and move into place: what is there is never half a document."""
    if path == STANDARD_OUTPUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = path.resolve()  # a link stays a link
    if (path.exists() and not path.is_file()) or not os.access(path.parent, os.W_OK):
        path.write_bytes(data)  # a device or a pipe, or a file in a folder that takes no new one
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
