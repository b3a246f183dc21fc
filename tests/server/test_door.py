"""Nobody takes the places of others, guesses a secret quickly, or stays without a sign of life."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Opcode

from chatlab.chat.rates import Allowance, network
from chatlab.chat.server import app
from chatlab.chat.server import door as doors
from chatlab.chat.server.app import ChatServer
from chatlab.chat.server.door import Places
from chatlab.chat.server.http import FRESH_AT_ONCE, SHARED_S, SharedSnapshots
from chatlab.chat.server.listening import NONE, ListeningSocket, listening_socket
from tests.server.test_refusals import refused_handshake
from tests.support.chat_client import WAIT_S, ChatClient, chatting, eventually, get, running
from tests.support.command_line import needs_signals, serving_alice
from tests.support.parts import FakeClock

ELSEWHERE = {"local_addr": ("127.0.0.2", 0)}
HALF_A_REQUEST = b"GET /?user=zoe HTTP/1.1\r\nHost: x\r\n"
WHOLE_REQUEST = HALF_A_REQUEST + (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def dialled(url: str, request: bytes) -> socket.socket:
    """A socket that sends a request and never answers anything."""
    address = urlsplit(url)
    raw = socket.create_connection((address.hostname or "", address.port or 0), timeout=WAIT_S)
    raw.sendall(request)
    return raw


def told(raw: socket.socket, words: bytes) -> bool:
    """Whether these words come before the other end closes."""
    seen = b""
    while words not in seen:
        more = raw.recv(65_536)
        if not more:
            return False
        seen += more
    return True


def noted(server: ChatServer, words: str) -> int:
    """How many times a note with these words was made."""
    return sum(note.times for note in server.snapshot().notes if words in note.text)


async def test_who_guesses_the_secret_waits_and_only_who_guesses(tmp_path: Path) -> None:
    clock = FakeClock()
    async with running("naive", tmp_path, token="right", clock=clock) as server:
        right = f"{server.url}/?user=alice&token=right"
        for n in range(doors.GUESSES_AT_ONCE):
            assert (await get(server.url, f"/stats?token=guess-{n}")).status == 401
        assert await refused_handshake(right) == (429, "too_many_guesses")
        assert (await get(server.url, "/stats?token=right")).status == 429
        assert (await get(server.url, "/stats")).status == 401  # shows none: guesses nothing
        assert (await get(server.url, "/health")).status == 200
        async with connect(right, proxy=None, **ELSEWHERE):
            pass
        clock.advance(doors.GUESS_EVERY_S)
        async with connect(right, proxy=None):
            pass
        assert noted(server, "a wrong secret") == doors.GUESSES_AT_ONCE


def test_a_bucket_fills_again_and_the_number_of_buckets_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatlab.chat.rates.BUCKETS_MAX", 3)
    clock = FakeClock()
    allowance = Allowance(clock, at_once=2, every_s=10)
    for address in ("a", "a", "b", "c"):
        assert allowance.wait_s(address) == 0
        allowance.spend(address)
    assert (allowance.wait_s("a"), allowance.wait_s("b")) == (10, 0)
    clock.advance(4)
    assert allowance.wait_s("a") == 6
    clock.advance(100)
    for _ in range(2):
        assert allowance.wait_s("a") == 0
        allowance.spend("a")
    assert allowance.wait_s("a") == 10
    for address in ("d", "e", "f"):
        allowance.spend(address)
    assert len(allowance._full_at) == 3


def test_the_last_tenth_is_for_addresses_with_less_than_their_share() -> None:
    places = Places(100, "clients")

    def taken_by(address: str) -> int:
        for count in range(200):
            if places.taken_from(address):
                return count
            places.take(address)
        raise AssertionError("there is no end")

    assert taken_by("greedy") == 90
    assert "for your address" in places.taken_from("greedy")
    assert [taken_by(f"a-{n}") for n in range(5)] == [10, 0, 0, 0, 0]
    assert "try again later" in places.taken_from("late")
    for _ in range(10):
        places.free("a-0")
    for n in range(10):  # each newcomer makes all shares smaller
        places.take(f"b-{n}")
    assert places.all_taken
    for _ in range(90):
        places.free("greedy")
    assert taken_by("late") == 80
    assert "late" not in Places(1, "clients")._held


@pytest.mark.parametrize(("path", "of"), [("/?user=u{}", "clients"), ("/stats?{}", "watchers")])
async def test_one_address_leaves_places_to_others(path: str, of: str, tmp_path: Path) -> None:
    async with running("naive", tmp_path, **{f"{of}_max": 10}) as server:
        url = server.url + path
        inside = [await connect(url.format(n), proxy=None) for n in range(9)]
        assert await refused_handshake(url.format("x")) == (503, "server_full")
        async with connect(url.format("y"), proxy=None, **ELSEWHERE) as other:
            await other.recv()
            assert await refused_handshake(url.format("z"), **ELSEWHERE) == (503, "server_full")
        for one in inside:
            await one.close()
        await eventually(lambda: not server._door.inside(), "every place is free again")
        async with connect(url.format("x"), proxy=None):
            pass


async def test_unfinished_handshakes_cost_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "HANDSHAKES_MAX", 8)
    monkeypatch.setattr(app, "OPEN_TIMEOUT_S", 10 * WAIT_S)
    async with chatting("naive", tmp_path, "alice") as (server, alice), asyncio.timeout(WAIT_S):
        with ExitStack() as stack:
            slow = [
                stack.enter_context(await asyncio.to_thread(dialled, server.url, HALF_A_REQUEST))
                for _ in range(50)
            ]
            assert (await get(server.url, "/health")).status == 200
            assert (await alice.say("still here"))["type"] == "ack"
            async with await ChatClient.connect(server.url, "bob", "general", **ELSEWHERE) as bob:
                assert bob.of("welcome")
            assert noted(server, "unfinished handshakes") >= 42
            assert server._door._handshaking <= 8
            assert await asyncio.to_thread(slow[0].recv, 1) == b""
        await eventually(lambda: not server._door._handshakes, "none is counted any more")


def test_snapshots_are_made_and_encoded_once_for_all_who_look_at_once() -> None:
    clock, made = FakeClock(), []

    def make() -> Any:
        made.append(clock.now)
        return ("snapshot", len(made))

    shared = SharedSnapshots(make, clock)
    encoded = {shared.encoded() for _ in range(200)}
    assert (len(made), len(encoded)) == (1, 1)
    clock.advance(SHARED_S * 1.1)
    assert shared.encoded() not in encoded
    # A request gets what is true now, as long as not all of them come at once.
    answers = [shared.encoded("10.0.0.1") for _ in range(FRESH_AT_ONCE + 50)]
    assert len(set(answers)) == FRESH_AT_ONCE
    assert shared.encoded("10.0.0.2") != answers[-1]


@asynccontextmanager
async def frozen_zoe(folder: Path, **how: Any) -> AsyncIterator[tuple[ChatServer, socket.socket]]:
    """A server with a client that is connected and shows no sign of life."""
    async with running("naive", folder, **how) as server:
        with await asyncio.to_thread(dialled, server.url, WHOLE_REQUEST) as raw:
            await eventually(lambda: server.snapshot().clients == 1, "zoe is there")
            yield server, raw


async def pass_time(server: ChatServer, clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds):
        clock.advance(1)
        server._look()
        await asyncio.sleep(0)  # what a look started begins


async def test_who_shows_no_sign_of_life_is_disconnected(tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        frozen_zoe(tmp_path, clock=clock, silence_max_s=75) as (server, raw),
        await ChatClient.connect(server.url, "alice", "general") as alice,
        connect(f"{server.url}/stats?interval_s=60", proxy=None) as watcher,
        connect(f"{server.url}/?user=bob", proxy=None) as bob,
    ):
        (bobs,) = (one for one in server._door.inside() if "bob" in str(one.request))
        bobs.transport.pause_reading()
        await bob.send('{"type": "list_rooms"}')  # waits unread: the server is slow, not bob
        await eventually(bobs.holds_unread, "bob's frame")
        for _ in range(2):
            await pass_time(server, clock, 40)
            await alice.say("here")
            await (await watcher.ping())
        bobs.transport.resume_reading()
        await pass_time(server, clock, 1)
        clock.advance(3_600)  # a laptop that slept: nobody could be heard
        server._look()
        assert noted(server, "no sign of life") == 1
        assert await asyncio.to_thread(told, raw, b"no sign of life for 75 s")
        assert (await alice.say("still here"))["type"] == "ack"


async def test_many_newcomers_cost_a_name_that_answers_one_check(tmp_path: Path) -> None:
    async with chatting("naive", tmp_path, "alice") as (server, alice):
        ping = alice.connection.protocol.recv_frame
        frames: list[Any] = []
        alice.connection.protocol.recv_frame = lambda one: (frames.append(one.opcode), ping(one))[1]
        for _ in range(3):
            taken = [ChatClient.connect(server.url, "alice") for _ in range(5)]
            for one in await asyncio.gather(*taken):
                assert one.of("error")[0]["code"] == "user_taken"
                await one.connection.close()
        assert frames.count(Opcode.PING) == 1
        assert (await alice.say("still me"))["type"] == "ack"


async def test_a_frozen_client_loses_its_name_to_one_of_those_who_ask(tmp_path: Path) -> None:
    async with frozen_zoe(tmp_path, name_check_s=0.05) as (server, raw):
        newcomers = await asyncio.gather(*(ChatClient.connect(server.url, "zoe") for _ in range(5)))
        in_the_room = [one for one in newcomers if one.of("welcome")]
        codes = [error["code"] for one in newcomers for error in one.of("error")]
        assert (len(in_the_room), codes) == (1, ["user_taken"] * 4)
        assert noted(server, "did not answer") == 1
        assert await asyncio.to_thread(told, raw, b"another connection took this name")
        (zoe,) = in_the_room
        await zoe.ask("join_room", roomId="general")
        assert (await zoe.say("it is me"))["type"] == "ack"
        for one in newcomers:
            await one.connection.close()
        await eventually(lambda: server.snapshot().clients == 0, "all are gone")


@needs_signals
async def test_a_server_with_few_descriptors_serves_some_and_says_so(tmp_path: Path) -> None:
    few = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    how = {"prefix": few}
    async with serving_alice(tmp_path, "--mode=journal+segment-size=2000", **how) as (
        server,
        alice,
    ):
        with ExitStack() as stack:
            for request in (HALF_A_REQUEST, WHOLE_REQUEST) * 100:
                raw = await asyncio.to_thread(dialled, server.url, request)
                stack.enter_context(raw)
            assert (await get(server.url, "/health")).status == 200
            for n in range(30):  # each few of them need a file of their own
                assert (await alice.say(f"{n} {'x' * 500}"))["type"] == "ack"
            notes = [one["text"] for one in (await get(server.url, "/stats")).json["notes"]]
            assert any("ulimit -n" in text for text in notes)
        await alice.connection.close()
        assert await server.end("SIGTERM") == 0
        assert server.errors == ""


async def test_where_no_descriptor_is_left_the_last_one_serves_health(tmp_path: Path) -> None:
    """Whatever else in the process has taken them, such as a part that leaks files."""
    async with chatting("naive", tmp_path, "alice") as (server, alice):
        if not isinstance(server._server.sockets[0]._sock, ListeningSocket):
            pytest.skip("only where this server accepts by itself")
        with no_descriptor_left(but_the_spare=True):
            assert (await get(server.url, "/health")).status == 200
            assert (await alice.say("here"))["type"] == "ack"
            assert await refused_handshake(f"{server.url}/?user=bob") == (503, "server_full")
        async with await ChatClient.connect(server.url, "bob") as bob:
            assert bob.of("welcome")
        assert noted(server, "new connections are turned away: Too many open files") >= 2


def test_a_failed_accept_without_a_spare_is_told_to_asyncio_once() -> None:
    notes: set[str] = set()
    listening = listening_socket("127.0.0.1", 0, notes.add)
    if listening is None:
        pytest.skip("only where this server accepts by itself")
    with listening, no_descriptor_left(but_the_spare=False):
        with pytest.raises(OSError, match="Too many"):
            listening.accept()
        with pytest.raises(BlockingIOError):  # so it asks no more, for a second
            listening.accept()
    assert notes == {"new connections are turned away: Too many open files (ulimit -n)"}


@contextmanager
def no_descriptor_left(*, but_the_spare: bool) -> Iterator[None]:
    """No socket can be accepted, unless with the spare descriptor, for as long as this lasts."""
    accept = socket.socket.accept

    def no_descriptor(one: socket.socket) -> Any:
        if isinstance(one, ListeningSocket) and (one._spare != NONE or not but_the_spare):
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "accept", no_descriptor)
        yield


def test_an_ipv4_address_counts_as_itself_at_a_socket_for_both_versions() -> None:
    assert network(("::ffff:10.1.2.3", 1, 0, 0)) == network(("10.1.2.3", 1))
    assert network(("::ffff:10.1.2.3", 1, 0, 0)) != network(("::ffff:10.1.2.4", 1, 0, 0))
