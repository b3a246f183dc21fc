"""What the typist lab shows: what a person feels, and who agrees on it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from chatlab.labs import screen
from chatlab.labs.typist.measure import ACCOUNTS, AGREE_WITHIN, TypistReport
from chatlab.view import words

ROWS = {
    "one who types: echo": "echoes_ms",
    "... the server's trace, to the last one": "traces_ms",
    "load: ack, from when it was due": "load_ack_ms",
    "... /stats, from the same moment": "due_ack_ms",
    "... /stats, once it could be read": "server_ack_ms",
    "load: delivery, from when it was due": "load_delivery_ms",
    "... /stats, from the same moment ": "due_delivery_ms",
    "... /stats, once it could be read ": "server_delivery_ms",
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
    apart = [
        f"{words.printable(name)}: {what}"
        for name, mode in report.modes.items()
        for what in ACCOUNTS
        if mode.agrees(what) is False
    ]
    if apart:
        yield Text(f"Accounts that do NOT agree: {'; '.join(apart)}.", words.BAD)
    else:
        yield Text(
            f"Server and clients agree on it: within {AGREE_WITHIN:.0%}, or 3 ms.", words.GOOD
        )
