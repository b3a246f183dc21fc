"""The typist lab: what is compared with what; and on real servers, that all who measure agree."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import msgspec
import pytest

from chatlab.bench.scenario import load
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM
from chatlab.chat.protocol import TraceFrame, encode
from chatlab.labs.typist.measure import ACCOUNTS, Typist, TypistMode, TypistReport, TypistRound
from chatlab.labs.typist.person import TypingPerson
from chatlab.labs.typist.view import render
from tests.labs.support import printed, report_of, run_for_json

ROUND = TypistRound(
    echoes_ms=[90.0, 100.0, 900.0],
    saved_ms=[80.0, 95.0, 800.0],
    traces_ms=[85.0, 98.0, 890.0],
    load_ack_ms=1_000.0,
    load_delivery_ms=1_000.0,
    server_ack_ms=990.0,
    server_delivery_ms=990.0,
    due_ack_ms=995.0,
    due_delivery_ms=995.0,
    late_p99_ms=1.0,
)


def test_figures_are_medians_of_rounds() -> None:
    other = msgspec.structs.replace(ROUND, echoes_ms=[200.0], load_ack_ms=None)
    mode = TypistMode([ROUND, other])

    assert mode.of("echoes_ms") == 150
    assert mode.of("load_ack_ms") == 1_000
    assert TypistMode([]).of("load_ack_ms") is None


@pytest.mark.parametrize(
    ("changes", "agrees"),
    [
        ({}, True),
        ({"due_ack_ms": 901.0}, True),
        ({"due_ack_ms": 899.0}, False),
        ({"due_delivery_ms": 1_101.0}, False),
        ({"traces_ms": [89.0]}, False),
        ({"traces_ms": [500.0]}, True),  # the rest of the room gets it later
        ({"saved_ms": [111.0], "traces_ms": [500.0]}, False),  # back before it was saved
        ({"due_ack_ms": 2.9, "load_ack_ms": 0.0001}, True),  # too near to tell apart
        ({"due_ack_ms": 5.0, "load_ack_ms": 0.5}, False),
        ({"due_ack_ms": 5.0, "load_ack_ms": 0.5, "late_p99_ms": 5.0}, True),  # a busy load
        ({"due_ack_ms": None}, True),  # nothing to compare
    ],
    ids=str,
)
def test_accounts_agree_within_a_tenth_or_a_few_milliseconds(changes, agrees: bool) -> None:
    fine = TypistMode([ROUND] * ROUNDS_FOR_A_CLAIM)
    mode = TypistMode([msgspec.structs.replace(ROUND, **changes)] * ROUNDS_FOR_A_CLAIM)
    report = report_of(
        TypistReport, scenario=load("class"), history=0, modes={"a": fine, "b": mode}, ratio={}
    )

    assert report.passed is agrees
    shown = printed(render(report), width=80)
    assert ("do NOT agree: b: " in shown) is not agrees
    assert ("Server and clients agree" in shown) is agrees


def test_a_few_rounds_accuse_nobody() -> None:
    apart = TypistMode([msgspec.structs.replace(ROUND, due_ack_ms=500.0)] * 5)
    report = report_of(
        TypistReport, scenario=load("class"), history=0, modes={"a": apart}, ratio={}
    )

    assert report.passed
    assert "Accounts apart: a: ack" in (shown := printed(render(report), width=80))
    assert "Too few rounds" in shown


async def test_the_servers_account_of_a_message_is_the_sum_of_all_its_steps() -> None:
    person = TypingPerson("ws://unused", "general")
    steps = [one for one in TraceFrame.__struct_fields__ if one.endswith("_ms") and one != "ack_ms"]
    powers = {step: 2.0**n for n, step in enumerate(steps)}
    person._on_frame(encode(TraceFrame(ref=1, id="", ack_ms=0.0, **powers)))

    assert person.traces_ms == [2 ** len(steps) - 1]
    assert person.saved_ms == [2 ** len(steps) - 1 - powers["delivery_ms"]]


def test_what_was_not_measured_agrees_with_nothing() -> None:
    nothing = msgspec.structs.replace(
        ROUND, echoes_ms=[], traces_ms=[], saved_ms=[], due_ack_ms=None, due_delivery_ms=None
    )
    made = partial(report_of, TypistReport, scenario=load("class"), history=0, ratio={})

    assert "agree" not in printed(render(made(modes={"a": TypistMode([nothing])})))
    assert "Nothing was measured" in printed(render(made(modes={})))


async def test_a_round_that_was_stopped_is_no_round(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stopped(*_: object) -> TypistRound:
        raise asyncio.CancelledError

    monkeypatch.setattr(Typist, "_round", stopped)
    lab = Typist()
    with pytest.raises(asyncio.CancelledError):
        await lab.measure()

    assert lab.found == {}


@pytest.mark.real
async def test_server_load_and_typist_agree_in_each_mode(tmp_path: Path) -> None:
    """Of naive, a longer history: it must fall behind, so that most of the wait is outside."""
    words = ("--rounds", "1", "--messages", "700", "--history", "4000")
    report, _ = await run_for_json(tmp_path, "typist", "naive", "optimized", "journal", *words)

    modes = msgspec.convert(report["modes"], dict[str, TypistMode])
    assert modes.keys() == {"naive", "optimized", "journal"}
    for mode in modes.values():
        assert [mode.agrees(what) for what in ACCOUNTS] == [True] * 3
