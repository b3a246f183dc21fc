"""Which server it is, and how it is: mode, line-up, ack; process, refusals, notes.

Every function here is pure and returns lines no wider than it was told, as in all blocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.style import Style

from chatlab.bench.address import DEFAULT_PORT
from chatlab.chat.modes import MODES
from chatlab.chat.snapshot import Snapshot
from chatlab.data.records import MESSAGES
from chatlab.disk.counted import FileIO
from chatlab.view import words
from chatlab.view.dashboard import measures
from chatlab.view.dashboard.waiting import LONG_S
from chatlab.view.words import (
    BAD,
    DIFFERENT,
    GOOD,
    LABEL_WIDTH,
    QUIET,
    STRONG,
    WARNING,
    Line,
    cut,
    heading,
    line,
)

HEAD_WIDTH = len("ack means ")
NARROW = 60
"""Columns; below, labels that can be done without are."""
REWRITTEN_MIN = 100_000
"""Bytes written for each message saved, from which on it is the history that is written."""
RECENT_SNAPSHOTS = 11
"""Five seconds of a dashboard."""
_ACK_STYLES: dict[str, Style] = {"queued": WARNING, "written": STRONG, "synced": GOOD}


def title(now: Snapshot, width: int) -> Line:
    """Mode, uptime, clients and address in one line."""
    clients = f"{words.count(now.clients)} client{'' if now.clients == 1 else 's'}"
    rest = f"up {words.duration(now.uptime_s)}  {clients}  {words.printable(now.url)}"
    rest = words.first_that_fits(width // 2 + 8, rest, rest.rsplit("  ", 1)[0])
    name = "chatlab " if width >= NARROW else ""
    room = width - cell_len(rest) - 2 - len(name)
    mode = words.shorten_middle(words.printable(now.mode), room)
    filler = " " * (room - cell_len(mode) + 2)
    return cut(line(name, (mode, DIFFERENT), filler, rest), width)


def head(now: Snapshot, width: int) -> list[Line]:
    """Which server it is, what it is made of, and what it promises: three lines or more."""
    return [title(now, width), *line_up(now, width), *_simulated(now, width), ack(now, width)]


def promise(now: Snapshot, width: int) -> list[Line]:
    """Which server it is, what is simulated, and what an ack means: two lines or more."""
    return [title(now, width), *_simulated(now, width), ack(now, width)]


def short_head(history: Sequence[Snapshot], width: int) -> list[Line]:
    """The head without the parts, and the first note if there is one."""
    first = notes(history, width)[1:2] if has_notes(history) else []
    return [*promise(history[-1], width), *first]


def head_rows(now: Snapshot, width: int, parts: bool = True) -> dict[str, Line]:
    """The head's rows that need an explanation, by label; `parts` among them or not."""
    rows = {"parts": line_up(now, width)[0]} if parts else {}
    if now.simulated:
        rows["simulated"] = _simulated(now, width)[0]
    return rows | {"ack means": ack(now, width)}


def line_up(now: Snapshot, width: int) -> list[Line]:
    """The implementation of each part; those that differ from the naive mode stand out.

    One line or two.
    """
    parts = [
        (role, f"{role} " if width >= NARROW else "", _choice(choice))
        for role, choice in now.parts.items()
    ]
    length = sum(len(label) + len(choice) + 2 for _, label, choice in parts) - 2
    each = len(parts) if length <= width - HEAD_WIDTH else -(-len(parts) // 2)
    groups = [parts[at : at + each] for at in range(0, len(parts), each)]
    return [
        _parts_line("" if number else "parts", group, width) for number, group in enumerate(groups)
    ]


def ack(now: Snapshot, width: int) -> Line:
    """What an ack means."""
    style = _ACK_STYLES[now.ack_means]
    label = "ack means " if width >= NARROW else ""
    text = f"{now.ack_means} ({words.ACK_WORDS[now.ack_means]})"
    return line(label, (words.shorten(text, width - len(label)), style))


def process(history: Sequence[Snapshot], width: int, rows: int = 1) -> list[Line]:
    """Processor, memory and refusals."""
    charts = {"cpu": lambda s: s.cpu_percent, "memory": lambda s: s.rss_bytes}
    return measures.block(
        "process, refusals", process_rows(history[-1], width), charts, history, width, rows
    )


def process_rows(now: Snapshot, width: int) -> dict[str, Line]:
    """What the process takes, and what it refused, by label."""
    return {"cpu": _cpu_line(now), "memory": _memory_line(now), "refused": refusals(now, width)}


def refusals(now: Snapshot, width: int) -> Line:
    """How many requests were refused, and with which codes, the most frequent first."""
    total = now.counts.refused
    if not total:
        return line("refused  0")
    often = sorted(now.refusals.items(), key=lambda item: -item[1])
    codes = ", ".join(f"{words.printable(code)} {words.count(times)}" for code, times in often)
    text = words.shorten(f"{words.count(total)}: {codes}", width - LABEL_WIDTH)
    return line("refused".ljust(LABEL_WIDTH), (text, BAD))


def rewrites_history(io: FileIO, saved: int) -> bool:
    """Whether each save of some messages wrote a long history again, by what their file cost."""
    return saved > 0 and io.bytes_written >= REWRITTEN_MIN * saved


def has_notes(history: Sequence[Snapshot]) -> bool:
    """Whether there is something that a person should know of."""
    return bool(history[-1].notes or _cause(history))


def notes(history: Sequence[Snapshot], width: int) -> list[Line]:
    """What a person should know of, below a heading: the latest events, newest first, and why
    messages wait, if the figures of the files show it."""
    now, texts = history[-1], []
    for note in reversed(now.notes):
        times = f" ({words.count(note.times)} times)" if note.times > 1 else ""
        texts.append(f"{words.duration(note.at_s)}  {words.printable(note.text)}{times}")
    title = "notes, newest first" if texts else "notes"
    if cause := _cause(history):
        texts.append(cause)
    if not texts:
        return [heading("notes: none", width)] if now.counts.accepted else _first_steps(now, width)
    return [heading(title, width), *(line((words.shorten(one, width), WARNING)) for one in texts)]


def _cause(history: Sequence[Snapshot]) -> str:
    """Why messages wait long, if each save rewrites a long history; else empty.

    Counted over the last seconds, or from the start if `history` is one snapshot.
    """
    now = history[-1]
    io, saved = now.files.get(MESSAGES.name, FileIO()), now.counts.saved
    if len(history) > 1:
        before = history[-min(RECENT_SNAPSHOTS, len(history))]
        io -= before.files.get(MESSAGES.name, FileIO())
        saved -= before.counts.saved
    wait_s = max(now.waiting.oldest_s, now.queue.oldest_s, (now.delivery_ms.p50 or 0.0) / 1_000)
    if wait_s < LONG_S or not rewrites_history(io, saved):
        return ""
    each, batch = words.size(io.bytes_written / io.writes), max(1, round(saved / io.writes))
    return (
        f"each save rewrites all of {MESSAGES.name}: {each} for {words.many(batch, 'new message')}"
        + (" (mean)" if len(history) == 1 else "")
    )


def _first_steps(now: Snapshot, width: int) -> list[Line]:
    """What to type beside a server to which nobody has said anything yet."""
    _, _, address = now.url.rpartition("//")
    host, _, port = address.rpartition(":")
    here = f":{port}" if host in ("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]") else address
    to = "" if here == f":{DEFAULT_PORT}" else f" {words.printable(here)}"
    steps = {
        f"chatlab load{to} --scenario class": "a class talks",
        f"chatlab chat{to}": "be one of them, and feel how long you wait",
    }
    widest = max(map(cell_len, steps))
    return [
        heading("no messages yet; try in two other terminals", width),
        *(
            cut(line((step.ljust(widest), STRONG), f"   {why}"), width)
            for step, why in steps.items()
        ),
    ]


def _choice(choice: str) -> str:
    """An implementation's name; of a learner's part, the number of its exercise is enough."""
    mine = re.fullmatch(r"(mine:\d\d)_\w+", choice)
    return words.printable(mine[1] if mine else choice)


def _simulated(now: Snapshot, width: int) -> list[Line]:
    if not now.simulated:
        return []
    text = words.shorten(words.printable("; ".join(now.simulated)), max(0, width - HEAD_WIDTH))
    return [cut(line("simulated ", (text, WARNING)), width)]


def _parts_line(title: str, parts: Sequence[tuple[str, str, str]], width: int) -> Line:
    plain = MODES["naive"].parts
    room = width - HEAD_WIDTH - sum(len(label) + 2 for _, label, _ in parts) + 2
    longest = max(1, _longest_that_fit([len(choice) for _, _, choice in parts], room))
    content = line(title.ljust(HEAD_WIDTH))
    for number, (role, label, choice) in enumerate(parts):
        style = STRONG if plain.get(role) == choice else DIFFERENT
        separator = "  " if number else ""
        content += line(
            (f"{separator}{label}", QUIET), (words.shorten_middle(choice, longest), style)
        )
    return cut(content, width)


def _longest_that_fit(lengths: Sequence[int], room: int) -> int:
    """The limit for each of several lengths that lets all of them into the room."""
    limit = max(lengths, default=0)
    while limit > 1 and sum(min(length, limit) for length in lengths) > room:
        limit -= 1
    return limit


def _cpu_line(now: Snapshot) -> Line:
    return line(
        "cpu".ljust(LABEL_WIDTH),
        (f"{now.cpu_percent:.0f}%", STRONG),
        f" of a core, {now.cpu_s:,.1f} s so far",
    )


def _memory_line(now: Snapshot) -> Line:
    return line(
        "memory".ljust(LABEL_WIDTH),
        (words.size(now.rss_bytes), STRONG),
        f", at most {words.size(now.rss_peak_bytes)}",
    )
