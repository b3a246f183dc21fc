"""The server, put together: how it starts and stops, who is let in, what it shows.

What it does with a message: `session.py` (what comes in) and `outcome.py` (what goes out).

    ws://HOST:PORT/?user=alice     the chat
    ws://HOST:PORT/stats           a snapshot every second (or ?interval_s=0.2)
    http://HOST:PORT/health, /stats, /metrics
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from chatlab.chat.metrics import Metrics
from chatlab.chat.modes import LineUp, assemble
from chatlab.chat.process import ProcessWatch
from chatlab.chat.protocol import (
    FRAME_BYTES_MAX,
    AckLevel,
    ErrorFrame,
    FrameStyle,
    Welcome,
    encode,
)
from chatlab.chat.room_lists import welcome_rooms
from chatlab.chat.rooms import Presence, Rooms
from chatlab.chat.rules import check_user
from chatlab.chat.server.arrivals import LoggingConnection, logging_connection, waiting_outside
from chatlab.chat.server.client import POLICY_VIOLATION, SocketClient
from chatlab.chat.server.door import Door
from chatlab.chat.server.http import HttpDesk
from chatlab.chat.server.life import NameKeeper, SilenceWatch
from chatlab.chat.server.listening import let_many_wait, listening_place, sockets_possible
from chatlab.chat.session import Conversation
from chatlab.chat.settings import Clock, Settings
from chatlab.chat.snapshot import Snapshot
from chatlab.chat.trace import Tracer
from chatlab.chat.turns import Shares, Turns
from chatlab.chat.user_parts import bug_text
from chatlab.data.folder import kept_files, message_maker
from chatlab.data.records import USERS, Message
from chatlab.disk.counted import Condition, FileIO
from chatlab.disk.files import Files
from chatlab.disk.simulated import Simulation
from chatlab.errors import Refusal, StorageError, UsageError, system_words

OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
NO_LIMIT = 2**62

# A web page from elsewhere must not talk to a server on its reader's machine (cross-site WebSocket
# hijacking). Programs send no Origin at all.
_LOCAL_PAGES = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")

# Broken handshakes and lost clients are normal for a server, and counted; the log is for bugs.
_logger = logging.getLogger("chatlab.server")
_logger.setLevel(logging.CRITICAL)


class Farewell(msgspec.Struct, frozen=True):
    """What a server did while it stopped.

    Attributes:
        saved: messages that it saved.
        unsaved: messages that it could not save; it told their senders.
    """

    saved: int
    unsaved: int


class ChatServer:
    """A chat server over one data folder; an async context manager.

    Args:
        line_up: its parts.
        folder: the data folder, ready for use.
        settings: of the parts; knobs in the line-up's name win over them.
        host, port: where to listen; port 0 picks a free one.
        ack: what acks promise, if more than the line-up's default.
        token: a secret that clients must show, if any.
        compress: whether frames are compressed, both ways, for clients that ask for it.
        starting: the first messages of a store that was never used.
        conditions: what stands between the parts and the disk. Simulations begin once the server
            listens, and every snapshot names them.
        clock: seconds.

    Raises, on entering:
        UsageError: it cannot listen there, or the store cannot use what is in the folder.
    """

    def __init__(
        self,
        line_up: LineUp,
        folder: Path,
        *,
        settings: Settings,
        host: str = "127.0.0.1",
        port: int = 0,
        ack: AckLevel | None = None,
        token: str | None = None,
        compress: bool = False,
        starting: Iterable[Message] = (),
        conditions: Sequence[Condition] = (),
        clock: Clock = time.perf_counter,
    ) -> None:
        self.line_up = line_up
        self.settings = line_up.turned(settings)
        self._host = host
        self._port = port
        self._compress = compress
        kept = kept_files(folder, line_up.classes["store"].kept_in)  # type: ignore[attr-defined]
        self._files = Files(folder, conditions, kept=kept)
        self._simulations = [one for one in conditions if isinstance(one, Simulation)]
        self._io_at_start: dict[str, FileIO] = {}
        self._presence = Presence()
        self._connections: set[LoggingConnection] = set()  # bounded as the presence is
        self._metrics = Metrics(clock)
        self._watch = ProcessWatch(clock, self._metrics.loop_lag_ms, self._look)
        tracer = Tracer(clock)
        self._parts = assemble(
            line_up,
            files=self._files,
            settings=self.settings,
            clock=clock,
            metrics=self._metrics,
            members=self._presence.members,
            tracer=tracer,
            ack=ack,
        )
        storage = self._parts.reader, self._parts.writer, self._parts.lock
        self._rooms = Rooms(*storage, self._presence, clock)
        self._starting = starting
        self._stopping = False
        self._shares = Shares(self.settings.client_queue_limit)
        self._turns = Turns(self.settings.turn_size, clock)
        self._conversation = Conversation(
            rooms=self._rooms,
            presence=self._presence,
            store=self._parts.store,
            processor=self._parts.processor,
            metrics=self._metrics,
            tracer=tracer,
            new_message=message_maker(time.time),
            since_1970=time.time,
            stopping=lambda: self._stopping,
            turns=self._turns,
        )
        note = self._metrics.note
        self._door = Door(token, self.settings, sockets_possible, clock, note)
        self._desk = HttpDesk(
            *(self.snapshot, self._door, clock, lambda: self._stopping),
            mode=line_up.name,
            storage=lambda: kept.trouble() or self._metrics.save_trouble,
        )
        self._silence = SilenceWatch(clock, self.settings.silence_max_s, note)
        self._names = NameKeeper(self._presence, self.settings.name_check_s, note)
        self._server: Server | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where clients connect, e.g. `ws://127.0.0.1:8765`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"ws://{host}:{self._port}"

    async def __aenter__(self) -> Self:
        try:
            notes = await self._parts.store.start(self._starting)
        except StorageError as error:
            self._files.close()
            folder = self._files.folder
            raise UsageError(f"cannot start on the data folder {folder}: {error}") from error
        for note in notes:
            self._metrics.note(note)
        try:
            self._server = await serve(
                self._handle,
                **listening_place(self._host, self._port, self._metrics.note),
                process_request=self._desk.answer,
                origins=[None, _LOCAL_PAGES],
                # Costs more time than it saves, except on a slow network: see the lab.
                compression="deflate" if self._compress else None,
                max_size=FRAME_BYTES_MAX,
                create_connection=logging_connection(
                    self._parts.transport,
                    self._metrics.clock,
                    self._metrics.note,
                    self.settings.send_buffer_max,
                    self._door,
                ),
                open_timeout=OPEN_TIMEOUT_S,
                # No send waits for a slow client: `client.py` bounds its buffer.
                write_limit=NO_LIMIT,
                close_timeout=CLOSE_TIMEOUT_S,
                # A busy client's pong waits behind its own messages, so a missing pong does not
                # mean that the client is gone: `life.py` asks more.
                ping_timeout=None,
                logger=_logger,
            )
        except OSError as error:
            await self._parts.store.close()
            self._files.close()
            raise UsageError(
                f"cannot listen on {self._host}:{self._port}: {system_words(error)}; "
                "choose another --port (0 picks a free one) or --host"
            ) from error
        let_many_wait(self._server.sockets)
        self._port = self._server.sockets[0].getsockname()[1]
        self._io_at_start = self._files.statistics()
        for simulation in self._simulations:
            simulation.arm()
        self._watching = asyncio.create_task(self._watch.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> Farewell:
        """Refuse new messages, save those that were accepted, close every connection."""
        accepted = self._parts.processor.statistics().depth
        self._stopping = True
        self._turns.halt()  # what is not read costs no time
        unsaved = await self._parts.processor.drain()
        self._turns.go_on()
        if self._server is not None:
            self._server.close(reason="the server is stopping")
            await self._server.wait_closed()
        if self._watching is not None:
            self._watching.cancel()
        try:
            await self._parts.store.close()
        except StorageError as error:  # the senders have been told already
            self._metrics.note(str(error))
        self._files.close()
        return Farewell(accepted - len(unsaved), len(unsaved))

    def hurry(self) -> None:
        """Stop with what is saved by now, without another try or delivery."""
        self._parts.processor.hurry.set()

    def snapshot(self) -> Snapshot:
        """Everything about the server, now."""
        metrics, parts = self._metrics, self._parts
        return Snapshot(
            url=self.url,
            mode=self.line_up.name,
            parts=self.line_up.parts,
            ack_means=parts.ack_means,
            uptime_s=metrics.clock() - metrics.started_at,
            clients=len(self._presence),
            counts=metrics.counts,
            rates=metrics.rates,
            batches=metrics.batches,
            queue=parts.processor.statistics(),
            waiting=waiting_outside(self._connections, metrics.clock()),
            cache=parts.reader.statistics(),
            files={
                name: io - self._io_at_start.get(name, FileIO())
                for name, io in sorted(self._files.statistics().items())
            },
            ack_ms=metrics.ack_ms.percentiles(),
            save_ms=metrics.save_ms.percentiles(),
            delivery_ms=metrics.delivery_ms.percentiles(),
            ack_from_due_ms=metrics.ack_from_due_ms.percentiles(),
            delivery_from_due_ms=metrics.delivery_from_due_ms.percentiles(),
            loop_lag_ms=metrics.loop_lag_ms.percentiles(),
            cpu_s=self._watch.cpu_s,
            cpu_percent=self._watch.cpu_percent,
            rss_bytes=self._watch.rss_bytes,
            rss_peak_bytes=self._watch.rss_peak_bytes,
            refusals=metrics.refusals,
            notes=metrics.notes,
            simulated=[words for one in self._simulations for words in one.simulated],
        )

    def _look(self) -> None:
        """Log what arrives at connections that are not read now."""
        for connection in self._connections:
            connection.look()
        self._silence.look(self._door.inside)

    async def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        assert isinstance(connection, LoggingConnection)
        url = urlsplit(connection.request.path)
        query = parse_qs(url.query)
        if url.path == "/stats":
            watcher = SocketClient(connection, "a watcher", self._shares)
            interval = query.get("interval_s", [""])[0]
            await self._desk.stream_stats(connection, watcher.push, interval)
        else:
            wants_batches = query.get("frames") == ["batch"]
            style: FrameStyle = self._parts.delivery.frames if wants_batches else "single"
            await self._chat(connection, query.get("user", [""])[0], style)

    async def _chat(self, connection: LoggingConnection, user: str, frames: FrameStyle) -> None:
        client = SocketClient(connection, user, self._shares, frames)
        try:
            check_user(user)
            if not await self._names.arrive(client):
                raise Refusal("user_taken", f"{user} is connected already: use another name")
        except Refusal as refusal:
            await self._turn_away(client, connection, refusal)
            return
        self._connections.add(connection)
        try:
            await client.send(encode(await self._welcome(user, frames)))
            messages = self._parts.transport.messages(connection)
            await self._conversation.hold(client, messages)
        except StorageError as error:
            self._metrics.note(str(error))
            await self._turn_away(client, connection, Refusal("storage_failed", str(error)))
        except ConnectionClosed:
            pass  # the client went without a closing handshake
        except Exception as error:  # a bug in a part: this connection ends, and says why
            text = bug_text(error)
            self._metrics.note(text)
            await self._turn_away(client, connection, Refusal("internal_error", text))
        finally:
            self._connections.discard(connection)
            self._presence.leave(client)

    async def _turn_away(
        self, client: SocketClient, connection: ServerConnection, refusal: Refusal
    ) -> None:
        self._metrics.refused(refusal.code)
        await client.send(encode(ErrorFrame(refusal.code, refusal.message)))
        await connection.close(POLICY_VIOLATION, refusal.code)

    async def _welcome(self, user: str, frames: FrameStyle) -> Welcome:
        names = {known.id: known.name for known in await self._parts.reader.read(USERS)}
        told = welcome_rooms(await self._rooms.all(), user, self._presence)
        name, mode = names.get(user, user), self.line_up.name
        ack_means = self._parts.ack_means
        return Welcome(user, name, mode, ack_means, told.rooms, frames, told.total)
