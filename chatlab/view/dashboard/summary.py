"""A server in words and figures, without a screen: one plain line, or the summary at its end."""

from __future__ import annotations

from rich.console import Console

from chatlab.chat.metrics import SAMPLE_AGE_MAX_S, STEPS
from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.console import TextConsole
from chatlab.view.dashboard import measures, state, waiting
from chatlab.view.words import BAD, TEXT_WIDTH, Line, Page, cut, heading, line

SUMMARY_WIDTH_MAX = 100
FILE_ROWS_MAX = 3
"""With these, and one note, the summary and its command fit on 24 lines."""


def plain_line(now: Snapshot) -> str:
    """A snapshot in one line of words and figures."""
    counts, rates = now.counts, now.rates
    steps = " ".join(
        f"{name} {words.count(getattr(counts, name))} "
        f"({words.per_s(getattr(rates, f'{name}_per_s'))})"
        for name in STEPS
    )
    limit = f"/{words.count(now.queue.limit)}" if now.queue.limit else ""
    refused = f" refused {words.count(counts.refused)}" if counts.refused else ""
    unreal = words.printable("; ".join(now.simulated))
    simulated = f" simulated: {unreal}" if unreal else ""
    return (
        f"{now.uptime_s:.0f}s {words.printable(now.mode)} "
        f"clients {words.count(now.clients)} {steps} "
        f"waiting {words.count(waiting.all_waiting(now))} "
        f"(queue {words.count(now.queue.depth)}{limit} "
        f"outside {words.count(now.waiting.messages)}) "
        f"ops/msg {words.ratio(now.io.operations, counts.saved)} "
        f"p95 ack {words.milliseconds(now.ack_ms.p95)} "
        f"delivery {words.milliseconds(now.delivery_ms.p95)} "
        f"p50 loop lag {words.milliseconds(now.loop_lag_ms.p50)} "
        f"cpu {now.cpu_percent:.0f}% rss {words.size(now.rss_bytes)}{refused}{simulated}"
    )


def print_summary(snapshot: Snapshot, console: Console | None = None) -> None:
    """Print a server's totals.

    Args:
        snapshot: its last one.
        console: where to; by default the standard output.
    """
    console = console or TextConsole()
    console.print(Page(summary(snapshot, min(SUMMARY_WIDTH_MAX, console.width))))


def summary(now: Snapshot, width: int) -> list[Line]:
    """The summary as lines of at most `width` columns; few enough for a small screen."""
    return [
        *state.promise(now, width),
        *_messages(now, width),
        *measures.files(now, width, FILE_ROWS_MAX),
        *_latencies(now, width),
        *_process(now, width),
        *(state.notes([now], width) if state.has_notes([now]) else []),
    ]


def _messages(now: Snapshot, width: int) -> list[Line]:
    counts, batches, failures = now.counts, now.batches, now.queue.failures
    late = "; some were never told" if "shutting_down" in now.refusals else ""
    steps = ", ".join(f"{name} {words.count(getattr(counts, name))}" for name in STEPS)
    failed = f", {words.count(failures)} failed" if failures else ""
    rows = [
        heading("messages", width),
        line(steps),
        line(
            f"saved in {words.count(now.queue.flushes)} batches{failed} "
            f"(largest {words.count(batches.largest)}, mean {batches.mean:,.1f}); "
            f"delivered in {words.many(counts.frames, 'frame')}"
        ),
        state.refusals(now, width) + line(late),
    ]
    if now.cache.hits or now.cache.misses:
        rows.append(line(f"cache: {waiting.cache_words(now, width - 7)}"))
    if now.queue.depth:
        rows.append(line((f"{words.count(now.queue.depth)} still queued", BAD)))
    if now.waiting.messages:
        rows.append(line((f"at least {words.count(now.waiting.messages)} outside, not taken", BAD)))
    return [cut(row, width) for row in rows]


def _latencies(now: Snapshot, width: int) -> list[Line]:
    if not (now.ack_ms.n or now.save_ms.n or now.delivery_ms.n):
        return [
            heading("latency", width),
            line(f"no messages in the last {SAMPLE_AGE_MAX_S:.0f} s"),
        ]
    return measures.latencies([now], min(width, TEXT_WIDTH))


def _process(now: Snapshot, width: int) -> list[Line]:
    text = f"{now.cpu_s:,.1f} s, at most {words.size(now.rss_peak_bytes)} of memory"
    return [cut(line(f"cpu      {text}"), width)]
