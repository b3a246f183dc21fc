"""The load generator: over real sockets, against a good server, a real one, and bad ones."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedOK

from chatlab.bench.audit import Audit, audit
from chatlab.bench.load import LEAVE_TIMEOUT_S, Load
from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.scenario import Scenario, content_of, plan
from chatlab.chat.protocol import Ack, ErrorFrame, SendMessage
from chatlab.errors import UsageError
from tests.bench.fakes import FakeClock, FakeServer, Incoming, OnMessage, a_scenario
from tests.support import reports
from tests.support.chat_client import ChatClient, chatting, running

RUN = "test"
ACKS, BEHAVES = Incoming.ack, Incoming.behave


def a_load(url: str, scenario: Scenario, **options: Any) -> Load:
    return Load(url, scenario, plan(scenario, 1), **({"run_id": RUN, "settle_s": 0.2} | options))


async def loaded(on_message: OnMessage, **changes: Any) -> LoadResult:
    """The result of a load on a fake server."""
    async with FakeServer(on_message) as server:
        return await a_load(server.url, a_scenario(**changes)).run()


def faults(result: LoadResult) -> dict[str, int]:
    """What the audit complains about."""
    return reports.faults(audit(result, RUN, None))


def unless(number: int, otherwise: OnMessage) -> OnMessage:
    """A good server, but for one message."""

    async def on_message(message: Incoming) -> None:
        await (otherwise if message.request.ref == number else BEHAVES)(message)

    return on_message


@pytest.mark.parametrize("mode", ["naive", "optimized"])
async def test_a_real_server_acks_and_delivers_every_message(mode: str, tmp_path: Path) -> None:
    scenario = a_scenario(messages=60, users=6, rooms=2)
    async with running(mode, tmp_path) as server:
        result = await a_load(server.url, scenario, settle_s=10.0).run()

    assert result.complete
    assert audit(result, RUN, None) == Audit(sent=60, acked=60, delivered=60, saved=None)
    assert result.receipts == [3] * 60
    assert result.before.mode == mode
    assert result.io["messages.json"].writes >= 1


async def test_a_clean_run_is_noted_in_full_and_leaves_no_connection_behind() -> None:
    members: list[int] = []

    async def on_message(message: Incoming) -> None:
        members.append(len(message.server.clients))
        await message.behave()

    async with FakeServer(on_message) as server:
        result = await a_load(server.url, a_scenario(rooms=2)).run()
        await until_alone(server)

    assert result.complete
    assert faults(result) == {}
    assert (result.sent, result.acked, result.delivered, result.unsent) == (20, 20, 20, 0)
    assert NEVER not in result.acked_s + result.delivered_s + result.sent_s
    assert result.disconnected == {}
    assert set(members) == {4}  # nobody sends before everyone has joined


async def until_alone(server: FakeServer) -> None:
    """Wait until the server has noticed that everyone has gone."""
    async with asyncio.timeout(5):
        while server.clients:
            await asyncio.gather(*(client.wait_closed() for client in [*server.clients]))
            await asyncio.sleep(0)


# Latency counts from the planned time.


def answers_all_at(last: int) -> OnMessage:
    """Answers nothing until message `last` has come in: a garbage collection, a slow disk."""
    held: list[Incoming] = []

    async def on_message(message: Incoming) -> None:
        held.append(message)
        if len(held) == last + 1:
            for each in held:
                await each.behave()

    return on_message


async def test_a_stall_does_not_stop_the_sending_and_counts_for_every_message_meanwhile() -> None:
    async with asyncio.timeout(5):  # one that waited for answers would wait for ever
        result = await loaded(answers_all_at(19), rate_per_s=200.0)
    stalled_until_s = result.plan[-1].at_s
    assert result.complete
    assert result.sent == 20
    for latencies in (result.ack_ms(), result.delivery_ms()):
        for planned, latency_ms in zip(result.plan, latencies, strict=True):
            assert latency_ms >= (stalled_until_s - planned.at_s) * 1000


async def test_a_generator_that_is_held_up_cannot_hide_it() -> None:
    clock, held_up_by_s = FakeClock(), 60.0

    async def on_message(message: Incoming) -> None:
        if message.request.ref == 4:
            clock.leap(held_up_by_s)  # the whole machine stood still
        await message.behave()

    async with FakeServer(on_message) as server:
        scenario = a_scenario(rate_per_s=100.0)
        result = await a_load(server.url, scenario, clock=clock, settle_s=1_000).run()
    # Those after it were planned at 0.05 to 0.19 s, and all sent when the time had leapt.
    assert min(result.sent_s[5:]) > held_up_by_s
    assert min(result.ack_ms()[5:]) > (held_up_by_s - 1) * 1000
    assert max(result.ack_ms("send")[5:]) < held_up_by_s * 1000
    assert result.late_p99_ms > (held_up_by_s - 1) * 1000
    late_ms = [(a - b) * 1000 for a, b in zip(result.sent_s, result.plan_s(), strict=True)]
    assert min(late_ms) >= 0
    both_ms = [a + b for a, b in zip(result.ack_ms("send"), late_ms, strict=True)]
    assert result.ack_ms("planned") == pytest.approx(both_ms)


async def test_throughput_is_what_was_delivered_not_acked_until_the_last_delivery() -> None:
    assert reports.a_load([0.5, 4.0, NEVER, 2.0]).throughput_per_s == 3 / 4.0
    assert reports.a_load([NEVER, NEVER]).throughput_per_s == 0.0
    result = await loaded(lambda message: (ACKS if message.request.ref else BEHAVES)(message))
    assert result.acked == 20
    assert result.throughput_per_s == pytest.approx(1 / max(result.delivered_s))


# Bad servers: each is found out, and none of them keeps the run from ending.


def does(*steps: OnMessage) -> OnMessage:
    """A server that does this to a message, in turn."""

    async def on_message(message: Incoming) -> None:
        for step in steps:
            await step(message)

    return on_message


def delivers(**how: Any) -> OnMessage:
    return lambda message: message.deliver(**how)


def refuses(code: str) -> OnMessage:
    return lambda message: message.refuse(code)


def acks_a_message_that_was_never_sent(message: Incoming) -> Awaitable[None]:
    return message.server.say(message.sender, Ack(ref=1_000, means="written"))


def alters(message: Incoming) -> Awaitable[None]:
    return message.deliver(content=message.request.content + "?")


async def leaks(message: Incoming) -> None:
    """Show a message to everyone outside its room."""
    server, request = message.server, message.request
    for client in server.clients - {*server.members(request.room_id)}:
        await server.say(client, message.frame(request.content))


TO_ONE, TO_ALL_BUT_ONE = delivers(to=slice(0, 1)), delivers(to=slice(0, 3))


@pytest.mark.parametrize(
    ("steps", "expected", "complete", "delivered"),
    [
        ([ACKS], {"lost": 1}, False, 19),
        ([ACKS, TO_ALL_BUT_ONE], {"lost": 1}, False, 19),
        ([BEHAVES, TO_ONE], {"duplicated": 1}, True, 20),
        ([ACKS, TO_ALL_BUT_ONE, TO_ONE], {"lost": 1, "duplicated": 1}, False, 19),
        ([ACKS, alters], {"corrupt": 4}, True, 20),
        ([], {"unanswered": 1}, False, 19),
        ([delivers()], {"unanswered": 1}, False, 20),
        ([refuses("overloaded")], {"refused": 1}, True, 19),
        ([delivers(), refuses("storage_failed")], {"refused": 1, "misrefused": 1}, True, 20),
        ([ACKS, BEHAVES], {}, True, 20),
        ([acks_a_message_that_was_never_sent, BEHAVES], {}, True, 20),
        ([delivers(content="of somebody else"), BEHAVES], {}, True, 20),
        ([delivers(content="another-run/3 hello"), BEHAVES], {}, True, 20),
        ([refuses("storage_delayed"), refuses("storage_delayed"), BEHAVES], {}, True, 20),
        ([BEHAVES, leaks], {"misdelivered": 2}, True, 20),
    ],
)
async def test_what_a_server_does_to_one_message_is_noted_and_nothing_else_is(
    steps: list[OnMessage], expected: dict[str, int], complete: bool, delivered: int
) -> None:
    result = await loaded(unless(7, does(*steps)), rooms=2 if leaks in steps else 1)
    assert faults(result) == expected
    assert audit(result, RUN, None).clean == (not expected.keys() - {"refused"})
    assert result.complete == complete
    assert (result.sent, result.delivered) == (20, delivered)


@pytest.mark.parametrize("answer", [Incoming.ack, refuses("storage_failed")])
async def test_a_second_answer_does_not_stand_in_for_one_that_never_comes(answer) -> None:
    async def on_message(message: Incoming) -> None:
        if message.request.ref != 19:  # the last one is never answered
            await message.behave()
            await answer(message)

    result = await loaded(on_message)
    assert not result.complete
    assert faults(result)["unanswered"] == 1
    assert answer is not ACKS or faults(result) == {"unanswered": 1}


@pytest.mark.parametrize("messages", [20, 20_000])  # the longer plan takes 200 seconds
async def test_a_server_that_hangs_up_is_noted_and_ends_the_run(messages: int) -> None:
    async def falls_over(message: Incoming) -> None:
        # Not awaited: a connection cannot wait here for its own end.
        leaving.append(asyncio.create_task(message.server.hang_up()))

    leaving: list[asyncio.Task[None]] = []
    async with asyncio.timeout(5):
        result = await loaded(unless(7, falls_over), messages=messages, rate_per_s=100.0)
    await asyncio.gather(*leaving)

    assert not result.complete
    assert result.disconnected == {"falling over": 4}
    assert faults(result)["unanswered"] >= 1
    assert result.sent < 20_000


async def test_a_server_that_does_not_speak_the_protocol_is_left() -> None:
    result = await loaded(lambda message: message.sender.send("this is not JSON"))
    assert not result.complete
    assert result.disconnected
    assert "without a reason" not in result.disconnected


async def cancel_when(reached: asyncio.Event, run: Load, server: FakeServer) -> None:
    """Cancel a run at some point, and wait until its connections are closed."""
    task = asyncio.create_task(run.run())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_alone(server)


async def test_a_cancelled_run_leaves_what_it_has_and_closes_its_connections() -> None:
    heard_ten = asyncio.Event()

    async def on_message(message: Incoming) -> None:
        await message.behave()
        if len(message.server.sent) == 10:
            heard_ten.set()

    async with FakeServer(on_message) as server:
        run = a_load(server.url, a_scenario(messages=1_000, rate_per_s=200.0))
        await cancel_when(heard_ten, run, server)

    assert not run.result.complete
    assert 10 <= run.result.sent < 1_000
    assert run.result.unsent == 1_000 - run.result.sent
    assert run.result.acked >= 1


async def test_a_run_cancelled_while_it_lets_people_in_closes_its_connections() -> None:
    asked = asyncio.Event()

    class Silent(FakeServer):
        async def say(self, client: ServerConnection, frame: Any) -> None:
            if isinstance(frame, Ack) and len(self.clients) == 2:
                asked.set()  # and the second waits for its room for ever
            else:
                await super().say(client, frame)

    async with Silent() as server:
        await cancel_when(asked, a_load(server.url, a_scenario()), server)


async def test_no_server_or_one_that_lets_nobody_in_is_said_in_one_sentence(
    unused_tcp_port: int,
) -> None:
    class Closed(FakeServer):
        async def say(self, client: ServerConnection, frame: Any) -> None:  # noqa: ARG002
            await super().say(client, ErrorFrame("user_taken", "that name is taken"))

    async with Closed() as server:
        absent = f"ws://127.0.0.1:{unused_tcp_port}"
        for url, said in (
            (server.url, "that name is taken"),
            (absent, f"nothing listens on 127.0.0.1:{unused_tcp_port}: start it"),
        ):
            with pytest.raises(UsageError, match=said):
                await a_load(url, a_scenario()).run()


async def test_a_closed_loop_has_no_more_under_way_than_asked_for() -> None:
    users = [send.user for send in plan(a_scenario(messages=60), 1)]
    under_way: Counter[int] = Counter()
    most = 0

    async def on_message(message: Incoming) -> None:
        nonlocal most
        assert isinstance(message.request.ref, int)
        user = users[message.request.ref]
        under_way[user] += 1
        most = max(most, under_way[user])
        await message.ack()
        under_way[user] -= 1
        await message.deliver()

    result = await loaded(on_message, messages=60, in_flight=2)
    assert result.complete
    assert result.sent == 60
    assert most <= 2


async def test_a_closed_loop_waits_for_each_message_to_come_back_or_to_be_refused() -> None:
    result = await loaded(ACKS, in_flight=1)
    refused = await loaded(refuses("overloaded"), in_flight=1)
    senders = {send.user for send in result.plan}
    assert not result.complete
    assert (result.sent, result.unsent) == (len(senders), 20 - len(senders))
    assert refused.complete
    assert refused.refused == dict.fromkeys(range(20), "overloaded")
    assert refused.throughput_per_s == 0


# A room in which people chat.


async def test_a_load_joins_a_room_that_is_there_and_minds_only_its_own_messages(tmp_path) -> None:
    scenario = a_scenario(room="general", rate_per_s=100.0)
    async with chatting("naive", tmp_path, "alice") as (server, alice):
        talking = asyncio.create_task(talk(alice))
        result = await a_load(server.url, scenario, settle_s=10.0).run()
        talking.cancel()
        heard = {message["content"] for message in alice.of("message")}
        await alice.ask("join_room", roomId="general")  # after all that the load has asked for
    rooms = json.loads((tmp_path / "chatrooms.json").read_bytes())
    members = {room["id"]: room["participants"] for room in rooms}

    assert result.complete
    assert audit(result, RUN, None) == Audit(sent=20, acked=20, delivered=20, saved=None)
    assert {content_of(RUN, n, send.text) for n, send in enumerate(result.plan)} < heard
    assert "alice" in members["general"]
    assert not [name for name in members["general"] if name.startswith("load")]
    assert set(members) == {"general", "new-year", "staff"}  # it made no room


async def talk(client: ChatClient) -> None:
    """Say one thing after another."""
    while True:
        await client.ask("send_message", roomId="general", content="hello")


async def test_a_room_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server:
        with pytest.raises(UsageError, match=r"no room 'attic'.*--room.*general, new-year"):
            # Nobody has joined, so nobody waits for a server to hear that he leaves.
            async with asyncio.timeout(LEAVE_TIMEOUT_S / 2):
                await a_load(server.url, a_scenario(room="attic")).run()


async def test_users_leave_a_room_even_if_the_server_is_too_busy_to_hear_them() -> None:
    class Busy(FakeServer):
        """Never gets beyond the first message of a user, until that one's connection has ended."""

        async def _answer(self, client: ServerConnection, request: object) -> None:
            await super()._answer(client, request)
            if isinstance(request, SendMessage):
                await client.wait_closed()
                raise ConnectionClosedOK(None, None)

    async with Busy() as server:
        result = await a_load(server.url, a_scenario(room="general")).run()
        assert not result.complete
        assert result.still_listed == 0
        assert {path.partition("&frames")[0] for path in server.left} == {
            f"/?v=1&user=load-{RUN}-{user}" for user in range(4)
        }


# The end.


async def test_the_deadline_ends_a_run_that_is_still_being_answered() -> None:
    async with FakeServer(unless(19, does())) as server:
        run = a_load(server.url, a_scenario(), settle_s=1_000, deadline_s=0.3)
        async with asyncio.timeout(10):  # one that waits for the last answer waits for ever
            result = await run.run()
    assert (result.at_deadline, result.complete, result.acked) == (True, False, 19)
    assert result.unsettled() == [19]
    assert result.oldest_s == result.behind_s == result.ended_s >= 0.3
    assert max(result.waited_ms()) == result.ended_s * 1000


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_stamped_message_says_when_it_was_due(at_once: bool) -> None:
    due_at: dict[Any, float | None] = {}

    async def on_message(message: Incoming) -> None:
        due_at[message.request.ref] = message.request.due_at
        await message.behave()

    began = time.time()
    async with FakeServer(on_message) as server:
        scenario = a_scenario(rate_per_s=None if at_once else 400.0)
        result = await a_load(server.url, scenario, since_1970=time.time).run()
    ended = time.time()
    start = due_at[0]
    assert began < start < ended
    assert [due_at[n] - start for n in range(20)] == pytest.approx(result.plan_s(), abs=1e-5)
    # It was sent at that time by the clock on the wall, too, and not before.
    assert start + result.ended_s <= ended
    assert min(result.sent_s) >= 0
