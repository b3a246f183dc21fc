"""The standard streams of a command, as a shell may give them: closed, full, cut off, in ASCII.

A write that fails on standard output names it, so that it is told from one that failed on a file or
a socket. What standard error cannot take is lost: there is nobody left to tell.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

from chatlab.errors import ExitCode, UsageError, system_words

_OUTPUT = "standard output"


def take_standard_streams() -> None:
    """Make the standard streams safe to write to, whatever they lead to.

    Raises:
        UsageError: standard output is closed, or an argument is not text.
    """
    was_closed = sys.stdout is None
    # Each in its place: else a data file would get the number of a stream, and its contents.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _lead_nowhere(number)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
    for name, kind in (("stdout", _NamedOutput), ("stderr", _LossyOutput)):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _guarded(stream, kind) if stream is _own(name) else stream)
            # What the terminal or the file lacks is a "?" there, rather than a traceback.
            getattr(sys, name).reconfigure(errors="replace")
    if was_closed:
        raise UsageError(f"{_OUTPUT} is closed: send it somewhere, such as `> /dev/null`")
    for argument in sys.argv[1:]:
        if not _is_text(argument):
            raise UsageError(
                f"the argument {argument} is no text in {sys.getfilesystemencoding()}: "
                "rename the file, or set a locale such as C.UTF-8"
            )


def output_failed(error: BaseException | None) -> ExitCode | None:
    """The exit code if it was standard output that took no more, else None; says so.

    A pipe whose reader has gone ends a command in silence, as `chatlab modes | head -1` should.
    """
    if not isinstance(error, OSError) or error.filename != _OUTPUT:
        return None
    _lead_nowhere(1)  # else Python tries once more, at its end
    if isinstance(error, BrokenPipeError):
        return ExitCode.INTERRUPTED
    print(f"chatlab: cannot write to {_OUTPUT}: {system_words(error)}", file=sys.stderr)
    return ExitCode.NOT_WRITTEN


def flush_output() -> ExitCode | None:
    """Write what is left; as `output_failed`."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return output_failed(error)
    return None


class _NamedOutput(io.FileIO):
    def write(self, data: Any) -> Any:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = _OUTPUT
            raise


class _LossyOutput(io.FileIO):
    def write(self, data: Any) -> Any:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _guarded(stream: io.TextIOWrapper, kind: type[io.FileIO]) -> TextIO:
    """The same stream over a file of another kind; itself if it is a console of Windows'."""
    buffer: Any = stream.buffer
    if type(getattr(buffer, "raw", buffer)) is not io.FileIO:
        return stream
    stream.flush()
    raw: Any = kind(buffer.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw) if buffer is not getattr(buffer, "raw", buffer) else raw,
        encoding=stream.encoding,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _own(name: str) -> TextIO | None:
    """The stream that Python began with: not that of a test."""
    stream: TextIO | None = getattr(sys, f"__{name}__")
    return stream


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lead_nowhere(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
