"""What chatlab counts is what the operating system was asked to do: counted by `strace`."""

from __future__ import annotations

import re
import shutil
from collections import Counter, defaultdict
from itertools import dropwhile
from pathlib import Path

import pytest

from tests.support.chat_client import new_contents, stats
from tests.support.command_line import serving_alice

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]

N = 1_000
FIELDS = {
    **{"read": "bytes_read", "pread64": "bytes_read"},
    **{"write": "bytes_written", "pwrite64": "bytes_written"},
    **{"fsync": "fsyncs", "fdatasync": "fsyncs"},
}
CALLS = "openat,read,pread64,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2"

# `1767225600.000001 read(5</tmp/x/messages.json>, "...", 100) = 100`
_CALL = re.compile(r"([\d.]+) (\w+)\((.*)\) += (\d+)(<.*>)?.*")


def traced_calls(folder: Path) -> list[tuple[str, str, int]]:
    """(call, arguments, result) of every call that succeeded, in order of their beginnings."""
    lines = (line for path in folder.glob("trace.*") for line in path.read_text().splitlines())
    calls = [found.groups() for line in lines if (found := _CALL.fullmatch(line))]
    return [(call[1], call[2], int(call[3])) for call in sorted(calls)]


def file_of(arguments: str, folder: Path) -> str:
    """Which data file a call is about, counted as chatlab counts; "" if none."""
    if f"{folder}>" in arguments.split(",")[0]:
        return "(folder)"
    found = re.search(rf"{re.escape(str(folder))}/([\w.]+)", arguments)
    return found[1].removesuffix(".tmp") if found else ""


def counted(calls: list[tuple[str, str, int]], folder: Path) -> dict[str, Counter[str]]:
    """For each data file: opens to read and to write, bytes, fsyncs."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for call, arguments, result in calls:
        name = file_of(arguments, folder)
        if not name or (name == "(folder)" and not call.startswith("f")):
            continue
        if call == "openat":
            counts[name]["reads" if "O_RDONLY" in arguments else "writes"] += 1
        elif call in FIELDS:
            counts[name][FIELDS[call]] += 1 if FIELDS[call] == "fsyncs" else result
    return counts


@pytest.mark.parametrize("mode", ["naive", "optimized"])
async def test_stats_agree_with_the_trace_of_a_thousand_messages(mode: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    strace = ("strace", "-ff", "-ttt", "-y", "--seccomp-bpf", "-s", "16", "-e", f"trace={CALLS}")
    options = ("--mode", mode, "--stop-with-stdin")
    prefix = (*strace, "-o", str(tmp_path / "trace"))
    async with serving_alice(folder, *options, prefix=prefix) as (server, alice):
        for n in range(N):
            await alice.shout(f"message {n}")
        await alice.until(lambda: len(alice.heard()) == N, "a thousand messages", wait_s=40)
        seen = await stats(server.url)
        assert await server.end() == 0, server.errors
    assert len(new_contents(folder)) == N

    calls = traced_calls(tmp_path)
    calls = list(dropwhile(lambda one: one[0] != "write" or "listening" not in one[1], calls))
    counts = counted(calls, folder)
    fields = ("reads", "writes", "fsyncs", "bytes_read", "bytes_written")
    assert {name: {f: count[f] for f in fields} for name, count in counts.items()} == {
        name: {f: getattr(io, f) for f in fields} for name, io in seen.files.items()
    }
    renames = sum(call.startswith("rename") for call, _, _ in calls)
    messages, rooms = seen.files["messages.json"], seen.files["chatrooms.json"]
    if mode == "naive":
        # One more for the welcome, one for entering the room.
        assert (messages.reads, messages.writes, rooms.reads) == (N, N, N + 2)
        assert renames == 0
    else:
        assert messages.writes == messages.fsyncs == renames == seen.queue.flushes
        assert N / 100 <= messages.writes < N / 2
