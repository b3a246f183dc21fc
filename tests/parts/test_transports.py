"""Every transport: however a stream is cut, the same messages come out, in order and bounded."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from chatlab.chat.modes import PARTS
from chatlab.chat.parts.message_seams import Transport
from chatlab.chat.parts.transport.bulk import BulkTransport
from chatlab.chat.parts.transport.bulk_connection import size_of_frame, size_of_text, take_texts
from chatlab.chat.protocol import FRAME_BYTES_MAX
from tests.support.chat_client import ChatClient, chatting, new_contents
from tests.support.parts import every

EVERY = pytest.mark.parametrize("part", every("transport"))
NAMES = pytest.mark.parametrize("name", PARTS["transport"])

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
LENGTHS = [0, 1, 124, 125, 126, 127, 128, 65_535, FRAME_BYTES_MAX]

texts = st.one_of(st.text(max_size=20), st.sampled_from(LENGTHS).map(lambda length: "x" * length))
messages = st.one_of(texts, st.binary(max_size=20), st.lists(st.text(max_size=9), min_size=2))


def frames_of(message: str | bytes | list[str]) -> list[Frame]:
    """A message in one frame, or in as many as its list has fragments."""
    if isinstance(message, bytes):
        return [Frame(Opcode.BINARY, message)]
    if isinstance(message, str):
        return [Frame(Opcode.TEXT, message.encode())]
    return [
        Frame(Opcode.CONT if n else Opcode.TEXT, part.encode(), fin=n == len(message) - 1)
        for n, part in enumerate(message)
    ]


def on_the_wire(*frames: Frame) -> bytes:
    return b"".join(frame.serialize(mask=True) for frame in frames)


class FakeSocket(asyncio.Transport):
    """Keeps what is written, and knows whether it is read, and whether it said that it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = False
        self.written = b""
        self.paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def write(self, data: Any) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


class FakeServer:
    """Has nothing to say to a connection."""

    handler_tasks: ClassVar[set[Any]] = set()

    async def handler(self, connection: Any) -> None:
        pass

    def start_connection_handler(self, connection: Any) -> None:
        pass


def opened(part: type[Transport], early: bytes = b"") -> tuple[ServerConnection, FakeSocket]:
    """A connection that has just been opened; `early` came before the handshake was answered."""
    protocol = ServerProtocol(max_size=FRAME_BYTES_MAX)
    connection = part().connection_class()(protocol, cast("Any", FakeServer()))
    socket = FakeSocket()
    connection.connection_made(socket)
    connection.data_received(HANDSHAKE + early)
    protocol.state = State.OPEN
    return connection, socket


async def what_came(part: type[Transport], connection: ServerConnection) -> list[str | bytes]:
    """All messages that arrived before the connection was lost."""
    connection.connection_lost(None)
    came: list[str | bytes] = []
    with suppress(ConnectionClosed):
        async for one in part().messages(connection):
            came.append(one)
    return came


# Without a real socket.


@EVERY
@given(
    said=st.lists(messages, max_size=12),
    cuts=st.lists(st.floats(0, 1), max_size=12),
    pings=st.lists(st.integers(0, 30), max_size=3),
    early=st.one_of(st.just(0.0), st.floats(0, 1)),
)
def test_messages_are_the_same_wherever_the_stream_is_cut(part, said, cuts, pings, early) -> None:
    """Also with pings in between, and when a part of it came before the handshake was answered."""
    frames = [frame for message in said for frame in frames_of(message)]
    for n, place in enumerate(pings):
        frames.insert(min(place, len(frames)), Frame(Opcode.PING, b"%d" % n))
    stream = on_the_wire(*frames)
    first = int(early * len(stream))
    places = sorted({first, len(stream), *(max(first, int(cut * len(stream))) for cut in cuts)})

    async def scenario() -> tuple[list[str | bytes], bytes]:
        connection, socket = opened(part, stream[:first])
        for begin, end in itertools.pairwise(places):
            connection.data_received(stream[begin:end])
        return await what_came(part, connection), socket.written

    came, written = asyncio.run(scenario())
    pongs = sorted(b"%d" % n for n in range(len(pings)))
    assert came == ["".join(one) if isinstance(one, list) else one for one in said]
    assert sorted(written[at + 2 : at + 3] for at in range(0, len(written), 3)) == pongs


@EVERY
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Frame(Opcode.TEXT, b"not masked").serialize(mask=False), 1002),
        (b"\xc1\x80mask", 1002),  # an extension that nobody has agreed on,
        (on_the_wire(Frame(Opcode.TEXT, b"a", fin=False), Frame(Opcode.TEXT, b"b")), 1002),
        (on_the_wire(Frame(Opcode.TEXT, b"x" * (FRAME_BYTES_MAX + 1)))[:20], 1009),
        (on_the_wire(Frame(Opcode.BINARY, b"x" * (FRAME_BYTES_MAX + 1)))[:20], 1009),
        (on_the_wire(Frame(Opcode.CLOSE, (1000).to_bytes(2))), 1000),
    ],
    ids=["not masked", "extension", "text among fragments", "large text", "large binary", "close"],
)
async def test_nothing_is_taken_after_a_close_or_a_broken_frame(part, wrong, code) -> None:
    before, after = (on_the_wire(Frame(Opcode.TEXT, text)) for text in (b"before", b"after"))
    connection, socket = opened(part)
    connection.data_received(before + wrong + after)
    connection.data_received(after)

    assert socket.written[2:4] == code.to_bytes(2)
    assert await what_came(part, connection) == ["before"]


@EVERY
async def test_the_socket_is_not_read_while_many_messages_wait(part: type[Transport]) -> None:
    connection, socket = opened(part)
    sent = 0
    while not socket.paused:
        connection.data_received(on_the_wire(Frame(Opcode.TEXT, b"%d" % sent)))
        sent += 1
        assert sent < 100, "too many messages wait"

    came = [await anext(stream) for stream in [part().messages(connection)] for _ in range(sent)]
    assert came == [str(n) for n in range(sent)]
    assert not socket.paused


@EVERY
@pytest.mark.parametrize("fragments", [1, 2])
async def test_nor_is_it_while_long_messages_wait_that_are_few(part, fragments: int) -> None:
    connection, socket = opened(part)
    half = Frame(Opcode.CONT, b"x" * 30_000)
    message = [Frame(Opcode.TEXT, b"x" * 30_000, fin=fragments == 1), half][:fragments]
    sent = 0
    while not socket.paused:
        connection.data_received(on_the_wire(*message))
        sent += 1
        assert sent <= 17, "a megabyte waits"

    came = [await anext(stream) for stream in [part().messages(connection)] for _ in range(sent)]
    assert came == ["x" * 30_000 * fragments] * sent
    assert not socket.paused


async def test_the_bulk_transport_spares_a_short_text_the_way_through_the_library() -> None:
    connection, _ = opened(BulkTransport)
    given_to_it = []
    connection.protocol.receive_data = given_to_it.append  # type: ignore[method-assign]
    connection.data_received(on_the_wire(*(Frame(Opcode.TEXT, b"%d" % n) for n in range(9))))

    assert given_to_it == []
    stream = BulkTransport().messages(connection)
    assert [await anext(stream) for _ in range(9)] == [str(n) for n in range(9)]


@pytest.mark.parametrize("length", LENGTHS)
async def test_so_it_does_after_another_frame_wherever_that_was_cut(length: int) -> None:
    other = on_the_wire(Frame(Opcode.BINARY, b"x" * length))
    text = on_the_wire(Frame(Opcode.TEXT, b"short"))
    for cut in {*range(1, min(15, len(other))), len(other) - 1, len(other)}:
        connection, _ = opened(BulkTransport)
        connection.data_received(other[:cut])
        connection.data_received(other[cut:] + text[:3])
        given_to_it: list[bytes] = []
        connection.protocol.receive_data = given_to_it.append  # type: ignore[method-assign, assignment]
        connection.data_received(text[3:] + text)
        assert given_to_it == [], cut
        assert await what_came(BulkTransport, connection) == [b"x" * length, "short", "short"]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", [Opcode.TEXT, Opcode.BINARY])
def test_a_frame_is_as_long_as_it_is_and_its_header_says_so_in_time(kind, length: int) -> None:
    frame = on_the_wire(Frame(kind, b"x" * length))
    unmasked = Frame(kind, b"x" * length).serialize(mask=False)
    header = 2 if length < 126 else 4 if length < 2**16 else 10
    for whole in (frame, unmasked):
        sizes = [size_of_frame(whole[:size]) for size in range(header + 1)]
        assert sizes == [None] * header + [len(whole)]
        held = [size_of_text(b"..." + whole[:size], 3) for size in range(1, header + 1)]
        if kind is Opcode.BINARY:
            assert held == [0] * header
        elif whole is unmasked or length == FRAME_BYTES_MAX:
            assert held == [2] + [0] * (header - 1)
        else:
            assert held == ([2, len(whole)] if header == 2 else [2, 4, 4, len(whole)])


async def test_a_text_that_comes_byte_by_byte_is_not_copied_for_each_byte() -> None:
    """That would be two gigabytes for one text of 64 KiB."""
    connection, _ = opened(BulkTransport)
    stream = on_the_wire(Frame(Opcode.TEXT, b"x" * 60_000))
    held: list[bytearray] = []
    for at in range(len(stream)):
        connection.data_received(stream[at : at + 1])
        if not held or held[-1] is not connection._text:  # type: ignore[attr-defined]
            held.append(connection._text)  # type: ignore[attr-defined]
    assert len(held) < 9
    assert await what_came(BulkTransport, connection) == ["x" * 60_000]


def test_only_whole_texts_are_taken() -> None:
    taken: list[bytes] = []
    stream = on_the_wire(Frame(Opcode.TEXT, b"one"), Frame(Opcode.TEXT, b"2" * 300))
    for rest in (b"", b"\x81", b"\x81\x85abcd1234", b"\x81\xff", b"\x82\x80abcd", b"\x01\x80abcd"):
        taken.clear()
        assert take_texts(stream + rest, 0, taken.append) == len(stream)
        assert taken == [b"one", b"2" * 300]


# In a server.


def say(n: int) -> str:
    return f'{{"type": "send_message", "roomId": "general", "content": "{n}", "ref": {n}}}'


@NAMES
async def test_a_flood_of_fragments_and_binary_frames_is_answered_in_order(name, tmp_path) -> None:
    async with chatting(f"batched+transport={name}", tmp_path, "alice") as (_, client):
        send = client.connection.send
        await send(say(2).encode())  # binary: refused
        await send([say(3)[:30], say(3)[30:50], say(3)[50:]])
        for n in range(4, 200):
            await send(say(n))

        await client.until(lambda: len(client.of("ack")) == 198, "an ack for each other one")
        refs = [one["ref"] for one in client.frames if one["type"] in ("ack", "error")]
        assert refs == [*range(1, 200)]
        assert [one["code"] for one in client.of("error")] == ["binary_frame"]


@NAMES
@pytest.mark.parametrize("fragmented", [False, True])
async def test_text_that_is_not_utf_8_closes(name: str, fragmented: bool, tmp_path: Path) -> None:
    async with chatting(f"naive+transport={name}", tmp_path, "alice") as (_, client):
        bad = b'{"type": "\xff\xfe"}'
        await client.connection.send([bad[:12], bad[12:]] if fragmented else bad, text=True)
        assert (await client.until_closed())[0] == 1007


@NAMES
async def test_what_arrived_before_the_close_is_saved_and_heard(name: str, tmp_path: Path) -> None:
    async with chatting(f"optimized+transport={name}", tmp_path, "bob") as (server, bob):
        async with await ChatClient.connect(server.url, "alice", "general") as alice:
            for n in range(100):
                await alice.connection.send(say(n))
        await bob.until(lambda: bob.heard() == [str(n) for n in range(100)], "all of it")
    assert new_contents(tmp_path) == bob.heard()


OWN = """
from chatlab.chat.parts.message_seams import Transport

class Shouting(Transport):
    async def messages(self, connection):
        async for message in connection:
            if "bug" in message:
                raise ValueError("no such luck")
            yield message.replace("hello", "HELLO")
"""


async def test_a_users_transport_works_and_its_bug_is_reported(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    mode = f"naive+transport={tmp_path / 'own.py'}:Shouting"
    async with chatting(mode, tmp_path / "data", "alice") as (server, client):
        await client.say("hello")
        assert new_contents(tmp_path / "data") == ["HELLO"]

        await client.shout("bug")
        assert (await client.until_closed())[0] == 1008
        (error,) = client.of("error")
        assert error["code"] == "internal_error"
        assert "ValueError in the server: no such luck (own.py, line 8)" in error["message"]
        assert [note.text for note in server.snapshot().notes] == [error["message"]]
