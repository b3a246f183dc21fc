"""The xray lab's screen: a strip for each mode, one letter for each step."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from chatlab.bench.own_messages import STEPS
from chatlab.chat.modes import MODES
from chatlab.labs import screen
from chatlab.labs.xray.measure import RATE_MAX, Life, XrayedMode, XrayReport
from chatlab.view.words import QUIET, many

NO_TERMINAL, PAGE_WIDTH = 1_000, 80
"""Columns: what is wider is no terminal but a page, which gets strips of this width."""
NARROW = 12
"""Columns; a strip of fewer is drawn once more, larger."""
WORDS = {
    "waiting": ("waiting to be read", "color(30)"),
    "check": ("room check: may the sender speak here?", "color(130)"),
    "queue": ("queue: until its save begins", "color(28)"),
    "lock": ("lock: behind others at the same file", "color(25)"),
    "save": ("save: its own work with files", "color(160)"),
    "delivery": ("delivery to the room", "color(92)"),
    "network": ("network, and the client", "color(243)"),
}
"""Of each step: what it is, and its colour on light and dark. Its letter is the first of its name,
so that a strip can be read without colours."""
MEANINGS = {
    "waiting": " It had arrived; the server was busy with others.",
    "lock": " The server saved the messages before it, one by one.",
}
"""What it means that a step is the longest, where its name does not say so."""
MORE_LOAD = 10


def render(report: XrayReport) -> RenderableType:
    """All strips, and their figures."""
    if not report.modes:
        return screen.nothing()
    return Group(*_lines(report))


class Strip:
    """One message's life, drawn as wide as the terminal allows.

    Args:
        steps_ms: by step, in order.
        whole_ms: what the whole width stands for; None: this life.
    """

    def __init__(self, steps_ms: Mapping[str, float], whole_ms: float | None = None) -> None:
        self._steps_ms = steps_ms
        self._whole_ms = whole_ms or sum(steps_ms.values())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 2 if options.max_width < NO_TERMINAL else PAGE_WIDTH
        strip = self.drawn(width)
        yield Text(" ") + strip  # laid out by spaces: so a page keeps it in one line
        if self._whole_ms > sum(self._steps_ms.values()) and len(strip) < NARROW:
            larger = Strip(self._steps_ms)
            yield Text(f"the same, {self._whole_ms / larger._whole_ms:,.0f} x larger:", QUIET)
            yield Text(" ") + larger.drawn(width)

    def drawn(self, width: int) -> Text:
        """The strip. Ends of steps are rounded, not their lengths: so nothing adds up wrongly."""
        strip, passed_ms = Text(), 0.0
        for step, ms in self._steps_ms.items():
            passed_ms += ms
            columns = round(width * passed_ms / self._whole_ms) - len(strip)
            strip.append(step[0] * columns, f"{WORDS[step][1]} reverse")
        return strip or Text("|")


def _lines(report: XrayReport) -> Iterator[RenderableType]:
    lives = {mode: seen.typical for mode, seen in report.modes.items()}
    whole_ms = max(life.back_ms for life in lives.values())
    around = f"{report.rate_per_s:g} messages a second of {many(report.users, 'user')}"
    yield screen.title(
        f"One message's life among {around}, history {report.history:,}", complete=report.complete
    )
    for mode, life in lives.items():
        ack = f"ack ({report.modes[mode].ack_means}) after {_shown(life.ack_ms)}"
        yield Text(f"{mode}: back after {_shown(life.back_ms)}; {ack}", "bold")
        if mode in MODES:
            yield Text(MODES[mode].words, QUIET)
        yield Strip(life.steps_ms, whole_ms)
    yield ""
    yield _figures(lives)
    yield ""
    for mode, seen in report.modes.items():
        yield Text(f"{mode}: {_explained(seen)}")
    traced = ", ".join(f"{len(seen.lives)} ({mode})" for mode, seen in report.modes.items())
    yield Text(f"Each is the median one of the traced messages: {traced}.", QUIET)
    yield Text(_next(report))


def _figures(lives: Mapping[str, Life]) -> RenderableType:
    table = screen.table("", "step", *lives, left=2)
    for step in STEPS:
        words, colour = WORDS[step]
        figures = [_shown(life.steps_ms[step]) for life in lives.values()]
        table.add_row(Text(step[0], f"{colour} reverse"), words, *figures)
    return table


def _explained(seen: XrayedMode) -> str:
    """Where most of the time went, and what that means."""
    life = seen.typical
    name = WORDS[life.longest][0].partition(":")[0]
    text = f"{life.steps_ms[life.longest] / life.back_ms:.0%} of its time went to: {name}."
    if _waits_for_batch(seen):
        assert seen.flush_interval_s is not None
        rest = _shown(life.back_ms - life.steps_ms["queue"])
        age = f"{seen.flush_interval_s * 1000:g} ms"
        text += f" It waits until its batch is full, or {age} old; all else took {rest}."
    text += MEANINGS.get(life.longest, "")
    if seen.fell_behind:
        text += " It fell behind: its last messages took far longer than its first."
    return text


def _waits_for_batch(seen: XrayedMode) -> bool:
    return seen.flush_interval_s is not None and seen.typical.longest == "queue"


def _next(report: XrayReport) -> str:
    """What to try: more load, where a mode came later and mostly waited for its batch to fill."""
    steps = ["chatlab plug   kill -9: what an ack is worth"]
    slowest = max(report.modes.values(), key=lambda seen: seen.typical.back_ms)
    if len(report.modes) > 1 and _waits_for_batch(slowest):
        rate = min(RATE_MAX, MORE_LOAD * report.rate_per_s)
        again = f"chatlab xray {shlex.join(report.modes)} --rate {rate:g}"
        steps.insert(0, f"{again}   does more load turn the order?")
    return "Next: " + "\n      ".join(steps)


def _shown(ms: float) -> str:
    return f"{ms:,.2f} ms" if ms < 10 else f"{ms:,.1f} ms"
