"""Every mode does what a chat does: seeded random conversations against a model in memory."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from chatlab.chat.modes import MODES
from chatlab.chat.server.app import ChatServer
from chatlab.data.folder import starting_data
from tests.support.chat_client import ChatClient, Frame, chatting, eventually, new_contents, saved

SAFE_MODES = [mode for mode in MODES if mode != "racy"]
USERS = ("alice", "bob", "carol", "zoe")
STEPS = 60
AWKWARD = '\N{SPARKLES} "quoted" \\n\n'


class Model:
    """What the server should know and answer, in the simplest words possible."""

    def __init__(self) -> None:
        names = ("chatrooms.json", "messages.json")
        rooms, messages = (json.loads((starting_data() / name).read_bytes()) for name in names)
        self.rooms = {room["id"]: room for room in rooms}
        self.messages = said(messages)
        self.live: dict[str, set[str]] = defaultdict(set)
        self.heard: dict[str, list[tuple[str, str, str]]] = {user: [] for user in USERS}

    def say(self, room: str, user: str, content: str) -> str:
        if refusal := self._stranger(room, user):
            return refusal
        self.messages.append((room, user, content))
        for member in self.live[room]:
            self.heard[member].append((room, user, content))
        return "ack"

    def join_room(self, room: str, user: str) -> str:
        if self._stranger(room, user) == "no_such_room":
            return "no_such_room"
        self._add(room, user)
        self.live[room].add(user)
        return "ack"

    def leave_room(self, room: str, user: str) -> str:
        if self._stranger(room, user) == "no_such_room":
            return "no_such_room"
        if user in self.rooms[room]["participants"]:
            self.rooms[room]["participants"].remove(user)
        self.live[room].discard(user)
        return "ack"

    def create_room(self, room: str, user: str, private: bool) -> str:
        if room in self.rooms:
            return "room_exists"
        self.rooms[room] = {"id": room, "name": room, "participants": [user], "private": private}
        self.live[room].add(user)
        return "ack"

    def invite(self, room: str, user: str, guest: str) -> str:
        refusal = self._stranger(room, user)
        if not refusal:
            self._add(room, guest)
        return refusal or "ack"

    def history(self, room: str, user: str, limit: int) -> Any:
        refusal = self._stranger(room, user)
        return refusal or [m for m in self.messages if m[0] == room][-limit:]

    def _stranger(self, room: str, user: str) -> str:
        there = self.rooms.get(room)
        if there and user in there["participants"]:
            return ""
        return "not_a_member" if there and not there["private"] else "no_such_room"

    def _add(self, room: str, user: str) -> None:
        if user not in self.rooms[room]["participants"]:
            self.rooms[room]["participants"].append(user)


class Conversation:
    """Says the same to a server and to the model, and compares."""

    def __init__(self, server: ChatServer, clients: dict[str, ChatClient], seed: int) -> None:
        self._server = server
        self._clients = clients
        self._random = random.Random(seed)
        self._serial = 0
        self._sent = 0
        self.model = Model()

    async def run(self) -> None:
        for _ in range(STEPS):
            act = self._random.choices((self._burst, self._change, self._history), (8, 11, 5))[0]
            await act()
        await self._settle()

    async def _burst(self) -> None:
        """Several users talk at the same time, none waiting for an answer."""
        said = []
        for _ in range(self._random.randint(1, 8)):
            user, room = self._user(), self._room()
            self._serial += 1
            content = f"{self._serial}: " + AWKWARD * self._random.randint(0, 3)
            expected = self.model.say(room, user, content)
            self._sent += expected == "ack"
            said.append((user, await self._clients[user].shout(content, room), expected))
        for user, ref, expected in said:
            answer = await self._clients[user].answer(ref)
            assert answer.get("code", answer["type"]) == expected
        await self._settle()

    async def _change(self) -> None:
        """Somebody joins, leaves, creates or invites to a room."""
        user, room, fields = self._user(), self._room(), {}
        kinds = ("join_room", "leave_room", "create_room", "invite")
        kind = self._random.choices(kinds, (4, 3, 2, 2))[0]
        if kind == "create_room":
            fields["private"] = self._random.random() < 0.5
        elif kind == "invite":
            fields["user"] = self._user()
        expected = getattr(self.model, kind)(room, user, *fields.values())
        answer = await self._clients[user].ask(kind, roomId=room, **fields)
        assert answer.get("code", answer["type"]) == expected

    async def _history(self) -> None:
        user, room, limit = self._user(), self._room(), self._random.randint(1, 6)
        answer = await self._clients[user].ask("history", roomId=room, limit=limit)
        expected = self.model.history(room, user, limit)
        if isinstance(expected, str):
            assert answer["code"] == expected
            return
        found = said(answer["messages"])
        assert len(found) == len(expected)
        all_of_it = by_sender([m for m in self.model.messages if m[0] == room])
        for sender, latest in by_sender(found).items():
            assert latest == all_of_it[sender][-len(latest) :]

    async def _settle(self) -> None:
        """Wait until all that was said is delivered: only then may the rooms change."""
        await eventually(
            lambda: self._server.snapshot().counts.delivered == self._sent,
            "everything said is delivered",
        )
        for user, client in self._clients.items():
            count = len(self.model.heard[user])
            await client.until(lambda c=client, n=count: len(c.heard()) >= n, f"{user}'s messages")

    def _user(self) -> str:
        return self._random.choice(USERS)

    def _room(self) -> str:
        return self._random.choice(("general", "new-year", "staff", "room-1", "room-2", "nowhere"))


def said(frames: list[Frame]) -> list[tuple[str, str, str]]:
    """The room, the sender and the content of each message."""
    return [(frame["roomId"], frame["sender"], frame["content"]) for frame in frames]


def by_sender(messages: list[tuple[str, str, str]]) -> dict[str, list[tuple[str, str]]]:
    """What each one said, in order: only this order is promised between concurrent senders."""
    spoken = defaultdict(list)
    for room, sender, content in messages:
        spoken[sender].append((room, content))
    return dict(spoken)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", SAFE_MODES)
async def test_answers_deliveries_files_agree_with_model(
    mode: str, seed: int, tmp_path: Path
) -> None:
    knobs = {"flush_interval_s": 0.002, "batch_size_max": 5}
    async with chatting(mode, tmp_path, *USERS, rooms=(), **knobs) as (server, *clients):
        named = {client.user: client for client in clients}
        conversation = Conversation(server, named, seed)
        await conversation.run()
    model = conversation.model
    for user, client in named.items():
        assert by_sender(said(client.of("message"))) == by_sender(model.heard[user]), user
    assert by_sender(said(saved(tmp_path))) == by_sender(model.messages)
    rooms = json.loads((tmp_path / "chatrooms.json").read_bytes())
    assert rooms == list(model.rooms.values())


@pytest.mark.parametrize("mode", SAFE_MODES)
async def test_many_senders_lose_nothing_and_keep_their_order(mode: str, tmp_path: Path) -> None:
    names = [f"user-{n}" for n in range(12)]
    knobs = {"flush_interval_s": 0.002, "batch_size_max": 7}
    async with chatting(mode, tmp_path, *names, **knobs) as (_, *clients):
        for turn in range(10):
            for client in clients:
                await client.shout(f"{client.user} {turn}")
        for client in clients:
            await client.until(lambda client=client: len(client.heard()) >= 120, "120 messages")
    for heard in [new_contents(tmp_path), *(client.heard() for client in clients)]:
        for client in clients:
            mine = [text for text in heard if text.split()[0] == client.user]
            assert mine == list(client.said.values())
    assert all(len(client.of("ack")) == 11 for client in clients)


@pytest.mark.parametrize("mode", ["naive", "journal"])
async def test_message_ids_sort_by_acceptance_over_a_restart(mode: str, tmp_path: Path) -> None:
    for turn in range(2):
        async with chatting(mode, tmp_path, "alice") as (_, alice):
            for n in range(3):
                await alice.say(f"{turn}-{n}")
    ids = [message["id"] for message in saved(tmp_path) if message["id"][0] == "0"]
    assert len(ids) == 6
    assert ids == sorted(set(ids))


async def test_the_welcome_lists_the_rooms_that_its_user_may_see(tmp_path: Path) -> None:
    async with chatting("naive", tmp_path, "alice", "bob", rooms=()) as (_, alice, bob):
        assert [room["id"] for room in alice.frames[0]["rooms"]] == ["general", "new-year", "staff"]
        assert [room["id"] for room in bob.frames[0]["rooms"]] == ["general", "new-year"]
        assert (bob.frames[0]["name"], bob.frames[0]["mode"]) == ("Bob", "naive")


async def test_a_user_who_comes_back_hears_what_is_said_from_then_on(tmp_path: Path) -> None:
    async with chatting("naive", tmp_path, "alice") as (server, alice):
        async with await ChatClient.connect(server.url, "bob", "general") as bob:
            await alice.say("one")
            await bob.until(lambda: bob.heard() == ["one"], "one")
        await eventually(lambda: server.snapshot().clients == 1, "bob is gone")
        await alice.say("two")
        async with await ChatClient.connect(server.url, "bob", "general") as bob:
            await alice.say("three")
            await bob.until(lambda: bob.heard() == ["three"], "three")
        await alice.until(lambda: alice.heard() == ["one", "two", "three"], "all three")
