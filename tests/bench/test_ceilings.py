"""Ceilings: the same sender against a bare echo server, and against the server without a disk."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from chatlab.bench.ceilings import CEILINGS, measure_ceiling
from chatlab.bench.compare import Compare
from chatlab.bench.load_process import LoadJob, LoadProcess
from chatlab.bench.scenario import Scenario
from chatlab.bench.server_process import EchoProcess

TINY = Scenario(name="tiny", words="a load for tests", messages=60, users=4)


async def test_an_echo_server_answers_each_message_to_its_sender_alone() -> None:
    async with LoadProcess() as worker, EchoProcess() as server:
        result = await worker.run(LoadJob(server.url, TINY, 1, "0", echo=True))

    assert result.complete
    assert (result.sent, result.acked, result.delivered, result.altered) == (60, 60, 60, 0)
    own = [[n for n, send in enumerate(result.plan) if send.user == user] for user in range(4)]
    assert result.received == own


async def test_a_closed_loop_goes_on_when_a_message_comes_back() -> None:
    closed = Scenario(name="tiny", words="", messages=60, users=4, in_flight=2)
    async with LoadProcess() as worker, EchoProcess() as server:
        result = await worker.run(LoadJob(server.url, closed, 1, "0", echo=True))

    assert result.delivered == 60


@pytest.mark.parametrize("name", CEILINGS)
async def test_each_ceiling_can_be_measured(name: str, tmp_path: Path) -> None:
    found = await measure_ceiling(name, TINY, 1, work_folder=tmp_path)

    assert found.throughput_per_s > 0
    assert not os.listdir(tmp_path)  # noqa: PTH208


def test_a_comparison_shows_each_mode_as_a_share_of_each_ceiling(tmp_path: Path) -> None:
    race = Compare(["journal"], TINY, seed=1, rounds=2, ceiling=True, work_folder=tmp_path)
    asyncio.run(race.run())
    report = race.report("chatlab compare")

    assert report.complete
    assert set(report.ceilings) == set(CEILINGS)
    [mode] = report.modes.values()
    for name, ceiling in race.ceilings_done.items():
        # On a busy machine a round may be invalid; no share may rest on such a one.
        pairs = zip(race.rounds_done["journal"], ceiling, strict=True)
        shares = [
            ours.load.throughput_per_s / theirs.throughput_per_s
            for ours, theirs in pairs
            if not ours.invalid
        ]
        found = mode.shares[name].samples if name in mode.shares else []
        assert found == pytest.approx(shares)
    assert any(check.check.startswith("sender CPU against a ceiling") for check in report.trust)
