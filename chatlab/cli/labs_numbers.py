"""Options that hold several numbers: `--history 0,1000`."""

from __future__ import annotations

from chatlab.errors import UsageError


def numbers(option: str, text: str, *, least: float) -> list[float]:
    """Read `1,10,100`: each once, ascending.

    Args:
        option: as the user typed it, for the error.
        text: numbers, separated by commas.
        least: the smallest that makes sense.

    Raises:
        UsageError: something else is in it.
    """
    found = set()
    for word in text.split(","):
        try:
            value = float(word)
        except ValueError:
            raise UsageError(
                f"{option} {text}: {word.strip()!r} is no number; write e.g. {option} 1,10,100"
            ) from None
        if not least <= value <= 1e9:  # false for "nan", too
            raise UsageError(f"{option} {text}: {word.strip()} is not between {least:g} and 1e9")
        found.add(value)
    return sorted(found)


def whole_numbers(option: str, text: str, *, least: int) -> list[int]:
    """The same for counts.

    Raises:
        UsageError: something else is in it.
    """
    found = numbers(option, text, least=least)
    for value in found:
        if not value.is_integer():
            raise UsageError(f"{option} {text}: {value:g} is no whole number")
    return [int(value) for value in found]
