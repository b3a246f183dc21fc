"""The crash lab's result: two tables, the stories of what was lost, and what it all means."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from chatlab.labs import screen
from chatlab.labs.crash.kill import KillResult
from chatlab.labs.crash.measure import CrashReport, ModeCrashes
from chatlab.labs.crash.power import PowerResult
from chatlab.view import words

NAME_WIDTH = 22

MODEL = (
    "The kill: the operating system lives on and keeps what it was handed; what only the server's "
    "memory held is gone. Lost: acked, and missing after the restart (all of it, if the folder "
    "is corrupt); hit: trials in which anything was. Recovery, median and most: from the start "
    "of a new server until it listens, Python's own start included; ordinary: the same after an "
    "orderly stop."
)
POWER_MODEL = (
    "The power cut is simulated: every file operation of a small workload is recorded, and the "
    "power fails after each. What was not synced by then may be on the disk, or not, or in part, "
    "or as zeros, or in another order; so may renames, until the folder is synced. Each such "
    "state is opened by a fresh store. States are not equally likely: these are no probabilities."
)
LIMITS = (
    "What this cannot know: whether a disk tells the truth. One that answers a sync from its cache "
    "loses what it promised, and no program can see that from inside. Also not tried: a second "
    "power cut during the recovery."
)
ALLOWED = {
    "queued": "allowed: queued is memory",
    "written": "allowed: written, not synced",
    "synced": "BROKEN PROMISE",
}


def render(report: CrashReport) -> RenderableType:
    """The whole result."""
    if not report.modes:
        return screen.nothing()
    return Group(
        screen.title("What is left after a crash", complete=report.complete),
        *_kills(report),
        *_power_cuts(report),
        *(part for name, mode in report.modes.items() for part in _stories(name, mode)),
        Text(),
        *_explanation(report),
        *_verdict(report),
    )


def _kills(report: CrashReport) -> Iterator[RenderableType]:
    killed = [(name, mode, mode.kill) for name, mode in report.modes.items() if mode.kill]
    if not killed:
        return
    yield Text(
        f"\nkill -9 at a random moment, {report.rate_per_s:,.0f} messages/s, "
        f"after {report.history:,} of history",
        style="bold",
    )
    table = screen.table(
        "mode", "ack means", "trials", "acked", "lost", "hit", "corrupt", "recovery", "ordinary"
    )
    for name, mode, kill in killed:
        table.add_row(
            words.shorten_middle(name, NAME_WIDTH),
            mode.ack_means,
            words.count(kill.trials),
            words.count(kill.acked),
            _bad(kill.lost, mode),
            _bad(kill.trials_losing, mode),
            _corrupt(kill.corrupt),
            _recovery(kill),
            _seconds(kill.ordinary_s),
        )
    yield table
    for name, _, kill in killed:
        if kill.wrong:
            yield Text(f"! {name}: {kill.wrong} messages are stored twice or changed.", words.BAD)


def _power_cuts(report: CrashReport) -> Iterator[RenderableType]:
    cut = [(name, mode, mode.power) for name, mode in report.modes.items() if mode.power]
    if not cut:
        return
    yield Text("\npower cut after each file operation (simulated)", style="bold")
    table = screen.table("mode", "ack means", "states", "losing", "most", "corrupt", "verdict")
    table.columns[-1].justify = "left"
    for name, mode, power in cut:
        table.add_row(
            words.shorten_middle(name, NAME_WIDTH),
            mode.ack_means,
            words.count(power.states),
            _bad(power.losing, mode),
            words.count(power.lost_most),
            _corrupt(power.corrupt),
            _judged(mode, power),
        )
    yield table
    yield Text(
        "Losing: states in which acked messages are missing; most: how many of "
        f"{max(power.acked for _, _, power in cut)} at most.",
        style=words.QUIET,
    )
    for name, _, power in cut:
        if power.wrong:
            text = f"! {name}: {power.wrong:,} states show messages twice, changed or astray."
            yield Text(text, words.BAD)
        if power.capped_cuts:
            where = f"{name}: at {power.capped_cuts} of {power.cuts} moments"
            yield Text(f"{where} there are more states than were tried.", style=words.QUIET)


def _stories(name: str, mode: ModeCrashes) -> Iterator[RenderableType]:
    if mode.kill and mode.kill.story:
        yield from _story(f"{name}, killed", mode.kill.story)
    for story in mode.power.stories if mode.power else ():
        yield from _story(f"{name}, power cut", story)


def _story(title: str, lines: list[str]) -> Iterator[RenderableType]:
    yield Text(f"\n{title}", style="bold")
    for line in lines:
        yield Padding(Text(words.printable(line)), (0, 0, 0, 2))


def _explanation(report: CrashReport) -> Iterator[Text]:
    if any(mode.kill for mode in report.modes.values()):
        yield Text(MODEL, style=words.QUIET)
    if any(mode.power for mode in report.modes.values()):
        yield Text(POWER_MODEL, style=words.QUIET)
        yield Text(LIMITS, style=words.QUIET)


def _verdict(report: CrashReport) -> Iterator[Text]:
    for name, mode in report.modes.items():
        if mode.broken:
            text = f"{name} acked as synced, and lost or damaged what it had acked."
            yield Text(f"BROKEN PROMISE: {text}", style=words.BAD)
        elif mode.ack_means == "synced":
            yield Text(f"{name}: every message acked as synced was there, each time.", words.GOOD)


def _judged(mode: ModeCrashes, power: PowerResult) -> Text:
    if not (power.losing or power.corrupt or power.wrong):
        return Text("nothing lost", words.GOOD)
    style = words.BAD if mode.ack_means == "synced" else words.WARNING
    if power.corrupt and mode.ack_means != "synced":
        return Text("tears its file", style)
    return Text(ALLOWED[mode.ack_means], style)


def _bad(value: int, mode: ModeCrashes) -> Text:
    """A count of losses: bad if they were promised away, a warning if the promise allows them."""
    if not value:
        return Text("0", words.GOOD)
    return Text(words.count(value), words.BAD if mode.ack_means == "synced" else words.WARNING)


def _corrupt(value: int) -> Text:
    return Text(words.count(value), words.BAD if value else words.GOOD)


def _recovery(kill: KillResult) -> str:
    if kill.recovery_s is None or kill.recovery_most_s is None:
        return words.DASH
    return f"{kill.recovery_s:.2f}-{kill.recovery_most_s:.2f} s"


def _seconds(value: float | None) -> str:
    return words.DASH if value is None else f"{value:.2f} s"
