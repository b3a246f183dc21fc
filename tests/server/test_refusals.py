"""Each bad input earns a clear refusal, and nobody else notices anything."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.chat_client import ChatClient, chatting, eventually, get, new_contents, running

TRANSPORTS = pytest.mark.parametrize("mode", ["naive", "naive+transport=bulk"])
MANY = 4_000


def frame(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "ref": 77, **fields})


BAD_FRAMES: dict[str, tuple[str | bytes, str]] = {
    "broken JSON": ("{", "bad_json"),
    "a NUL": ("\x00", "bad_json"),
    "half a surrogate pair": ('{"type":"history","roomId":"\\ud800"}', "bad_json"),
    "deep nesting": ("[" * 30_000, "bad_json"),
    "broken JSON after an unknown type": ('{"type":"dance", broken', "bad_json"),
    "an unknown type": (frame("dance"), "unknown_type"),
    "a server's type": (frame("ack", means="written"), "unknown_type"),
    "empty content": (frame("send_message", roomId="general", content=""), "invalid_field"),
    "too much content": (frame("send_message", roomId="general", content="x" * 4_001), "too_large"),
    "a room of others": (frame("send_message", roomId="new-year", content="x"), "not_a_member"),
    "history of others": (frame("history", roomId="new-year"), "not_a_member"),
    "inviting to a private room": (frame("invite", roomId="staff", user="zoe"), "no_such_room"),
    "inviting someone invented": (
        frame("invite", roomId="general", user="nobody"),
        "no_such_user",
    ),
    "a room with a long title": (frame("create_room", roomId="r", name="x" * 101), "too_large"),
    "a binary frame": (frame("history", roomId="general").encode(), "binary_frame"),
}


@asynccontextmanager
async def room_that_goes_on(folder: Path, mode: str = "naive", **how: Any) -> AsyncIterator[Any]:
    """A server and two users whose talk must not suffer from what a test does meanwhile."""
    async with chatting(mode, folder, "alice", "bob", **how) as (server, alice, bob):
        before = len(bob.frames)
        yield server
        await alice.until(lambda: alice.connection.state.name == "OPEN", "an open connection")
        strangers = [f for f in bob.frames[before:] if f["type"] != "message"]
        assert strangers == [], "bob was told about somebody else's mistake"
        assert (await alice.say("still here"))["type"] == "ack"
        await bob.until(lambda: "still here" in bob.heard(), "alice's message")
        assert alice.of("error") == []


async def refused_handshake(url: str, **how: Any) -> tuple[int, str]:
    """The HTTP status of a refused handshake, and the code in its JSON."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, proxy=None, **how)
    response = refused.value.response
    in_json = response.headers["Content-Type"] == "application/json"
    return response.status_code, json.loads(response.body or b"")["code"] if in_json else ""


@TRANSPORTS
async def test_each_bad_frame_is_refused_and_its_sender_goes_on(mode: str, tmp_path: Path) -> None:
    async with (
        room_that_goes_on(tmp_path, mode) as server,
        await ChatClient.connect(server.url, "zoe", "general") as zoe,
    ):
        for bad, _ in BAD_FRAMES.values():
            await zoe.connection.send(bad)
        assert (await zoe.say("sorry"))["type"] == "ack"
        for error, (name, (bad, code)) in zip(zoe.of("error"), BAD_FRAMES.items(), strict=True):
            assert error["code"] == code, name
            assert error["ref"] == (77 if "77" in str(bad) else None), name
            assert len(error["message"]) > 10
        assert server.snapshot().refusals == Counter(code for _, code in BAD_FRAMES.values())
        await zoe.until(lambda: zoe.heard() == ["sorry"], "the good message")


async def test_a_frame_over_64_kib_closes_only_its_own_connection(tmp_path: Path) -> None:
    async with room_that_goes_on(tmp_path) as server:
        zoe = await ChatClient.connect(server.url, "zoe", "general")
        await zoe.connection.send("x" * 70_000)
        code, reason = await zoe.until_closed()
        assert code == 1009
        assert reason
        await eventually(lambda: server.snapshot().clients == 2, "zoe is gone")


async def test_a_bad_user_name_or_one_that_is_taken_is_turned_away(tmp_path: Path) -> None:
    async with room_that_goes_on(tmp_path) as server:
        bad = [(user, "invalid_field", "letters") for user in ("", ".hidden", "ünal", "a\n")]
        for user, code, words in [("alice", "user_taken", "alice"), *bad]:
            client = await ChatClient.connect(server.url, user)
            (error,) = client.of("error")
            assert error["code"] == code
            assert words in error["message"]
            assert await client.until_closed() == (1008, code)
            await eventually(lambda: server.snapshot().clients == 2, "only the two are there")
        async with connect(server.url, proxy=None) as nobody:
            assert json.loads(await nobody.recv())["code"] == "invalid_field"
            with pytest.raises(ConnectionClosed):
                await nobody.recv()
        assert nobody.close_code == 1008


async def test_only_the_right_token_opens_the_chat_and_the_statistics(tmp_path: Path) -> None:
    right = "&token=s%E2%82%ACcret%20%26%3F"
    async with running("naive", tmp_path, token="s€cret &?") as server:
        for query in ["", "&token=wrong", "&token=", "&token=%FF", f"{right}2"]:
            refused = await refused_handshake(f"{server.url}/?user=alice{query}")
            assert refused == (401, "bad_token")
            for page, status in [("stats", 401), ("metrics", 401), ("health", 200)]:
                assert (await get(server.url, f"/{page}?v=1{query}")).status == status
        async with await ChatClient.connect(server.url, "alice", "general", query=right) as alice:
            assert (await alice.say("in"))["type"] == "ack"
        assert (await get(server.url, f"/stats?v=1{right}")).status == 200


async def test_strangers_under_many_names_lock_nobody_out(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("chatlab.chat.rooms.PARTICIPANTS_MAX", 8)
    monkeypatch.setattr("chatlab.chat.rooms.ROOMS_MAX", 8)
    async with running("journal", tmp_path) as server:
        for n in range(12):
            async with await ChatClient.connect(server.url, f"zoe-{n}", "general") as zoe:
                guest = await zoe.ask("invite", roomId="general", user=f"invented-{n}")
                assert guest["code"] == "no_such_user"
                assert (await zoe.ask("create_room", roomId=f"squat-{n}"))["type"] == "ack"
            await eventually(lambda: server.snapshot().clients == 0, "zoe is gone")
        async with await ChatClient.connect(server.url, "newcomer") as newcomer:
            assert (await newcomer.ask("join_room", roomId="general"))["type"] == "ack"
            assert (await newcomer.ask("create_room", roomId="mine"))["type"] == "ack"
    general, *others = json.loads((tmp_path / "chatrooms.json").read_bytes())
    known = ["alice", "bob", "carol", "dave", "erin"]
    assert general["participants"] == [*known, "zoe-10", "zoe-11", "newcomer"]
    assert [room["id"] for room in others[:2]] == ["new-year", "staff"]
    assert len(others) == 7


PROBES = {
    "join_room": {},
    "leave_room": {},
    "history": {},
    "who": {},
    "send_message": {"content": "x"},
    "invite": {"user": "bob"},
}


@pytest.mark.parametrize("mode", ["naive", "journal"])
async def test_a_private_room_answers_others_as_one_that_does_not_exist(mode, tmp_path) -> None:
    async with chatting(mode, tmp_path, "alice", "zoe") as (_, alice, zoe):
        for kind, fields in PROBES.items():
            there, none = [await zoe.ask(kind, roomId=r, **fields) for r in ("staff", "stuff")]
            assert there["code"] == "no_such_room", kind
            assert there["message"].replace("staff", "stuff") == none["message"], kind
            assert there.keys() == none.keys()
        listed = await zoe.ask("list_rooms", after="")
        told = [*zoe.of("welcome")[0]["rooms"], *listed["rooms"]]
        assert "staff" not in {room["id"] for room in told}
        assert (await alice.ask("invite", roomId="staff", user="zoe"))["type"] == "ack"
        assert (await zoe.ask("join_room", roomId="staff"))["type"] == "ack"


async def test_an_unknown_path_gets_404_by_http_and_by_websocket(tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server:
        for path in ["/chat", "/stats/", "//", "/../etc/passwd", "/Health"]:
            answer = await get(server.url, path)
            assert (answer.status, answer.json["code"]) == (404, "not_found"), path
            refused = await refused_handshake(f"{server.url}{path}?user=alice")
            assert refused == (404, "not_found"), path
        answer = await get(server.url, "/")
        assert answer.status == 426
        assert f"chatlab chat {server.url}" in answer.body


async def test_a_client_over_the_limit_gets_503_until_somebody_leaves(tmp_path: Path) -> None:
    async with room_that_goes_on(tmp_path, clients_max=3) as server:
        async with await ChatClient.connect(server.url, "zoe"):
            assert await refused_handshake(f"{server.url}/?user=carol") == (503, "server_full")
        await eventually(lambda: server.snapshot().clients == 2, "zoe is gone")
        async with await ChatClient.connect(server.url, "carol") as carol:
            assert carol.of("welcome")


async def test_no_more_clients_than_allowed_get_in_when_many_come_at_once(tmp_path: Path) -> None:
    async with running("naive", tmp_path, clients_max=3) as server:
        coming = await asyncio.gather(
            *(connect(f"{server.url}/?user=user-{n}", proxy=None) for n in range(30)),
            return_exceptions=True,
        )
        connected = [one for one in coming if not isinstance(one, BaseException)]
        firsts = [json.loads(await one.recv()) for one in connected]
        for one in connected:
            await one.close()
        assert [first["type"] for first in firsts].count("welcome") == 3
        assert {first.get("code") for first in firsts} <= {None, "server_full"}


async def test_only_a_page_of_this_machine_may_talk(tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server:
        for elsewhere in [
            "http://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://evil.example/localhost",
            "https://localhost:80@evil.example",
            "null",
        ]:
            for path in ("/?user=alice", "/stats"):
                refused = await refused_handshake(f"{server.url}{path}", origin=elsewhere)
                assert refused[0] == 403, elsewhere
        for n, here in enumerate(["http://localhost", "http://127.0.0.1:8080", "https://[::1]:1"]):
            url = f"{server.url}/?user=user-{n}"
            async with connect(url, proxy=None, origin=here) as page:  # type: ignore[arg-type]
                assert json.loads(await page.recv())["type"] == "welcome"


async def test_a_stranger_who_speaks_no_http_at_all_is_harmless(tmp_path: Path) -> None:
    async with room_that_goes_on(tmp_path) as server:
        host, port = server.url.removeprefix("ws://").split(":")
        for noise in (b"\x16\x03\x01\x02\x00", b"HELLO\r\n\r\n", b"GET /\r\n\r\n", b""):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(noise)
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("naive", "messages"), ("optimized", "messages"), ("journal", "messages"), ("naive", "junk")],
)
async def test_a_flooding_client_does_not_silence_others(
    mode: str, kind: str, tmp_path: Path
) -> None:
    async with room_that_goes_on(tmp_path, mode) as server:
        flooder = await connect(f"{server.url}/?user=zoe", proxy=None)
        await flooder.send(frame("join_room", roomId="general"))
        noise = frame("send_message", roomId="general", content="noise")

        async def flood() -> None:
            with suppress(ConnectionClosed):
                for _ in range(MANY):
                    await flooder.send(noise if kind == "messages" else "{")

        flooding = asyncio.create_task(flood())
        calm = [f"calm {n}" for n in range(20)]
        async with (
            await ChatClient.connect(server.url, "carol", "general") as carol,
            await ChatClient.connect(server.url, "dave", "general") as dave,
        ):
            for text in calm:
                assert (await carol.say(text))["type"] == "ack"
            await dave.until(lambda: calm[-1] in dave.heard(), "carol's last message")
            assert [text for text in dave.heard() if text in calm] == calm
            assert carol.of("error") == []
        flooder.transport.abort()
        await flooding
    assert [text for text in new_contents(tmp_path) if text in calm] == calm
