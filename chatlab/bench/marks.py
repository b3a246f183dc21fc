"""How a message is recognised wherever it turns up: each content starts with a mark."""

from __future__ import annotations


def content_of(run_id: str, number: int, text: str) -> str:
    """A message's content: its run and number, by which it is recognised, then its text."""
    return f"{run_id}/{number} {text}"


def number_of(run_id: str, content: str) -> int | None:
    """The number in a content made by `content_of` of the same run; None for anything else."""
    mark, _, _ = content.partition(" ")
    run, _, number = mark.rpartition("/")
    return int(number) if run == run_id and number.isdecimal() else None
