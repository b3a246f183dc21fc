"""The load generator: over real sockets, against a good server, a real one, and bad ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from chatlab.bench.audit import Audit, audit
from chatlab.bench.load import Load
from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.scenario import PlannedSend, Scenario, plan
from chatlab.chat.modes import parse
from chatlab.chat.protocol import Ack, ErrorFrame, MessageFrame, SendMessage
from chatlab.chat.server import ChatServer
from chatlab.chat.settings import Settings
from chatlab.data.folder import DataFolder
from chatlab.errors import UsageError
from tests.bench.fakes import FakeClock, FakeServer, OnMessage, behave

RUN = "test"
SETTLE_S = 0.2
FAULTS = (
    "refused",
    "unanswered",
    "lost",
    "duplicated",
    "misdelivered",
    "reordered",
    "corrupt",
    "misrefused",
)

Handler = Callable[[FakeServer, ServerConnection, SendMessage], Awaitable[None]]


def a_scenario(**changes: Any) -> Scenario:
    values: dict[str, Any] = {"name": "test", "words": "a load", "messages": 20, "users": 4}
    return Scenario(**(values | changes))


def a_load(url: str, scenario: Scenario, **options: Any) -> Load:
    given: dict[str, Any] = {"run_id": RUN, "settle_s": SETTLE_S}
    return Load(url, scenario, plan(scenario, 1), **(given | options))


async def loaded(on_message: OnMessage, **changes: Any) -> LoadResult:
    """The result of a load on a fake server."""
    async with FakeServer(on_message) as server:
        return await a_load(server.url, a_scenario(**changes)).run()


def faults(result: LoadResult) -> dict[str, int]:
    """What the audit complains about."""
    found = audit(result, RUN, None)
    return {name: getattr(found, name) for name in FAULTS if getattr(found, name)}


def unless(number: int, otherwise: Handler) -> Handler:
    """A good server, but for one message."""

    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        await (otherwise if request.ref == number else behave)(server, sender, request)

    return on_message


# Good servers.


@pytest.mark.parametrize("mode", ["naive", "optimized"])
async def test_a_real_server_acks_and_delivers_every_message(mode: str, tmp_path: Path) -> None:
    scenario = a_scenario(messages=60, users=6, rooms=2)
    async with (
        DataFolder(tmp_path) as folder,
        ChatServer(parse(mode), folder, settings=Settings()) as server,
    ):
        result = await a_load(server.url, scenario, settle_s=10.0).run()

    assert result.complete
    assert audit(result, RUN, None) == Audit(sent=60, acked=60, delivered=60, saved=None)
    assert result.receipts == [3] * 60
    assert result.before is not None
    assert result.before.mode == mode
    assert result.io["messages.json"].writes >= 1


async def test_a_clean_run_is_noted_in_full() -> None:
    result = await loaded(behave, rooms=2)

    assert result.complete
    assert faults(result) == {}
    assert (result.sent, result.acked, result.delivered, result.unsent) == (20, 20, 20, 0)
    assert NEVER not in result.acked_s + result.delivered_s + result.sent_s
    assert result.disconnected == {}


async def test_nobody_sends_before_everyone_has_joined() -> None:
    members: list[int] = []

    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        members.append(len(server.clients))
        await behave(server, sender, request)

    await loaded(on_message)
    assert set(members) == {4}


async def test_messages_of_others_in_the_room_are_not_ours() -> None:
    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        await server.deliver(request, content="hello from somebody else")
        await server.deliver(request, content="another-run/3 hello")
        await behave(server, sender, request)

    result = await loaded(on_message)
    assert faults(result) == {}
    assert result.receipts == [4] * 20


async def test_a_run_leaves_no_connection_behind() -> None:
    async with FakeServer() as server:
        await a_load(server.url, a_scenario()).run()
        await until_alone(server)


async def until_alone(server: FakeServer) -> None:
    """Wait until the server has noticed that everyone has gone."""
    async with asyncio.timeout(5):
        while server.clients:
            await asyncio.gather(*(client.wait_closed() for client in [*server.clients]))
            await asyncio.sleep(0)


# Latency counts from the planned time.


class Stall:
    """Answers nothing until the last message has come in: a garbage collection, a slow disk."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._held: list[tuple[ServerConnection, SendMessage]] = []

    async def __call__(
        self, server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        self._held.append((sender, request))
        if len(self._held) == self._last + 1:
            for held in self._held:
                await behave(server, *held)


async def test_a_server_that_stalls_does_not_keep_the_generator_from_sending() -> None:
    async with asyncio.timeout(5):  # one that waited for answers would wait for ever
        result = await loaded(Stall(last=19), rate_per_s=200.0)

    assert result.complete
    assert result.sent == 20


async def test_latency_includes_the_stall_for_every_message_planned_meanwhile() -> None:
    result = await loaded(Stall(last=19), rate_per_s=200.0)
    stalled_until_s = result.plan[-1].at_s

    for planned, ack_ms, delivery_ms in zip(
        result.plan, result.ack_ms(), result.delivery_ms(), strict=True
    ):
        waited_ms = (stalled_until_s - planned.at_s) * 1000
        assert ack_ms >= waited_ms
        assert delivery_ms >= waited_ms


async def test_a_generator_that_is_held_up_cannot_hide_it() -> None:
    clock = FakeClock()
    held_up_by_s = 60.0

    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        if request.ref == 4:
            clock.leap(held_up_by_s)  # the whole machine stood still
        await behave(server, sender, request)

    scenario = a_scenario(rate_per_s=100.0)
    async with FakeServer(on_message) as server:
        result = await a_load(server.url, scenario, clock=clock, settle_s=1_000).run()

    # Those after it were planned at 0.05 to 0.19 s, and all sent when the time had leapt.
    late = slice(5, 20)
    assert all(at_s > held_up_by_s for at_s in result.sent_s[late])
    assert all(ms > (held_up_by_s - 1) * 1000 for ms in result.ack_ms()[late])
    assert all(ms < held_up_by_s * 1000 for ms in result.ack_ms("send")[late])
    assert result.late_p99_ms > (held_up_by_s - 1) * 1000


async def test_the_planned_clock_is_the_send_clock_and_the_lateness() -> None:
    result = await loaded(behave, rate_per_s=1_000.0)
    late_ms = [
        (sent_s - planned.at_s) * 1000
        for sent_s, planned in zip(result.sent_s, result.plan, strict=True)
    ]

    assert min(late_ms) >= 0
    assert result.ack_ms("planned") == pytest.approx(
        [a + b for a, b in zip(result.ack_ms("send"), late_ms, strict=True)]
    )


# Throughput.


def a_result(delivered_s: list[float]) -> LoadResult:
    count = len(delivered_s)
    return LoadResult(
        plan=[PlannedSend(0.1 * n, 0, 0, "") for n in range(count)],
        receivers=[1] * count,
        sent_s=[0.1 * n for n in range(count)],
        acked_s=[NEVER] * count,
        delivered_s=delivered_s,
        receipts=[1] * count,
        received=[[]],
        delivered=sum(at != NEVER for at in delivered_s),
        wall_s=100.0,
    )


def test_throughput_is_what_was_delivered_until_the_last_delivery() -> None:
    assert a_result([0.5, 4.0, NEVER, 2.0]).throughput_per_s == 3 / 4.0


def test_throughput_is_zero_where_nothing_was_delivered() -> None:
    assert a_result([NEVER, NEVER]).throughput_per_s == 0.0


async def test_throughput_counts_deliveries_and_not_acks() -> None:
    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        await server.ack(sender, request)
        if request.ref == 0:
            await server.deliver(request)

    result = await loaded(on_message)
    assert result.acked == 20
    assert result.throughput_per_s == pytest.approx(1 / max(result.delivered_s))


async def test_a_message_counts_as_delivered_when_the_last_of_its_room_has_it() -> None:
    async def one_is_left_out(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        await server.ack(sender, request)
        await server.deliver(request, to=slice(0, 3))

    result = await loaded(unless(7, one_is_left_out))
    assert result.delivered == 19
    assert result.delivered_s[7] == NEVER


async def test_a_second_copy_for_one_does_not_count_as_the_first_for_another() -> None:
    async def one_twice_and_one_never(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        await server.ack(sender, request)
        await server.deliver(request, to=slice(0, 3))
        await server.deliver(request, to=slice(0, 1))

    result = await loaded(unless(7, one_twice_and_one_never))
    assert faults(result) == {"lost": 1, "duplicated": 1}
    assert result.delivered == 19
    assert not result.complete


# Bad servers: each is found out, and none of them keeps the run from ending.


async def never_delivers(
    server: FakeServer, sender: ServerConnection, request: SendMessage
) -> None:
    await server.ack(sender, request)


async def forgets_one_receiver(
    server: FakeServer, sender: ServerConnection, request: SendMessage
) -> None:
    await server.ack(sender, request)
    await server.deliver(request, to=slice(1, None))


async def delivers_twice(
    server: FakeServer, sender: ServerConnection, request: SendMessage
) -> None:
    await behave(server, sender, request)
    await server.deliver(request, to=slice(0, 1))


async def alters(server: FakeServer, sender: ServerConnection, request: SendMessage) -> None:
    await server.ack(sender, request)
    await server.deliver(request, content=request.content + "?")


async def never_answers(server: FakeServer, sender: ServerConnection, request: SendMessage) -> None:
    """Drop it in silence."""


async def delivers_without_an_ack(
    server: FakeServer,
    sender: ServerConnection,  # noqa: ARG001
    request: SendMessage,
) -> None:
    await server.deliver(request)


async def refuses(server: FakeServer, sender: ServerConnection, request: SendMessage) -> None:
    await server.refuse(sender, request, "overloaded")


async def refuses_and_delivers(
    server: FakeServer, sender: ServerConnection, request: SendMessage
) -> None:
    await server.deliver(request)
    await server.refuse(sender, request, "storage_failed")


async def acks_twice(server: FakeServer, sender: ServerConnection, request: SendMessage) -> None:
    await server.ack(sender, request)
    await behave(server, sender, request)


@pytest.mark.parametrize(
    ("fault", "expected", "complete"),
    [
        (never_delivers, {"lost": 1}, False),
        (forgets_one_receiver, {"lost": 1}, False),
        (delivers_twice, {"duplicated": 1}, True),
        (alters, {"corrupt": 4}, True),
        (never_answers, {"unanswered": 1}, False),
        (delivers_without_an_ack, {"unanswered": 1}, False),
        (refuses, {"refused": 1}, True),
        (refuses_and_delivers, {"refused": 1, "misrefused": 1}, True),
        (acks_twice, {}, True),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_what_a_server_does_to_one_message_is_noted_and_nothing_else_is(
    fault: Handler, expected: dict[str, int], complete: bool
) -> None:
    result = await loaded(unless(7, fault))

    assert faults(result) == expected
    assert result.complete == complete
    assert result.sent == 20


async def test_a_refusal_is_noted_with_its_code() -> None:
    result = await loaded(unless(7, refuses))

    assert result.refused == {7: "overloaded"}
    assert result.refused_s.keys() == {7}
    assert (result.acked_s[7], result.delivered_s[7]) == (NEVER, NEVER)


async def test_a_server_that_refuses_everything_is_done_with() -> None:
    result = await loaded(refuses)

    assert result.complete
    assert len(result.refused) == 20
    assert result.throughput_per_s == 0


async def test_messages_in_another_order_are_noted() -> None:
    scenario = a_scenario(messages=2, users=1)

    async def swap(server: FakeServer, sender: ServerConnection, request: SendMessage) -> None:
        held.append(request)
        if len(held) == 2:
            for each in reversed(held):
                await behave(server, sender, each)

    held: list[SendMessage] = []
    async with FakeServer(swap) as server:
        result = await a_load(server.url, scenario).run()

    assert faults(result) == {"reordered": 1}
    assert result.complete


async def test_a_delayed_save_is_news_and_not_an_answer() -> None:
    async def late(server: FakeServer, sender: ServerConnection, request: SendMessage) -> None:
        await server.refuse(sender, request, "storage_delayed")
        await server.refuse(sender, request, "storage_delayed")
        await behave(server, sender, request)

    result = await loaded(unless(7, late))
    assert faults(result) == {}
    assert result.complete
    assert result.refused == {}


async def test_a_message_acked_and_then_refused_is_counted_once() -> None:
    async def takes_it_back(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        await behave(server, sender, request)
        await server.refuse(sender, request, "storage_failed")

    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        if request.ref != 19:  # the last one is never answered
            await takes_it_back(server, sender, request)

    result = await loaded(on_message)
    assert not result.complete
    assert faults(result)["unanswered"] == 1


async def test_a_message_acked_twice_does_not_stand_in_for_one_never_answered() -> None:
    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        if request.ref != 19:
            await behave(server, sender, request)
            await server.ack(sender, request)

    result = await loaded(on_message)
    assert not result.complete
    assert faults(result) == {"unanswered": 1}


async def test_an_ack_of_a_message_that_was_never_sent_breaks_nothing() -> None:
    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        strange = SendMessage(room_id=request.room_id, content="", ref=1_000)
        await server.ack(sender, strange)
        await behave(server, sender, request)

    result = await loaded(on_message)
    assert result.complete
    assert result.disconnected == {}
    assert faults(result) == {}


async def test_a_server_that_hangs_up_in_the_middle_is_noted() -> None:
    async def falls_over(
        server: FakeServer,
        sender: ServerConnection,  # noqa: ARG001
        request: SendMessage,  # noqa: ARG001
    ) -> None:
        # Not awaited: a connection cannot wait here for its own end.
        leaving.append(asyncio.create_task(server.hang_up()))

    leaving: list[asyncio.Task[None]] = []
    result = await loaded(unless(7, falls_over), rate_per_s=200.0)
    await asyncio.gather(*leaving)

    assert not result.complete
    assert result.disconnected == {"falling over": 4}
    assert faults(result)["unanswered"] >= 1


async def test_a_run_ends_when_everyone_was_disconnected_however_much_is_planned() -> None:
    async def falls_over(
        server: FakeServer,
        sender: ServerConnection,  # noqa: ARG001
        request: SendMessage,  # noqa: ARG001
    ) -> None:
        leaving.append(asyncio.create_task(server.hang_up()))

    leaving: list[asyncio.Task[None]] = []
    async with asyncio.timeout(5):  # the plan goes on for 1,000 seconds
        result = await loaded(unless(7, falls_over), messages=20_000, rate_per_s=20.0)
    await asyncio.gather(*leaving)

    assert not result.complete
    assert result.sent < 20_000


async def test_a_message_shown_to_someone_outside_its_room_is_not_clean() -> None:
    async def leaks(server: FakeServer, sender: ServerConnection, request: SendMessage) -> None:
        await behave(server, sender, request)
        frame = MessageFrame("m", request.room_id, "someone", request.content, "")
        for client in server.clients - {sender}:
            if client not in server.members(request.room_id):
                await server.say(client, frame)

    result = await loaded(unless(7, leaks), rooms=2)
    assert faults(result).keys() == {"misdelivered"}
    assert not audit(result, RUN, None).clean


async def test_a_server_that_does_not_speak_the_protocol_is_left() -> None:
    async def on_message(
        server: FakeServer,  # noqa: ARG001
        sender: ServerConnection,
        request: SendMessage,  # noqa: ARG001
    ) -> None:
        await sender.send("this is not JSON")

    result = await loaded(on_message)
    assert not result.complete
    assert result.disconnected
    assert "without a reason" not in result.disconnected


# A run that is cut short.


async def test_a_cancelled_run_leaves_what_it_has_and_closes_its_connections() -> None:
    heard_ten = asyncio.Event()

    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        await behave(server, sender, request)
        if len(server.sent) == 10:
            heard_ten.set()

    async with FakeServer(on_message) as server:
        run = a_load(server.url, a_scenario(messages=1_000, rate_per_s=200.0))
        running = asyncio.create_task(run.run())
        await heard_ten.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until_alone(server)

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
        running = asyncio.create_task(a_load(server.url, a_scenario()).run())
        await asked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until_alone(server)


async def test_no_server_is_said_in_one_sentence(unused_tcp_port: int) -> None:
    url = f"ws://127.0.0.1:{unused_tcp_port}"

    with pytest.raises(UsageError, match=f"no server answers at {url}"):
        await a_load(url, a_scenario()).run()


async def test_a_server_that_lets_nobody_in_is_quoted() -> None:
    class Closed(FakeServer):
        async def say(self, client: ServerConnection, frame: Any) -> None:  # noqa: ARG002
            await super().say(client, ErrorFrame("user_taken", "that name is taken"))

    async with Closed() as server:
        with pytest.raises(UsageError, match="that name is taken"):
            await a_load(server.url, a_scenario()).run()


# A closed loop.


async def test_a_closed_loop_has_no_more_under_way_than_asked_for() -> None:
    scenario = a_scenario(messages=60, in_flight=2)
    users = [send.user for send in plan(scenario, 1)]
    under_way = [0] * 4
    most = 0

    async def on_message(
        server: FakeServer, sender: ServerConnection, request: SendMessage
    ) -> None:
        nonlocal most
        assert isinstance(request.ref, int)
        user = users[request.ref]
        under_way[user] += 1
        most = max(most, under_way[user])
        await server.ack(sender, request)
        under_way[user] -= 1
        await server.deliver(request)

    async with FakeServer(on_message) as server:
        result = await a_load(server.url, scenario).run()

    assert result.complete
    assert result.sent == 60
    assert most <= 2


async def test_a_closed_loop_goes_on_after_a_refusal() -> None:
    result = await loaded(refuses, in_flight=1)

    assert result.complete
    assert len(result.refused) == 20


async def test_a_closed_loop_waits_for_each_message_to_come_back() -> None:
    result = await loaded(never_delivers, in_flight=1)
    senders = {send.user for send in result.plan}

    assert not result.complete
    assert result.sent == len(senders)
    assert result.unsent == 20 - len(senders)
