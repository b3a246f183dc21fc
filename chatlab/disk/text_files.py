"""Files that people write, made into text: the one place where bytes become words.

Text is UTF-8. A byte order mark in front of it does no harm, nor do another system's line ends.
Anything else is refused by its name, for an editor can save the file again once one knows as what.
"""

from __future__ import annotations

import codecs
import io
import tokenize
from pathlib import Path

from chatlab.disk.counted import Disk
from chatlab.errors import UsageError

FILE_BYTES_MAX = 10_000_000
"""Of a text that a person writes; a larger file is something else."""

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_NULLS = {"0111": "UTF-32", "1110": "UTF-32", "0101": "UTF-16", "1010": "UTF-16"}
"""Which of four bytes are zero in most characters of English."""
_SAMPLE_BYTES = 400


class NotText(ValueError):
    """Bytes are not the text that they should be; says what they are, after the file's name."""


def read_text(path: Path) -> str:
    """The text of a file that a person writes.

    Raises:
        UsageError: it cannot be read, or is no text; names the file.
    """
    disk = Disk(path.parent)
    try:
        if disk.size(path.name) > FILE_BYTES_MAX:
            raise UsageError(f"{path} has over {FILE_BYTES_MAX:,} bytes: is it the right file?")
        return text_of(disk.read(path.name))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except NotText as error:
        raise UsageError(f"{path} {error}") from error


def text_of(data: bytes) -> str:
    """UTF-8, with or without a mark, as text in which a line feed ends each line.

    Raises:
        NotText: the bytes are something else.
    """
    _check_width(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise NotText("ends in the middle of a character: it was cut off") from error
        byte, line = data[error.start], data.count(b"\n", 0, error.start) + 1
        raise NotText(
            f"is not saved as UTF-8 (line {line} has the byte 0x{byte:02X}; Latin-1, perhaps): "
            "save it as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_source(data: bytes) -> None:
    """Check that Python can read a file: UTF-8, or the encoding that its first lines name.

    Raises:
        NotText: it cannot.
    """
    _check_width(data)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        text_of(data)
        raise NotText(f"names an encoding that it is not saved in: {error}") from error


def _check_width(data: bytes) -> None:
    """Raises `NotText` of bytes that are no characters of one byte."""
    sample = data[:_SAMPLE_BYTES]
    marked = next((name for mark, name in _MARKS.items() if sample.startswith(mark)), "")
    columns = [sample[start::4] for start in range(4)]
    nulls = "".join(str(int(2 * one.count(0) > len(one))) for one in columns)
    if name := marked or _NULLS.get(nulls, ""):
        raise NotText(f"is saved as {name}: save it as UTF-8")
    if (at := data.find(0)) >= 0:
        raise NotText(
            f"is no text: byte {at:,} is zero, as a crash or a full disk may leave it; restore it "
            "from a backup"
        )
