"""Options that several commands share: one meaning, one help text. And modes, checked before
anything starts: `mine` finds the solved exercises.

No learner's code runs in the process of a command: files are read, not loaded, and the exercises
are checked in child processes.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatlab import signals
from chatlab.bench.address import DEFAULT_PORT, LOCAL_HOST, read_address
from chatlab.bench.scenario import load, names, override
from chatlab.chat.settings import KNOBS, Knob, Settings
from chatlab.chat.user_parts import MINE, current_user_parts, set_user_parts
from chatlab.cli.app import tell
from chatlab.cli.secret import given_secret, secret_of_environment

if TYPE_CHECKING:
    from chatlab.chat.modes import Named

DEFAULT_URL = f"ws://{LOCAL_HOST}:{DEFAULT_PORT}"

_OF_A_PART = re.compile(r"\+(\w+)=mine(?=\+|$)")


def finite(value: float | None) -> float | None:
    """A callback for options: NaN lies within all bounds, because it compares with none."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


def complete_mode(typed: str) -> list[str]:
    """What a shell offers for the start of a mode: names; behind a `+`, parts and their choices."""
    from chatlab.chat.modes import MODES, PARTS

    before, plus, _ = typed.rpartition("+")
    swaps = [f"{before}+{role}={name}" for role, choices in PARTS.items() for name in choices]
    return [one for one in (swaps if plus else [*MODES, MINE]) if one.startswith(typed)]


def complete_scenario(typed: str) -> list[str]:
    """What a shell offers for the start of a scenario's name."""
    return [name for name in names() if name.startswith(typed)]


def option(default: Any, metavar: str, words: str, *flags: str, **more: Any) -> Any:
    """An option, as the default of a command's parameter.

    Args:
        default: its value where it is left out; ... if it must be given.
        metavar, words: as `--help` shows them.
        flags: its names, where they are not the parameter's.
        more: as `typer.Option` takes it.
    """
    return typer.Option(default, *flags, metavar=metavar, help=words, **more)


def argument(default: Any, metavar: str, words: str, **more: Any) -> Any:
    """An argument without a name, likewise."""
    return typer.Argument(default, metavar=metavar, help=words, **more)


def flag(name: str, words: str, **more: Any) -> Any:
    """An option without a value: False where it is left out."""
    return typer.Option(False, name, help=words, **more)


@dataclass(frozen=True, slots=True)
class _Group:
    """Stands for a parameter whose value is made of several options.

    Attributes:
        options: as parameters for typer.
        make: makes the value of theirs, by name.
    """

    options: list[inspect.Parameter]
    make: Callable[..., Any]


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """A decorator that gives a command, in place of each group, its options."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, _Group] = {}
    for one in inspect.signature(command, eval_str=True).parameters.values():
        if isinstance(one.default, _Group):
            groups[one.name] = one.default
            parameters += one.default.options
        else:
            parameters.append(one)

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group.make(**{one.name: given.pop(one.name) for one in group.options})
        command(**given)

    del with_options.__wrapped__  # else typer reads the signature of what it wraps
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options


def _option(name: str, kind: Any, default: object, *flags: str, **more: Any) -> inspect.Parameter:
    return _parameter(name, kind, default, typer.Option(*flags, **more))


def _parameter(name: str, kind: Any, default: object, info: Any) -> inspect.Parameter:
    where = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, where, default=default, annotation=Annotated[kind, info])


def _knob_option(knob: Knob) -> inspect.Parameter:
    metavar = "N" if knob.unit == "messages" else knob.unit.upper()
    words = f"{knob.help} A number {knob.bounds}."
    name = f"--{knob.name}"
    return _option(
        knob.field,
        float,
        knob.default,
        name,
        parser=knob.value,
        metavar=metavar,
        help=words,
        rich_help_panel="Settings of its parts",
    )


SETTINGS: Any = _Group([_knob_option(knob) for knob in KNOBS.values()], Settings)
"""The settings of a server: an option for each knob."""

_LOAD: list[tuple[str, str, Any, float, float | None, str]] = [
    ("messages", "--messages", int, 1, 1_000_000, "Messages in a run."),
    ("users", "--users", int, 1, 1_000, "Connections."),
    ("rooms", "--rooms", int, 1, 1_000, "Rooms they share."),
    ("rate_per_s", "--rate", float, 0.1, None, "Messages per second, instead of all at once."),
    ("rate_end_per_s", "--rate-end", float, 0.1, None, "... growing to this rate at the end."),
    ("in_flight", "--in-flight", int, 1, None, "Closed loop: messages in flight per user."),
    ("slow_readers", "--slow-readers", int, 0, 1_000, "Extra connections that hardly read."),
]
"""A field of a scenario, the option that overrides it, its type, its bounds, its help."""


THE_LOAD: Any = {"rich_help_panel": "The load"}
OUTPUT: Any = {"rich_help_panel": "What is written and shown"}
TROUBLE: Any = {"rich_help_panel": "A worse disk"}


def _load_options() -> Iterator[inspect.Parameter]:
    words = (
        "The load: midnight, class (50 people in the room general), steady, ramp, rooms, crowd, "
        "slow-readers, or a .toml file."
    )
    more = {"metavar": "NAME", "help": words, "autocompletion": complete_scenario}
    yield _option("scenario", str, "midnight", "--scenario", **THE_LOAD, **more)
    for name, flag, kind, low, high, words in _LOAD:
        bounds = {"min": low, "max": high, "callback": finite if kind is float else None}
        yield _option(name, kind | None, None, flag, metavar="N", help=words, **bounds, **THE_LOAD)


SCENARIO: Any = _Group(
    list(_load_options()), lambda scenario, **fields: override(load(scenario), **fields)
)
"""The load that `compare` and `load` put on a server."""

_URL = typer.Argument(
    envvar="CHATLAB_URL",
    metavar="ADDRESS",
    help="The server: PORT, HOST:PORT, ws://... or http://...",
)
_TOKEN = "The secret, if the server asks for one; ps shows it.  \\[env var: CHATLAB_TOKEN]"
_TOKEN_FILE = "Read the secret from the first line of a file."


def _token_options(words: str) -> list[inspect.Parameter]:
    file = {"metavar": "FILE", "help": _TOKEN_FILE}
    return [
        _option("token", str | None, None, "--token", metavar="SECRET", help=words),
        _option("token_file", Path | None, None, "--token-file", **file),
    ]


def _server_address(url: str, token: str | None, token_file: Path | None) -> str:
    secret = given_secret(token, token_file)
    # typer would read the variable, too, but not say so: an address that was typed comes before it.
    return read_address(url, token=secret, default_token=secret or secret_of_environment())


def _server_secret(token: str | None, token_file: Path | None) -> str | None:
    return given_secret(token, token_file) or secret_of_environment()


SERVER: Any = _Group(
    [_parameter("url", str, DEFAULT_URL, _URL), *_token_options(_TOKEN)], _server_address
)
"""The running server that a command talks to: an address that `read_address` made."""
TOKEN: Any = _Group(
    _token_options("Secret that clients must show; ps shows it.  \\[env var: CHATLAB_TOKEN]"),
    _server_secret,
)
"""The secret that a server asks for; None if it asks for none."""

SEED: Any = option(1, "N", "The same seed gives the same messages.", **THE_LOAD)
JSON: Any = option(None, "FILE", "Everything measured; - is standard output.", **OUTPUT)
HTML: Any = option(None, "FILE", "The result as one page; - is standard output.", **OUTPUT)
FAULT: Any = option(
    None,
    "PLAN",
    "Let the disk fail: ERROR@N for the N-th write, ERROR@OPERATION:N+COUNT, or slow=20ms; several "
    "with commas. See the README.",
    **TROUBLE,
)
DISK: Any = option(None, "NAME", "Simulate a slower disk: hdd or network.", **TROUBLE)
COURSE: Any = option(
    None, "DIR", "The folder with exercises/ in it.  \\[default: the nearest around this one]"
)
EXERCISE: Any = argument(
    None, "NAME", "02, cache or 02_cache.  \\[default: the first that has not passed]"
)


def command_line() -> str:
    """The command that runs, for a report: a secret in it is left out."""
    shown = ["chatlab"]
    for word in sys.argv[1:]:
        secret = shown[-1] == "--token"
        hidden = re.sub(r"(?s)(^--token=).*|([?&]token=)[^&]*", r"\1\2...", word)
        shown.append("..." if secret else hidden)
    return shlex.join(shown)


def check_modes(*texts: str) -> list[Named]:
    """What each mode is made of.

    Raises:
        UsageError: a mode is unknown or not valid.
    """
    from chatlab.chat.modes import named

    if any(asks_for_mine(text) for text in texts) and current_user_parts() is None:
        _find_mine(*texts)
    return [named(text) for text in texts]


def asks_for_mine(text: str) -> bool:
    """Whether a mode takes what the learner wrote in an exercise."""
    return text.partition("+")[0] == MINE or bool(_OF_A_PART.search(text))


def _find_mine(*texts: str) -> None:
    """Check the exercises, say which are taken, and pass them on to every process started here."""
    from chatlab.course.solved_parts import find_mine
    from chatlab.course.workplace import find_workplace

    workplace = find_workplace()
    for note in workplace.notes:
        tell(f"mine: {note}")
    found = signals.run(find_mine(workplace, lambda name: tell(f"mine: checking {name}")))
    parts = found.user_parts
    set_user_parts(parts)
    if any(text.partition("+")[0] == MINE for text in texts):
        taken = [f"{parts.labels[role]} ({role})" for role in parts.solved]
        taken += [f"{knob} {value}" for knob, value in parts.knobs.items()]
        tell(f"mine: {', '.join(taken) or 'no exercise passes yet: all parts are naive'}")
        for name, why in found.not_passed.items():
            tell(f"mine: not {name}: {why}")
    for role in dict.fromkeys(role for text in texts for role in _OF_A_PART.findall(text)):
        label = parts.labels.get(role)
        if label is not None and role not in parts.solved:
            tell(f"{role}=mine: {label} does not pass its checks yet; it runs here all the same")
