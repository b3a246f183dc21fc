"""Markdown on a terminal. Takes its time to import: only the pages that show a text need it."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Markdown
from rich.padding import Padding
from rich.syntax import Syntax

from chatlab.view.course.common import safe

INDENT = 2


class _Block(CodeBlock):
    """Code and pictures: to the very edge if they need it, for a picture that wraps is none."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        width = max(map(len, code.splitlines()), default=0)
        syntax = Syntax(
            code, self.lexer_name, theme=self.theme, word_wrap=True, background_color="default"
        )
        yield Padding(syntax, (0, 0, 0, INDENT if width + INDENT <= options.max_width else 0))


class Prose(Markdown):
    """A README or the like; its text comes from a file that anyone may have written."""

    elements: ClassVar = {**Markdown.elements, "fence": _Block, "code_block": _Block}

    def __init__(self, text: str) -> None:
        super().__init__(safe(text), hyperlinks=False, code_theme="ansi_dark")
