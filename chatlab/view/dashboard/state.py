"""How the server is: its queue, cache, processor, memory, refusals and notes.

Every function here is pure and returns lines no wider than it was told, as in all blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.dashboard import series
from chatlab.view.lines import (
    BAD,
    LABEL_WIDTH,
    QUIET,
    STRONG,
    TEXT_WIDTH,
    WARNING,
    Line,
    chart_width,
    charted,
    cut,
    heading,
    line,
)


def queue(history: Sequence[Snapshot], width: int, rows: int = 1) -> list[Line]:
    """What waits to be saved, what is saved together, and the cache."""
    now = history[-1]
    seconds = chart_width(width)
    depth = series.gauge(history, lambda s: s.queue.depth, seconds)
    batch = series.gauge(history, lambda s: s.batches.last, seconds)
    return [
        cut(each, width)
        for each in (
            heading("queue, batches, cache", width),
            *charted(
                _queue_line(now, TEXT_WIDTH), TEXT_WIDTH, words.bars(depth, seconds, rows=rows)
            ),
            *charted(_batch_line(now), TEXT_WIDTH, words.bars(batch, seconds, rows=rows)),
            line("cache".ljust(7), cache_words(now, width - 7)),
        )
    ]


def process(history: Sequence[Snapshot], width: int, rows: int = 1) -> list[Line]:
    """Processor, memory and refusals."""
    now = history[-1]
    seconds = chart_width(width)
    cpu = series.gauge(history, lambda s: s.cpu_percent, seconds)
    memory = series.gauge(history, lambda s: s.rss_bytes, seconds)
    return [
        cut(each, width)
        for each in (
            heading("process, refusals", width),
            *charted(_cpu_line(now), TEXT_WIDTH, words.bars(cpu, seconds, rows=rows)),
            *charted(_memory_line(now), TEXT_WIDTH, words.bars(memory, seconds, rows=rows)),
            refusals(now, width),
        )
    ]


def refusals(now: Snapshot, width: int) -> Line:
    """How many requests were refused, and with which codes, the commonest first."""
    total = now.counts.refused
    if not total:
        return line("refused  0")
    often = sorted(now.refusals.items(), key=lambda item: -item[1])
    codes = ", ".join(f"{words.printable(code)} {words.count(times)}" for code, times in often)
    text = words.shorten(f"{words.count(total)}: {codes}", width - LABEL_WIDTH)
    return line("refused".ljust(LABEL_WIDTH), (text, BAD))


def notes(now: Snapshot, width: int, rows_max: int = 100, hint: str = "") -> list[Line]:
    """The latest things that a person should know, newest first.

    Args:
        now: the snapshot.
        width: columns.
        rows_max: at most so many lines, the heading included.
        hint: what else to say in the heading.
    """
    if not now.notes:
        return [heading("notes", width, hint), line(("none", QUIET))][:rows_max]
    lines = [heading("notes, newest first", width, hint)]
    for note in reversed(now.notes):
        times = f" ({words.count(note.times)} times)" if note.times > 1 else ""
        text = f"{words.duration(note.at_s)}  {words.printable(note.text)}{times}"
        lines.append(line((words.shorten(text, width), WARNING)))
    return lines[:rows_max]


def cache_words(now: Snapshot, width: int) -> str:
    """What the reader's cache did, in at most `width` columns."""
    cache = now.cache
    return words.first_that_fits(
        width,
        *(
            f"{say(cache.hits)} hits, {say(cache.misses)} misses, {say(cache.stale_served)} stale"
            for say in (words.count, words.short_count)
        ),
    )


def _queue_line(now: Snapshot, width: int) -> Line:
    depth, limit = now.queue.depth, now.queue.limit
    full = depth / limit if limit else 0.0
    style = BAD if full >= 0.9 else WARNING if full >= 0.5 else STRONG
    number = words.count(depth)
    of = f" of {words.count(limit)}" if limit else ", at most one a client"
    oldest = f", oldest {words.milliseconds(now.queue.oldest_s * 1000)}" if depth else ""
    rest = words.first_that_fits(width - 7 - len(number), of + oldest, oldest)
    return line("queue".ljust(7), (number, style), rest)


def _batch_line(now: Snapshot) -> Line:
    batches = now.batches
    text = f"last {batches.last:,}, largest {batches.largest:,}, mean {batches.mean:,.1f}"
    return line("batch".ljust(7), text)


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
