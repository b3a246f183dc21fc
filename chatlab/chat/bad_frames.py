"""What is wrong with a frame that `protocol.py` cannot decode, and whose it is."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from chatlab.errors import Refusal


class _RefOnly(msgspec.Struct):
    ref: int | str | None = None


def ref_of(frame: str | bytes) -> int | str | None:
    """The `ref` of a refused frame, so that its sender knows which one it was."""
    try:
        return msgspec.json.decode(frame, type=_RefOnly).ref
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None


def explained(frame: str, error: Exception, types: Collection[str]) -> Refusal:
    """What is wrong with a frame.

    Decoding stops at the first fault, and a wrong field may stand before broken JSON. So this reads
    the frame once more, as plain JSON.

    Args:
        error: what the decoder raised.
        types: of requests, that there are.
    """
    try:
        value = msgspec.json.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as broken:
        return Refusal("bad_json", f"the frame is not valid JSON: {broken}")
    if not isinstance(value, dict):
        return Refusal("invalid_field", 'a frame is an object such as {"type": "join_room", ...}')
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in types:
        known = ", ".join(sorted(types))
        return Refusal("unknown_type", f"unknown type {str(kind)[:40]!r}; known are: {known}")
    return Refusal("invalid_field", f"{error}")
