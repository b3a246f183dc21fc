"""Each bad input earns a clear refusal, and nobody else notices anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chatlab.chat.modes import MODES
from tests.support.chat_client import ChatClient, eventually, get, new_contents, running

MODES_TRIED = ["naive", "optimized"]
MANY = 4_000


def frame(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "ref": 77, **fields})


BAD_FRAMES = {
    "broken JSON": ("{", "bad_json"),
    "nothing": ("", "bad_json"),
    "two values": ('{"type":"join_room","roomId":"general"} 1', "bad_json"),
    "a NUL": ("\x00", "bad_json"),
    "half a surrogate pair": (
        '{"type":"send_message","roomId":"general","content":"\\ud800"}',
        "bad_json",
    ),
    "deep nesting": ("[" * 30_000, "bad_json"),
    "broken JSON after an unknown type": ('{"type":"dance", broken', "bad_json"),
    "broken JSON after a wrong field": ('{"type":"join_room","roomId":5, broken', "bad_json"),
    "deep nesting in an unknown type": ('{"type":"dance","x":' + "[" * 30_000, "bad_json"),
    "more after an unknown type": ('{"type":"dance"} 1', "bad_json"),
    "a huge number": ('{"type":"join_room","roomId":"general","ref":1e400}', "bad_json"),
    "a list": ("[]", "invalid_field"),
    "null": ("null", "invalid_field"),
    "no type": ("{}", "unknown_type"),
    "a type that is no string": ('{"type": 5}', "unknown_type"),
    "an unknown type": (frame("dance"), "unknown_type"),
    "a server's type": (frame("ack", means="written"), "unknown_type"),
    "no room": (frame("send_message", content="x"), "invalid_field"),
    "a room that is a number": (frame("join_room", roomId=5), "invalid_field"),
    "content that is a list": (
        frame("send_message", roomId="general", content=["x"]),
        "invalid_field",
    ),
    "empty content": (frame("send_message", roomId="general", content=""), "invalid_field"),
    "blank content": (frame("send_message", roomId="general", content=" \n\t"), "invalid_field"),
    "too much content": (
        frame("send_message", roomId="general", content="x" * 4_001),
        "too_large",
    ),
    "an unknown room": (frame("send_message", roomId="nowhere", content="x"), "no_such_room"),
    "joining an unknown room": (frame("join_room", roomId="nowhere"), "no_such_room"),
    "leaving an unknown room": (frame("leave_room", roomId="nowhere"), "no_such_room"),
    "a room of others": (frame("send_message", roomId="new-year", content="x"), "not_a_member"),
    "history of others": (frame("history", roomId="new-year"), "not_a_member"),
    "a private room": (frame("join_room", roomId="staff"), "not_a_member"),
    "inviting to a private room": (frame("invite", roomId="staff", user="zoe"), "not_a_member"),
    "inviting nobody": (frame("invite", roomId="general", user=""), "invalid_field"),
    "no history": (frame("history", roomId="general", limit=0), "invalid_field"),
    "too much history": (frame("history", roomId="general", limit=501), "invalid_field"),
    "history by half": (frame("history", roomId="general", limit=1.5), "invalid_field"),
    "a room with a bad name": (frame("create_room", roomId="../etc"), "invalid_field"),
    "a room with a long title": (frame("create_room", roomId="r", name="x" * 101), "too_large"),
    "a room that exists": (frame("create_room", roomId="general"), "room_exists"),
    "a ref that is a list": ('{"type":"join_room","roomId":"general","ref":[]}', "invalid_field"),
}


@asynccontextmanager
async def room_that_goes_on(folder: Path, mode: str, **options: Any) -> AsyncIterator[Any]:
    """A server and two users whose talk must not suffer from what a test does meanwhile."""
    async with (
        running(mode, folder, **options) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
        await ChatClient.connect(server.url, "bob", "general") as bob,
    ):
        before = len(alice.frames), len(bob.frames)
        yield server
        await alice.until(lambda: alice.connection.state.name == "OPEN", "an open connection")
        strangers = [f for f in bob.frames[before[1] :] if f["type"] != "message"]
        assert strangers == [], "bob was told about somebody else's mistake"
        assert (await alice.say("still here"))["type"] == "ack"
        await bob.until(lambda: "still here" in bob.heard(), "alice's message")
        assert alice.of("error") == []


@pytest.mark.parametrize(("bad", "code"), BAD_FRAMES.values(), ids=BAD_FRAMES)
async def test_a_bad_frame_is_refused_by_name_and_its_sender_goes_on(
    bad: str, code: str, tmp_path: Path
) -> None:
    async with (
        room_that_goes_on(tmp_path, "naive") as server,
        await ChatClient.connect(server.url, "zoe", "general") as zoe,
    ):
        await zoe.connection.send(bad)
        assert (await zoe.say("sorry"))["type"] == "ack"
        (error,) = zoe.of("error")
        assert error["code"] == code
        assert error["ref"] == (77 if '"ref": 77' in bad else None)
        assert len(error["message"]) > 10
        await zoe.until(lambda: zoe.heard() == ["sorry"], "the good message")
        assert server.snapshot().refusals == {code: 1}


@pytest.mark.parametrize("mode", MODES)
async def test_all_bad_frames_in_a_row_are_refused_in_order(mode: str, tmp_path: Path) -> None:
    async with (
        room_that_goes_on(tmp_path, mode) as server,
        await ChatClient.connect(server.url, "zoe", "general") as zoe,
    ):
        for bad, _ in BAD_FRAMES.values():
            await zoe.connection.send(bad)
        await zoe.say("sorry")
        assert [error["code"] for error in zoe.of("error")] == [c for _, c in BAD_FRAMES.values()]
        assert server.snapshot().counts.refused == len(BAD_FRAMES)


async def test_content_of_exactly_the_allowed_length_is_taken(tmp_path: Path) -> None:
    longest = "\N{SPARKLES}" * 4_000
    async with (
        running("optimized", tmp_path) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        assert (await alice.say(longest))["type"] == "ack"
        await alice.until(lambda: alice.heard() == [longest], "the message")


@pytest.mark.parametrize("ref", ["text", "", -1, 2**53, 2**80, None, "\N{SPARKLES}" * 1000])
async def test_a_ref_comes_back_as_it_was(ref: Any, tmp_path: Path) -> None:
    async with (
        running("naive", tmp_path) as server,
        await ChatClient.connect(server.url, "alice") as alice,
    ):
        request = {"type": "join_room", "roomId": "general", "ref": ref}
        await alice.connection.send(json.dumps(request))
        await alice.until(lambda: alice.of("ack"), "an ack")
        assert alice.of("ack")[0]["ref"] == ref


async def test_a_binary_frame_is_refused_and_its_sender_goes_on(tmp_path: Path) -> None:
    async with (
        room_that_goes_on(tmp_path, "naive") as server,
        await ChatClient.connect(server.url, "zoe", "general") as zoe,
    ):
        await zoe.connection.send(frame("history", roomId="general").encode())
        assert (await zoe.say("sorry"))["type"] == "ack"
        assert [error["code"] for error in zoe.of("error")] == ["binary_frame"]


@pytest.mark.parametrize("mode", MODES_TRIED)
@pytest.mark.parametrize(
    ("data", "code"),
    [("x" * 70_000, 1009), (b"\xff\xfe{}", 1007)],
    ids=["over 64 KiB", "invalid UTF-8"],
)
async def test_a_frame_that_breaks_the_protocol_closes_only_its_own_connection(
    data: str | bytes, code: int, mode: str, tmp_path: Path
) -> None:
    async with room_that_goes_on(tmp_path, mode) as server:
        zoe = await ChatClient.connect(server.url, "zoe", "general")
        await zoe.connection.send(data, text=True)
        close_code, reason = await zoe.until_closed()
        assert close_code == code
        assert reason
        await eventually(lambda: server.snapshot().clients == 2, "zoe is gone")


@pytest.mark.parametrize("mode", MODES_TRIED)
async def test_a_second_connection_of_a_user_is_turned_away_and_the_first_stays(
    mode: str, tmp_path: Path
) -> None:
    async with room_that_goes_on(tmp_path, mode) as server:
        second = await ChatClient.connect(server.url, "alice")
        assert [error["code"] for error in second.of("error")] == ["user_taken"]
        assert await second.until_closed() == (1008, "user_taken")
        assert server.snapshot().clients == 2


@pytest.mark.parametrize("user", ["", ".hidden", "a b", "x" * 65, "ünal", "a/b", "a\n", "-dash"])
async def test_a_bad_user_name_is_turned_away_with_the_rule(user: str, tmp_path: Path) -> None:
    async with room_that_goes_on(tmp_path, "naive") as server:
        client = await ChatClient.connect(server.url, user)
        (error,) = client.of("error")
        assert error["code"] == "invalid_field"
        assert "letters" in error["message"]
        assert await client.until_closed() == (1008, "invalid_field")


async def test_a_missing_user_is_turned_away(tmp_path: Path) -> None:
    async with room_that_goes_on(tmp_path, "naive") as server:
        async with connect(server.url, proxy=None) as nobody:
            assert json.loads(await nobody.recv())["code"] == "invalid_field"
            with pytest.raises(ConnectionClosed):
                await nobody.recv()
        assert nobody.close_code == 1008


@pytest.mark.parametrize("query", ["", "&token=wrong", "&token=", "&token=%FF", "&token=secret2"])
async def test_a_wrong_or_missing_token_gets_401_with_a_reason_in_json(
    query: str, tmp_path: Path
) -> None:
    async with running("naive", tmp_path, token="secret") as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}/?user=alice{query}", proxy=None)
        response = refused.value.response
        assert response.status_code == 401
        assert response.headers["Content-Type"] == "application/json"
        assert json.loads(response.body or b"")["code"] == "bad_token"
        assert (await get(server.url, f"/stats?v=1{query}")).status == 401
        assert (await get(server.url, f"/metrics?v=1{query}")).status == 401
        assert (await get(server.url, "/health")).status == 200


async def test_the_right_token_opens_everything(tmp_path: Path) -> None:
    secret = "s€cret &?"
    async with (
        running("naive", tmp_path, token=secret) as server,
        await ChatClient.connect(
            server.url, "alice", "general", query="&token=s%E2%82%ACcret%20%26%3F"
        ) as alice,
    ):
        assert (await alice.say("in"))["type"] == "ack"
        assert (await get(server.url, "/stats?token=s%E2%82%ACcret%20%26%3F")).status == 200


@pytest.mark.parametrize("path", ["/chat", "/stats/", "//", "/../etc/passwd", "/Health"])
async def test_an_unknown_path_gets_404_by_http_and_by_websocket(path: str, tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server:
        answer = await get(server.url, path)
        assert (answer.status, answer.json["code"]) == (404, "not_found")
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}{path}?user=alice", proxy=None)
        assert refused.value.response.status_code == 404


async def test_a_browser_that_opens_the_chat_address_is_told_what_it_is(tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server:
        answer = await get(server.url, "/")
        assert answer.status == 426
        assert f"chatlab chat {server.url}" in answer.body


async def test_a_client_over_the_limit_gets_503_until_somebody_leaves(tmp_path: Path) -> None:
    async with room_that_goes_on(tmp_path, "naive", clients_max=2) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}/?user=carol", proxy=None)
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body or b"")["code"] == "server_full"
    async with running("naive", tmp_path, clients_max=1) as server:
        async with await ChatClient.connect(server.url, "alice"):
            pass
        await eventually(lambda: server.snapshot().clients == 0, "alice is gone")
        async with await ChatClient.connect(server.url, "bob") as bob:
            assert bob.of("welcome")


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


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://evil.example/localhost",
        "https://localhost:80@evil.example",
        "null",
    ],
)
async def test_a_page_from_elsewhere_gets_403(origin: str, tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server:
        for path in ("/?user=alice", "/stats"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{server.url}{path}", proxy=None, origin=origin)  # type: ignore[arg-type]
            assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", ["http://localhost", "http://127.0.0.1:8080", "https://[::1]:1"])
async def test_a_page_of_this_machine_may_talk(origin: str, tmp_path: Path) -> None:
    async with (
        running("naive", tmp_path) as server,
        connect(f"{server.url}/?user=alice", proxy=None, origin=origin) as page,  # type: ignore[arg-type]
    ):
        assert json.loads(await page.recv())["type"] == "welcome"


async def test_a_stranger_who_speaks_no_http_at_all_is_harmless(tmp_path: Path) -> None:
    async with room_that_goes_on(tmp_path, "naive") as server:
        host, port = server.url.removeprefix("ws://").split(":")
        for noise in (b"\x16\x03\x01\x02\x00", b"HELLO\r\n\r\n", b"GET /\r\n\r\n", b""):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(noise)
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("naive", "messages"), ("batched", "messages"), ("optimized", "messages"), ("naive", "junk")],
)
async def test_a_flooding_client_that_never_reads_does_not_silence_the_others(
    mode: str, kind: str, tmp_path: Path
) -> None:
    async with room_that_goes_on(tmp_path, mode) as server:
        flooder = await ChatClient.connect(server.url, "zoe", reading=False)
        await flooder.connection.send(frame("join_room", roomId="general"))

        async def flood() -> None:
            noise = frame("send_message", roomId="general", content="noise")
            try:
                for _ in range(MANY):
                    await flooder.connection.send(noise if kind == "messages" else "{")
            except ConnectionClosed:
                pass

        flooding = asyncio.create_task(flood())
        async with (
            await ChatClient.connect(server.url, "carol", "general") as carol,
            await ChatClient.connect(server.url, "dave", "general") as dave,
        ):
            for n in range(20):
                assert (await carol.say(f"calm {n}"))["type"] == "ack"
            await dave.until(lambda: "calm 19" in dave.heard(), "carol's last message")
            calm = [f"calm {n}" for n in range(20)]
            assert [text for text in dave.heard() if text in calm] == calm
            assert carol.of("error") == []
        flooder.connection.transport.abort()
        await flooding
    assert [text for text in new_contents(tmp_path) if text in calm] == calm
