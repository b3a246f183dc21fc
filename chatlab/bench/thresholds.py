"""Thresholds: `--fail-if 'optimized.throughput_per_s < 5 * naive.throughput_per_s'`.

A threshold compares numbers taken from the result. Python's own grammar parses it, but only the
kinds of node named below are evaluated: there is no other name, call or operator. Modes and figures
are looked up in the shape of a result before anything runs. A figure that the result then lacks, as
a percentile of too few samples, counts as missed: silence must never pass for success.
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Collection
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from chatlab.bench.report import ModeReport
from chatlab.errors import ChatlabError, UsageError

_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_Value = Callable[[dict[str, Any]], float]
"""What a side of a threshold is in a result."""
_HELP = (
    "write it as MODE.FIGURE < NUMBER, such as 'optimized.ack_ms.p99 > 50' or "
    "'optimized.throughput_per_s < 5 * naive.throughput_per_s'; a mode with other characters "
    "goes into double quotes"
)


class NoData(ChatlabError):
    """A threshold asks for a figure that the result does not have."""


class Missed(msgspec.Struct, frozen=True):
    """A threshold that was missed.

    Attributes:
        text: as given.
        why: the values of its two sides, or what the result lacks.
    """

    text: str
    why: str


class Threshold:
    """One `--fail-if`.

    Args:
        text: as given.
        modes: the names of those in the comparison.

    Raises:
        UsageError: it is not a comparison of figures and numbers, or no such mode or figure can be
            in the result.
    """

    def __init__(self, text: str, modes: Collection[str]) -> None:
        self.text = text
        self._modes = modes
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise UsageError(f"--fail-if {text!r} cannot be read: {_HELP}") from error
        if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
            raise UsageError(f"--fail-if {text!r} compares nothing: {_HELP}")
        compare = _COMPARISONS.get(type(tree.ops[0]))
        if compare is None:
            raise UsageError(f"--fail-if {text!r}: use <, <=, >, >=, == or !=")
        self._compare = compare
        self._left, self._right = self._value_of(tree.left), self._value_of(tree.comparators[0])

    def missed(self, modes: dict[str, Any]) -> Missed | None:
        """Check it against a result.

        Args:
            modes: the part `modes` of a report, as plain dicts.

        Returns:
            None if the result meets it; else why not.
        """
        try:
            left, right = self._left(modes), self._right(modes)
        except NoData as error:
            return Missed(self.text, str(error))
        if not self._compare(left, right):
            return None
        return Missed(self.text, f"{left:,.6g} against {right:,.6g}")

    def _value_of(self, node: ast.expr) -> _Value:
        match node:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                first, second = self._value_of(left), self._value_of(right)

                def calculated(modes: dict[str, Any]) -> float:
                    try:
                        return _ARITHMETIC[type(op)](first(modes), second(modes))
                    except ZeroDivisionError:
                        raise NoData(f"{ast.unparse(node)} divides by zero") from None

                return calculated
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                positive = self._value_of(operand)
                return lambda modes: -positive(modes)
            case ast.Constant(value=int() | float() as number):
                return lambda _modes: number
            case ast.Attribute() if path := _path(node):
                self._look_up(path)
                return lambda modes: _figure(path, modes)
        raise UsageError(f"--fail-if {self.text!r}: {ast.unparse(node)!r}? {_HELP}")

    def _look_up(self, path: list[str]) -> None:
        """Raise unless the result of a comparison of these modes can have this figure."""
        mode, *steps = path
        if mode not in self._modes:
            raise UsageError(
                f"--fail-if {self.text!r}: no mode {mode!r} is compared{_choose(mode, self._modes)}"
            )
        kind: Any = ModeReport
        for step in steps:
            fields = _fields(kind)
            if fields is not None and step not in fields:
                raise UsageError(
                    f"--fail-if {self.text!r}: {mode} has no figure {'.'.join(steps)!r}: "
                    f"{step!r} is not among its parts{_choose(step, fields)}"
                )
            kind = fields[step] if fields is not None else _value_type(kind)
        if kind not in (int, float) and "median" not in (_fields(kind) or ()):
            more = ", ".join(f"{'.'.join(path)}.{name}" for name in _fields(kind) or ())
            raise UsageError(
                f"--fail-if {self.text!r}: {'.'.join(path)} is no number"
                + (f"; choose one of {more}" if more else "")
            )


def _fields(kind: Any) -> dict[str, Any] | None:
    """The fields of a part of the result, with their types; None where any name may stand."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {name: _some(hint) for name, hint in get_type_hints(kind).items()}
    return None if get_origin(kind) is dict else {}


def _value_type(kind: Any) -> Any:
    """What lies under any name of a dict."""
    return _some(get_args(kind)[1])


def _some(kind: Any) -> Any:
    """The type of a figure that may be None."""
    if isinstance(kind, UnionType):
        return next(one for one in get_args(kind) if one is not type(None))
    return kind


def _choose(given: str, known: Collection[str]) -> str:
    """`; did you mean 'ack_ms'? There are: ...`."""
    close = difflib.get_close_matches(given, known, n=1)
    meant = f"; did you mean {close[0]!r}? There are" if close else "; there are"
    return f"{meant}: {', '.join(known)}" if known else ""


def _figure(path: list[str], modes: dict[str, Any]) -> float:
    found: Any = modes
    for step in path:
        if not isinstance(found, dict) or step not in found:
            has = ", ".join(found) if isinstance(found, dict) else "no parts"
            raise NoData(f"no data for {'.'.join(path)}: {step!r} is not among {has}")
        found = found[step]
    if isinstance(found, dict) and "median" in found:
        found = found["median"]
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise NoData(
            f"no data for {'.'.join(path)}: it is {'blank' if found is None else 'no number'}"
        )
    return found


def _path(node: ast.expr) -> list[str] | None:
    """`naive.ack_ms.p99` as its steps; None if it is something else."""
    steps: list[str] = []
    while isinstance(node, ast.Attribute):
        steps.append(node.attr)
        node = node.value
    match node:
        case ast.Name(id=name) | ast.Constant(value=str() as name):
            return [name, *reversed(steps)]
    return None
