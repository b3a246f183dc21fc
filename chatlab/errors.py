"""Every error that chatlab raises on purpose, as one tree; and the exit codes of its commands.

    ChatlabError
    ├── UsageError        a user's mistake: one clear line, exit code 2
    ├── StorageError      a file could not be read, written or synced
    │   └── CorruptFile   it could be read, but does not hold what it should
    ├── Overloaded        a bounded queue is full
    ├── NotWritten        a command did its work, but could not write a file about it
    └── Refusal           what a client gets back as an `error` frame

The messages are part of the product: each says what was found, what was expected and what to do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar, Self


class ExitCode(IntEnum):
    """What a command's exit code says to the shell, to a script, or to CI: one name for each.

    Attributes:
        meaning: for people, as `chatlab help exit-codes` shows it.
    """

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Self:
        """A member: its number is its value."""
        code = int.__new__(cls, number)
        code._value_, code.meaning = number, meaning
        return code

    OK = 0, "it did what it was asked, and found nothing wrong"
    NOT_CLEAN = (
        1,
        "it found something wrong: a failed check, an audit that is not clean, a promise broken, "
        "damage, unsaved messages, a connection that the server ended",
    )
    USAGE = 2, "it cannot do what it was asked; standard error says why"
    # EX_SOFTWARE of sysexits.h.
    SOFTWARE = 70, "a part of your own ended or blocked the process"
    # EX_CANTCREAT of sysexits.h. It hides a 1: who asked for a file must know that there is none.
    NOT_WRITTEN = (
        73,
        "it did what it was asked, but could not write a file, or what it shows; standard error "
        "says which, and all the others are written",
    )
    NOT_TRUSTED = 98, "with --strict: a check of the instrument failed; rely on no figure"
    # The code that k6 uses, too.
    THRESHOLD_MISSED = 99, "a --fail-if holds, or its figure was not measured"
    # 128 + SIGINT.
    INTERRUPTED = (
        130,
        "it stopped before its end: Ctrl-C, its deadline, a failed server, a reader gone",
    )

    @classmethod
    def of(cls, clean: bool, *, complete: bool = True) -> ExitCode:
        """The code of a command that measured or checked something.

        Args:
            clean: whether it found nothing wrong.
            complete: whether it came to its end; if not, that says more than what it found.
        """
        if not complete:
            return cls.INTERRUPTED
        return cls.OK if clean else cls.NOT_CLEAN


class ChatlabError(Exception):
    """The root: catching it catches everything that chatlab raises on purpose.

    Attributes:
        exit_code: of a command that it ends.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class UsageError(ChatlabError):
    """The user asked for something that cannot be done; the text says what to do instead."""


class StorageError(ChatlabError):
    """A file operation failed.

    Args:
        operation: what was tried: "read", "write", "fsync", "rename" or "open".
        file: the file's name inside the data folder.
        reason: the operating system's words.

    Attributes:
        finding: what is wrong, for a list of damaged files.
    """

    def __init__(self, operation: str, file: str, reason: str) -> None:
        super().__init__(f"cannot {operation} {file}: {reason}")
        self.operation = operation
        self.file = file
        self.reason = reason
        self.finding = f"cannot {operation} it: {reason}"

    @classmethod
    def from_os(cls, operation: str, file: str, error: OSError) -> StorageError:
        """What the operating system refused."""
        return cls(operation, file, error.strerror or str(error))

    @classmethod
    def of(cls, error: Exception) -> StorageError:
        """The same error; any other one (a bug in a part, say) becomes a failed save."""
        if isinstance(error, StorageError):
            return error
        failed = cls("save", "the batch", f"{type(error).__name__}: {str(error)[:1_000]}")
        failed.__cause__ = error
        return failed


_RESTORE = "; restore it from a backup or move it away"


class CorruptFile(StorageError):
    """A data file was read but does not parse; nothing was changed.

    Args:
        file: its name inside the data folder.
        finding: what is wrong with it.
        cure: what to do, unless the finding says so.
    """

    def __init__(self, file: str, finding: str, cure: str = _RESTORE) -> None:
        super().__init__("understand", file, f"{finding}{cure}")
        self.finding = finding


class Overloaded(ChatlabError):
    """A queue is at its limit and turns the newcomer away."""


class NotWritten(ChatlabError):
    """Files that a command was to write could not be written; everything else is done.

    Args:
        reasons: a sentence for each file.
    """

    exit_code = ExitCode.NOT_WRITTEN

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))


class Refusal(ChatlabError):
    """A request that the server turns down; becomes `error {code, message, ref}` on the wire.

    Args:
        code: a stable word for programs, e.g. "not_a_member".
        message: a sentence for people, which says what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


_ADDED = re.compile(
    r"\[(?:Errno|WinError) -?\d+\] ?"
    r"| ?\(while attempting to bind .*\)|error while attempting to bind on address .*?\): "
)
"""What Python and asyncio add to the words of the system."""


def system_words(error: OSError) -> str:
    """Why something failed, in the system's words: no number, no brackets."""
    if error.errno and (error.strerror or "").startswith("Connect call failed"):
        return os.strerror(error.errno)  # asyncio has put its own words in their place
    return _ADDED.sub("", error.strerror or str(error)) or type(error).__name__
