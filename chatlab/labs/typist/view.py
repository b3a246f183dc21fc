"""What the typist lab shows: what a person feels, and who agrees on it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM
from chatlab.labs import screen
from chatlab.labs.typist.measure import ACCOUNTS, AGREE_WITHIN, TypistReport
from chatlab.view import words

ROWS = {
    "a person: the message is back after": "echoes_ms",
    "  by the server, the last one has it": "traces_ms",
    "the class: acked, since it was due": "load_ack_ms",
    "  by the server, since it was due": "due_ack_ms",
    "  by the dashboard, since it arrived": "server_ack_ms",
    "the class: delivered, since it was due": "load_delivery_ms",
    "  by the server, since it was due ": "due_delivery_ms",
    "  by the dashboard, since it arrived ": "server_delivery_ms",
}
"""A row of the table, and the figure in it."""


def render(report: TypistReport) -> RenderableType:
    """The sentences, then the table."""
    if not report.modes:
        return screen.nothing()
    load = report.scenario
    most = max(len(mode.rounds) for mode in report.modes.values())
    table = screen.table(f"medians of {screen.rounds(most)}", *map(words.printable, report.modes))
    for label, name in ROWS.items():
        figures = [words.milliseconds(mode.of(name)) for mode in report.modes.values()]
        table.add_row(label.rstrip(), *figures)
    return Group(
        screen.title(
            f"One person types while {load.users} others chat "
            f"({load.rate_per_s:,g} messages a second)",
            complete=report.complete,
        ),
        *_felt(report),
        *_agreement(report),
        "The load waits longer than a person: its users send on without waiting.",
        "Next: chatlab xray   where a message's time goes, step by step",
        "",
        table,
    )


def _felt(report: TypistReport) -> Iterator[Text]:
    first = next(iter(report.modes))
    for name, ratio in report.ratio.items():
        interval = screen.interval(ratio, ".3g")
        proof = f"95% interval {interval}" if interval else "too few rounds for an interval"
        yield Text(
            f"Whoever types into {words.printable(first)} waits {ratio.median:.3g} x as long "
            f"as in {words.printable(name)} ({proof})."
        )


def _agreement(report: TypistReport) -> Iterator[Text]:
    apart = "; ".join(map(words.printable, report.apart))
    if all(one.agrees(what) is None for one in report.modes.values() for what in ACCOUNTS):
        yield Text("Nothing to compare: too few messages came back.", words.WARNING)
    elif not apart:
        margin_ms = max(mode.margin_ms for mode in report.modes.values())
        yield Text(
            f"Server and clients agree on it: within {AGREE_WITHIN:.0%}, or {margin_ms:.2g} ms.",
            words.GOOD,
        )
    elif report.enough:
        yield Text(f"Accounts that do NOT agree: {apart}.", words.BAD)
    else:
        yield Text(
            f"Accounts apart: {apart}. Too few rounds to make anything of it: run "
            f"{ROUNDS_FOR_A_CLAIM}.",
            words.WARNING,
        )
