"""Where frames begin and end: cut anywhere, a stream of bytes holds the same messages."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from chatlab.chat.protocol import FRAME_BYTES_MAX
from chatlab.chat.server.framing import end_of_frame, take_texts
from chatlab.chat.server.inbox import ChatConnection

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


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def write(self, data: Any) -> None:
        self.written += data


class FakeServer:
    """Has nothing to say to a connection."""

    def __init__(self) -> None:
        self.handler_tasks: set[asyncio.Task[None]] = set()

    async def handler(self, connection: Any) -> None:
        pass

    def start_connection_handler(self, connection: Any) -> None:
        pass


def a_connection(said_before_the_answer: bytes = b"") -> tuple[ChatConnection, FakeTransport]:
    """A connection that has just been opened, without a socket."""
    protocol = ServerProtocol(max_size=FRAME_BYTES_MAX)
    connection = ChatConnection(protocol, cast("Any", FakeServer()), max_queue=None)
    transport = FakeTransport()
    connection.connection_made(transport)
    connection.data_received(HANDSHAKE + said_before_the_answer)
    protocol.state = State.OPEN
    return connection, transport


async def what_came(connection: ChatConnection) -> list[str | bytes]:
    connection._inbox.close()
    return [one async for one in connection.messages()]


@given(
    said=st.lists(messages, max_size=12),
    cuts=st.lists(st.floats(0, 1), max_size=12),
    pings=st.lists(st.integers(0, 30), max_size=3),
    early=st.one_of(st.just(0.0), st.floats(0, 1)),
)
def test_messages_are_the_same_wherever_the_stream_is_cut(
    said: list[Any], cuts: list[float], pings: list[int], early: float
) -> None:
    """Also with pings in between, and when a part of it came before the handshake was answered."""
    frames = [frame for message in said for frame in frames_of(message)]
    for n, place in enumerate(pings):
        frames.insert(min(place, len(frames)), Frame(Opcode.PING, b"%d" % n))
    stream = on_the_wire(*frames)
    first = int(early * len(stream))
    places = sorted({first, len(stream), *(max(first, int(cut * len(stream))) for cut in cuts)})

    async def scenario() -> tuple[list[str | bytes], bytes]:
        connection, transport = a_connection(stream[:first])
        for begin, end in itertools.pairwise(places):
            connection.data_received(stream[begin:end])
        return await what_came(connection), transport.written

    came, written = asyncio.run(scenario())
    pongs = sorted(b"%d" % n for n in range(len(pings)))
    assert came == ["".join(one) if isinstance(one, list) else one for one in said]
    assert sorted(written[at + 2 : at + 3] for at in range(0, len(written), 3)) == pongs


async def test_a_short_text_never_passes_through_the_library() -> None:
    connection, _ = a_connection()
    given_to_it = []
    connection.protocol.receive_data = given_to_it.append  # type: ignore[method-assign]
    connection.data_received(on_the_wire(*(Frame(Opcode.TEXT, b"%d" % n) for n in range(9))))

    assert given_to_it == []
    assert await what_came(connection) == [str(n) for n in range(9)]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Frame(Opcode.TEXT, b"not masked").serialize(mask=False), 1002),
        (b"\xc1\x80mask", 1002),  # an extension that nobody has agreed on,
        (on_the_wire(Frame(Opcode.TEXT, b"a", fin=False), Frame(Opcode.TEXT, b"b")), 1002),
        (on_the_wire(Frame(Opcode.TEXT, b"x" * (FRAME_BYTES_MAX + 1)))[:20], 1009),
        (on_the_wire(Frame(Opcode.BINARY, b"x" * (FRAME_BYTES_MAX + 1)))[:20], 1009),
    ],
    ids=["not masked", "extension", "text among fragments", "large text", "large binary"],
)
async def test_what_is_wrong_is_left_to_the_library_and_nothing_after_it_is_taken(
    wrong: bytes, code: int
) -> None:
    connection, transport = a_connection()
    connection.data_received(on_the_wire(Frame(Opcode.TEXT, b"before")) + wrong)
    connection.data_received(on_the_wire(Frame(Opcode.TEXT, b"after")))

    assert list(connection._inbox.waiting) == [b"before"]
    assert transport.written[2:4] == code.to_bytes(2)


async def test_nothing_is_taken_after_a_goodbye() -> None:
    connection, _ = a_connection()
    goodbye = Frame(Opcode.CLOSE, (1000).to_bytes(2))
    late = Frame(Opcode.TEXT, b"late")
    connection.data_received(on_the_wire(goodbye, late))
    connection.data_received(on_the_wire(late))

    assert not connection._inbox.waiting


@pytest.mark.parametrize("length", LENGTHS)
def test_a_frame_ends_where_it_ends_and_nowhere_before_it_is_whole(length: int) -> None:
    frame = on_the_wire(Frame(Opcode.BINARY, b"x" * length))
    unmasked = Frame(Opcode.BINARY, b"x" * length).serialize(mask=False)
    before = b"..."

    for whole in (frame, unmasked):
        assert end_of_frame(before + whole + b"more", 3, FRAME_BYTES_MAX) == 3 + len(whole)
        for size in {0, 1, 2, 3, 4, 9, 13, len(whole) - 1} - set(range(len(whole), 99)):
            assert end_of_frame(before + whole[:size], 3, FRAME_BYTES_MAX) is None


def test_only_whole_texts_are_taken() -> None:
    taken: list[bytes] = []
    stream = on_the_wire(Frame(Opcode.TEXT, b"one"), Frame(Opcode.TEXT, b"2" * 300))
    for rest in (b"", b"\x81", b"\x81\x85abcd1234", b"\x81\xff", b"\x82\x80abcd", b"\x01\x80abcd"):
        taken.clear()
        assert take_texts(stream + rest, 0, taken.append) == len(stream)
        assert taken == [b"one", b"2" * 300]
