"""What `chatlab chat` prints: messages, rooms, who is here, where a message's time went."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from datetime import date, datetime
from difflib import get_close_matches

from rich.cells import cell_len
from rich.text import Text

from chatlab.bench.own_messages import steps_ms
from chatlab.chat.protocol import (
    HISTORY_LIMIT_MAX,
    MembersFrame,
    MessageFrame,
    RoomInfo,
    RoomsFrame,
    TraceFrame,
)
from chatlab.data.records import Message
from chatlab.plain_text import printable

ROOMS_SHOWN_MAX = 15
NAMES_SHOWN_MAX = 8

COMMANDS = {
    "/rooms": "",
    "/who": "",
    "/join": "ROOM",
    "/create": "ROOM",
    "/invite": "USER",
    "/history": "",
    "/leave": "",
    "/help": "",
    "/quit": "",
}
"""Each command, and what it cannot do without."""
IN_A_ROOM = {"/who", "/invite", "/history", "/leave"}
NO_ROOM = "! you are in no room: /join ROOM enters one, /rooms lists them"

HELP = """\
Type a message and press Enter; //text says "/text". Commands:
  /rooms [AFTER]         the rooms now         /who            who is here now
  /join ROOM             enter a room          /create ROOM    open a new one
  /invite USER           let somebody in       /history [N]    the last messages
  /leave                 leave the room        /quit           go (or Ctrl-D)
Behind your own message: when its ack came, and when the message came back.
Below it, where that time went: waiting to be read (it had arrived, the server
was busy), in the queue (until its batch is saved), behind others' saves (they
hold the lock), own work with files, delivery, network (and this program).
You wait less than the users of a load: they send on without waiting for it.
To feel a lag, from another terminal: chatlab load --scenario class"""

_FOR_PEOPLE = {
    "send join_room first": "/join it first",
    "create it with create_room": "/create opens it, /rooms lists those there are",
}
_PARTS = {
    ("waiting",): ("waiting to be read", "waiting"),
    ("queue",): ("in the queue", "queue"),
    ("lock",): ("behind others' saves", "behind others"),
    ("check", "save"): ("own work with files", "files"),
    ("delivery",): ("delivery", "delivery"),
    ("network",): ("network and here", "network/here"),
}
"""What the line below an own message tells apart: steps, their name, and a short one."""


def message_line(message: MessageFrame | Message, today: date, width: int) -> str:
    """One message, with its time on this machine's clock; with its date if that is not today."""
    at = _clock(message.timestamp, today)
    return wrapped(f"{at} {printable(message.sender)}: {printable(message.content)}", width)


def own_line(line: str, means: str, ack_ms: float | None, back_ms: float, width: int) -> str:
    """The line of an own message; behind it, or below if it is long, when its ack came and when it
    came back."""
    ack = "" if ack_ms is None else f"{means} {_ms(ack_ms, _digits(ack_ms))} ms, "
    timing = f"  [{ack}back {_ms(back_ms, _digits(back_ms))} ms]"
    fits = cell_len(line.rpartition("\n")[2] + timing) < width
    return f"{line}{timing}" if fits else f"{line}\n{timing}"


def where_it_went(trace: TraceFrame, back_ms: float, width: int) -> str:
    """The parts of the time until a message came back, in milliseconds: see `steps_ms`. Those that
    would be shown as 0 are left out.

    Args:
        width: of the terminal, in columns; a narrow one gets shorter names, then several lines.
    """
    step_ms, digits = steps_ms(trace, back_ms), _digits(back_ms)
    parts = [sum(step_ms[step] for step in steps) for steps in _PARTS]
    parts = _rounded(parts, back_ms, digits)
    for names in zip(*_PARTS.values(), strict=True):
        named = [f"{_ms(ms, digits)} {name}" for ms, name in zip(parts, names, strict=True) if ms]
        line = " + ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in named)
        if len(line) + 2 < width:
            break
    return textwrap.indent(wrapped(line, width - 2), "  ").replace("\N{NO-BREAK SPACE}", " ")


def rooms_text(frame: RoomsFrame, width: int, after: str = "") -> str:
    """The rooms as they are now, one a line.

    Args:
        after: the room behind which this page begins, in the order of names; empty for the first
            page, which has the user's own and the fullest.
    """
    shown = frame.rooms[:ROOMS_SHOWN_MAX]
    columns = max((len(room.id) for room in shown), default=0)
    lines = [_room_line(room, columns, width) for room in shown]
    if not lines and after:
        return wrapped(f"* no room comes after {printable(after)}; /rooms shows the first", width)
    if after and len(shown) == ROOMS_SHOWN_MAX:
        lines.append(f"  ... /rooms {printable(shown[-1].id)} goes on, of {frame.total:,}")
    elif not after and (rest := frame.total - len(shown)):
        lines.append(f"  ... and {rest:,} more; /rooms NAME goes on after that one")
    return "\n".join(["* rooms now:", *lines] if lines else ["* there is no room; /create ROOM"])


def members_text(frame: MembersFrame, user: str) -> str:
    """Who is here now."""
    others = [name for name in frame.live if name != user]
    here = ["you"] * (len(others) < len(frame.live)) + others
    shown = here[:NAMES_SHOWN_MAX]
    if rest := frame.live_count - len(shown):
        shown.append(f"{rest:,} more")
    names = " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]])) or "nobody"
    members = "1 member" if frame.participants == 1 else f"{frame.participants:,} members"
    return printable(f"* in {frame.room_id} now: {names} ({frame.live_count:,} of {members})")


def refusal_text(code: str, message: str) -> str:
    """An error, in the words of this program's commands."""
    for wire, people in _FOR_PEOPLE.items():
        message = message.replace(wire, people)
    return printable(f"! {message} ({code})")


def complaint(word: str, rest: str, room: str) -> str:
    """What is wrong with a command, typed in a room or ("") in none; empty if nothing is."""
    if word not in COMMANDS:
        close = get_close_matches(word, COMMANDS, 1, 0.7)
        guess = f"did you mean {close[0]}? " if close else ""
        return f"! unknown command {printable(word)[:40]}: {guess}/help lists them"
    if (needed := COMMANDS[word]) and not rest:
        return f"! {word} needs a {needed.lower()}: {word} {needed}"
    if word in IN_A_ROOM and not room:
        return NO_ROOM
    if word == "/history" and rest and not _is_limit(rest):
        return f"! /history {printable(rest)[:40]}: say a number from 1 to {HISTORY_LIMIT_MAX}"
    return ""


def not_back(acks: Sequence[str]) -> str:
    """A sentence about own messages that have not come back; empty if there are none.

    Args:
        acks: what the ack of each promised; empty for one without an ack.
    """
    words = [
        f"{acks.count(one)} " + (f"acked as {one!r}" if one else "without an ack")
        for one in dict.fromkeys(acks)
    ]
    return f"Your messages that did not come back: {', '.join(words)}. " if words else ""


def wrapped(text: str, width: int) -> str:
    """Text broken between words, further lines indented.

    A word that fits into no line keeps one of its own, which the terminal breaks: so that an
    address can be copied.
    """
    lines: list[str] = []
    used = 0
    for word in text.split(" "):
        columns = cell_len(word)
        if lines and used + 1 + columns < width:
            lines[-1] += f" {word}"
            used += 1 + columns
        else:
            indent = "  " if lines else ""
            lines.append(indent + word)
            used = len(indent) + columns
    return "\n".join(lines)


def _is_limit(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,9}", text)) and 1 <= int(text) <= HISTORY_LIMIT_MAX


def _clock(timestamp: str, today: date) -> str:
    try:
        at = datetime.fromisoformat(timestamp).astimezone()
    except (ValueError, OverflowError, OSError):  # some other program wrote it
        return printable(timestamp[:19])
    return at.strftime("%H:%M:%S" if at.date() == today else "%Y-%m-%d %H:%M:%S")


def _room_line(room: RoomInfo, columns: int, width: int) -> str:
    notes = ["you are a member"] * room.member + ["private"] * room.private
    line = f"  {room.id:{columns}}  {room.live:>4,} here  {room.name}"
    text = Text(printable(line) + (f" ({', '.join(notes)})" if notes else ""))
    text.truncate(width - 1, overflow="ellipsis")
    return text.plain


def _rounded(parts: list[float], total: float, digits: int) -> list[float]:
    """Rounded so that they add up to the rounded total: the largest remainders are rounded up."""
    scaled = [part * 10**digits for part in parts]
    rounded = [math.floor(one) for one in scaled]
    by_remainder = sorted(range(len(parts)), key=lambda n: rounded[n] - scaled[n])
    for n in by_remainder[: round(round(total, digits) * 10**digits) - sum(rounded)]:
        rounded[n] += 1
    return [one / 10**digits for one in rounded]


def _digits(ms: float) -> int:
    """Decimals with which a time is shown, in milliseconds."""
    return 1 if ms < 100 else 0


def _ms(ms: float, digits: int) -> str:
    return f"{ms:,.{digits}f}"
