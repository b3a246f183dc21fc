"""Options that several commands share: one meaning, one help text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chatlab.bench.scenario import Scenario


def finite(value: float | None) -> float | None:
    """A callback for options: NaN lies within all bounds, because it compares with none."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number to work with")
    return value


ScenarioName = Annotated[
    str,
    typer.Option(
        "--scenario",
        metavar="NAME",
        help="The load: midnight, steady, ramp, rooms, crowd, slow-readers, or a .toml file.",
    ),
]
Messages = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=1_000_000, help="Messages in a run.")
]
Users = Annotated[int | None, typer.Option(metavar="N", min=1, max=1_000, help="Connections.")]
Rooms = Annotated[int | None, typer.Option(metavar="N", min=1, max=1_000, help="Rooms they share.")]
Rate = Annotated[
    float | None,
    typer.Option(
        metavar="N", min=0.1, callback=finite, help="Messages per second, instead of all at once."
    ),
]
RateEnd = Annotated[
    float | None,
    typer.Option(
        metavar="N", min=0.1, callback=finite, help="... growing evenly to so many at the end."
    ),
]
InFlight = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Closed loop: so many under way for each user."),
]
SlowReaders = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, max=1_000, help="More connections, which hardly read."),
]
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
        help="Where the data folders are made; else the place for temporary files.",
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


def chosen_scenario(name: str, **fields: float | None) -> Scenario:
    """The scenario that the options name and change.

    Raises:
        UsageError: there is none such, or it makes no sense.
    """
    from chatlab.bench import scenario as scenarios

    return scenarios.override(scenarios.load(name), **fields)


def check_writable(option: str, path: Path | None) -> None:
    """Raises `UsageError` now rather than after a minute of measuring."""
    from chatlab.errors import UsageError

    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent} to write a file into")
