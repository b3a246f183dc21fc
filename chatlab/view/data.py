"""What lies in a data folder, as people read it: `chatlab data inspect`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from chatlab.chat.interchange import PART
from chatlab.chat.modes import MODES
from chatlab.data import journal_format as form
from chatlab.data.inspection import Contents, JournalLine, JournalLines, StoreContents
from chatlab.data.leftovers import Leftovers
from chatlab.data.readers import READERS, Segment
from chatlab.view import words

ROOMS_MAX = 10
SEGMENTS_MAX = 20
_MARKS = {
    "#": "the index, a segment's first line: a summary of all that came before it",
    "+": "a message, the first of its batch",
    "=": "a message, saved together with the one above",
}


def render(contents: Contents) -> RenderableType:
    """What lies in a data folder."""
    blocks: list[RenderableType] = [Text(words.printable(contents.folder), style="bold")]
    counts = (("users.json", contents.users, "users"), ("chatrooms.json", contents.rooms, "rooms"))
    for file, count, what in counts:
        if count is not None:
            blocks.append(_indented(f"{file}: {count:,} {what}"))
    for store in contents.stores:
        blocks += [Text(), *_store(store)]
    if not contents.stores:
        blocks += [Text(), Text("No messages. A server fills the folder when it starts.")]
    if not contents.damage:
        return Group(*blocks, Text(), Text("Nothing is damaged.", style=words.GOOD))
    blocks += [Text(), Text("Damaged:", style=words.BAD)]
    for file, what in contents.damage.items():
        blocks.append(_indented(f"{words.printable(file)}: {what}", words.BAD))
    return Group(*blocks)


def render_lines(lines: JournalLines, width: int) -> RenderableType:
    """Lines of a journal as they lie on the disk, each taken apart."""
    title = f"{lines.name}: the last {len(lines.last):,} of {lines.total:,} lines"
    blocks: list[RenderableType] = [Text(title, style="bold")]
    for line in lines.last:
        blocks.append(Text())
        blocks += [Text(words.shorten(text, width), style) for text, style in _line(line)]
    return Group(*blocks)


def render_leftovers(found: Leftovers) -> RenderableType:
    """What strangers left behind in the rooms of a data folder, and whether it is gone."""
    blocks: list[RenderableType] = [Text(words.printable(found.folder), style="bold")]
    if found.rooms:
        ids = [words.shorten(words.printable(one), 40) for one in found.rooms]
        shown, rest = ids[:ROOMS_MAX], len(ids) - ROOMS_MAX
        more = f" and {rest:,} more" if rest > 0 else ""
        rooms = words.many(len(ids), "room")
        blocks += [
            Text(f"{rooms} without a message, left to strangers"),
            _indented(", ".join(shown) + more),
        ]
    if found.participants:
        blocks.append(Text("Strangers in other public rooms who never said anything"))
        table = _table("room", "strangers", "of participants")
        fullest = sorted(found.participants.items(), key=lambda one: -len(one[1]))
        for room, names in fullest[:ROOMS_MAX]:
            name = Text(words.shorten(words.printable(room), 40))
            table.add_row(name, f"{len(names):,}", f"{found.totals[room]:,}")
        blocks.append(_indented(table))
        if (rest := len(fullest) - ROOMS_MAX) > 0:
            blocks.append(_indented(f"and in {words.many(rest, 'more room')}"))
    if not found.rooms and not found.participants:
        return Group(*blocks, Text("Strangers left nothing behind.", style=words.GOOD))
    if found.removed:
        return Group(*blocks, Text(), Text("All this was removed.", style=words.GOOD))
    return Group(*blocks, Text(), Text("Nothing was changed: --yes removes all this."))


def _store(store: StoreContents) -> Iterator[RenderableType]:
    modes = [name for name, mode in MODES.items() if mode.parts["store"] == PART[store.kind]]
    name = READERS[store.kind].words.removeprefix("the ")
    title = f"{name}, {words.size(store.bytes)}; used by --mode {', '.join(modes)}"
    yield Text(title, style=words.DIFFERENT)
    summary = f"{store.messages:,} {'message' if store.messages == 1 else 'messages'}"
    if store.first is not None and store.last is not None:
        first, last = (one[:19].replace("T", " ") for one in (store.first, store.last))
        summary = words.printable(f"{summary}, from {first} to {last}")
    yield _indented(summary)
    if store.unfinished:
        yield _indented("The first start was interrupted: the next one begins anew.", words.WARNING)
    if store.rooms:
        yield _indented(_rooms(store))
    if store.segments:
        yield _indented(_segments(store.segments))
    for segment in store.segments:
        if segment.torn_bytes:
            yield _indented(
                f"Segment {segment.number} ends with a torn tail of {segment.torn_bytes:,} bytes: "
                "an unfinished save, which nobody was told is safe. The next start cuts it off. "
                "(Or a server is writing it at this moment.)",
                words.WARNING,
            )


def _rooms(store: StoreContents) -> Table:
    table = _table("room", "messages")
    shown = list(store.rooms.items())[:ROOMS_MAX]
    for room, count in shown:
        table.add_row(Text(words.shorten(words.printable(room), 40)), f"{count:,}")
    if rest := len(store.rooms) - len(shown):
        others = store.messages - sum(count for _, count in shown)
        table.add_row(f"{rest:,} other rooms", f"{others:,}")
    return table


def _segments(segments: list[Segment]) -> Table:
    """All of them, or those that matter most: the last ones, and every one that is not whole."""
    table = _table("segment", "position", "messages", "batches", "bytes", "state")
    table.columns[-1].justify = "left"
    shown = [
        one
        for one in segments
        if one.damage or one.torn_bytes or one.number > len(segments) - SEGMENTS_MAX
    ]
    for one in shown[-2 * SEGMENTS_MAX :]:
        figures = f"{one.number:,}", f"{one.position:x}", f"{one.messages:,}", f"{one.batches:,}"
        table.add_row(*figures, words.size(one.bytes), Text(*_state(one)))
    if rest := len(segments) - table.row_count:
        table.add_row("...", "", "", "", "", f"{rest:,} more: --json lists them all")
    return table


def _state(segment: Segment) -> tuple[str, Style]:
    """What to say of a segment, and the style."""
    if segment.damage:
        at = "" if segment.damaged_at is None else f" at byte {segment.damaged_at:,}"
        return f"damaged{at}", words.BAD
    if segment.torn_bytes:
        return f"torn tail of {segment.torn_bytes:,} bytes", words.WARNING
    compressed = f", compressed to {words.size(segment.file_bytes)}" if segment.compressed else ""
    return f"whole{compressed}", words.GOOD


def _line(line: JournalLine) -> Iterator[tuple[str, Style]]:
    yield f"at position {line.position:x}, {line.bytes:,} bytes", words.CHART
    text = words.printable(line.text)
    if not line.whole:
        yield f"  {_what_is_wrong(line)}", words.BAD
        yield f"  {text}", words.PLAIN
        return
    yield f"  {line.checksum}  the CRC-32 of the rest of the line: right", words.PLAIN
    yield f"  {line.mark:<8}  {_MARKS[line.mark]}", words.PLAIN
    room = words.printable(line.room)
    if line.link is not None:
        yield f"  {line.link:<8x}  where the message before it in {room} begins", words.PLAIN
    elif line.mark.encode() != form.HEADER:
        yield f"  {'-':<8}  the first message of the room {room}", words.PLAIN
    yield f"  {text}", words.PLAIN


def _what_is_wrong(line: JournalLine) -> str:
    if not line.ended:
        return "not finished: it has no line feed at its end"
    if not line.checksum:
        return "not a line of a journal"
    if line.checksum == line.right_checksum:
        return "the checksum is right, but what follows is neither index nor message"
    checksum = words.printable(line.checksum)
    return f"damaged: it says {checksum}, the CRC-32 of the rest is {line.right_checksum}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=words.QUIET)
    table.add_column(first, justify="left")
    for title in others:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _indented(what: RenderableType, style: Style = words.PLAIN) -> Padding:
    shown = Text(what, style) if isinstance(what, str) else what
    return Padding(shown, (0, 0, 0, 2), expand=False)
