"""When messages arrive, what waits outside, and where a message's time goes."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.chat.parts.store.journal import JournalStore
from chatlab.chat.server.app import ChatServer
from chatlab.chat.server.arrivals import (
    MARKS_MAX,
    ArrivalLog,
    LoggingConnection,
    StampedSocket,
    unread_bytes,
)
from chatlab.chat.server.listening import listening_socket
from tests.support.chat_client import ChatClient, chatting, eventually, get
from tests.support.parts import FakeClock

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's stamps are Linux's")


# The log.


def test_messages_read_as_they_come_arrived_when_they_were_read() -> None:
    log = ArrivalLog(clock := FakeClock(0.0))
    for at in (1.0, 2.0, 3.0):
        clock.advance(1)
        log.read(300, 3)
        assert log.oldest() == 1.0, at

    assert [log.taken(left) for left in range(8, -1, -1)] == [1.0] * 3 + [2.0] * 3 + [3.0] * 3
    assert log.oldest() is None


def test_a_stamp_says_how_long_ago_bytes_came_but_never_before_others_were_read() -> None:
    log = ArrivalLog(clock := FakeClock(0.0))
    clock.advance(5)
    log.read(100, 1, age_s=2.0)
    clock.advance(5)
    log.read(100, 1, age_s=60.0)  # the clock of the system was set
    log.read(100, 1, age_s=-60.0)

    assert [log.taken(left) for left in (2, 1, 0)] == [3.0, 3.0, 10.0]


def test_a_message_in_fragments_arrived_with_its_last_one() -> None:
    log = ArrivalLog(clock := FakeClock(0.0))
    for _ in range(3):
        clock.advance(1)
        log.read(50, 1)
    log.read(50, 1)

    assert log.taken(1) == 3.0  # three of the four entries are gone
    assert log.taken(0) == 3.0


def test_what_waits_in_a_socket_that_is_not_read_arrived_when_it_was_first_seen_there() -> None:
    log = ArrivalLog(clock := FakeClock(0.0))
    for held in (100, 100, 300):
        clock.advance(1)
        log.look(held)
    clock.advance(7)
    assert log.oldest() == 1.0
    log.read(400, 4, age_s=0.5)  # a fourth came after the last look

    assert [log.taken(left) for left in (3, 2, 1, 0)] == [1.0, 3.0, 3.0, 9.5]
    assert log.oldest() is None


@given(st.lists(st.integers(1, 5), min_size=1, max_size=50), st.data())
def test_every_message_is_logged_with_a_time_between_its_bounds(sizes: list[int], data) -> None:
    """The model: message by message, when it came into the socket, and when it was read."""
    log, clock = ArrivalLog(FakeClock(0.0)), None
    clock = log._clock
    held: list[tuple[float, int]] = []
    waiting: list[tuple[float, float]] = []
    for count in sizes:
        clock.advance(1)  # type: ignore[attr-defined]
        held += [(clock(), 10)] * count
        log.look(10 * len(held))
        if data.draw(st.booleans()):
            clock.advance(1)  # type: ignore[attr-defined]
            log.read(10 * len(held), len(held))
            waiting += [(came, clock()) for came, _ in held]
            held = []
        while waiting and data.draw(st.booleans()):
            came, _read = waiting.pop(0)
            assert log.taken(len(waiting)) == came


def test_the_looks_at_one_socket_are_bounded_and_keep_their_range() -> None:
    log = ArrivalLog(clock := FakeClock(0.0))
    for held in range(1, 10 * MARKS_MAX):
        clock.advance(1)
        log.look(held)
    assert len(log._marks) <= MARKS_MAX
    assert log.oldest() <= 20 * MARKS_MAX  # type: ignore[operator]
    assert log._marks == sorted(log._marks)


# Real sockets.


@ON_LINUX
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_kernel_says_when_bytes_came_even_if_they_are_read_later(host: str) -> None:
    listening = listening_socket(host, 0, print)
    assert listening is not None
    with listening, socket.create_connection(listening.getsockname()[:2]) as client:
        accepted, _ = listening.accept()
        with accepted:
            end = time.monotonic() + 5  # the kernel begins to stamp soon after the first asks
            while not accepted.received_at and time.monotonic() < end:
                client.sendall(b"?")
                accepted.recv(1)
            before = time.time()
            client.sendall(b"early")
            while len(accepted.recv(100, socket.MSG_PEEK)) < 5:
                pass
            seen = time.time()
            while time.time() < seen + 0.02:
                pass
            assert accepted.recv(100) == b"early"
            assert before - 0.001 <= accepted.received_at <= seen


@ON_LINUX
def test_a_read_without_a_stamp_forgets_the_one_before() -> None:
    ours, theirs = socket.socketpair()
    with StampedSocket(fileno=ours.detach()) as stamped, theirs:
        stamped.received_at = 1.0
        theirs.sendall(b"no stamp was asked for")
        assert stamped.recv(100)
        assert stamped.received_at == 0.0


async def test_no_frame_waits_for_others_to_fill_a_packet(tmp_path: Path) -> None:
    async with chatting("naive", tmp_path, "alice") as (server, _):
        (connection,) = server._connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# A journal, because what is said here is much: rewriting it each time would take seconds.
@pytest.mark.parametrize("mode", ["naive+store=journal", "naive+store=journal+transport=bulk"])
async def test_what_waits_is_counted_wherever_it_waits(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    gate.set()  # its start saves, too
    save = JournalStore.save

    async def held_up(self, batch) -> None:
        await gate.wait()
        await save(self, batch)

    monkeypatch.setattr(JournalStore, "save", held_up)
    async with chatting(mode, tmp_path, "alice", "bob") as (server, alice, bob):
        gate.clear()
        for n in range(1, 4):
            await alice.shout(f"{n}")
        await eventually(lambda: server.snapshot().waiting.messages == 2, "two wait outside")
        await eventually(lambda: server.snapshot().queue.depth == 1, "one is being saved")
        before = server.snapshot().waiting
        assert before.bytes == 0
        assert server.snapshot().waiting.oldest_s > before.oldest_s > 0

        flooding = asyncio.create_task(_flood(bob, 300))
        await eventually(lambda: _held(server) > 10_000, "bytes wait in bob's socket")
        # Whoever is not read is looked at, all the time.
        await eventually(lambda: any(_looked_at(one) for one in server._connections), "a look")
        text = (await get(server.url, "/metrics")).body
        assert "chatlab_waiting_messages" in text
        assert "chatlab_waiting_bytes" in text

        gate.set()
        await flooding
        await alice.until(lambda: len(alice.heard()) == 303, "all of it")
        after = server.snapshot().waiting
        assert (after.messages, after.bytes, after.oldest_s) == (0, 0, 0)
        assert server.snapshot().delivery_ms.n == 303


async def _flood(client: ChatClient, count: int) -> None:
    for _ in range(count):
        await client.shout("x" * 3_000)


def _looked_at(connection: LoggingConnection) -> bool:
    return not connection.transport.is_reading() and bool(connection.arrivals._marks)


def _held(server: ChatServer) -> int:
    return server.snapshot().waiting.bytes or 0


async def test_bytes_of_a_socket_that_has_gone_are_none(tmp_path: Path) -> None:
    async with chatting("naive", tmp_path, "alice") as (server, alice):
        (connection,) = server._connections
        await alice.connection.close()
        await eventually(lambda: not server._connections, "alice is gone")
        assert unread_bytes(connection.transport) == 0


# Traces.


@pytest.mark.parametrize("mode", ["naive", "optimized", "journal"])
@pytest.mark.parametrize("frames", ["single", "batch"])
async def test_a_message_tells_where_its_time_went_if_its_sender_asks(
    mode: str, frames: str, tmp_path: Path
) -> None:
    async with chatting(mode, tmp_path, "alice") as (server, alice):
        where = server.url, "bob", "general"
        async with await ChatClient.connect(*where, query=f"&frames={frames}") as bob:
            began = time.perf_counter()
            await bob.post("send_message", roomId="general", content="where?", trace=True)
            await bob.until(lambda: bob.of("trace"), "the trace")
            took_ms = (time.perf_counter() - began) * 1000
            (trace,) = bob.of("trace")
            await bob.post("send_message", roomId="general", content="no trace")
            await alice.until(lambda: alice.heard() == ["where?", "no trace"], "both")

            steps = ("waitingMs", "checkMs", "queueMs", "saveMs", "deliveryMs")
            assert all(trace[step] >= 0 for step in steps)
            assert 0 < sum(trace[step] for step in steps) <= took_ms
            assert 0 < trace["ackMs"] <= took_ms
            assert trace["saveMs"] > 0
            assert len(bob.of("trace")) == 1
            assert not alice.of("trace")
