"""Text frames made once for many, against the library's own."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from chatlab.chat.parts.text_frames import TextFrames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_the_bytes_are_those_that_the_library_makes(size: int) -> None:
    texts = [b"x" * size, b"\xc3\xa4"]
    expected = [Frame(Opcode.TEXT, text).serialize(mask=False) for text in texts]
    assert TextFrames(texts).wire == b"".join(expected)
