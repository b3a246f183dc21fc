"""The load generator: carries out a plan over real sockets and notes what comes back, and when.

Every send time is planned before the start, and latency counts from the planned time: a server
that cannot keep up cannot make the generator wait, and so cannot hide its delay (the trap known
as coordinated omission). What the generator itself costs, and how late it was, is in its result.

Read `load_tracker.py` for the bookkeeping, or `audit.py` next: it judges what is noted here.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from chatlab.bench.address import chat_url, shown
from chatlab.bench.client import HTTP_TIMEOUT_S, Connection, connect, fetch_snapshot, framed
from chatlab.bench.load_result import NEVER, LoadProgress, LoadResult, RecentLatency
from chatlab.bench.load_tracker import LoadTracker
from chatlab.bench.scenario import RUN_ID, PlannedSend, Scenario, members
from chatlab.chat.protocol import (
    Ack,
    CreateRoom,
    ErrorFrame,
    JoinRoom,
    LeaveRoom,
    MessageFrame,
    MessagesFrame,
    SendMessage,
    Welcome,
    decode_outgoing,
    encode,
)
from chatlab.chat.settings import Clock
from chatlab.errors import UsageError

SENDS_AT_ONCE = 32
SETUP_TIMEOUT_S = 30.0
SETUP = -1
"""The `ref` of requests that no message of the plan has."""
ALONE_CHECK_S = 0.2
ROOMS_SHOWN_MAX = 10
LAST_LOOK_S = 1.0
"""What a stopped run waits for the server's figures."""
LEAVE_TIMEOUT_S = 15.0
LEAVE_RETRY_S = 0.2
ENCODED_TO_TRY = 1_000
ENCODING_MARGIN = 1.5
START_MARGIN_S = 0.02
SLOW_PAUSE_S = 0.5
SLOW_GULP_S = 0.001


class Load:
    """One run of a plan against one server.

    Args:
        url: the server's address, `ws://HOST:PORT`.
        scenario, plan: what to do.
        run_id: marks the users, rooms and messages of this run, to keep runs apart.
        clock: seconds.
        settle_s: seconds without an answer after which an incomplete run is given up.
        deadline_s: seconds after the start at which the run ends, whatever is missing; None: never.
        since_1970: if given, each message of an open loop carries when it is due, by this clock,
            so that the server can count from there, too.

    Attributes:
        let_in: set once the first user is in its room.
    """

    def __init__(
        self,
        url: str,
        scenario: Scenario,
        plan: list[PlannedSend],
        *,
        run_id: str = RUN_ID,
        clock: Clock = time.perf_counter,
        settle_s: float = 5.0,
        deadline_s: float | None = None,
        since_1970: Clock | None = None,
    ) -> None:
        self.url = url
        self.scenario = scenario
        self._run_id = run_id
        self._clock = clock
        self._settle_s = settle_s
        self.deadline_s = deadline_s
        self._since_1970 = None if scenario.in_flight else since_1970
        self.let_in = asyncio.Event()
        self.connections: list[Connection] = []
        self._slow: list[Connection] = []
        # The answer that the set-up waits for: there is one at a time.
        self._answer: asyncio.Future[None] | None = None
        self._rooms_there: list[str] = []
        self._joined = 0
        self._start = 0.0
        self.result = LoadResult(
            plan=list(plan),
            receivers=[members(scenario, send.room) for send in plan],
            sent_s=[NEVER] * len(plan),
            acked_s=[NEVER] * len(plan),
            delivered_s=[NEVER] * len(plan),
            rooms=scenario.rooms,
            receipts=[0] * len(plan),
            received=[[] for _ in range(scenario.users)],
        )
        self.tracker = LoadTracker(run_id, self.result, self._send_next)
        # Each message as it is sent over the wire.
        self._frames: list[bytes] = []

    async def run(self) -> LoadResult:
        """Connect everyone, carry out the plan, wait for the answers.

        A cancelled run (Ctrl-C) leaves what it has so far in `result`, marked incomplete.

        Raises:
            UsageError: the server cannot be reached or does not let the users in.
        """
        try:
            await self.set_up()
            # A server without statistics, or one that died, gives no snapshot; what is measured
            # here stays valid.
            with suppress(UsageError):
                self.result.before = await fetch_snapshot(self.url)
            try:
                await self._measure()
            except asyncio.CancelledError:
                await self._look_back(LAST_LOOK_S)
                raise
            await self._look_back()
        finally:
            try:
                await self._hang_up()
            finally:
                self.tracker.finish()
        return self.result

    async def _look_back(self, timeout_s: float = HTTP_TIMEOUT_S) -> None:
        """Ask the server for its figures at the end, and keep our own of the last seconds."""
        self.result.recent = self.recent()
        with suppress(UsageError):
            self.result.after = await fetch_snapshot(self.url, timeout_s)

    def progress(self) -> LoadProgress:
        """How far the run is."""
        return self.tracker.progress(self.now_s() if self.started else 0.0)

    @property
    def started(self) -> bool:
        """Whether the first message has become due."""
        return self._start > 0 and self.now_s() >= 0

    def recent(self) -> RecentLatency:
        """Latencies of the last ten seconds."""
        return self.tracker.recent(self.now_s())

    def now_s(self) -> float:
        """Seconds after the start."""
        return self._clock() - self._start

    async def set_up(self) -> None:
        """Connect all users, each in its room."""
        users, rooms = self.scenario.users, self.scenario.rooms
        for user in range(users + self.scenario.slow_readers):
            self._answer = asyncio.get_running_loop().create_future()
            connection = await connect(
                chat_url(self.url, f"load-{self._run_id}-{user}") + "&frames=batch",
                self.listener(user),
            )
            (self.connections if user < users else self._slow).append(connection)
            await self._until_set_up(connection)
            room_id = self._room_id(user % rooms)
            if user < rooms and self.scenario.room is None:
                await self._request(connection, CreateRoom(room_id=room_id, ref=SETUP))
            await self._request(connection, JoinRoom(room_id=room_id, ref=SETUP))
            self._joined += 1
            self.let_in.set()

    async def _measure(self) -> None:
        # A collection in the middle of a run would count as the server's delay.
        gc.collect()
        gc.disable()
        await self._get_ready()
        slowing = asyncio.create_task(self._read_slowly())
        cpu_before_s = time.process_time()
        try:
            async with asyncio.timeout(self.deadline_s):
                if self.scenario.in_flight is None:
                    await self._send_all()
                else:
                    self._send_closed(self.scenario.in_flight)
                await self._until_answered()
        except TimeoutError:
            self.result.at_deadline = True
        finally:
            gc.enable()
            slowing.cancel()
            self.result.ended_s = self.now_s()
            self.result.wall_s = self.tracker.last_news_s
            self.result.sender_cpu_s = time.process_time() - cpu_before_s

    async def _get_ready(self) -> None:
        """Encode every message, and set the start."""
        count = len(self.result.plan)
        if self._since_1970 is None:
            self._frames = self._encoded(count)
            self._start = self._clock()
            return
        # A message that carries its time needs a start that is known before it is encoded.
        tried = min(count, ENCODED_TO_TRY)
        before_s = self._clock()
        self._encoded(tried, 0.0)
        each_s = (self._clock() - before_s) / tried
        ahead_s = each_s * count * ENCODING_MARGIN + START_MARGIN_S
        self._start = self._clock() + ahead_s
        self._frames = self._encoded(count, self._since_1970() + ahead_s)
        await asyncio.sleep(self._start - self._clock())

    def _encoded(self, count: int, start_at: float | None = None) -> list[bytes]:
        """The first messages of the plan as frames; `start_at` is the start, since 1970."""
        return [
            framed(
                encode(
                    SendMessage(
                        room_id=self._room_id(send.room),
                        content=content,
                        ref=number,
                        due_at=None if start_at is None else start_at + send.at_s,
                    )
                )
            )
            for number, (send, content) in enumerate(
                zip(self.result.plan[:count], self.tracker.contents[:count], strict=True)
            )
        ]

    async def _send_all(self) -> None:
        """Open loop: send each message at its time, even if earlier ones are unanswered."""
        for number, send in enumerate(self.result.plan):
            ahead_s = self._start + send.at_s - self._clock()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            elif number % SENDS_AT_ONCE == 0:
                await asyncio.sleep(0)  # let answers in, or their times would be ours
            if self._alone():
                return
            self._send(send.user, [number])

    def _send_closed(self, in_flight: int) -> None:
        """Closed loop: `in_flight` per user now, and one more whenever one comes back."""
        for user in range(self.scenario.users):
            self._send_next(user, in_flight)

    def _send_next(self, user: int, count: int) -> None:
        """In a closed loop a message is due when another one has come back."""
        numbers = self.tracker.unsent(user, count) if self.scenario.in_flight else []
        if numbers:
            self._send(user, numbers, due_s=self.now_s())

    def _alone(self) -> bool:
        """Whether the server has closed every connection."""
        return all(connection.closed.is_set() for connection in self.connections)

    def _send(self, user: int, numbers: list[int], due_s: float | None = None) -> None:
        """Hand messages of one user to its socket, all at once."""
        self.connections[user].send_framed(b"".join([self._frames[n] for n in numbers]))
        self.tracker.sent(user, numbers, self.now_s(), due_s)

    async def _read_slowly(self) -> None:
        """Let the slow readers read a little from time to time."""
        while self._slow:
            for connection in self._slow:
                connection.pause_reading()
            await asyncio.sleep(SLOW_PAUSE_S)
            for connection in self._slow:
                connection.resume_reading()
            await asyncio.sleep(SLOW_GULP_S)

    async def _until_answered(self) -> None:
        tracker = self.tracker
        tracker.last_news_s = self.now_s()
        while not tracker.all_settled.is_set() and not self._alone():
            patience_s = tracker.last_news_s + self._settle_s - (self.now_s())
            if patience_s <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(patience_s, ALONE_CHECK_S)):
                    await tracker.all_settled.wait()
        self.result.complete = tracker.all_settled.is_set()

    async def _hang_up(self) -> None:
        everyone = [*self.connections, *self._slow]
        if self.scenario.room is not None and self.result.complete:
            # A server drops what a client has asked for that is gone: wait for the answers.
            with suppress(TimeoutError, UsageError):
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    for connection in everyone:
                        await self._request(
                            connection, LeaveRoom(room_id=self._room_id(0), ref=SETUP)
                        )
        for user, connection in enumerate(everyone):
            if connection.closed.is_set():
                who = "" if user < len(self.connections) else "a slow reader: "
                reason = who + (connection.close_reason or "without a reason")
                self.result.disconnected[reason] = self.result.disconnected.get(reason, 0) + 1
            else:
                room_id = self._room_id(user % self.scenario.rooms)
                connection.send(encode(LeaveRoom(room_id=room_id)))
        await asyncio.gather(*(connection.close() for connection in everyone))
        if self.scenario.room is not None and not self.result.complete:
            with suppress(TimeoutError, UsageError):
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    await self._leave_again(self._joined)

    async def _leave_again(self, users: int) -> None:
        """Take our users off a room that is not ours.

        A server that is behind has not read our first requests, and never will: what waits in a
        socket is gone once the connection has ended.
        """
        self.result.still_listed = users
        for user in range(users):
            await self._leave(user)
            self.result.still_listed -= 1

    async def _leave(self, user: int) -> None:
        """Come back, and leave the room; again, while the server is still busy with the
        connection that has ended."""
        url = chat_url(self.url, f"load-{self._run_id}-{user}")
        while True:
            self._answer = asyncio.get_running_loop().create_future()
            connection = await connect(url, self.listener(user))
            try:
                await self._until_set_up(connection)
                await self._request(connection, LeaveRoom(room_id=self._room_id(0), ref=SETUP))
                return
            except UsageError:
                await asyncio.sleep(LEAVE_RETRY_S)
            finally:
                await connection.close()

    def listener(self, user: int) -> Callable[[bytes], None]:
        """The callback for the frames that a user gets."""
        tracker, slow = self.tracker, user >= self.scenario.users

        def on_frame(data: bytes) -> None:
            now_s = self.now_s()
            if not slow and tracker.same_again(user, data, now_s):
                return
            match decode_outgoing(data):
                case MessagesFrame() as frame if not slow:
                    tracker.messages(user, data, frame.messages, now_s)
                case MessageFrame() as frame if not slow:
                    tracker.messages(user, data, (frame,), now_s)
                case Ack(up_to=int(up_to)):
                    tracker.ack_up_to(user, up_to, now_s)
                case Ack(ref=int(ref)) if 0 <= ref < len(self.result.plan):
                    tracker.ack(ref, now_s)
                case Ack(ref=ref) if ref == SETUP:
                    self._set_up()
                case ErrorFrame() as frame:
                    self._on_error(frame, now_s)
                case Welcome() as frame:
                    # Those of other loads are not for people.
                    rooms = [room.id for room in frame.rooms if not room.id.startswith("load-")]
                    self._rooms_there = rooms[:ROOMS_SHOWN_MAX]
                    self._set_up()

        return on_frame

    def _on_error(self, frame: ErrorFrame, now_s: float) -> None:
        if isinstance(frame.ref, int) and 0 <= frame.ref < len(self.result.plan):
            self.tracker.last_news_s = now_s
            # `storage_delayed` is no answer: the server keeps trying.
            if frame.code != "storage_delayed":
                self.tracker.refusal(frame.ref, frame.code, now_s)
        elif frame.code == "room_exists":
            self._set_up()
        elif frame.code == "no_such_room" and self.scenario.room is not None:
            self._set_up(UsageError(self._no_such_room()))
        else:
            refused = f"{shown(self.url)} refused to let the load in: {frame.message}"
            self._set_up(UsageError(refused))

    def _no_such_room(self) -> str:
        rooms = ", ".join(self._rooms_there) or "none"
        return (
            f"{shown(self.url)} has no room {self.scenario.room!r} for the load to join: "
            f"name one that exists with --room (there are: {rooms})"
        )

    async def _request(self, connection: Connection, request: msgspec.Struct) -> None:
        self._answer = asyncio.get_running_loop().create_future()
        connection.send(encode(request))
        await self._until_set_up(connection)

    def _set_up(self, error: UsageError | None = None) -> None:
        """The server has answered a request of the set-up."""
        if self._answer is None or self._answer.done():
            return
        if error:
            self._answer.set_exception(error)
        else:
            self._answer.set_result(None)

    async def _until_set_up(self, connection: Connection) -> None:
        assert self._answer is not None
        closed = asyncio.ensure_future(connection.closed.wait())
        waiting: list[asyncio.Future[Any]] = [self._answer, closed]
        try:
            await asyncio.wait(
                waiting, timeout=SETUP_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            closed.cancel()
        if not self._answer.done():
            reason = connection.close_reason or f"no answer within {SETUP_TIMEOUT_S:g} s"
            raise UsageError(f"{shown(self.url)} did not let the load in: {reason}")
        self._answer.result()

    def _room_id(self, room: int) -> str:
        return self.scenario.room or f"load-{self._run_id}-{room}"


class EchoLoad(Load):
    """The same plan, sender and clocks against an echo server: what comes back to its sender is
    both acked and delivered."""

    async def set_up(self) -> None:
        self.result.receivers = [1] * len(self.result.plan)
        for user in range(self.scenario.users):
            url = chat_url(self.url, f"load-{user}")
            self.connections.append(await connect(url, self.listener(user), understand=None))

    def listener(self, user: int) -> Callable[[bytes], None]:
        decoder = msgspec.json.Decoder(SendMessage)
        tracker = self.tracker

        def on_frame(data: bytes) -> None:
            now_s = self.now_s()
            frame = decoder.decode(data)
            assert isinstance(frame.ref, int)
            tracker.echo(user, frame.ref, frame.content, now_s)

        return on_frame
