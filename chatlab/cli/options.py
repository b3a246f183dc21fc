"""Options that several commands share: one meaning, one help text."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from chatlab.bench.scenario import Scenario, load, override
from chatlab.chat.settings import KNOBS, Knob, Settings
from chatlab.errors import UsageError

DEFAULT_PORT = 8765
DEFAULT_URL = f"ws://127.0.0.1:{DEFAULT_PORT}"


def finite(value: float | None) -> float | None:
    """A callback for options: NaN lies within all bounds, because it compares with none."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


@dataclass(frozen=True, slots=True)
class _Group:
    """Stands for a parameter whose value comes from several options."""

    options: Callable[..., Any]


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """A decorator that gives a command, in place of each group, its options."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[Callable[..., Any], list[str]]] = {}
    for one in inspect.signature(command, eval_str=True).parameters.values():
        if isinstance(one.default, _Group):
            make = one.default.options
            options = inspect.signature(make, eval_str=True).parameters
            groups[one.name] = make, list(options)
            parameters += options.values()
        else:
            parameters.append(one)

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        for name, (make, options) in groups.items():
            given[name] = make(**{option: given.pop(option) for option in options})
        command(**given)

    del with_options.__wrapped__  # else typer reads the signature of what it wraps
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options


def _variable(knob: Knob) -> str:
    return knob.name.replace("-", "_")


def _option(knob: Knob) -> inspect.Parameter:
    metavar = "N" if knob.unit == "messages" else knob.unit.upper()
    option = typer.Option(
        parser=knob.value, metavar=metavar, help=f"{knob.help} A number {knob.bounds}."
    )
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    annotation = Annotated[float, option]
    return inspect.Parameter(_variable(knob), kind, default=knob.default, annotation=annotation)


def _settings(**given: float) -> Settings:
    return Settings(**{knob.field: given[_variable(knob)] for knob in KNOBS.values()})  # type: ignore[arg-type]


_settings.__signature__ = inspect.Signature([_option(knob) for knob in KNOBS.values()])  # type: ignore[attr-defined]
SETTINGS: Any = _Group(_settings)
"""The settings of a server: an option for each knob."""


def _scenario(
    scenario: str = typer.Option(
        "midnight",
        metavar="NAME",
        help="The load: midnight, steady, ramp, rooms, crowd, slow-readers, or a .toml file.",
    ),
    messages: int | None = typer.Option(
        None, metavar="N", min=1, max=1_000_000, help="Messages in a run."
    ),
    users: int | None = typer.Option(None, metavar="N", min=1, max=1_000, help="Connections."),
    rooms: int | None = typer.Option(None, metavar="N", min=1, max=1_000, help="Rooms they share."),
    rate: float | None = typer.Option(
        None,
        metavar="N",
        min=0.1,
        callback=finite,
        help="Messages per second, instead of all at once.",
    ),
    rate_end: float | None = typer.Option(
        None,
        metavar="N",
        min=0.1,
        callback=finite,
        help="... growing evenly to this rate at the end.",
    ),
    in_flight: int | None = typer.Option(
        None, metavar="N", min=1, help="Closed loop: messages in flight per user."
    ),
    slow_readers: int | None = typer.Option(
        None, metavar="N", min=0, max=1_000, help="Extra connections that hardly read."
    ),
) -> Scenario:
    """Raises `UsageError` if there is no such scenario, or it makes no sense."""
    return override(
        load(scenario),
        messages=messages,
        users=users,
        rooms=rooms,
        rate_per_s=rate,
        rate_end_per_s=rate_end,
        in_flight=in_flight,
        slow_readers=slow_readers,
    )


SCENARIO: Any = _Group(_scenario)
"""The load that `compare` and `load` put on a server."""

History = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="Messages in the data folder before the start."),
]
Seed = Annotated[int, typer.Option(metavar="N", help="The same seed gives the same messages.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write everything measured to FILE.")
]
FaultPlans = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="PLAN",
        help="Let the disk fail: ERROR@N for the N-th write, ERROR@OPERATION:N+COUNT, or "
        "slow=20ms; several with commas. See the README.",
    ),
]
DiskName = Annotated[
    str | None,
    typer.Option("--disk", metavar="NAME", help="Simulate a slower disk: hdd or network."),
]
WorkFolder = Annotated[
    Path | None,
    typer.Option(
        "--work",
        metavar="FOLDER",
        help="Folder to make the data folders in, instead of the one for temporary files.",
        file_okay=False,
        exists=True,
    ),
]
CourseFolder = Annotated[
    Path | None,
    typer.Option(
        "--course",
        metavar="DIR",
        help="The folder with exercises/ in it.  \\[default: the nearest around this one]",
    ),
]
ExerciseName = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="02, cache or 02_cache.  \\[default: the first that has not passed]",
        show_default=False,
    ),
]


def check_writable(option: str, path: Path | None) -> None:
    """Raises `UsageError` now rather than after a minute of measuring."""
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent} to write a file into")
