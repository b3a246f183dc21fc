"""What lies in a data folder, as people read it: `chatlab data inspect`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chatlab.chat.interchange import PART
from chatlab.chat.modes import MODES
from chatlab.data import journal_format as form
from chatlab.data.inspection import Contents, JournalLine, JournalLines, StoreContents
from chatlab.data.readers import READERS, Segment
from chatlab.view import words

ROOMS_MAX = 10
SEGMENTS_MAX = 20
_MARKS = {
    "#": "the index, a segment's first line: all that came before it",
    "+": "a message, the first of its batch",
    "=": "a message, saved together with the one above",
}


def print_contents(contents: Contents, console: Console | None = None) -> None:
    """Print what lies in a data folder."""
    (console or Console()).print(render(contents))


def print_lines(lines: JournalLines, console: Console | None = None) -> None:
    """Print lines of a journal as they lie on the disk."""
    console = console or Console()
    console.print(render_lines(lines, console.width))


def render(contents: Contents) -> RenderableType:
    """What lies in a data folder."""
    blocks: list[RenderableType] = [Text(words.printable(contents.folder), style="bold")]
    blocks += [_indented(line) for line in _others(contents)]
    for store in contents.stores:
        blocks += [Text(), *_store(store)]
    if not contents.stores:
        blocks += [Text(), Text("No messages. A server fills the folder when it starts.")]
    blocks.append(Text())
    if contents.damage:
        blocks.append(Text("Damaged:", style="bold red"))
        blocks += [
            _indented(Text(f"{words.printable(name)}: {what}", style="red"))
            for name, what in contents.damage.items()
        ]
    else:
        blocks.append(Text("Nothing is damaged.", style="green"))
    return Group(*blocks)


def render_lines(lines: JournalLines, width: int) -> RenderableType:
    """Lines of a journal as they lie on the disk, each taken apart."""
    title = f"{lines.name}: the last {len(lines.last):,} of {lines.total:,} lines"
    blocks: list[RenderableType] = [Text(title, style="bold")]
    for line in lines.last:
        blocks.append(Text())
        blocks += [Text(words.shorten(text, width), style) for text, style in _line(line)]
    return Group(*blocks)


def _others(contents: Contents) -> Iterator[Text]:
    for name, count, what in (
        ("users.json", contents.users, "users"),
        ("chatrooms.json", contents.rooms, "rooms"),
    ):
        if count is not None:
            yield Text(f"{name}: {count:,} {what}")


def _store(store: StoreContents) -> Iterator[RenderableType]:
    modes = [name for name, mode in MODES.items() if mode.parts["store"] == PART[store.kind]]
    title = (
        f"{READERS[store.kind].words}, {words.size(store.bytes)}; used by --mode {', '.join(modes)}"
    )
    yield Text(title.removeprefix("the "), style="bold cyan")
    yield _indented(Text(_summary(store)))
    if store.unfinished:
        warning = "It was not filled to the end: the next start begins it anew."
        yield _indented(Text(warning, style="yellow"))
    if store.rooms:
        yield _indented(_rooms(store))
    if store.segments:
        yield _indented(_segments(store.segments))
    for segment in store.segments:
        if segment.torn_bytes:
            yield _indented(Text(_torn(segment), style="yellow"))


def _summary(store: StoreContents) -> str:
    summary = f"{store.messages:,} {'message' if store.messages == 1 else 'messages'}"
    if store.first is None or store.last is None:
        return summary
    return words.printable(f"{summary}, from {_moment(store.first)} to {_moment(store.last)}")


def _moment(timestamp: str) -> str:
    return timestamp[:19].replace("T", " ")


def _torn(segment: Segment) -> str:
    return (
        f"Segment {segment.number} ends with a torn tail of {segment.torn_bytes:,} bytes: a save "
        "that was not finished, and that nobody was told is safe. The next start cuts it off. (Or "
        "a server is writing it just now.)"
    )


def _rooms(store: StoreContents) -> Table:
    table = _table("room", "messages")
    shown = list(store.rooms.items())[:ROOMS_MAX]
    for room, count in shown:
        table.add_row(Text(words.shorten(words.printable(room), 40)), f"{count:,}")
    if rest := len(store.rooms) - len(shown):
        others = store.messages - sum(count for _, count in shown)
        table.add_row(Text(f"{rest:,} other rooms"), f"{others:,}")
    return table


def _segments(segments: list[Segment]) -> Table:
    """All of them, or those that matter most: the last ones, and whatever is not whole."""
    table = _table("segment", "position", "messages", "batches", "bytes", "state")
    table.columns[-1].justify = "left"
    shown = [
        one
        for one in segments
        if one.damage or one.torn_bytes or one.number > len(segments) - SEGMENTS_MAX
    ]
    for one in shown[-2 * SEGMENTS_MAX :]:
        table.add_row(
            f"{one.number:,}",
            f"{one.position:x}",
            f"{one.messages:,}",
            f"{one.batches:,}",
            words.size(one.bytes),
            _state(one),
        )
    if rest := len(segments) - table.row_count:
        table.add_row("...", "", "", "", "", f"{rest:,} more: --json has them all")
    return table


def _state(segment: Segment) -> Text:
    if segment.damage:
        at = "" if segment.damaged_at is None else f" at byte {segment.damaged_at:,}"
        return Text(f"damaged{at}", style="bold red")
    if segment.torn_bytes:
        return Text(f"torn tail of {segment.torn_bytes:,} bytes", style="yellow")
    if segment.compressed:
        return Text(f"whole, compressed to {words.size(segment.file_bytes)}", style="green")
    return Text("whole", style="green")


def _line(line: JournalLine) -> Iterator[tuple[str, str]]:
    yield f"at position {line.position:x}, {line.bytes:,} bytes", "cyan"
    if not line.whole:
        yield f"  {_what_is_wrong(line)}", "bold red"
        yield f"  {words.printable(line.text)}", ""
        return
    yield f"  {line.checksum}  the CRC-32 of the rest of the line: right", ""
    yield f"  {line.mark:<8}  {_MARKS[line.mark]}", ""
    if line.mark.encode() != form.HEADER:
        room = words.printable(line.room)
        if line.link is None:
            yield f"  {'-':<8}  the first message of the room {room}", ""
        else:
            yield f"  {line.link:<8x}  where the message before it in {room} begins", ""
    yield f"  {words.printable(line.text)}", ""


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
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, justify="left")
    for title in others:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _indented(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 2), expand=False)
