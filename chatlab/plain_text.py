"""Text as nothing but text: what came from a file, a user or a server commands no terminal.

The one list of characters that are never shown. What they would do: move the cursor or change
colours (control characters), tear a line in two, turn the direction of our own words, or hide.
Joiners stay: Persian and many emoji are written with them. `view/console.py` sees to it that no
text becomes markup.
"""

from __future__ import annotations

import re

_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of writing
    "\u2028\u2029"  # the ends of lines and paragraphs
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e007f"  # those that cannot be seen
    "\ud800-\udfff]"  # half a character: no encoding has it
)
SHOWN_INSTEAD = "?"


def printable(text: str) -> str:
    """Text in one line, without any character that acts on a terminal."""
    return _ACTING.sub(SHOWN_INSTEAD, text)


def printable_lines(text: str) -> str:
    """Text of any number of lines, without any other character that acts on a terminal."""
    return "\n".join(printable(line.expandtabs(4)) for line in text.split("\n"))
