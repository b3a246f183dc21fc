"""`chatlab compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console

from chatlab import signals
from chatlab.bench.compare import Compare
from chatlab.bench.documents import Documents
from chatlab.bench.processes import GeneratorFailed, ServerFailed
from chatlab.bench.report import Report
from chatlab.bench.scenario import Scenario, override
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM
from chatlab.bench.thresholds import Threshold
from chatlab.chat.server_job import ServerOptions
from chatlab.cli.clients import while_drawing
from chatlab.cli.options import (
    DISK,
    FAULT,
    JSON,
    OUTPUT,
    SCENARIO,
    SEED,
    THE_LOAD,
    argument,
    asks_for_mine,
    check_modes,
    command_line,
    complete_mode,
    flag,
    option,
    with_groups,
)
from chatlab.data.records import indented_json
from chatlab.errors import ExitCode, UsageError
from chatlab.view import explain as explanations
from chatlab.view import words
from chatlab.view.compare.exports import to_csv, to_markdown
from chatlab.view.compare.html import to_html
from chatlab.view.compare.live import follow, follow_live
from chatlab.view.compare.terminal import render
from chatlab.view.console import TextConsole


@with_groups
def compare(
    modes: list[str] | None = argument(
        None,
        "MODES",
        "Line-ups to race; the first is the baseline. \\[default: naive optimized]",
        autocompletion=complete_mode,
    ),
    scenario: Scenario = SCENARIO,
    history: int | None = option(None, "N", "Messages saved before the start.", min=0, **THE_LOAD),
    rounds: int | None = option(
        None, "N", "Of each mode; a claim needs 6. \\[default: 6]", min=1, max=1_000
    ),
    seed: int = SEED,
    work: Path | None = option(
        None, "FOLDER", "Folder to work in, not the temporary one.", file_okay=False, exists=True
    ),
    control: bool = flag("--control", "Run the baseline twice: how different can the same look?"),
    ceiling: bool = flag("--ceiling", "Measure also servers without a disk: what is left to win?"),
    fault: list[str] | None = FAULT,
    disk: str | None = DISK,
    clock: Literal["planned", "send"] = option(
        "planned", "CLOCK", "planned, or send: also show what the clock that hides delay says."
    ),
    race: bool = flag("--race", "Run all modes at once, one round: to watch, not to measure."),
    full: bool = flag("--full", "Show each file, each count of the audit, and a chart.", **OUTPUT),
    no_live: bool = flag("--no-live", "A plain progress bar instead of the live view.", **OUTPUT),
    explain: bool = flag("--explain", "Explain every row, and measure nothing.", **OUTPUT),
    fail_if: list[str] | None = option(
        None, "TEST", "Exit with 99 if this holds, e.g. 'optimized.ack_ms.p99 > 50'; repeatable."
    ),
    strict: bool = flag("--strict", "Exit with 98 if a check of the instrument failed."),
    json: Path | None = JSON,
    csv: Path | None = option(None, "FILE", "A row for each round.", **OUTPUT),
    markdown: Path | None = option(None, "FILE", "The result as Markdown.", **OUTPUT),
    html: Path | None = option(None, "FILE", "A page with charts.", **OUTPUT),
) -> None:
    """Race modes side by side, and audit that none cheated.

    Starts a fresh server on a fresh data folder for each round, sends real messages over real
    sockets, and compares what came back with what was sent and what lies on disk.

    Exit code: 0; 1 when an audit found messages lost, duplicated, reordered or damaged; 2 for a
    mistake; 73 when a file could not be written; 98 when --strict does not trust the figures; 99
    when a --fail-if holds or has no data; 130 after Ctrl-C.
    """
    if explain:
        TextConsole().print(explanations.render(explanations.comparison()))
        return
    names = list(dict.fromkeys(modes or ["naive", "optimized"]))
    if race:
        _check_race(rounds=rounds, control=control, ceiling=ceiling, strict=strict)
    comparison = Compare(
        names,
        override(scenario, history=history),
        seed=seed,
        rounds=1 if race else rounds or ROUNDS_FOR_A_CLAIM,
        control=control,
        ceiling=ceiling,
        work_folder=work,
        options=ServerOptions(faults=tuple(fault or ()), disk=disk),
    )
    check_modes(*names)
    thresholds = [Threshold(text, comparison.entrants) for text in fail_if or ()]
    files = Documents({"--json": json, "--csv": csv, "--markdown": markdown, "--html": html})
    console = TextConsole(file=files.people)
    _measure(comparison, console, at_once=race, live=not no_live)
    report = comparison.report(command_line())
    for note in remember(report):
        console.print(note, style=words.QUIET)
    try:
        console.print(render(report, both_clocks=clock == "send", full=full))
        code = exit_code(report, thresholds, console, strict=strict)
    finally:  # a screen that is gone costs no document
        files.write(
            {
                "--json": lambda: indented_json(report),
                "--csv": lambda: to_csv(report),
                "--markdown": lambda: to_markdown(report),
                "--html": lambda: to_html(report),
            }
        )
    sys.exit(code)


def _check_race(**measuring: object) -> None:
    """Refuse options that only a measurement can obey."""
    if given := [f"--{name}" for name, value in measuring.items() if value]:
        raise UsageError(
            f"--race runs every mode once, all at the same time: to watch, not to measure. "
            f"Leave out {' and '.join(given)}, or leave out --race to measure"
        )


def _measure(comparison: Compare, console: Console, *, at_once: bool, live: bool) -> None:
    """Run the comparison in view; what it measured before a Ctrl-C or a failure stays."""
    TextConsole(stderr=True).print(_plan(comparison, at_once), style=words.QUIET)
    if comparison.simulated:
        console.print(f"simulated: {'; '.join(comparison.simulated)}", style=words.WARNING)
    try:
        view = follow_live(comparison) if live else follow(comparison)
        signals.run(while_drawing(view, comparison.demonstrate() if at_once else comparison.run()))
    except KeyboardInterrupt:
        console.print("stopped: the unfinished round is not counted", style=words.WARNING)
    except (ServerFailed, GeneratorFailed) as error:
        console.print(f"stopped: {error}", style=words.BAD)


def _plan(comparison: Compare, at_once: bool) -> str:
    """What is about to run, and about how long it takes."""
    names = words.listed([words.printable(name) for name in comparison.entrants])
    messages = f"{words.many(comparison.scenario.messages, 'message')} each"
    if at_once:
        return f"one round of {names} at once, {messages}"
    names = words.listed([names, "the ceilings"]) if comparison.ceilings_done else names
    rounds = words.many(comparison.rounds, "round")
    longer = ", longer on the simulated disk" if comparison.simulated else ""
    return f"{rounds} of {names}, {messages}: about {words.about(comparison.guessed_s)}{longer}"


def exit_code(
    report: Report, thresholds: list[Threshold], console: Console, *, strict: bool
) -> int:
    """What a comparison says to the shell; why it is not 0 is printed, unless the result says it.

    Args:
        report: the result.
        thresholds: of `--fail-if`.
        console: where to.
        strict: whether figures of an instrument that failed a check count for nothing.
    """
    if not report.complete:
        return ExitCode.INTERRUPTED
    modes = msgspec.to_builtins(report.modes)
    missed = [found for one in thresholds if (found := one.missed(modes)) is not None]
    for one in missed:
        console.print(f"! --fail-if {one.text}: {one.why}", style=words.BAD)
    trusted = not strict or all(check.ok for check in report.trust)
    if not trusted:
        console.print("! --strict: the instrument failed a check, see Trust", style=words.BAD)
    if missed and trusted:
        return ExitCode.THRESHOLD_MISSED
    clean = all(mode.audit.clean for mode in report.modes.values())
    # A fault that was counted is there, whatever the instrument's clock was worth.
    return ExitCode.NOT_TRUSTED if clean and not trusted else ExitCode.of(clean)


def remember(report: Report) -> list[str]:
    """Keep the figures of a comparison with the learner's own code in it, for `chatlab learn`.

    Not those on a simulated disk: later ones would be compared with them.

    Returns notes for the user about it, if any.
    """
    if not report.complete or report.simulated or not any(map(asks_for_mine, report.modes)):
        return []
    from chatlab.course import progress
    from chatlab.course.workplace import find_workplace

    record = progress.ComparisonRecord(
        when=progress.moment(),
        scenario=str(report.scenario["name"]),
        history=report.history,
        rounds=report.rounds,
        measurement=report.measurement,
        modes={
            name: progress.ModeRecord(rate.median, rate.low, rate.high, mode.audit.clean)
            for name, mode in report.modes.items()
            if (rate := mode.throughput_per_s)
        },
    )
    try:
        kept = progress.ProgressFile(find_workplace().state)
    except UsageError as error:
        return [str(error)]
    kept.update(lambda before: progress.compared(before, record))
    return kept.notes
