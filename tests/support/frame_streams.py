"""Random streams of frames, right and wrong, for whoever compares two readers of them."""

from __future__ import annotations

import itertools
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

LENGTHS = (0, 1, 125, 126, 127, 300, 4_000, 65_535, 65_536)
TOO_LONG = (65_537, 70_000, 2**31, 2**63 - 1, 2**63, 2**64 - 1)
NOT_UTF_8 = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"ab\xe2\x82", b"\xf4\x90\x80\x80")
CODES = (0, 999, 1000, 1001, 1003, 1004, 1005, 1006, 1007, 1011, 1015, 2999, 3000, 4999, 5000)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class FrameStreams:
    """Makes streams of frames.

    Args:
        seed: equal seeds make equal streams.
        compressed: whether some frames are compressed (RFC 7692), rightly or wrongly.
        broken_text: whether some texts are not UTF-8: what is answered before such a one is taken
            depends on how the stream is cut.
    """

    def __init__(self, seed: int, compressed: bool, broken_text: bool = True) -> None:
        self._random = random.Random(seed)
        self._compressed = compressed
        self._kinds: list[tuple[int, Callable[[], bytes]]] = [
            (30, lambda: self._frame(TEXT, self._text())),
            (8, lambda: self._frame(TEXT, b" " * self._one_of(LENGTHS))),
            (4, lambda: self._frame(BINARY, b"x" * self._one_of(LENGTHS))),
            (6, lambda: self._frame(TEXT, self._text(), wide=self._one_of((2, 8)))),
            (10, self._fragments),
            (8, lambda: self._frame(self._one_of((PING, PONG)), b"p" * self._one_of((0, 5, 125)))),
            (2 * broken_text, lambda: self._frame(TEXT, self._one_of(NOT_UTF_8))),
            (2, lambda: self._frame(self._random.randrange(16), b"any")),
            (2, lambda: self._frame(self._random.randrange(16), b"any", flags=self._flags())),
            (2, lambda: self._frame(self._one_of((TEXT, BINARY, PING)), b"any", masked=False)),
            (2, lambda: self._frame(PING, b"p" * self._one_of((126, 300)))),
            (2, lambda: self._frame(self._one_of((TEXT, BINARY, 0)), b"", size=self._too_long())),
            (2, lambda: self._frame(self._one_of((0, TEXT)), b"part", flags=0)),
            (2, self._close),
            (1, lambda: self._random.randbytes(self._random.randrange(1, 9))),
        ]
        if compressed:
            self._kinds += [
                (20, lambda: self._frame(TEXT, _deflated(self._text()), flags=0xC0)),
                (3, lambda: self._fragments(packed=True)),
                (1, lambda: self._frame(TEXT, _deflated(b" " * 10**5), flags=0xC0)),
                (1, lambda: self._frame(TEXT, b"\xff\xfe\xfd", flags=0xC0)),
            ]

    def pieces(self) -> list[bytes]:
        """One stream, cut into pieces, perhaps in the middle of its last frame."""
        weights = [weight for weight, _ in self._kinds]
        makers = self._random.choices([make for _, make in self._kinds], weights, k=self._count(9))
        stream = b"".join(make() for make in makers)
        if self._random.random() < 0.3:
            stream = stream[: -self._random.randrange(1, 12)]
        # Byte by byte where the headers are; a long payload is cut in a few places.
        if self._random.random() < 0.3:
            places = {*range(min(len(stream), 400)), *self._places(len(stream), 3)}
        else:
            places = self._places(len(stream), self._random.choice((0, 1, 4, 12)))
        ends = sorted({0, len(stream), *places})
        return [stream[begin:end] for begin, end in itertools.pairwise(ends)]

    def _frame(
        self,
        kind: int,
        payload: bytes,
        flags: int = 0x80,
        *,
        masked: bool = True,
        wide: int = 0,
        size: int | None = None,
    ) -> bytes:
        """A frame; `wide`: its length in so many bytes, needed or not; `size`: another length."""
        length = len(payload) if size is None else size
        wide = wide or (0 if length < 126 else 2 if length < 2**16 else 8)
        short = {0: length, 2: 126, 8: 127}[wide]
        head = bytes([flags | kind, (0x80 if masked else 0) | short])
        head += length.to_bytes(wide) if wide else b""
        if not masked:
            return head + payload
        mask = self._random.randbytes(4)
        repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
        both = int.from_bytes(payload) ^ int.from_bytes(repeated)
        return head + mask + both.to_bytes(len(payload))

    def _fragments(self, packed: bool = False) -> bytes:
        text = _deflated(self._text()) if packed else self._text()
        ends = sorted({0, len(text), *self._places(len(text), self._count(4))})
        frames = b""
        for begin, end in itertools.pairwise(ends):
            first, last = begin == 0, end == len(text)
            flags = (0x80 if last else 0) | (0x40 if packed and first else 0)
            frames += self._frame(TEXT if first else 0, text[begin:end], flags)
            if not last and self._random.random() < 0.3:
                frames += self._frame(PING, b"between")
        return frames

    def _close(self) -> bytes:
        code = self._one_of(CODES).to_bytes(2)
        body = self._one_of((b"", b"\x03", code, code + b"bye", code + b"\xff", code + b"r" * 124))
        return self._frame(CLOSE, body)

    def _text(self) -> bytes:
        words = {"type": "x", "t": "aé€😀" * self._count(20), "ref": self._random.random()}
        return json.dumps(words, ensure_ascii=self._random.random() < 0.5).encode()

    def _flags(self) -> int:
        return self._random.randrange(16) << 4

    def _count(self, most: int) -> int:
        return self._random.randint(1, most)

    def _places(self, length: int, count: int) -> list[int]:
        return [self._random.randint(0, length) for _ in range(count)]

    def _too_long(self) -> int:
        return self._one_of(TOO_LONG)

    def _one_of(self, choices: tuple[Any, ...]) -> Any:
        return self._random.choice(choices)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
