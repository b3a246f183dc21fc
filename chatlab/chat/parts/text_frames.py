"""Text frames as they travel, for those who get many of them at once.

The library makes a frame anew for each of its receivers. Here it is made once for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property


class TextFrames:
    """Several frames, made into what travels once for all clients that get the same.

    Attributes:
        texts: the JSON of each.
    """

    def __init__(self, texts: Sequence[bytes]) -> None:
        self.texts = texts

    @cached_property
    def wire(self) -> bytes:
        """As a server sends them, without compression: unmasked (RFC 6455, section 5.2)."""
        return b"".join([part for text in self.texts for part in (_text_header(len(text)), text)])


def _text_header(size: int) -> bytes:
    if size < 126:
        return bytes((0x81, size))
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2)
    return b"\x81\x7f" + size.to_bytes(8)
