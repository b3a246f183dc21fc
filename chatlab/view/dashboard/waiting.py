"""What waits: in the queue, and outside, where no part of the server knows of it yet; and how it is
saved.

Every function here is pure and returns lines no wider than it was told, as in all blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.dashboard import measures
from chatlab.view.words import BAD, STRONG, TEXT_WIDTH, WARNING, Line, chart_width, line

NAME_WIDTH = len("outside ")
LONG_S = 1.0
"""A wait outside that people notice."""


def block(history: Sequence[Snapshot], width: int, rows: int = 1) -> list[Line]:
    """What waits, in the queue and outside; the batches, and the cache."""
    now = history[-1]
    charts = {
        "queue": lambda s: s.queue.depth,
        "outside": lambda s: s.waiting.messages,
        "batch": lambda s: s.batches.last,
    }
    texts = rows_of(now, TEXT_WIDTH if chart_width(width) else width)
    return measures.block(title(now), texts, charts, history, width, rows)


def title(now: Snapshot) -> str:
    """How many messages wait, wherever."""
    return f"waiting: {words.many(all_waiting(now), 'message')}"


def all_waiting(now: Snapshot) -> int:
    """Messages that wait: accepted and not saved, or not even taken from their connections."""
    return now.queue.depth + now.waiting.messages


def rows_of(now: Snapshot, width: int) -> dict[str, Line]:
    """What waits, and how it is saved, by label."""
    return {
        "queue": _queue_line(now, width),
        "outside": _outside_line(now, width),
        "batch": _batch_line(now),
        "cache": line("cache".ljust(NAME_WIDTH), cache_words(now, width - NAME_WIDTH)),
    }


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
    rest = words.first_that_fits(width - NAME_WIDTH - len(number), of + oldest, oldest)
    return line("queue".ljust(NAME_WIDTH), (number, style), rest)


def _outside_line(now: Snapshot, width: int) -> Line:
    waiting = now.waiting
    if not waiting.messages:
        return line("outside".ljust(NAME_WIDTH), ("0", STRONG))
    at_least, number = "at least ", words.count(waiting.messages)
    unread = f" ({words.size(waiting.bytes)} unread)" if waiting.bytes else ""
    oldest = f", oldest {words.milliseconds(waiting.oldest_s * 1000)}"
    room = width - NAME_WIDTH - len(at_least) - len(number)
    return line(
        "outside".ljust(NAME_WIDTH),
        at_least,
        (number, WARNING if waiting.oldest_s >= LONG_S else STRONG),
        words.first_that_fits(room, unread + oldest, oldest),
    )


def _batch_line(now: Snapshot) -> Line:
    batches = now.batches
    text = f"last {batches.last:,}, largest {batches.largest:,}, mean {batches.mean:,.1f}"
    return line("batch".ljust(NAME_WIDTH), text)
