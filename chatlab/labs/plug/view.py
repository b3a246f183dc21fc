"""The plug lab's screen: a room that fills, dies and comes back; and what was found, as a table.

`picture` and `render` are pure. A `stage` shows one picture after another on a terminal, and plain
lines elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.live import Live
from rich.style import Style
from rich.text import Text

from chatlab.chat.modes import MODES
from chatlab.labs import screen
from chatlab.labs.plug.room import Line, PlugReport, PulledMode, Scene, Stage, State
from chatlab.view import words
from chatlab.view.words import BAD, GOOD, PLAIN, QUIET, STRONG, WARNING, Page

FRAMES = 20
COLUMN_MIN = 38
GAP = 2
AROUND = 4
"""Lines around the room: two above, and two rules."""
EVENTS = 4
STATES: dict[State, tuple[str, Style, Style]] = {
    "sent": ("sent", QUIET, QUIET),
    "acked": ("acked", PLAIN, GOOD),
    "kept": ("saved", PLAIN, QUIET),
    "gone": ("GONE", BAD + Style(bold=False, strike=True), BAD),
}
"""A word for each state, and the styles of the message and of the word."""
EVENT_STYLES = (BAD + Style(reverse=True), PLAIN, PLAIN, STRONG)
EXCERPT_BEFORE, EXCERPT = 1, 5
NAME_WIDTH = 24
NEXT = """\
kill -9 ends the server, not the operating system: what is written survives it.
Next: chatlab crash --only power   a power cut is harder
      chatlab crash --only kill    20 random kills of each"""


# While it runs


@contextmanager
def stage(narrator: screen.Narrator | None) -> Iterator[Stage]:
    """Where to show pulls: the whole terminal, or lines, or nowhere without a narrator."""
    if narrator is None:
        yield Stage()
        return
    with narrator.terminal() as live:
        yield LiveStage(live) if live is not None else LineStage(narrator)


class LiveStage(Stage):
    """A terminal."""

    frames = FRAMES

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, scene: Scene) -> None:
        width, height = self._live.console.size
        self._live.update(picture(scene, width, height), refresh=True)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class LineStage(Stage):
    """Lines: each event once."""

    def __init__(self, narrator: screen.Narrator) -> None:
        self._narrator = narrator
        self._said = 0

    def show(self, scene: Scene) -> None:
        if not scene.lines:
            self._said = 0
            self._narrator.say(f"{_introduced(scene.mode)}; the room fills")
        for event in scene.events[self._said :]:
            self._narrator.say(f"{scene.mode}: {event}")
        self._said = len(scene.events)


def picture(scene: Scene, width: int, height: int) -> RenderableType:
    """The room at one moment.

    Args:
        scene: what is known of it.
        width: columns; no line is wider.
        height: lines; there are no more.
    """
    rows = max(1, height - AROUND - EVENTS)
    columns = max(1, (width + GAP) // (COLUMN_MIN + GAP))
    each = (width + GAP) // columns - GAP
    shown = in_view(scene.lines, rows, columns, moving=scene.waiting is not None)
    lines = [
        words.line((words.shorten(_introduced(scene.mode), width), STRONG)),
        words.cut(_promise(scene), width),
        words.heading(_standing(scene), width),
    ]
    for row in range(rows):
        beside: words.Line = []
        for column in range(columns):
            index = column * rows + row
            cell = message(shown[index], each) if index < len(shown) else words.line()
            beside += words.fit(cell, each)
            beside += words.line(" " * GAP) if column < columns - 1 else []
        lines.append(words.cut(beside, width))
    lines.append(words.heading("what happens", width))
    for event, style in zip(scene.events, EVENT_STYLES, strict=False):
        lines.append(words.line((words.shorten(words.printable(event), width), style)))
    return Page(lines[: max(0, height)])


def in_view(lines: list[Line], rows: int, columns: int, *, moving: bool) -> list[Line]:
    """The latest messages that fit; earlier ones where the first that is gone would be left out.

    Args:
        moving: whether more will come: then old ones leave a column at a time.
    """
    room = rows * columns
    begin = max(0, len(lines) - room)
    if moving:
        begin = -(-begin // rows) * rows
    gone = next((n for n, line in enumerate(lines) if line.state == "gone"), None)
    if gone is not None and gone <= begin:
        begin = max(0, gone - rows // 2)
    return lines[begin : begin + room]


def message(line: Line, width: int) -> words.Line:
    """` 412 user 3: Happy New Year!      GONE`."""
    word, style, word_style = STATES[line.state]
    head = f"{line.number + 1:>4} user {line.user}: "
    text = words.shorten(line.text, max(0, width - len(head) - 6))
    gap = " " * (width - cell_len(head + text) - 5)
    return words.line((head, QUIET), (text, style), gap, (word, word_style))


def _introduced(mode: str) -> str:
    """`naive: reads and rewrites the files for every single message`."""
    return f"{mode}: {MODES[mode].words}" if mode in MODES else words.printable(mode)


def _promise(scene: Scene) -> words.Line:
    if scene.ack_means is None:
        return words.line(("starting the server", QUIET))
    meaning = words.ACK_WORDS[scene.ack_means]
    return words.line("An ack says ", (scene.ack_means, STRONG), f" ({meaning}).")


def _standing(scene: Scene) -> str:
    sent = len(scene.lines)
    acked = sum(line.state != "sent" for line in scene.lines)
    gone = sum(line.state == "gone" for line in scene.lines)
    text = f"{sent:,} sent, {acked:,} acked"
    if scene.waiting is not None:
        return f"{text}, {scene.waiting:,} of them not yet delivered"
    return f"{text}, {gone:,} of them gone" if gone else text


# When all is over


def render(report: PlugReport) -> RenderableType:
    """What was found."""
    if not report.modes:
        return screen.nothing()
    parts: list[RenderableType] = [screen.title("kill -9 under load", complete=report.complete)]
    for name, mode in report.modes.items():
        parts += _excerpt(name, mode)
    parts += [Text(), _table(report), Text()]
    parts += [_verdict(name, mode) for name, mode in report.modes.items()]
    parts += [Text(NEXT, style=QUIET)]
    return Group(*parts)


def _excerpt(name: str, mode: PulledMode) -> Iterator[RenderableType]:
    """A few messages: those around the first that is gone, or else the last ones acked."""
    name = words.shorten_middle(words.printable(name), NAME_WIDTH)
    yield Text(f"{name}: {mode.acked:,} acked, {mode.gone or 'none'} of them gone", style="bold")
    acked = [line for line in mode.lines if line.state != "sent"]
    gone = [number for number, line in enumerate(acked) if line.state == "gone"]
    begin = max(0, gone[0] - EXCERPT_BEFORE) if gone else max(0, len(acked) - EXCERPT_BEFORE)
    shown = acked[begin : begin + EXCERPT]
    yield Page([message(line, 60) for line in shown])
    more = mode.gone - sum(line.state == "gone" for line in shown)
    if more:
        yield Text(f"     and {more:,} more that are gone", style=BAD)


def _table(report: PlugReport) -> RenderableType:
    table = screen.table("mode", "ack means", "sent", "acked", "gone", "no ack", "ready again")
    for name, mode in report.modes.items():
        table.add_row(
            words.shorten_middle(words.printable(name), NAME_WIDTH),
            mode.ack_means,
            words.count(len(mode.lines)),
            words.count(mode.acked),
            Text(words.count(mode.gone), _style(mode)),
            words.count(mode.count("sent")),
            words.DASH if mode.recovery_s is None else f"{mode.recovery_s:.2f} s",
        )
    return table


def _style(mode: PulledMode) -> Style:
    if not mode.gone:
        return GOOD
    return BAD if mode.broken else WARNING


def _verdict(name: str, mode: PulledMode) -> Text:
    """What the ack promised, and whether that was kept."""
    means = f"{mode.ack_means} ({words.ACK_WORDS[mode.ack_means]})"
    if mode.broken:
        damage = f": {words.printable(mode.corrupt)}" if mode.corrupt else ""
        return Text(f"BROKEN PROMISE: {name} said {means}{damage}", style=BAD)
    if mode.corrupt:
        damage = f"the data folder is damaged: {words.printable(mode.corrupt)}"
        return Text(f"{name} said {means}; {damage}", style=WARNING)
    if mode.gone:
        return Text(f"{name} said {means}. So no promise was broken.", style=WARNING)
    if mode.ack_means == "queued":
        text = (
            f"{name} said {means}, and nothing was lost this time: all that was acked had just "
            f"been saved. Try again, or with more load: chatlab plug {name} --rate 2000"
        )
        return Text(text, style=WARNING)
    return Text(f"{name} said {means}. Nothing is gone.", style=GOOD)
