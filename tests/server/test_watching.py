"""What one can see of a running server is what really happened."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from chatlab.chat import snapshot as snapshots
from chatlab.chat.modes import MODES
from chatlab.chat.server import http
from tests.support.chat_client import chatting, get, running, stats
from tests.support.command_line import serving

N = 25

# The text format's grammar, version 0.0.4: a name, labels, a number.
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)?\}})? (\S+)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram|summary|untyped)")


def parsed(text: str) -> dict[str, float]:
    """Every sample of a Prometheus text, by name and labels; fails where a scraper would."""
    assert text.endswith("\n")
    samples: dict[str, float] = {}
    types: dict[str, str] = {}
    for line in text.splitlines():
        if declared := _TYPE.fullmatch(line):
            assert declared[1] not in types, f"{declared[1]} is declared twice"
            types[declared[1]] = declared[2]
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, f"not in the text format: {line!r}"
        assert sample[1] in types, f"no TYPE before {line!r}"
        assert (types[sample[1]] == "counter") == sample[1].endswith("_total"), line
        key = sample[1] + (f"{{{sample[2]}}}" if sample[2] else "")
        assert key not in samples, f"{key} stands there twice"
        samples[key] = float(sample[3])
    return samples


@pytest.mark.parametrize("mode", MODES)
async def test_stats_and_metrics_count_each_step_of_each_message(mode: str, tmp_path: Path) -> None:
    how = {"flush_interval_s": 0.001}
    async with chatting(mode, tmp_path, "alice", "bob", **how) as (server, alice, bob):
        for n in range(N):
            await alice.say(f"message {n}")
        await bob.until(lambda: len(bob.heard()) == N, "all of it")
        await alice.say("")
        seen = await stats(server.url)
        answer = await get(server.url, "/metrics")
        health = await get(server.url, "/health")
    counts = seen.counts
    assert (counts.accepted, counts.acked, counts.saved, counts.delivered) == (N, N, N, N)
    assert (counts.frames, counts.refused, seen.refusals) == (2 * N, 1, {"invalid_field": 1})
    assert (seen.mode, seen.parts, seen.clients) == (mode, MODES[mode].parts, 2)
    assert (seen.queue.depth, seen.queue.oldest_s, seen.queue.failures) == (0, 0, 0)
    assert (seen.cache.hits > 0) == (MODES[mode].parts["reader"] == "ttl")
    assert (seen.ack_ms.n, seen.save_ms.n, seen.delivery_ms.n) == (N, N, N)
    assert seen.ack_ms.p50 > 0
    assert seen.rss_peak_bytes >= seen.rss_bytes > 0
    assert (health.status, health.json) == (200, {"status": "ok", "mode": mode, "storage": "ok"})

    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    samples = parsed(answer.body)
    assert samples[f'chatlab_info{{mode="{mode}",ack_means="{seen.ack_means}"}}'] == 1
    for name in ("accepted", "acked", "saved", "delivered", "frames", "refused"):
        assert samples[f"chatlab_{name}_total"] == getattr(counts, name)
    for file, io in seen.files.items():
        for field in ("reads", "writes", "fsyncs", "bytes_read", "bytes_written"):
            assert samples[f'chatlab_file_{field}_total{{file="{file}"}}'] == getattr(io, field)
    assert samples['chatlab_refusals_total{code="invalid_field"}'] == 1
    assert samples["chatlab_clients"] == 2
    assert samples['chatlab_ack_milliseconds{quantile="0.5"}'] > 0


async def test_naive_pays_two_reads_and_a_write_per_message(tmp_path: Path) -> None:
    async with chatting("naive", tmp_path, "alice") as (server, alice):
        before = await stats(server.url)
        rooms_bytes = (tmp_path / "chatrooms.json").stat().st_size
        sizes = [(tmp_path / "messages.json").stat().st_size]
        for n in range(N):
            await alice.say(f"message {n}")
            sizes.append((tmp_path / "messages.json").stat().st_size)
        after = await stats(server.url)
    cost = {name: io - before.files.get(name, io - io) for name, io in after.files.items()}
    rooms, messages = cost["chatrooms.json"], cost["messages.json"]
    assert (rooms.reads, rooms.writes, rooms.fsyncs) == (N, 0, 0)
    assert (rooms.bytes_read, rooms.bytes_written) == (N * rooms_bytes, 0)
    assert (messages.reads, messages.writes, messages.fsyncs) == (N, N, 0)
    assert (messages.bytes_read, messages.bytes_written) == (sum(sizes[:-1]), sum(sizes[1:]))
    assert sum(io.operations for io in cost.values()) == 3 * N


async def test_optimized_pays_one_write_and_two_fsyncs_for_a_whole_batch(tmp_path: Path) -> None:
    how = {"flush_interval_s": 3600, "batch_size_max": N}
    async with chatting("optimized", tmp_path, "alice", **how) as (server, alice):
        await alice.ask("history", roomId="general")  # what it reads now, it remembers
        before = await stats(server.url)
        for n in range(4 * N):
            await alice.shout(f"message {n}")
        await alice.until(lambda: len(alice.heard()) == 4 * N, "all of it")
        after = await stats(server.url)
    cost = after.files["messages.json"] - before.files["messages.json"]
    assert (cost.reads, cost.writes, cost.fsyncs) == (0, 4, 4)
    assert after.files["chatrooms.json"] == before.files["chatrooms.json"]
    folder_syncs = before.files.get("(folder)", cost - cost).fsyncs
    assert after.files["(folder)"].fsyncs - folder_syncs == 4
    assert (after.batches.last, after.batches.largest, after.batches.mean) == (N, N, N)
    assert after.queue.flushes == 4


async def test_neither_starting_nor_watching_costs_a_file_operation(tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server:
        for path in ("/stats", "/metrics", "/health"):
            await get(server.url, path)
        async with connect(f"{server.url}/stats", proxy=None) as stream:
            frame = await stream.recv()
        assert snapshots.decode(frame).files == {}
        assert isinstance(frame, str)
        assert json.loads(frame).keys() == (await get(server.url, "/stats")).json.keys()


async def test_the_queue_shows_its_depth_its_oldest_message_and_the_knob_in_the_mode(
    tmp_path: Path,
) -> None:
    mode = "optimized+queue-limit=77+flush-interval=3600"
    how = {"queue_limit": 5, "batch_size_max": 6}
    async with chatting(mode, tmp_path, "alice", **how) as (server, alice):
        for n in range(3):
            await alice.say(f"message {n}")
        seen, second = await stats(server.url), (await stats(server.url)).queue
        assert server.settings.batch_size_max == 6
        assert (seen.mode, seen.queue.depth, seen.queue.limit) == (mode, 3, 77)
        assert 0 < seen.queue.oldest_s < second.oldest_s


@pytest.mark.parametrize("interval", ["0.05", "0", "nan", "soon"])
async def test_the_stats_stream_sends_one_snapshot_after_another(
    interval: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "STATS_INTERVAL_S", 0.05)
    async with (
        chatting("naive", tmp_path, "alice") as (server, alice),
        connect(f"{server.url}/stats?interval_s={interval}", proxy=None) as stream,
    ):
        first = snapshots.decode(await stream.recv())
        assert (await alice.say("hello"))["type"] == "ack"
        second = snapshots.decode(await stream.recv())
        assert (first.counts.saved, second.counts.saved) == (0, 1)
        assert second.uptime_s > first.uptime_s
        assert second.clients == 1, "watchers are no chat clients"


@pytest.mark.real
async def test_the_peak_of_memory_is_not_that_of_whoever_started_the_server(tmp_path: Path) -> None:
    """Linux keeps a process's record over execve: a large parent must not make a large server."""
    large = bytearray(b"x" * 300_000_000)
    async with serving(tmp_path / "data", "--mode=journal", "--stop-with-stdin") as server:
        peak_bytes = (await stats(server.url)).rss_peak_bytes
        assert await server.end() == 0
    assert 20_000_000 < peak_bytes < len(large)


BROKEN_MONITOR = """
from chatlab.chat.parts.message_seams import Monitor

class Mine(Monitor):
    def count(self, name, count): raise RuntimeError("not yet")
    def per_s(self, name): return "a lot"
    def percentile(self, samples, fraction): return 1 / 0
"""


async def test_a_monitor_of_ones_own_that_fails_stops_nothing_and_shows(tmp_path: Path) -> None:
    part = tmp_path / 'we"ird' / "mine.py"
    part.parent.mkdir()
    part.write_text(BROKEN_MONITOR)
    mode = f"naive+monitor={part}:Mine"
    async with chatting(mode, tmp_path / "data", "alice") as (server, alice):
        for n in range(N):
            await alice.say(f"message {n}")
        seen = await stats(server.url)
        samples = parsed((await get(server.url, "/metrics")).body)

    assert seen.counts.saved == samples["chatlab_saved_total"] == N
    assert any('we\\"ird' in key for key in samples)
    assert seen.rates.saved_per_s is None
    assert seen.save_ms.p50 is None
    assert [note.times for note in seen.notes if "the monitor's" in note.text] == [1, 1]
    assert "the monitor's count failed: RuntimeError: not yet" in [one.text for one in seen.notes]
