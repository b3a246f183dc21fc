"""The result of `chatlab load`: what is a fault, and what is only unfinished."""

from __future__ import annotations

from typing import Any

import pytest

from chatlab.bench.audit import FAULTS, Audit
from chatlab.bench.load_result import LoadProgress, RecentLatency
from chatlab.bench.report import LoadReport
from chatlab.chat.snapshot import Percentiles
from chatlab.disk.counted import FileIO
from chatlab.view.load import print_load
from chatlab.view.load_live import LoadLine
from chatlab.view.words import DASH
from tests.bench.fakes import a_scenario
from tests.support.snapshots import printed

REPORT: dict[str, Any] = {
    **{"command": "chatlab load", "seed": 1, "mode": "optimized", "ack_means": "queued"},
    **{"throughput_per_s": 100.0, "ack_ms": Percentiles(), "delivery_ms": Percentiles()},
    **{"at_deadline": False, "ended_s": 12.0, "scenario": a_scenario(rate_per_s=200.0)},
    **{"waited_p50_ms": 640.0, "behind_s": 0.1, "unsettled": 0, "oldest_s": 0.0},
    **{"still_listed": 0, "recent": RecentLatency(), "server_recent": RecentLatency()},
    **{"io": {}, "refusals": {}, "disconnected": {}},
    **{"sender_late_p99_ms": 1.0, "sender_cpu_percent": 5.0},
}


def shown(audit: Audit, **values: Any) -> str:
    report = LoadReport(**(REPORT | values), audit=audit)
    return " ".join(printed(lambda console: print_load(report, console), 100))


UNFINISHED = Audit(sent=50, acked=40, saved=None, delivered=30, lost=10, unanswered=10)


@pytest.mark.parametrize("interrupted", [True, False])
def test_what_was_in_flight_is_a_fault_unless_the_user_stopped(interrupted: bool) -> None:
    text = shown(UNFINISHED, complete=False, interrupted=interrupted)
    assert "PARTIAL" in text
    assert ("20: not judged" in text) is interrupted
    assert ("clean" in text) is interrupted
    assert ("10 acked and lost, 10 never answered" in text) is not interrupted


@pytest.mark.parametrize("interrupted", [True, False])
@pytest.mark.parametrize("name", FAULTS)
def test_any_other_fault_is_one_whenever_it_is_seen(name: str, interrupted: bool) -> None:
    audit = Audit(sent=5, acked=5, saved=None, delivered=5, **{name: 2})
    in_flight = name in ("lost", "unanswered") and interrupted
    text = shown(audit, complete=not interrupted, interrupted=interrupted)
    assert (f"2 {FAULTS[name]}" in text) is not in_flight


# The sentences above the figures.

ALL = Audit(sent=20, acked=20, saved=None, delivered=20)
BURST, CLOSED = a_scenario(rate_per_s=None), a_scenario(in_flight=2)
RAMP = a_scenario(rate_per_s=100.0, rate_end_per_s=300.0)
BEHIND = {"behind_s": 5.0, "throughput_per_s": 60.0}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "optimized kept up: asked for 200 messages/s, delivered as many; the median message "
             "waited 640 ms. next: chatlab serve --mode naive in its place;"),
        ({"behind_s": 1.1}, "did not keep up"),
        ({"scenario": a_scenario(messages=4_000, rate_per_s=100.0), "behind_s": 1.9}, "kept up"),
        ({"mode": "naive", "unsettled": 3, **BEHIND},
            "naive did not keep up: asked for 200 messages/s, delivered 60; the median message "
            "waited at least 640 ms."),
        ({"mode": "naive", "url": "ws://127.0.0.1:9000", **BEHIND},
            "next: chatlab serve --mode optimized --port 9000 in its place;"),
        ({"io": {"messages.json": FileIO(20, 20, 0, 0, 2_000_000)}},
            "The server keeps these 20 messages, and rewrites them all with each save: the next"),
        ({"scenario": RAMP}, "asked for 200 messages/s on average"),
        ({"scenario": BURST}, "delivered 20 of 20 messages, sent at once, in 200 ms;"),
        ({"scenario": CLOSED}, "delivered 100 messages/s with 2 in flight for each of 4 users;"),
        ({"waited_p50_ms": None}, "delivered as many. next:"),
        ({"still_listed": 2}, "2 users could not leave the room"),
    ],
)  # fmt: skip
def test_a_load_ends_in_a_verdict_and_the_next_step(values: dict[str, Any], said: str) -> None:
    assert said in " ".join(shown(ALL, complete=True, interrupted=False, **values).split())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (BEHIND, True),
        ({"complete": False, "at_deadline": True, **BEHIND}, True),
        ({"complete": False, "interrupted": True, **BEHIND}, False),
        ({"scenario": CLOSED, **BEHIND}, False),  # its users do wait
        ({}, False),
    ],
    ids=str,
)
def test_a_load_that_waits_long_says_that_a_typist_may_wait_less(values: Any, told: bool) -> None:
    text = " ".join(shown(ALL, **{"complete": True, "interrupted": False} | values).split())
    assert ("Someone who types, and waits, may feel less of it" in text) is told


def test_a_burst_that_was_stopped_before_the_first_delivery_took_no_time() -> None:
    none = Audit(sent=20, acked=0, saved=None, delivered=0)
    values = {"complete": False, "interrupted": True, "throughput_per_s": 0.0, "scenario": BURST}
    assert "delivered 0 of 20 messages, sent at once; the median" in shown(none, **values)


def test_a_server_that_refuses_has_not_kept_up() -> None:
    refusing = Audit(sent=20, acked=15, saved=None, delivered=15, refused=5)
    text = shown(refusing, complete=True, interrupted=False)
    assert "did not keep up: asked for 200 messages/s, delivered 100, refused 5 messages" in text


STOPPED = {"the server is stopping": 4}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"at_deadline": True, "interrupted": True}, "Stopped at its deadline after 12 s:"),
        ({"interrupted": True}, "Stopped by you after 12 s:"),
        ({"interrupted": False}, "Given up after 12 s:"),
        (
            {"interrupted": False, "disconnected": STOPPED},
            "The server ended every connection after 12 s:",
        ),
    ],
)
def test_a_run_that_was_cut_off_says_by_whom_and_what_was_missing(values, said) -> None:
    missing = {"unsettled": 1_234, "oldest_s": 34.0, "scenario": a_scenario(messages=60)}
    text = " ".join(shown(UNFINISHED, complete=False, **missing, **values).split())
    found = f"{said} 1,234 messages were still unanswered, the oldest for 34 s; 10 not sent yet."
    assert found in text


def test_a_stopped_servers_refusals_add_up_with_what_the_load_heard() -> None:
    stopped = Audit(sent=50, acked=20, saved=None, delivered=20, refused=7, unanswered=23)
    flags = {"complete": False, "interrupted": False, "disconnected": STOPPED}
    told = shown(stopped, **flags, refusals={"shutting_down": 7}, still_listed=4)
    assert "it counts up to 7 + 23 = 30 refused." in " ".join(told.split())
    assert "4 users could not leave the room: the server is gone." in " ".join(told.split())
    assert "30 refused" not in shown(stopped, **flags, refusals={"overloaded": 7})


def test_the_last_ten_seconds_stand_beside_what_the_server_says_of_them() -> None:
    ours = RecentLatency(Percentiles(11.0, 22.0), Percentiles(33.0, 44.0))
    theirs = RecentLatency(Percentiles(1_100.0, 2_200.0), Percentiles(3_300.0))
    flags = {"complete": True, "interrupted": False}
    text = shown(ALL, recent=ours, server_recent=theirs, **flags)
    before = RecentLatency(Percentiles(1.0, n=500), Percentiles(2.0, n=500))
    short = shown(ALL, ended_s=3.0, recent=ours, server_recent=before, **flags)
    assert "server:" not in short  # it counts what came before this run, too
    assert "ack 11.0 ms / 22.0 ms, server: 1.10 s / 2.20 s" in text
    assert f"delivery 33.0 ms / 44.0 ms, server: 3.30 s / {DASH}" in text


def progress(t_s: float, sent: int, acked: int, delivered: int) -> LoadProgress:
    return LoadProgress(t_s, sent, acked, delivered, 0, 5.25, None, None)


def test_the_live_line_shows_rates_of_the_last_seconds_and_fits_the_screen() -> None:
    line = LoadLine(60.0)
    recent = RecentLatency(delivery_ms=Percentiles(3_400.0))
    for now in (progress(5.0, 900, 300, 200), progress(9.0, 1_800, 700, 500)):
        line.text(now, recent, 200)
    now = progress(11.0, 2_400, 900, 660)  # the first is too old to count
    assert line.text(now, recent, 79) == (
        "11/60 s  sent 300/s  acked 100/s  delivered 80/s  p50 3.40 s  behind by 5.2 s"
    )
    busy = progress(1_000.0, 99_999_999, 99_999_999, 99_999_999)
    assert len(LoadLine(None).text(busy, recent, 79)) <= 79
