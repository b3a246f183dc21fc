"""The views: pure pictures of snapshots, and the loop that shows them."""

from __future__ import annotations

import asyncio
import functools
import io
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from prompt_toolkit.input import create_pipe_input
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style

from chatlab.chat.modes import MODES, PARTS, ack_means, parse
from chatlab.chat.parts.message_seams import ProcessorStatistics
from chatlab.chat.parts.storage_seams import ReaderStatistics
from chatlab.chat.protocol import ACK_LEVELS
from chatlab.chat.settings import KNOBS
from chatlab.chat.snapshot import Counts, Percentiles, Rates, ServerNote, Snapshot, Waiting
from chatlab.cli.keys import typed
from chatlab.disk.counted import FileIO
from chatlab.view import explain, words
from chatlab.view.dashboard import live, measures
from chatlab.view.dashboard.live import show
from chatlab.view.dashboard.screen import VIEWS, ViewChoice, after, render
from chatlab.view.dashboard.summary import plain_line, print_summary
from chatlab.view.modes import print_knobs, print_modes, print_parts
from tests.support.snapshots import COLOUR, a_snapshot, dashboard, printed

SIZES = [(80, 24), (140, 40), (40, 12), (78, 20), (100, 30), (240, 60), (20, 5), (1, 1)]
LONG_MODE = "naive+store=some/very/long/path/to/my_store_that_is_fast.py:MyStoreThatIsFast"


def terminal(width: int = 80, *, tty: bool = True, **env: str) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    env = {"TERM": "xterm-256color"} | env
    return Console(file=file, force_terminal=tty, width=width, height=40, _environ=env), file


async def stream(snapshots: Sequence[Snapshot]) -> AsyncIterator[Snapshot]:
    for snapshot in snapshots:
        yield snapshot


async def shown(snapshots: Sequence[Snapshot], width: int = 80, **options: Any) -> str:
    """What is written while these snapshots come."""
    console, file = terminal(width, **options)
    await show(stream(snapshots), console)
    return file.getvalue()


STRAINS: dict[str, dict[str, Any]] = {
    "busy": {},
    "long mode": {"mode": LONG_MODE, "parts": MODES["naive"].parts | {"store": LONG_MODE[12:]}},
    "many files": {"files": {f"a/long/name/of/a/{n}.json": FileIO(*[n] * 5) for n in range(30)}},
    "long notes": {"notes": [ServerNote(1.0, "喝" * 200), ServerNote(2.0, "x" * 500, 10**6)]},
    "many codes": {"refusals": {f"code_{n}": 10**6 for n in range(20)}},
    "huge figures": {
        **{"clients": 10**6, "uptime_s": 10**8, "cpu_s": 10**9},
        **{"counts": Counts(*[10**9] * 6), "rates": Rates(*[10**6] * 4)},
        **{"queue": ProcessorStatistics(10**9, 10**9, 10**6, 1, 1)},
        **{"waiting": Waiting(10**9, 10**12, 10**6)},
        **{"cache": ReaderStatistics(*[10**12] * 3), "ack_ms": Percentiles(*[10**7] * 4)},
    },
}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("changes", STRAINS.values(), ids=STRAINS)
def test_dashboard_is_never_wider_or_taller_than_asked(width, height, changes) -> None:
    page = render([a_snapshot(3.0), a_snapshot(**({"uptime_s": 9.0} | changes))], width, height)
    lines = printed(page, 1_000)  # a wide console, so that nothing is cut or wrapped by it
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width


FIGURES = """optimized|ws://127.0.0.1:8765|17 clients|up 12 s|queued
4,100|4,090|4,000|2,000|301/s|302/s|303/s|304/s
1,055 messages|105 of 10,000|oldest 24.6 ms|at least 950|oldest 1.87 s
last 98|largest 100|mean 87.3|1,234 hits|56 misses|7 stale
messages.json|11|5,000|5,011|61|1.10 kB|12.0 MB
chatrooms.json|3,000|22|3,022|333 kB|444 B
8,033|12.0 MB|2.01|0.015|4.02|84 B|3.00 kB|6.00 kB
1.01 ms|2.02 ms|3.03 ms|1,001|10.4 ms|20.5 ms|30.6 ms|1,002
117 ms|228 ms|1.34 s|1,003|0.11 ms|0.22 ms|0.33 ms|204
43%|7.8 s|51.2 MB|62.3 MB|31: overloaded 30, bad_json 1|the disk is full (14 times)|an old note"""


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40)])
def test_dashboard_shows_every_figure_of_a_snapshot(width: int, height: int) -> None:
    text = "\n".join(dashboard(width, height))
    parts = [*MODES["optimized"].parts.values(), words.ACK_WORDS["queued"]]
    for figure in [*re.split(r"[|\n]", FIGURES), *parts]:
        assert figure in text, figure


ACK_LINES = {level: f"ack means {level} ({meaning})" for level, meaning in words.ACK_WORDS.items()}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        *(({"ack_means": level}, re.escape(ACK_LINES[level])) for level in ACK_LEVELS),
        ({"ack_ms": Percentiles(n=3)}, r"ack +– +– +– +3"),
        ({"counts": Counts()}, r"^per saved msg( +–){6} *$"),
        ({"rates": Rates(None, None, None, None)}, r"^saved +– "),
        ({"queue": ProcessorStatistics(0, 0, 0.0, 9, 0)}, r"^queue   0, at most one a client"),
        ({"waiting": Waiting()}, r"^outside 0 "),
        ({"waiting": Waiting(7, None, 0.5)}, r"^outside at least 7, oldest 500 ms "),
        ({}, "Ctrl-C"),
    ],
)
def test_80_by_24_says_what_an_ack_means_what_is_unknown_and_how_to_leave(changes, line) -> None:
    text = "\n".join(dashboard(80, 24, a_snapshot(**changes)))
    assert re.search(line, text, re.MULTILINE)
    assert "None" not in text


def a_rewriting(uptime_s: float, saves: int, *, batch: int = 1, mb: float = 1.2, **more: Any):
    """A server's snapshot after some saves, each of which wrote the whole history."""
    io = FileIO(saves, saves, 0, 0, int(saves * mb * 1_000_000))
    counts = Counts(accepted=9_000, saved=saves * batch)
    values = {"files": {"messages.json": io}, "counts": counts, "notes": []}
    return a_snapshot(uptime_s, **values | more)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([a_rewriting(9, 500)], "1.20 MB for 1 new message"),
        ([a_rewriting(9, 100, batch=7)], "1.20 MB for 7 new messages"),
        ([a_rewriting(9, 500), a_rewriting(10, 750)], "1.20 MB for 1 new message"),
        ([a_rewriting(9, 500, mb=0.5), a_rewriting(10, 600, mb=1.5)], "6.50 MB for 1 new"),
        ([a_rewriting(9, 500, batch=20)], ""),  # 60 kB for each message
        ([a_rewriting(9, 500), a_rewriting(10, 500)], ""),  # no save meanwhile
        ([a_rewriting(9, 500, waiting=Waiting(900, 0, 0.9))], ""),  # nobody waits long
    ],
)
def test_messages_that_wait_for_rewrites_of_the_history_are_told_so(history, said: str) -> None:
    for width, height in ((80, 24), (140, 40), (60, 60)):
        text = "\n".join(dashboard(width, height, *history))
        cause = f"each save rewrites all of messages.json: {said}"
        assert (cause[: width - 5] in text) if said else ("rewrites" not in text)
    at_the_end = printed(partial(print_summary, history[-1]))
    assert any("rewrites" in line for line in at_the_end) is bool(said or len(history) > 1)
    assert all("(mean)" in line for line in at_the_end if "rewrites" in line)


def test_what_does_not_fit_is_shortened_added_up_or_left_out_but_not_the_latest_note() -> None:
    files = {f"file{n:02}": FileIO(reads=n + 1) for n in range(20)}
    first, *others = dashboard(80, 24, a_snapshot(mode=LONG_MODE, files=files))
    assert len(others) == 23  # to the last line
    assert re.search(r"naive.*….*IsFast.*ws://127.0.0.1:8765", first)
    assert re.search(rf"18 other files +{sum(range(19))}", "\n".join(others))
    assert "the disk is full" in dashboard(40, 12)[-2]
    assert dashboard(20, 5)[-1].startswith("9 s  the disk")  # nor by the hint
    assert printed(render([], 80, 24))[0] == "waiting for the server"


def test_a_large_terminal_shows_deliveries_and_latency_in_large_charts_over_one_time() -> None:
    history = [
        a_snapshot(float(t), counts=Counts(delivered=300 * t), delivery_ms=Percentiles(p95=t % 60))
        for t in range(100)
    ]
    lines = dashboard(140, 40, *history)
    for title, highest in (("delivered per second", "300/s"), ("latency of the", "60.0 ms")):
        top = next(n for n, text in enumerate(lines) if text.startswith(f"── {title}")) + 1
        assert lines[top].lstrip().startswith(highest)
        assert [text.split()[0] for text in lines[top : top + 9] if text[:10].strip()][2] == "0"
    assert "█" * 99 in lines[top - 3]  # a steady rate fills the chart
    assert re.search(r"-90 s +-60 s +-30 s +now", "\n".join(lines))


@pytest.mark.parametrize(
    ("url", "load"),
    [
        ("ws://127.0.0.1:8765", "chatlab load --scenario class "),
        ("ws://0.0.0.0:9000", "chatlab load :9000 --scenario class "),
        ("ws://192.168.0.7:8765", "chatlab load 192.168.0.7:8765 --scenario class "),
    ],
)
def test_a_server_to_which_nobody_has_said_anything_says_what_to_try(url: str, load: str) -> None:
    silent = a_snapshot(url=url, counts=Counts(), notes=[])
    lines = dashboard(80, 24, silent)
    assert any(text.startswith(load) for text in lines)
    assert not any(load in text for text in dashboard(80, 24, a_snapshot(url=url, notes=[])))


# What a person chose to see


def chosen(*keys: str) -> ViewChoice:
    """What is to be seen after some keys."""
    return functools.reduce(after, keys, ViewChoice(with_keys=True))


@pytest.mark.parametrize(
    ("keys", "seen", "hint"),
    [
        ("", "transport", "p pause  v view  e explain  q quit +view 1 of 3: overview"),
        ("v", "latency of the delivery", "view 2 of 3: latency"),
        ("c-i v", "file operations per second", "view 3 of 3: files"),
        ("v v v x", "transport", "view 1 of 3: overview"),
        ("p", "transport", "PAUSED 0 s +p go on"),
        ("v  ", "latency of the delivery", "PAUSED 0 s"),
        ("p p", "transport", "p pause"),
        ("e", "Which implementation", "e back +up/down page 1 of .* q quit"),
        ("e v", "From the moment", "page 1 of"),
        ("e up down", "Which implementation", "page 1 of"),
        ("e e", "transport", "view 1 of 3"),
        ("v e escape", "latency of the delivery", "view 2 of 3"),
        ("down up", "transport", "view 1 of 3"),
        ("q", "transport", "stopping"),
        ("c-c", "transport", "stopping"),
    ],
)
def test_a_key_changes_what_is_seen_and_the_last_line_says_how(keys, seen, hint) -> None:
    lines = printed(render([a_snapshot()], 80, 24, chosen(*re.findall(r"\S+| $", keys))))
    assert len(lines) == 24
    assert seen in "\n".join(lines)
    assert re.search(hint, lines[-1])


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (40, 12)])
@pytest.mark.parametrize("view", range(len(VIEWS)), ids=[view.name for view in VIEWS])
def test_every_row_of_a_view_is_explained_where_it_stands(view: int, width, height) -> None:
    now = a_snapshot(simulated=["disk hdd"])
    choice = ViewChoice(view=view, page=0)
    screen, *explained = (
        "\n".join(printed(render([now], *size, each), 1_000))
        for each, size in [
            (choice._replace(page=None), (140, 40)),
            *((choice._replace(page=page), (width, height)) for page in range(100)),
        ]
    )
    assert re.search("simulated.*hdd", screen)
    assert "the disk is full" in screen
    labels = set(re.findall(r"^(\w[\w ]*?)(?:  | \d|$)", screen, re.MULTILINE)) & set(
        explain.dashboard()
    )
    told = set(VIEWS[view].rows(now, width))
    assert labels <= told <= set(explain.dashboard())
    said = " ".join("".join(explained).split())
    for label in told:
        assert re.search(rf"\b{label}\b", screen), label
        assert (" ".join(explain.dashboard()[label].what.split()) in said) or width > 120
    assert view or told == set(explain.dashboard())
    assert max(len(page.splitlines()) for page in explained) <= height
    assert max(cell_len(row) for page in explained for row in page.splitlines()) <= width


async def test_a_pause_lets_the_picture_stand_while_the_server_goes_on() -> None:
    console, file = terminal()
    pressed: list[Callable[[str], None]] = []

    @contextmanager
    def keys(press: Callable[[str], None]) -> Iterator[None]:
        pressed.append(press)
        yield
        pressed.append(press)

    async def paused_at_two() -> AsyncIterator[Snapshot]:
        for clients in range(1, 5):
            file.truncate(file.seek(0))
            yield a_snapshot(float(clients), clients=clients)
            seen.append(re.findall(r"\d+ client|PAUSED", file.getvalue()))
            if clients in (2, 4):
                pressed[0]("p")
        seen.append(re.findall(r"\d+ client|PAUSED", file.getvalue())[-1:])

    seen: list[list[str]] = []
    await show(paused_at_two(), console, keys)
    assert seen == [
        ["1 client"],
        ["2 client"],
        ["2 client", "PAUSED"],
        ["2 client", "PAUSED"],
        ["4 client"],
    ]
    assert len(pressed) == 2  # the terminal's own keys are back


async def test_keys_typed_reach_the_dashboard_and_q_is_a_ctrl_c() -> None:
    console, file = terminal()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(stop.set))
    try:
        with create_pipe_input() as pipe:
            view = asyncio.create_task(
                show(live.every(3_600, a_snapshot), console, partial(typed, pipe))
            )
            pipe.send_text("v\tq")
            async with asyncio.timeout(20):
                await stop.wait()
            view.cancel()
            await asyncio.wait([view])
    finally:
        signal.signal(signal.SIGINT, before)
    shown = file.getvalue()
    assert -1 < shown.find("view 1 of 3") < shown.find("view 2 of 3") < shown.find("view 3 of 3")
    assert "stopping" in shown


def contrast(style: Style, ground: float) -> float:
    """How far a text's lightness is from that of its ground, by the rule of WCAG."""
    parts = [part / 255 for part in style.color.get_truecolor()]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    light = sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return (max(light, ground) + 0.05) / (min(light, ground) + 0.05)


def test_every_colour_can_be_read_on_a_light_and_on_a_dark_terminal() -> None:
    styles = {name: one for name, one in vars(words).items() if isinstance(one, Style)}
    for name, style in styles.items():
        if style.color is not None:
            assert style.color.number > 15, f"{name}: each terminal has its own first 16 colours"
            assert min(contrast(style, 0.0), contrast(style, 1.0)) > 3.8, name


def test_names_from_outside_cannot_steer_the_terminal() -> None:
    evil = "\x1b[2Jgone\x07\r\n"
    names = {"mode": evil, "url": evil, "parts": {"reader": evil}, "refusals": {evil: 1}}
    snapshot = a_snapshot(**names, notes=[ServerNote(1.0, evil)], files={evil: FileIO(1)})
    for page in (dashboard(140, 40, snapshot), printed(lambda c: print_summary(snapshot, c))):
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", "".join(page))
    assert plain_line(snapshot).isprintable()


@pytest.mark.parametrize(
    ("times_s", "seconds", "rates"),
    [([t / 2 for t in range(1, 12)], 3, 3), ([0.5, 2.25, 5.5], 10, 4), ([3.5], 10, 0)],
)
def test_rates_are_those_of_whole_seconds_whenever_asked(times_s, seconds, rates) -> None:
    history = [a_snapshot(at, counts=Counts(saved=int(at * 100))) for at in times_s]
    assert measures.rates_per_s(history, lambda s: s.counts.saved, seconds) == [100] * rates


def test_a_gauge_is_the_last_value_seen_at_each_second() -> None:
    history = [a_snapshot(at, clients=clients) for at, clients in ((1, 1), (1.5, 9), (2.5, 3))]
    assert measures.gauge(history, lambda s: s.clients, 10) == [1, 9]


def test_charts_of_messages_share_one_scale() -> None:
    counts = [Counts(accepted=t * 1_000, saved=t * 100) for t in range(30)]
    history = [a_snapshot(float(t), counts=each) for t, each in enumerate(counts)]
    lines = dashboard(140, 24, *history)
    for name, bars in (("accepted", "▇▇▇"), ("saved", "▂▂▂")):
        assert bars in next(line for line in lines if line.startswith(name))


def test_bars_tell_nothing_from_zero_carry_on_in_an_upper_line_and_show_the_newest() -> None:
    assert words.bars([None, 0, 1, 1_000], 5) == ["  ▁▂▇"]
    assert words.bars([0, 50, 100], 3, rows=2) == ["  ▇", "▁██"]
    assert words.bars([9, 9, 9, 0], 1) == ["▁"]


WRITTEN: dict[Callable[..., str], dict[Any, str]] = {
    words.size: {
        0: "0 B", 999: "999 B", 999.6: "1.00 kB", 1_234: "1.23 kB", 45_600_000: "45.6 MB",
        9_999_999_999: "10.0 GB", 5e12: "5.00 TB",
    },
    words.milliseconds: {
        None: "–", 0.0: "0.00 ms", 9.996: "10.0 ms", 999.4: "999 ms", 999.6: "1.00 s",
        123_456: "123 s",
    },
    words.duration: {0.9: "0 s", 59.9: "59 s", 125: "2 min 05 s", 3_725: "1 h 02 min"},
    words.short_count: {99_999: "99,999", 123_456: "123k", 1_234_567: "1.23M", 5e9: "5.00G"},
    lambda pair: words.ratio(*pair): {  # what a message costs never looks like nothing
        (3_000, 1_000): "3.00", (20, 1_000): "0.020", (1, 10_000): "<0.001", (0, 9): "0.00",
        (1, 0): "–",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [(write, value, text) for write, cases in WRITTEN.items() for value, text in cases.items()],
)
def test_figures_are_written_with_their_units(write, value: Any, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1"])
def test_a_console_without_unicode_gets_ascii(encoding: str) -> None:
    last = a_snapshot(20.0, notes=[ServerNote(1.0, "caffè")], ack_ms=Percentiles())
    history = [*(a_snapshot(float(t), counts=Counts(accepted=t)) for t in range(20)), last]
    for page in (render(history, 140, 40), lambda c: print_summary(last, c), print_modes):
        assert "".join(printed(page, 140, encoding=encoding)).isascii()


async def test_a_pipe_gets_one_plain_line_a_second_and_each_note_once() -> None:
    text = await shown([a_snapshot(t / 2) for t in range(6)], tty=False)
    lines = [line for line in text.splitlines() if "note:" not in line]
    assert [line.split()[0] for line in lines] == ["0s", "1s", "2s"]
    assert "accepted 4,100 (301/s) acked 4,090 (302/s)" in lines[0]
    assert "ops/msg 2.01" in lines[0]
    assert "waiting 1,055 (queue 105/10,000 outside 950)" in lines[0]
    assert "\x1b" not in text
    assert text.count("9s note: the disk is full") == 1


async def test_a_dumb_terminal_and_a_coloured_pipe_get_plain_lines(monkeypatch, capsys) -> None:
    plain = plain_line(a_snapshot()) + "\n"
    assert await shown([a_snapshot(notes=[])], TERM="dumb") == plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    await show(stream([a_snapshot(notes=[])]))
    assert capsys.readouterr().out == plain


async def test_a_reader_that_has_gone_ends_the_plain_lines() -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    await show(live.every(0, a_snapshot), Console(file=Gone()))
    assert await anext(live.every(3_600, a_snapshot)) == a_snapshot()  # the first comes at once


async def test_a_terminal_gets_the_dashboard_and_is_left_as_it_was_when_cancelled() -> None:
    console, file = terminal()
    shown = asyncio.Event()

    async def one_then_silence() -> AsyncIterator[Snapshot]:
        yield a_snapshot()
        shown.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(show(one_then_silence(), console))
    await shown.wait()
    assert "4,100" in file.getvalue()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    last = file.getvalue().rindex
    assert last("\x1b[?1049l") > last("\x1b[?1049h")
    assert last("\x1b[?25h") > last("\x1b[?25l")


async def test_the_screen_is_drawn_once_for_each_snapshot_without_colours_if_so_wanted() -> None:
    history = [a_snapshot(t / 2) for t in range(5)]
    assert (await shown(history)).count("ws://127.0.0.1:8765") == 5
    assert COLOUR.search(await shown(history))
    assert not COLOUR.search(await shown(history, NO_COLOR="1"))


async def test_what_is_printed_behind_the_screen_is_shown_afterwards(capsys) -> None:
    with live.kept_output():
        print("from a learner's part")
        print("and an error", file=sys.stderr)
        assert capsys.readouterr() == ("", "")
    assert capsys.readouterr() == ("from a learner's part\n", "and an error\n")


async def test_a_server_started_anew_starts_a_new_chart_and_forgetting_changes_none() -> None:
    old = [a_snapshot(t, counts=Counts(accepted=int(t * 1_000))) for t in (100.0, 101.0)]
    new = [a_snapshot(t, counts=Counts(accepted=int(t * 50))) for t in (0.0, 1.0, 2.0)]
    last_heading = (await shown(old + new, 118)).rpartition("accepted")[0].rpartition("messages")[2]
    assert "full height 50/s" in last_heading
    many = [a_snapshot(float(t), counts=Counts(saved=t)) for t in range(live.HISTORY_MAX + 50)]
    assert "full height 1/s" in await shown(many, 118)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_summary_fits_and_has_the_totals(width: int) -> None:
    lines = printed(lambda c: print_summary(a_snapshot(), c), width)
    assert max(map(cell_len, lines)) <= min(width, 100)
    text = "\n".join(lines)
    for figure in (
        *("accepted 4,100", "delivered 2,000", "47 batches, 3 failed", "largest 100", "8,033"),
        *(
            "62.3 MB",
            "7.8 s",
            "overloaded 30",
            "queued",
            "228 ms",
            "105 still",
            "at least 950 outside",
        ),
    ):
        assert figure in text, figure
    none = dict.fromkeys(("ack_ms", "save_ms", "delivery_ms"), Percentiles())
    idle = printed(lambda c: print_summary(a_snapshot(**none), c))
    assert "no messages in the last 10 s" in idle  # and no dashes
    assert "\x1b" not in text + "".join(printed(print_modes, force_terminal=None))


def test_a_summary_and_what_stands_around_it_fit_on_24_lines() -> None:
    files = {f"file {n}.json": FileIO(n, n) for n in range(9)}
    calm = {"queue": ProcessorStatistics(0, 10_000, 0.0, 47, 0), "waiting": Waiting()}
    last = a_snapshot(files=files, notes=[ServerNote(1.0, "a note")], **calm)
    lines = printed(lambda c: print_summary(last, c))
    assert len(lines) <= 24 - len(["what was saved at the stop", "the prompt"])
    assert "a note" in lines[-1]


@pytest.mark.parametrize("page", [print_modes, print_parts, print_knobs])
def test_each_page_about_modes_fits_24_rows_of_80_columns(page) -> None:
    lines = printed(page)
    assert (len(lines) <= 23, max(map(cell_len, lines)) <= 80) == (True, True)


@pytest.mark.parametrize("width", [80, 140])
def test_parts_stand_in_one_row_a_mode_with_what_differs_marked(width: int) -> None:
    lines = printed(print_parts, width)
    assert max(map(len, lines)) <= width
    for name, mode in MODES.items():
        row = next(line for line in lines if line.startswith(f"{name} "))
        for role, choice in mode.parts.items():
            differs = choice != MODES["naive"].parts[role]
            in_a_sentence = {"monitor", "lock"} if width == 80 else {"monitor"}
            assert role in in_a_sentence or (f"+{choice}" if differs else f" {choice}") in row
    assert ("lock is per-file (not in racy)" in "\n".join(lines)) == (width == 80)
    assert "monitor is window" in "\n".join(lines)


def test_modes_tell_each_mode_every_promise_and_the_pages_that_list_parts_and_knobs() -> None:
    text = "\n".join(printed(print_modes, 100))
    modes = (f"{n:<11}{ack_means(parse(n)):<9}{mode.words}\n" for n, mode in MODES.items())
    for said in (*modes, "\nmine ", *words.ACK_WORDS.values(), "modes --parts", "modes --knobs"):
        assert said in text
    parts, knobs = ("\n".join(printed(page)) for page in (print_parts, print_knobs))
    for said in (*map(" | ".join, PARTS.values()), "NAME+PART=IMPL", "naive+reader=ttl"):
        assert said in parts
    each = (said for name, knob in KNOBS.items() for said in (name, knob.words, knob.help))
    for said in (*each, "NAME+KNOB=VALUE"):
        assert said in knobs
