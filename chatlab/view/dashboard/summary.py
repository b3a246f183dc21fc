"""What is left on the screen after a server has stopped."""

from __future__ import annotations

from rich.console import Console

from chatlab.chat.metrics import SAMPLE_AGE_MAX_S, STEPS
from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.dashboard import costs, flow, head, state
from chatlab.view.lines import BAD, TEXT_WIDTH, Line, Page, cut, heading, line

WIDTH_MAX = 100


def print_summary(snapshot: Snapshot, console: Console | None = None) -> None:
    """Print a server's totals.

    Args:
        snapshot: its last one.
        console: where to; by default the standard output.
    """
    console = console or Console()
    console.print(Page(summary(snapshot, min(WIDTH_MAX, console.width))))


def summary(now: Snapshot, width: int) -> list[Line]:
    """The summary as lines of at most `width` columns."""
    return [
        head.title(now, width),
        *head.line_up(now, width),
        head.ack(now, width),
        *_messages(now, width),
        *costs.files(now, width),
        *_latencies(now, width),
        *_process(now, width),
        *(state.notes(now, width) if now.notes else []),
    ]


def _messages(now: Snapshot, width: int) -> list[Line]:
    counts, batches = now.counts, now.batches
    steps = ", ".join(f"{name} {words.count(getattr(counts, name))}" for name in STEPS)
    rows = [
        heading("messages", width),
        line(steps),
        line(f"delivered in {words.count(counts.frames)} frames, all receivers together"),
        line(
            f"saved in {words.count(now.queue.flushes)} batches, "
            f"{words.count(now.queue.failures)} failed, "
            f"largest {words.count(batches.largest)}, mean {batches.mean:,.1f} messages"
        ),
        line(f"cache: {state.cache_words(now, width - 7)}"),
        state.refusals(now, width),
    ]
    if now.queue.depth:
        rows.append(line((f"{words.count(now.queue.depth)} still queued", BAD)))
    return [cut(row, width) for row in rows]


def _latencies(now: Snapshot, width: int) -> list[Line]:
    if not (now.ack_ms.n or now.save_ms.n or now.delivery_ms.n):
        return [
            heading("latency", width),
            line(f"no messages in the last {SAMPLE_AGE_MAX_S:.0f} s"),
        ]
    return flow.latencies([now], min(width, TEXT_WIDTH))


def _process(now: Snapshot, width: int) -> list[Line]:
    text = (
        f"{now.cpu_s:,.1f} s of processor time, at most {words.size(now.rss_peak_bytes)} of memory"
    )
    return [heading("process", width), cut(line(text), width)]
