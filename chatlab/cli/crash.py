"""`chatlab crash`: what is left after a kill, and after a power cut."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from chatlab.cli.labs_run import exit_code, finish, measure
from chatlab.cli.mine import check_modes
from chatlab.cli.options import History, JsonFile, Seed, WorkFolder, check_writable, finite


def crash(
    modes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODES", help="Line-ups.  \\[default: naive optimized journal sqlite]"
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="Kills of each mode.")
    ] = 20,
    only: Annotated[
        Literal["kill", "power"] | None,
        typer.Option(metavar="WHAT", help="Just one of the two: kill or power."),
    ] = None,
    history: History = None,
    rate: Annotated[
        float,
        typer.Option(
            metavar="N",
            min=10,
            max=20_000,
            callback=finite,
            help="Messages per second to a server to be killed.",
        ),
    ] = 1_000.0,
    seed: Seed = 1,
    work: WorkFolder = None,
    json: JsonFile = None,
) -> None:
    """Kill servers and cut their power, and see what is left of what they acked.

    kill -9 of real servers under load, and a simulated power cut at every file operation. Exit
    code 1 if a mode that acks as synced lost or damaged anything; 70 if a part of your own ended
    the lab.
    """
    from chatlab.cli import child_command
    from chatlab.labs.crash import view
    from chatlab.labs.crash.measure import DEFAULT_HISTORY, DEFAULT_MODES, Crash
    from chatlab.labs.narrator import Narrator

    names = list(dict.fromkeys(modes or DEFAULT_MODES))
    asked = check_modes(*names)
    check_writable("--json", json)
    if any(one.user_parts for one in asked) and not child_command.is_child.is_set():
        sys.exit(child_command.run_in_child())
    with Narrator() as narrator:
        lab = Crash(
            names,
            trials=0 if only == "power" else trials,
            power=only != "kill",
            history=DEFAULT_HISTORY if history is None else history,
            rate_per_s=rate,
            seed=seed,
            work_folder=work,
            say=narrator.say,
        )
        try:
            measure(lab)
        except SystemExit as error:
            sys.exit(child_command.explain_exit(error))
    report = finish(lab, view.render, json)
    sys.exit(exit_code(report.complete, not report.broken))
