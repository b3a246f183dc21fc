"""What a lab is doing, said on standard error: one line that changes, or lines if no terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType

REFRESHES_PER_S = 2
"""A spinner that turns faster would take processor time from what is being measured."""


class Narrator:
    """A context manager; outside of it nothing is shown."""

    def __init__(self) -> None:
        self._out = Console()
        self._console = Console(stderr=True)
        self._status = self._console.status("", refresh_per_second=REFRESHES_PER_S)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def say(self, line: str) -> None:
        """What is being done now."""
        if self._console.is_terminal:
            self._status.update(line)
        else:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def show(self, row: RenderableType) -> None:
        """A piece of the result, on standard output, before the end."""
        self._status.stop()  # else both would write on the same line
        self._out.print(row)
        if self._console.is_terminal:
            self._status.start()
