"""Attacks below the protocol: frames, right and wrong ones."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from websockets.server import ServerProtocol

from tests.real.child import Child, Until
from tests.real.frames import CLOSE, MORE, PING, TEXT, Wire, frame, handshake
from tests.real.trial import Trial, attack

BLOCK = 10_000
CLOSED_S = 3.0
"""How long a server may take to hang up on one who does not leave."""
LONGEST = 64 * 1024
"""Bytes in a message."""


def send_on(
    until: Until, port: int, first: str, again: str, read: bool = False, tag: str = "raider"
) -> dict[str, Any]:
    """Send a frame, then a block of frames again and again; reads the answers, or none.

    Args:
        first, again: bytes, in hexadecimal.
    """
    wire = Wire(port, tag)
    wire.socket.settimeout(0.2)
    block = memoryview(bytes.fromhex(again) * BLOCK)
    sent, at, start = 0, 0, time.monotonic()
    with suppress(OSError):  # it closed
        wire.socket.sendall(bytes.fromhex(first))
        while not until.over():
            with suppress(TimeoutError, BlockingIOError):
                n = wire.socket.send(block[at:])
                sent, at = sent + n, (at + n) % len(block)
                if read:
                    wire.socket.recv(1 << 20, socket.MSG_DONTWAIT)
    lasted_s = time.monotonic() - start
    code, reason = wire.until_closed(CLOSED_S)
    wire.socket.close()
    closed = bool(code)
    return {"closed": closed, "code": code, "reason": reason, "mb": sent / 1e6, "s": lasted_s}


async def _raid(trial: Trial, first: bytes, again: bytes, read: bool = False) -> dict[str, Any]:
    raider = Child(
        send_on,
        port=trial.port,
        seconds=trial.seconds,
        first=first.hex(),
        again=again.hex(),
        read=read,
    )
    (said,) = await trial.raid(raider)
    trial.note(raider=said)
    return said  # type: ignore[no-any-return]


@attack()
async def fragments(trial: Trial) -> None:
    """A message in empty fragments without end: they are bounded, and the connection closed."""
    said = await _raid(trial, frame(TEXT, b"{", fin=False), frame(MORE, fin=False))
    trial.expect(said["closed"], "never disconnected")


@attack()
async def pings(trial: Trial) -> None:
    """Pings whose pongs are never read: what waits is bounded, and the connection closed."""
    said = await _raid(trial, b"", frame(PING, b"p" * 125))
    trial.expect(said["closed"], "never disconnected")


@attack()
async def read_pings(trial: Trial) -> None:
    """Pings without end, all pongs read: they have a rate, and others do not feel them."""
    await _raid(trial, b"", frame(PING, b"p"), read=True)


WRONG = {
    "unmasked text": bytes([0x81, 100]) + b"abc",
    "reserved opcode": bytes([0x83, 0xB2, 0, 0, 0, 0]) + b"abc",
    "long ping": bytes([0x89, 0xFE, 1, 44, 0, 0, 0, 0]) + b"abc",
    "reserved bit": bytes([0xC1, 0xB2, 0, 0, 0, 0]) + b"abc",
    "fragmented ping": bytes([0x09, 0x85, 0, 0, 0, 0]) + b"abc",
    "fragmented close": bytes([0x08, 0x82, 0, 0, 0, 0]) + b"a",
    "continuation of nothing": frame(MORE, b"abc", length=50),
    "a second message within one": frame(TEXT, b"a", fin=False) + frame(TEXT, b"a", length=50),
    "a length above 2**63": bytes([0x81, 0xFF]) + b"\xff" * 8 + bytes(4),
    "close of one byte": frame(CLOSE, b"", length=1),
    "too long": frame(TEXT, b"abc", length=1 << 30),
    "too long in fragments": frame(TEXT, b"a" * 40_000, fin=False)
    + frame(MORE, b"a", length=40_000),
}
"""Headers that can be judged before their payload has come, by name."""


def send_wrong(until: Until, port: int, tag: str = "wrong") -> dict[str, Any]:
    """Send each wrong header; the close code that answered it, 0 for none."""
    codes = {}
    wires = {name: Wire(port, f"{tag}-{n}") for n, name in enumerate(WRONG)}
    for name, wire in wires.items():
        wire.receive()
        wire.socket.sendall(WRONG[name])
    for name, wire in wires.items():
        codes[name] = wire.until_closed(max(0.05, until.ends_at - time.monotonic()))[0]
    return codes


def plain_answer(data: bytes) -> int:
    """The code with which the `websockets` library closes on these bytes; 0 if it waits on."""
    server = ServerProtocol(max_size=LONGEST)
    server.receive_data(handshake("/"))
    (request,) = server.events_received()
    server.send_response(server.accept(request))  # type: ignore[arg-type]
    server.receive_data(data)
    return int(server.close_sent.code) if server.close_sent else 0


@attack()
async def wrong_frames(trial: Trial) -> None:
    """Wrong frame headers whose payload never comes are answered as by a plain `websockets` server:
    the same close code, at once."""
    (codes,) = await trial.raid(Child(send_wrong, port=trial.port, seconds=trial.seconds))
    trial.note(codes=codes)
    wanted = {name: plain_answer(data) for name, data in WRONG.items()}
    wrong = [name for name, code in wanted.items() if code and codes[name] != code]
    trial.expect(not wrong, f"not answered: {', '.join(wrong)}")
