"""Which server it is: its mode, its line-up, and what its acks promise.

Every function here is pure and returns lines no wider than it was told, as in all blocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.style import Style

from chatlab.chat.modes import MODES
from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.lines import (
    DIFFERENT,
    GOOD,
    QUIET,
    STRONG,
    WARNING,
    Line,
    cut,
    line,
)

HEAD_WIDTH = len("ack means ")
NARROW = 60
"""Columns; below, labels that can be done without are."""
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


def line_up(now: Snapshot, width: int) -> list[Line]:
    """Who plays each part; what is not as in the naive mode stands out. One line, or two.

    One more if the disk itself is not as it seems.
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
    ] + _simulated(now, width)


def ack(now: Snapshot, width: int) -> Line:
    """What an ack means."""
    style = _ACK_STYLES[now.ack_means]
    label = "ack means " if width >= NARROW else ""
    text = f"{now.ack_means} ({words.ACK_WORDS[now.ack_means]})"
    return line(label, (words.shorten(text, width - len(label)), style))


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
