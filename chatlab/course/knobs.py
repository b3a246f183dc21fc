"""Reads a learner's knobs out of `work.py`, without running it.

What it returns fits into a mode's name: `optimized+batch-size=220+flush-interval=0.075`. A file
that is only read cannot do anything; so the server can take its numbers from there at every start.
"""

from __future__ import annotations

import ast
from pathlib import Path

from chatlab.chat.settings import KNOBS
from chatlab.errors import UsageError

CONSTANTS = {"BATCH_SIZE": "batch-size", "FLUSH_INTERVAL_S": "flush-interval"}
"""The names at the top of a learner's file, and the knobs that they turn."""


class NoPlainNumber(UsageError):
    """A constant is missing, or is no number that can be read without running the file.

    Args:
        line: of the file, from 1; 0 where it is missing altogether.
    """

    def __init__(self, path: Path, line: int, what: str) -> None:
        super().__init__(f"{path}{f', line {line}' if line else ''}: {what}")
        self.line = line
        self.what = what


def knobs_of(path: Path) -> dict[str, str]:
    """The knobs that a learner's file sets, as they stand in a mode's name.

    Returns:
        A knob's name to its value, e.g. {"batch-size": "220", "flush-interval": "0.075"}.

    Raises:
        NoPlainNumber: a constant is missing, is no plain number, or one that its knob cannot have;
            it is a UsageError that names the line.
        UsageError: the file cannot be read, or is no Python.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:  # a null byte is a ValueError
        raise UsageError(f"{path} is no Python: {error}") from error
    constants = dict(filter(None, map(_constant, tree.body)))  # of two, the last one counts
    knobs = {}
    for name, knob in CONSTANTS.items():
        if name not in constants:
            raise NoPlainNumber(path, 0, f"there is no {name} = ... at the top of the file")
        knobs[knob] = _plain(path, name, knob, constants[name])
    return knobs


def _constant(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """The name and value of `NAME = ...` or `NAME: int = ...`."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return name, value
    return None


def _plain(path: Path, name: str, knob: str, node: ast.expr) -> str:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):  # a TypeError: {[]: 1}
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        what = f"{name} = {ast.unparse(node)}: write a plain number, not something to compute"
        raise NoPlainNumber(path, node.lineno, what)
    text = str(value)
    try:
        KNOBS[knob].value(text)
    except UsageError as error:
        raise NoPlainNumber(path, node.lineno, f"{name} = {text}: {error}") from error
    return text
