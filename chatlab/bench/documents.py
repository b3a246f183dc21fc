"""The files that a command is asked to write: tried before it works, written whole at its end.

`-` is standard output. Then what people read goes to standard error, so that a pipe gets the
document and nothing else.

A file is tried by making it, or by opening the one that is there; it is left as it was found. A
device or a pipe can only be tried by writing to it, and is not.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TextIO

from chatlab.disk import replacement
from chatlab.errors import NotWritten, UsageError, system_words
from chatlab.plain_text import printable

STANDARD_OUTPUT = Path("-")
_ALSO_STANDARD_OUTPUT = {Path(name) for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")}
INPUTS = (".py", ".toml")
"""How the names of files end that people write, and chatlab reads."""


class Documents:
    """What is written to which file.

    Args:
        paths: by the option that names it, as typed; None for one that was not given.
        spared: endings of files that no document may replace.

    Attributes:
        people: where text for people goes.

    Raises:
        UsageError: a file cannot be written, would replace what chatlab reads, or is the same as
            another one; says so of each.
    """

    def __init__(
        self, paths: Mapping[str, Path | None], *, spared: tuple[str, ...] = INPUTS
    ) -> None:
        given = {option: path for option, path in paths.items() if path is not None}
        for option, path in given.items():
            given[option] = STANDARD_OUTPUT if path in _ALSO_STANDARD_OUTPUT else path
        # Pipes later, standard output last: if nobody reads them, the files are written.
        self._paths = dict(sorted(given.items(), key=lambda item: _lateness(item[1])))
        piped = STANDARD_OUTPUT in self._paths.values()
        self.people: TextIO = sys.stderr if piped else sys.stdout
        wrong: list[str] = []
        seen: dict[object, str] = {}
        with ExitStack() as made:
            for option, path in self._paths.items():
                try:
                    _try(path, made, spared)
                except OSError as error:
                    wrong.append(f"{option} {path}: {_why_not(error)}")
                    continue
                first = seen.setdefault(_identity(path), option)
                if first != option:
                    wrong.append(
                        f"{first} and {option} both name {path}: one would overwrite the other"
                    )
        if wrong:
            raise UsageError("; ".join(wrong))

    def write(self, made: Mapping[str, Callable[[], str | bytes]]) -> None:
        """Write each document that was asked for, and say so; one that fails stops no other.

        Args:
            made: makes the document of each option. Called only for those that were given.

        Raises:
            NotWritten: files could not be written; one that was there before is as it was.
        """
        failed: list[str] = []
        bugs: list[Exception] = []
        for option, path in self._paths.items():
            try:
                document = made[option]()
            except Exception as error:
                bugs.append(error)  # raised below: the other documents come first
                continue
            data = document.encode() if isinstance(document, str) else document
            try:
                _write(path, data)
            except OSError as error:
                if path == STANDARD_OUTPUT and isinstance(error, BrokenPipeError):
                    raise  # whoever reads has read enough
                failed.append(f"cannot write {option} {path}: {system_words(error)}")
            else:
                self._tell_written(path)
        if bugs:
            raise bugs[0]
        if failed:
            raise NotWritten(failed)

    def _tell_written(self, path: Path) -> None:
        if path != STANDARD_OUTPUT:
            with suppress(OSError):  # the screen is gone; the document is there
                print(f"written to {printable(str(path))}", file=self.people)


def _try(path: Path, made: ExitStack, spared: tuple[str, ...]) -> None:
    """Find out now, rather than after a minute of measuring, whether a file can be written.

    Args:
        made: removes the file again, if it is new.

    Raises:
        OSError: it cannot; without a number if that is for a reason of ours.
    """
    if path == STANDARD_OUTPUT:
        return
    if path.is_dir():
        raise OSError("is a folder: name a file in it")
    if not path.parent.is_dir():
        raise OSError(f"there is no folder {path.parent} to write a file into")
    try:
        real = path.resolve()  # a link leads to the file that is written
    except RuntimeError:
        raise OSError("is a link that leads to itself: name another file") from None
    if not path.exists():
        os.close(os.open(real, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        made.callback(real.unlink, missing_ok=True)
    elif not path.is_file():
        if not os.access(path, os.W_OK):
            raise PermissionError
    elif _is_read(real.name, spared):
        raise OSError("is a file that chatlab reads: name another one")
    elif any(_is_open_as(real, stream) for stream in (1, 2)):
        raise OSError("is where the command's own output goes: name another file, or -")
    else:
        real.open("r+b").close()


def _lateness(path: Path) -> int:
    if path == STANDARD_OUTPUT:
        return 2
    with suppress(OSError):
        return int(path.exists() and not path.is_file())
    return 0


def _why_not(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "you may not write there; name another file"
    if error.errno is None:
        return str(error)
    return f"{system_words(error)}; name another file"


def _is_read(name: str, spared: tuple[str, ...]) -> bool:
    """Whether a file of this name is one of a user's own, or of a data folder."""
    from chatlab.data.readers import is_data_file  # not at the top: most files are new

    return name.lower().endswith(spared) or is_data_file(name)


def _is_open_as(path: Path, descriptor: int) -> bool:
    """Whether what a process writes to a descriptor goes into this file."""
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _identity(path: Path) -> object:
    """The same for two names of one file; devices such as /dev/null may be named twice.

    Every file is there while it is tried, so this holds for links and where case does not count.
    """
    if path == STANDARD_OUTPUT:
        return path
    found = path.stat()
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else object()


def _write(path: Path, data: bytes) -> None:
    """Write under another name, and move into place: what is there is never half a document."""
    if path == STANDARD_OUTPUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():
        path.write_bytes(data)  # a device or a pipe
        return
    path = path.resolve()  # a link stays a link
    if not os.access(path.parent, os.W_OK):
        path.write_bytes(data)  # the folder takes no new file
        return
    temporary = path.with_name(f".chatlab-{os.getpid()}.tmp")  # no longer than a name may be
    try:
        with io.BufferedWriter(replacement.create(temporary, path)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # some disks say only now that they are full
        replacement.move(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
