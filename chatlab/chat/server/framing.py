"""Where one frame ends and the next begins, in the bytes of a client (RFC 6455, section 5.2).

    byte 0   1 for the last frame of a message, three bits for extensions, four for the kind
    byte 1   1 if the payload is masked (a client's always is), seven bits of its length
             126: the length stands in the next two bytes; 127: in the next eight
    then     four bytes of mask, and the payload

Nearly everything that a chat client sends is a short, whole text message in one frame. Those can be
taken out right here, many in one go; all that is unusual, or wrong, is left to the library.
"""

from __future__ import annotations

from collections.abc import Callable

# The compiled one wherever there is one: the library has chosen.
from websockets.frames import apply_mask  # type: ignore[attr-defined]

WHOLE_TEXT = 0x81
"""Byte 0 of a text message in one frame, without any extension."""
MASKED = 0x80
TWO_BYTES, EIGHT_BYTES = 126, 127
MASK_SIZE = 4
HEADER_MIN, HEADER_MAX = 2 + MASK_SIZE, 14


def take_texts(data: bytes, begin: int, take: Callable[[bytes], None]) -> int:
    """Take out the text messages that stand one behind another from `begin` on.

    Only those of fewer than 64 KiB, each in a frame that is whole.

    Returns where something else begins: another frame, one that is not whole yet, or nothing.
    """
    size = len(data)
    while begin + HEADER_MIN <= size and data[begin] == WHOLE_TEXT:
        length, mask = data[begin + 1] - MASKED, begin + 2
        if length == TWO_BYTES:
            length, mask = int.from_bytes(data[begin + 2 : begin + 4]), begin + 4
        elif not 0 <= length < TWO_BYTES:
            break
        payload = mask + MASK_SIZE
        end = payload + length
        if end > size:
            break
        take(apply_mask(data[payload:end], data[mask:payload]))
        begin = end
    return begin


def end_of_frame(data: bytes, begin: int, size_max: int) -> int | None:
    """Where the frame that begins at `begin` ends; None if the data do not go so far yet.

    Of a frame whose payload is larger than `size_max` bytes, the end of the data: nobody is to wait
    until it is whole.
    """
    header = data[begin : begin + HEADER_MAX]
    if len(header) < 2:
        return None
    length, start = header[1] & ~MASKED, 2
    if length >= TWO_BYTES:
        start = 4 if length == TWO_BYTES else 10
        if len(header) < start:
            return None
        length = int.from_bytes(header[2:start])
    if length > size_max:
        return len(data)
    end = begin + start + (MASK_SIZE if header[1] & MASKED else 0) + length
    return end if end <= len(data) else None
