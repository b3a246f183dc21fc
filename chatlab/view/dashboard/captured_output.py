"""What a program prints while a dashboard has the screen: kept, and shown afterwards.

A learner's part may well contain a `print`. On the dashboard's screen it would be gone with the
next refresh; here it waits until the screen is free again.
"""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

WRITES_MAX = 2_000
"""Of more, only the latest are kept."""


@contextmanager
def set_aside() -> Iterator[None]:
    """Keep what is written to the standard streams inside, and write it when leaving."""
    out, err = sys.stdout, sys.stderr
    kept: deque[tuple[TextIO, str]] = deque(maxlen=WRITES_MAX)
    try:
        with redirect_stdout(_Keeper(out, kept)), redirect_stderr(_Keeper(err, kept)):
            yield
    finally:
        for stream, text in kept:
            stream.write(text)
        for stream in (out, err):
            stream.flush()


class _Keeper(io.TextIOBase):
    """Stands in for a stream; rich itself still writes to the real one."""

    def __init__(self, stream: TextIO, kept: deque[tuple[TextIO, str]]) -> None:
        self.rich_proxied_file = stream
        self._kept = kept

    def write(self, text: str) -> int:
        self._kept.append((self.rich_proxied_file, text))
        return len(text)

    def isatty(self) -> bool:
        return self.rich_proxied_file.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.rich_proxied_file.encoding
