"""The comparison: real rounds on real servers, in turn, audited, and reported in full."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import psutil
import pytest

from chatlab.bench.compare import Compare, RoundProgress
from chatlab.bench.machine import CEILINGS
from chatlab.bench.processes import ListeningProcess, LoadJob, LoadProcess
from chatlab.bench.report import Report
from chatlab.chat.modes import PARTS
from chatlab.chat.server_job import ServerOptions
from chatlab.data.records import indented_json
from chatlab.errors import UsageError
from tests.conftest import TINY, Measured

pytestmark = pytest.mark.real
MESSAGES = TINY.messages


def test_naive_costs_exactly_what_its_design_says_and_optimized_far_less(measured) -> None:
    naive, optimized = (measured.report.modes[name].io for name in ("naive", "optimized"))
    files = {name: (io.reads, io.writes) for name, io in naive.files.items()}
    assert {name: costs for name, costs in files.items() if any(costs)} == {
        "chatrooms.json": (MESSAGES, 0),
        "messages.json": (MESSAGES, MESSAGES),
    }
    assert (naive.per_message, naive.fsyncs) == (3.0, 0)
    assert 1 <= optimized.writes <= MESSAGES / 4
    assert optimized.reads + optimized.writes <= MESSAGES / 2
    assert optimized.fsyncs >= optimized.writes


def test_rounds_alternate_a_b_b_a_are_audited_and_count_and_two_claim_nothing(measured) -> None:
    modes = measured.report.modes
    order = {one.number: name for name, mode in modes.items() for one in mode.rounds}
    found = [order[number] for number in sorted(order)]
    assert found == ["naive", "optimized", "optimized", "naive"]
    assert list(measured.folder.iterdir()) == []  # no data folder stays
    for mode in modes.values():
        audit = mode.audit
        assert audit.clean
        assert (audit.sent, audit.acked, audit.saved, audit.delivered) == (2 * MESSAGES,) * 4
        assert len(mode.rounds) == 2
        # On a busy machine a sender can be late, which makes a round invalid.
        used = [one for one in mode.rounds if not one.invalid] or mode.rounds
        assert mode.throughput_per_s.samples == [one.throughput_per_s for one in used]
        assert min(mode.throughput_per_s.samples) > 0
        assert mode.ack_ms.n == mode.delivery_ms.n == MESSAGES * len(used)
    assert {one.verdict for one in measured.report.comparisons} == {"unknown"}


# What is reported: section 5 of the design.

KEYS = {
    "": "schema command seed environment scenario history rounds measurement simulated control "
    "complete modes comparisons trust ceilings",
    "modes": "naive optimized",
    "modes.naive": "parts ack_means throughput_per_s ack_ms delivery_ms ack_send_ms "
    "delivery_send_ms ack_curve delivery_curve io cpu_s rss_peak_bytes audit refusals rounds "
    "shares",
    "modes.naive.parts": " ".join(PARTS),
    "modes.naive.throughput_per_s": "median low high samples",
    "modes.naive.ack_ms": "p50 p95 p99 n",
    "modes.naive.io": "reads writes fsyncs bytes_read bytes_written per_message files",
    "modes.naive.io.files.messages.json": "reads writes fsyncs bytes_read bytes_written",
    "modes.naive.audit": "sent acked refused unanswered saved delivered lost duplicated "
    "misdelivered reordered corrupt misrefused",
    "modes.naive.rounds.0": "number invalid noisy throughput_per_s ack_ms delivery_ms "
    "operations_per_message cpu_s rss_peak_bytes loop_lag_ms late_p99_ms sender_cpu_percent audit "
    "series damage",
    "modes.naive.rounds.0.series": "t_s sent acked delivered outstanding oldest_s",
    "comparisons.0": "baseline mode metric ratio low high verdict",
    "trust.0": "check ok value limit",
}
"""The keys of the JSON, in their order: programs of others read them."""


@pytest.mark.parametrize("path", KEYS)
def test_the_json_has_the_keys_that_were_promised(path: str, measured: Measured) -> None:
    found = measured.json
    for step in path.replace("messages.json", "messages/json").split(".") if path else ():
        key = step.replace("/", ".")
        found = found[int(key)] if isinstance(found, list) else found[key]  # type: ignore[index]
    assert list(found) == KEYS[path].split()


def test_the_json_says_how_to_do_it_again_and_is_read_back(measured: Measured) -> None:
    found, report = measured.json, measured.report
    assert found["schema"] == "chatlab.compare/1"
    assert found["command"] == "chatlab compare --some-option"
    assert (found["seed"], found["history"], found["rounds"]) == (5, 3, 2)
    assert found["scenario"]["messages"] == MESSAGES
    assert found["complete"] is True
    assert {"chatlab", "python", "system"} <= found["environment"].keys()
    read = msgspec.json.decode(indented_json(report), type=Report)
    assert (read.modes, read.ceilings) == (report.modes, report.ceilings)
    for mode in found["modes"].values():
        for kind in KEYS["modes.naive.io.files.messages.json"].split():
            assert mode["io"][kind] == sum(file[kind] for file in mode["io"]["files"].values())


def test_each_mode_is_shown_as_a_share_of_each_ceiling(measured: Measured) -> None:
    report, compare = measured.report, measured.compare
    assert set(report.ceilings) == set(CEILINGS)
    for name, ceiling in compare.ceilings_done.items():
        assert min(one.throughput_per_s for one in ceiling) > 0
        for mode, rounds in compare.rounds_done.items():
            # On a busy machine a round may be invalid; no share may rest on such a one.
            shares = [
                ours.load.throughput_per_s / theirs.throughput_per_s
                for ours, theirs in zip(rounds, ceiling, strict=True)
                if not ours.invalid
            ]
            found = report.modes[mode].shares
            assert (found[name].samples if name in found else []) == pytest.approx(shares)
    assert any(one.check.startswith("sender CPU against a ceiling") for one in report.trust)


@pytest.mark.parametrize("in_flight", [None, 2])
async def test_an_echo_server_answers_each_message_to_its_sender_alone(in_flight) -> None:
    scenario = msgspec.structs.replace(TINY, in_flight=in_flight)
    async with LoadProcess() as worker, ListeningProcess("chatlab.bench.machine") as server:
        result = await worker.run(LoadJob(server.url, scenario, 1, "0", echo=True))
    assert result.complete
    assert (result.sent, result.acked, result.delivered, result.altered) == (60, 60, 60, 0)
    for user in range(4):
        assert result.received[user] == [n for n, one in enumerate(result.plan) if one.user == user]


def nothing_stays(folder: Path) -> None:
    assert list(folder.iterdir()) == []
    commands = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    assert not [words for words in commands if str(folder) in " ".join(words)]


class Watched(dict[str, RoundProgress]):
    """The rounds under way; notices when messages begin to flow in the round of a number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self._number = number

    def __setitem__(self, name: str, progress: RoundProgress) -> None:
        super().__setitem__(name, progress)
        if (progress.number, progress.step) == (self._number, "measuring"):
            self.reached.set()


@pytest.mark.parametrize(("number", "reported"), [(1, []), (2, ["naive"])])
async def test_a_cancelled_comparison_reports_the_rounds_that_were_complete(
    number: int, reported: list[str], tmp_path: Path
) -> None:
    race = Compare(["naive", "optimized"], TINY, seed=1, rounds=500, work_folder=tmp_path)
    race.under_way = watched = Watched(number)
    running = asyncio.create_task(race.run())
    await watched.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    report = race.report("chatlab compare")

    assert not report.complete
    assert list(report.modes) == reported
    assert [mode.audit.sent for mode in report.modes.values()] == [MESSAGES] * len(reported)
    assert report.comparisons == []
    nothing_stays(tmp_path)


async def test_a_server_that_does_not_start_ends_the_comparison(tmp_path: Path) -> None:
    options = ServerOptions(host="256.0.0.1")
    race = Compare(["naive"], TINY, seed=1, rounds=1, work_folder=tmp_path, options=options)
    with pytest.raises(UsageError, match="cannot listen"):
        await race.run()
    nothing_stays(tmp_path)
