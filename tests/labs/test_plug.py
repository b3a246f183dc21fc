"""The plug lab: which messages are gone, what was promised, what one sees; and real kills."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from chatlab.bench.crash.killing import what_is_left
from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.scenario import RUN_ID, PlannedSend, content_of
from chatlab.chat.protocol import AckLevel
from chatlab.data.records import Message
from chatlab.labs.plug.room import Line, PlugReport, PulledMode, Scene, State, lines_of
from chatlab.labs.plug.view import in_view, picture, render
from tests.labs.support import names_in, printed, report_of, run_for_json
from tests.support.command_line import command, ended, needs_signals, until

# 0 saved, 1 and 2 lost, 3 saved before its ack came, 4 without an ack, 5 never sent.
SENT_S = [0.0, 0.1, 0.2, 0.3, 0.4, NEVER]
ACKED_S = [0.1, 0.2, 0.3, NEVER, NEVER, NEVER]
TEXTS = ["zero", "one", "two", "three", "four", "five"]
RESULT = LoadResult(
    plan=[PlannedSend(n / 10, n % 4, 0, text) for n, text in enumerate(TEXTS)],
    **{"receivers": [4] * 6, "sent_s": SENT_S, "acked_s": ACKED_S, "delivered_s": [NEVER] * 6},
    **{"receipts": [0] * 6, "received": [[] for _ in range(4)]},
)


def saved(*numbers: int) -> list[Message]:
    contents = [content_of(RUN_ID, n, TEXTS[n]) for n in numbers]
    return [Message("id", "room", "user", content, "now") for content in [*contents, "of others"]]


def states(**how: int) -> list[State]:
    return [line.state for line in lines_of(RESULT, what_is_left(RESULT, saved(0, 3)), **how)]


def test_gone_is_what_was_acked_and_is_not_saved() -> None:
    left = what_is_left(RESULT, saved(0, 3))

    assert (left.acked, left.lost, left.there, left.wrong) == ([0, 1, 2], [1, 2], {0, 3}, 0)
    assert states() == ["kept", "gone", "gone", "sent", "sent"]
    assert states(struck=1) == ["kept", "gone", "acked", "sent", "sent"]
    assert [line.state for line in lines_of(RESULT)] == [*["acked"] * 3, "sent", "sent"]


def test_a_message_that_is_stored_twice_or_changed_is_wrong() -> None:
    changed = Message("id", "room", "user", content_of(RUN_ID, 1, "other"), "now")
    left = what_is_left(RESULT, [*saved(0, 0, 2), changed])

    assert (left.lost, left.wrong) == ([1], 2)


def pulled(means: AckLevel, *, corrupt: str = "", gone: int = 2) -> PulledMode:
    texts: list[State] = ["kept", *["gone"] * gone, "sent"]  # type: ignore[list-item]
    lines = [Line(n, 0, f"message {n}", state) for n, state in enumerate(texts)]
    counts = {"pid": 4711, "killed_s": 1.5, "waiting": 3, "unacked_saved": 0, "wrong": 0}
    recovery_s = None if corrupt else 0.4
    return PulledMode(
        ack_means=means, corrupt=corrupt, recovery_s=recovery_s, lines=lines, **counts
    )


def report(**modes: PulledMode) -> PlugReport:
    return report_of(PlugReport, messages=3, rate_per_s=600, modes=modes)


@pytest.mark.parametrize(
    ("mode", "passed", "says"),
    [
        (pulled("queued"), True, "one said queued (in memory: a crash loses it). So no promise"),
        (pulled("queued", gone=0), True, "Try again, or with more load: chatlab plug one --rate"),
        (pulled("queued", corrupt="torn"), True, "the data folder is damaged: torn"),
        (pulled("written"), False, "BROKEN PROMISE: one said written"),
        (pulled("synced"), False, "BROKEN PROMISE: one said synced"),
        (pulled("synced", gone=0), True, "survives a power cut). Nothing is gone."),
        (pulled("synced", gone=0, corrupt="torn"), False, "BROKEN PROMISE: one said synced"),
    ],
)
def test_only_an_ack_that_promised_to_survive_a_crash_can_be_broken(mode, passed, says) -> None:
    assert report(one=mode).passed is passed
    assert says in printed(render(report(one=mode)))


def test_the_result_strikes_through_what_is_gone_and_fits_a_small_screen() -> None:
    modes = {"optimized": pulled("queued", gone=30), "journal": pulled("synced", gone=0)}
    text = printed(render(report(**modes)), 80)

    assert max(map(len, text.splitlines())) <= 80
    assert len(text.splitlines()) <= 22
    assert "optimized: 31 acked, 30 of them gone" in text
    assert "and 26 more that are gone" in text
    assert struck(render(report(**modes))) == [f"message {n}" for n in range(1, 5)]
    assert "Nothing was measured" in printed(render(report()))


def struck(what: object, width: int = 80) -> list[str]:
    """The texts that are struck through."""
    console = Console(width=width)
    rendered = console.render(what)  # type: ignore[call-overload]
    return [text for text, style, _ in rendered if style and style.strike]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (30, 8), (1, 1)])
def test_a_picture_fits_its_terminal_and_shows_the_first_that_is_gone(width, height) -> None:
    kept = [Line(n, 0, "新年快乐! " * 9, "kept") for n in range(400)]
    gone = [Line(n, 1, f"gone {n}", "gone") for n in range(400, 600)]
    events = ("kill -9 4711: the server is dead.", "Starting it again.", "Ready.", "600 acked")
    scene = Scene(mode="x" * 99, ack_means="queued", lines=kept + gone, waiting=None, events=events)
    lines = printed(picture(scene, width, height), width).splitlines()

    assert len(lines) <= height
    if height > 8:
        assert {"gone 400", "gone 401"} <= set(struck(picture(scene, width, height), width))
        assert lines[-4].startswith("kill -9 4711")
    journal = printed(picture(Scene(mode="journal"), 80, 24)).splitlines()
    assert journal[0].startswith("journal: an append-only log")
    kept_in_view = in_view(kept, 4, 2, moving=True)
    assert [line.number for line in kept_in_view] == list(range(392, 400))


@pytest.mark.real
async def test_a_queued_ack_loses_what_waits_and_a_synced_one_nothing(tmp_path: Path) -> None:
    options = ("--messages", "100", "--work", str(tmp_path))
    report, text = await run_for_json(tmp_path, "plug", *options)

    optimized, journal = report["modes"]["optimized"], report["modes"]["journal"]
    gone = [line for line in optimized["lines"] if line["state"] == "gone"]
    assert optimized["waiting"] > 0
    assert 0 < len(gone) < len(optimized["lines"])
    assert all(line["state"] in {"kept", "sent"} for line in journal["lines"])
    assert sum(line["state"] == "kept" for line in journal["lines"]) >= 100
    assert f"{len(gone)} of them gone" in text
    assert names_in(tmp_path) == ["result.json"]


@pytest.mark.real
@needs_signals
@pytest.mark.parametrize("moment", ["the room fills", "is dead", "Starting it again"])
async def test_ctrl_c_at_any_moment_leaves_nothing_behind(moment: str, tmp_path: Path) -> None:
    options = ("--messages", "1000", "--work", str(tmp_path))
    async with command("plug", "journal", *options) as process:
        await until(process.stderr, moment)
        others = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        done = await ended(process)

    assert done.code == 130
    assert "Nothing was measured" in done.out
    assert "Traceback" not in done.err
    assert not [one for one in others if one.is_running()]
    assert names_in(tmp_path) == []
