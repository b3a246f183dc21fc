"""The commands of the labs, built from what each lab declares; read `labs/base.py` first.

A lab imports much. So a lab's command is made, and the lab imported, when somebody asks this
module for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from importlib import import_module
from inspect import Parameter, Signature, getdoc
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import typer

from chatlab.bench.documents import Documents
from chatlab.cli.app import LABS
from chatlab.cli.options import HTML, JSON, check_modes, complete_mode, finite
from chatlab.errors import UsageError
from chatlab.labs.base import Lab, Option, carry_out

NUMBER_MAX = 1e9


def __getattr__(name: str) -> Callable[..., None]:
    """The command of a lab: a function of the lab's name, made when it is asked for."""
    if name not in LABS:
        raise AttributeError(name)
    return command_of(name)


class Declared(NamedTuple):
    """A field of a lab that stands on the command line; `item` is the type of one value."""

    name: str
    item: Any
    many: bool
    option: Option
    default: Any

    @property
    def flag(self) -> str:
        """Its name as users type it."""
        return "--" + self.name.replace("_", "-")

    def parameter(self) -> Parameter:
        """It as a parameter from which typer makes an option or an argument."""
        option, kind, default = self.option, self.item, self.default
        settings: dict[str, Any] = {"metavar": option.metavar, "help": option.help}
        if option.kind != "option":
            if self.many:
                settings["help"] += f"  \\[default: {' '.join(default) or 'all'}]"
                kind, default = list[str] | None, None
            complete = complete_mode if option.kind == "modes" else None
            info = typer.Argument(**settings, autocompletion=complete)
        elif self.many:
            kind, default = str, ",".join(f"{number:g}" for number in default)
            info = typer.Option(**settings)
        else:
            check = finite if kind is float else None
            info = typer.Option(**settings, min=option.low, max=option.high, callback=check)
        return Parameter(
            self.name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
        )

    def value(self, given: Any) -> Any:
        """What the lab gets for what typer read."""
        if not self.many:
            return given
        if self.option.kind == "option":
            return numbers(
                self.flag,
                given,
                self.item,
                bounds=(self.option.low or 0, self.option.high or NUMBER_MAX),
            )
        return tuple(dict.fromkeys(given or self.default))


def command_of(name: str) -> Callable[..., None]:
    """A function that typer takes for one with the lab's options as parameters."""
    lab = load(name)
    options = declared(lab)

    def command(json: Path | None, html: Path | None, **given: Any) -> None:
        documents = Documents({"--json": json, "--html": html})
        _run(name, documents, {one: one.value(given[one.name]) for one in options})

    parameters = [one.parameter() for one in options]
    where = Parameter.KEYWORD_ONLY
    for option, default in (("json", JSON), ("html", HTML)):
        parameters.append(Parameter(option, where, default=default, annotation=Path | None))
    command.__doc__ = f"{LABS[name]}\n\n{getdoc(lab)}"
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def load(name: str) -> type[Lab]:
    """Import a lab: `GrowthOfX` in the `measure.py` of the folder `growth_of_x`."""
    module = import_module(f"chatlab.labs.{name}.measure")
    lab: type[Lab] = getattr(module, name.title().replace("_", ""))
    return lab


def declared(lab: type[Lab]) -> list[Declared]:
    """The fields of a lab that are options, those that all labs have last."""
    found = []
    hints = get_type_hints(lab, include_extras=True)
    for field in sorted(fields(lab), key=lambda field: field.name == "work"):
        if get_origin(hints[field.name]) is Annotated:
            kind, option = get_args(hints[field.name])
            many = get_origin(kind) is tuple
            item = get_args(kind)[0] if many else kind
            found.append(Declared(field.name, item, many, option, field.default))
    return found


def numbers(
    option: str, text: str, kind: type, *, bounds: tuple[float, float]
) -> tuple[float, ...]:
    """Read `1,10,100`: each once, ascending.

    Args:
        option: as the user typed it, for the error.
        text: numbers, separated by commas.
        kind: int for whole numbers, or float.
        bounds: the least and the most that makes sense.

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
        low, high = bounds
        if not low <= value <= high:  # false for "nan", too
            raise UsageError(f"{option} {text}: {word.strip()} is not between {low:g} and {high:g}")
        if kind is int and not value.is_integer():
            raise UsageError(f"{option} {text}: {value:g} is no whole number")
        found.add(kind(value))
    return tuple(sorted(found))


def _run(name: str, documents: Documents, values: dict[Declared, Any]) -> None:
    lab = load(name)
    modes = [value for one, value in values.items() if one.option.kind == "modes"]
    line_ups = check_modes(*(modes[0] if modes and isinstance(modes[0], tuple) else modes))
    if lab.runs_parts and any(one.user_parts for one in line_ups):
        from chatlab.cli import user_parts  # imports the dashboard, too

        if not user_parts.is_child.is_set():
            sys.exit(user_parts.run_in_child())
    made = lab(**{one.name: value for one, value in values.items()})
    try:
        code = carry_out(made, documents, LABS[name])
    except SystemExit as error:  # a part of the user's own called it
        from chatlab.cli.user_parts import explain_exit

        code = explain_exit(error)
    sys.exit(code)
