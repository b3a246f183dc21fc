"""The console of every screen: it shows text as it is, whoever wrote it.

Rich reads `[red]` and `:smile:` in a text as commands, unless told otherwise each time, and lets
control characters through. This console does neither, so that no view can forget it: styles come
from `Text` and `Segment` alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from chatlab.plain_text import printable_lines


class TextConsole(Console):
    """Rich's console, without markup, emoji codes and highlighting.

    Args:
        options: as rich's.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False} | options)

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, cleaned before it is measured."""
        return super().render_str(printable_lines(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Segments, each cleaned: also those of a view that forgot to."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or text == "\n" or text.isprintable():
                yield segment
            else:
                yield Segment(printable_lines(text), style)
