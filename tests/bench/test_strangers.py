"""Who answers in the place of a chat server: one sentence for each, from real sockets."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha1
from pathlib import Path

import pytest

from chatlab.bench import client
from chatlab.bench.address import chat_url, stats_url
from chatlab.chat import snapshot as snapshots
from chatlab.cli.clients import stream
from chatlab.errors import UsageError
from tests.support.chat_client import running
from tests.support.command_line import Done, run
from tests.support.snapshots import a_snapshot

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SHORT_S = 0.2
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@asynccontextmanager
async def stranger(answer: Answer, **how: object) -> AsyncIterator[str]:
    """A server that treats each connection alike; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **how)  # type: ignore[arg-type]
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def says(words: bytes) -> Answer:
    """Answers a request with these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        await writer.drain()

    return answer


def page(status: str, *headers: str, body: str = "<h1>Hello</h1>") -> Answer:
    """Answers as a web server does."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return says(f"{head}\r\n\r\n{body}".encode())


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Reads, and never answers."""
    with suppress(asyncio.CancelledError):  # at the end of a test
        await reader.read()


async def closes(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Ends each connection at once."""


async def greets_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks first, as SSH does, and waits."""
    writer.write(b"SSH-2.0-\x1b[2Jsome server\r\n")
    await silent(reader, writer)


def opens(*frames: bytes, ends: bool = False) -> Answer:
    """Opens a WebSocket, sends these bytes, and waits or ends."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = dict(line.lower().split(": ", 1) for line in asked.split("\r\n") if ": " in line)
        [key] = [
            line.split(": ")[1] for line in asked.split("\r\n") if "websocket-key" in line.lower()
        ]
        assert lines["upgrade"] == "websocket"
        accept = b64encode(sha1(key.encode() + GUID).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + b"".join(frames)
        )
        await writer.drain()
        if not ends:
            await silent(reader, writer)

    return answer


def text(words: str) -> bytes:
    """A server's text frame."""
    data = words.encode()
    size = bytes((len(data),)) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2)
    return b"\x81" + size + data


WEB = "as a web server does, so it is no chat server"
FOREIGN = "no chat server of this version: its first words are"
STRANGERS: dict[str, tuple[Answer, str]] = {
    "200": (page("200 OK"), f"answers 200 OK, {WEB}"),
    "404": (page("404 Not Found"), f"answers 404 Not Found, {WEB}"),
    "500": (page("500 Oh"), f"answers 500 Internal Server Error, {WEB}"),
    "502": (page("502 Bad"), "answers 502 Bad Gateway: a proxy, it seems, and no chat server runs"),
    "301": (page("301 Moved", "Location: ws://other.example/"),
        "answers 301 Moved Permanently and sends us to 'ws://other.example/': give that address"),
    "an HTTP/1.0 page": (says(b"HTTP/1.0 200 OK\r\n\r\nHello"), f"answers 200 OK, {WEB}"),
    "a word of its own": (page("403 No", body='{"message": "not today"}'),
        "refused the connection: not today"),
    "TLS, says a page": (page("400 Bad", body="The plain HTTP request was sent to HTTPS port"),
        "answers 400 Bad Request: it speaks TLS; write wss://127.0.0.1:"),
    "silent": (silent,
        "said nothing within 0.2 s: it is no chat server, or one in trouble; check the address"),
    "closes": (closes, "ends the connection at once: it is no chat server, or one in"),
    "garbage": (says(b"\x00\xff\x1b[2J garbage"), r"says '\x00�\x1b[2J garbage', so it is"),
    "much garbage": (says(b"x" * 100_000), f"says '{'x' * 60}...', so it is no chat server"),
    "speaks first": (greets_first, r"says 'SSH-2.0-\x1b[2Jsome server', so it is no chat"),
    "a wrong key": (says(b"HTTP/1.1 101 Ok\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
        "answers 101 Switching Protocols, as a web server does"),
    "no welcome": (opens(), "opened a WebSocket and said nothing within 0.2 s: it is no chat"),
    "no welcome, and ends": (opens(ends=True), "opened a WebSocket and closed it again (without a"),
    "closes with a word": (opens(b"\x88\x05\x03\xe9bye"), "closed it again ('bye')"),
    "another first word": (opens(text("hi \x1b[2J there")), rf"{FOREIGN} 'hi \x1b[2J there'"),
    "other JSON": (opens(text('{"event": "hello"}')), f"{FOREIGN} '{{\"event\": \"hello\"}}'"),
    "an older welcome": (opens(text('{"type":"welcome"}')),
        f"{FOREIGN} '{{\"type\":\"welcome\"}}'"),
    "no first frame": (opens(text('{"type":"ack","means":"queued"}')),
        f"{FOREIGN} '{{\"type\":\"ack\""),
    "a binary frame": (opens(b"\x82\x02hi"), f"{FOREIGN} a binary frame"),
    "no UTF-8": (opens(b"\x81\x02\xff\xfe"), f"{FOREIGN} '"),
    "no frame at all": (opens(b"\xff\xff\xff\xff"), f"{FOREIGN} no WebSocket's"),
}  # fmt: skip


WAITS_S = {"silent": SHORT_S, "no welcome": SHORT_S, "speaks first": 1.0}
"""How long a client waits for those that never answer; for the others it need not."""


async def complaint(url: str, page: str = "/", timeout_s: float = 5.0) -> str:
    """What a client says about the server at `url`: one line."""
    address = chat_url(url, "ann") if page == "/" else stats_url(url, 0.1)
    with pytest.raises(UsageError) as caught:
        async with asyncio.timeout(20):
            await client.connect(address, lambda _: None, timeout_s=timeout_s)
    [line] = str(caught.value).splitlines()
    assert "\x1b" not in line
    return line


@pytest.mark.parametrize("kind", STRANGERS)
async def test_a_stranger_is_told_in_one_sentence(
    kind: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    answer, said = STRANGERS[kind]
    async with stranger(answer) as url:
        line = await complaint(url, timeout_s=WAITS_S.get(kind, 5.0))
    assert line.startswith(url)
    assert said in line
    assert (capfd.readouterr(), caplog.records) == (("", ""), [])


async def test_a_server_that_speaks_otherwise_later_is_told() -> None:
    first = text(snapshots.encode(a_snapshot()).decode())
    seen = []
    async with stranger(opens(first, text("[]"))) as url:
        with pytest.raises(UsageError, match=f"{url} sent a frame that cannot be understood"):
            async for snapshot in stream(url, 0.1):
                seen.append(snapshot)
    assert len(seen) <= 1  # the latest counts


@pytest.mark.parametrize(
    "answer", [silent, closes, says(b"x" * 100_000), page("302 Found", "Location: /")]
)
async def test_a_stranger_has_no_statistics(answer: Answer) -> None:
    async with stranger(answer) as url:
        with pytest.raises(UsageError, match="no statistics from ws://127"):
            await client.fetch_snapshot(url, SHORT_S)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A certificate that nobody else vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder: Path = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_tls_and_plain_are_told_apart(
    certificate: ssl.SSLContext, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with stranger(silent, ssl=certificate) as url:
        assert await complaint(url) == f"{url} speaks TLS: write {url.replace('ws', 'wss')}"
        said = await complaint(url.replace("ws", "wss"))
        assert "is not trusted (self-signed certificate): check the address; for a" in said
    async with running("naive", tmp_path) as server:
        secure = server.url.replace("ws", "wss")
        said = f"{secure} speaks plain HTTP, without TLS: write {server.url}"
        assert await complaint(secure) == said
        assert await complaint(secure, "/stats") == said
    async with stranger(silent) as url:
        said = await complaint(url.replace("ws", "wss"), timeout_s=SHORT_S)
        assert "no server answers at wss" in said
    capfd.readouterr()  # what the servers themselves say
    async with stranger(closes) as url:
        assert "speaks no TLS: it is no chat server" in await complaint(url.replace("ws", "wss"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70])
async def test_a_name_that_leads_nowhere_is_told(host: str) -> None:
    assert (await complaint(f"ws://{host}:8765")).startswith(f"no server answers at ws://{host}")


@pytest.mark.parametrize(
    ("command", "kind"), [("load", "garbage"), ("chat", "other JSON"), ("top", "404")]
)
async def test_every_client_says_it_in_one_line(command: str, kind: str) -> None:
    answer, said = STRANGERS[kind]
    async with stranger(answer) as url:
        done = await run(command, url)
    assert done == Done(2, "", done.err)
    [line] = done.err.splitlines()
    assert line.startswith(f"chatlab: {url} ")
    assert said in line
