"""One client's conversation: each request is checked, done and answered, one after another.

Owns the rules of the protocol. Knows frames, not sockets: it gets the frames that come in and a
client to answer to. A request that breaks a rule gets an `error`; the conversation goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable

from chatlab.chat.bad_frames import ref_of
from chatlab.chat.metrics import Metrics
from chatlab.chat.parts.message_seams import Entry, Processor, Talker
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.protocol import (
    HISTORY_LIMIT_MAX,
    Ack,
    Answer,
    CreateRoom,
    ErrorFrame,
    GetHistory,
    HistoryFrame,
    Invite,
    JoinRoom,
    LeaveRoom,
    ListRooms,
    Ref,
    Request,
    SendMessage,
    Who,
    decode_request,
    encode,
)
from chatlab.chat.room_lists import members_frame, rooms_frame
from chatlab.chat.rooms import Presence, Rooms
from chatlab.chat.rules import check_content, check_name, fitting, growing, new_room
from chatlab.chat.settings import Clock
from chatlab.chat.trace import Tracer
from chatlab.chat.turns import Turns
from chatlab.chat.user_parts import bug_text
from chatlab.data.records import Message
from chatlab.errors import Overloaded, Refusal, StorageError

DUE_AGE_MAX_S = 3_600.0
"""A message that says it was due earlier says nothing."""


class Conversation:
    """What all clients of a server share: the parts and the rules.

    Args:
        rooms, presence, store, processor: what requests act upon.
        metrics: counts.
        tracer: traces messages whose senders ask for it.
        new_message: makes a message of (room, sender, content), with an id and a time.
        since_1970: tells seconds since 1970, in UTC.
        stopping: whether the server refuses new messages.
        turns: who is heard when.
    """

    def __init__(
        self,
        *,
        rooms: Rooms,
        presence: Presence,
        store: Store,
        processor: Processor,
        metrics: Metrics,
        tracer: Tracer,
        new_message: Callable[[str, str, str], Message],
        since_1970: Clock,
        stopping: Callable[[], bool],
        turns: Turns,
    ) -> None:
        self._rooms = rooms
        self._presence = presence
        self._store = store
        self._processor = processor
        self._metrics = metrics
        self._tracer = tracer
        self._new_message = new_message
        self._since_1970 = since_1970
        self._stopping = stopping
        self._turns = turns

    async def hold(self, client: Talker, frames: AsyncIterable[str | bytes]) -> None:
        """Answer each frame until the client leaves."""
        async for frame in self._turns.taken(frames, client):
            arrived_at = client.arrived_at()
            try:
                request = decode_request(frame)
            except Refusal as refusal:
                await self._refuse(client, refusal.code, refusal.message, ref_of(frame))
                continue
            try:
                if isinstance(request, SendMessage):
                    await self._send_message(client, request, arrived_at)
                elif not client.gone():  # nobody waits for the answer
                    self._check_going_on()
                    await client.send(encode(await self._answer(client, request)))
            except Refusal as refusal:
                await self._refuse(client, refusal.code, refusal.message, request.ref)
            except StorageError as error:
                await self._storage_failed(client, error, request.ref)
            except Exception as error:  # a bug in a part must not end the connection
                text = bug_text(error)
                self._metrics.note(text)
                await self._refuse(client, "internal_error", text, request.ref)

    async def _answer(self, client: Talker, request: Request) -> Answer:
        match request:
            case GetHistory():
                return await self._history(client, request)
            case ListRooms():
                rooms = await self._rooms.all()
                return rooms_frame(rooms, client.user, self._presence, request)
            case Who():
                room = await self._rooms.require_member(request.room_id, client.user)
                return members_frame(room, self._presence, request.ref)
            case JoinRoom(room_id=room_id):
                await self._rooms.join(room_id, client.user)
                self._presence.enter(client, room_id)
            case LeaveRoom(room_id=room_id):
                await self._rooms.leave(room_id, client.user)
                self._presence.exit(client, room_id)
            case CreateRoom(room_id=room_id):
                await self._rooms.create(new_room(request, client.user), client.user)
                self._presence.enter(client, room_id)
            case Invite(room_id=room_id, user=guest):
                check_name("user", guest)
                await self._rooms.invite(room_id, client.user, guest)
        return Ack(ref=request.ref, means=self._rooms.promise)

    async def _send_message(self, client: Talker, request: SendMessage, arrived_at: float) -> None:
        """Give a message to the processor; `outcome.py` sends its ack."""
        accepted_at = self._metrics.clock()
        if client.frame_style == "batch":
            client.latest_ref = growing(request.ref, client.latest_ref)
        check_content(request.content)
        # Awaiting costs time even when there is nothing to wait for: ask without first.
        if not self._rooms.surely_member(request.room_id, client.user):
            await self._rooms.require_member(request.room_id, client.user)
        if not client.reserved_at_once():
            await client.reserve()
        # No await between this check and the processor: else a message could slip in after the
        # drain, and its ack would be a lie.
        try:
            self._check_going_on()
        except Refusal:
            client.release()
            raise
        message = self._new_message(request.room_id, client.user, request.content)
        due_at = None if request.due_at is None else self._on_our_clock(request.due_at)
        entry = Entry(message, request.ref, client, accepted_at, arrived_at, due_at)
        self._metrics.accepted()
        if request.trace:
            self._tracer.begin(message.id)
        try:
            await self._processor.submit(entry)
        except Overloaded as error:
            client.release()
            self._tracer.give_up([entry])
            self._metrics.accepted(-1)
            raise Refusal("overloaded", f"{error}: wait a moment, then send it again") from None
        except Exception:  # a bug in a processor: it will never report this message
            client.release()
            raise

    def _check_going_on(self) -> None:
        if self._stopping():
            raise Refusal("shutting_down", "the server is stopping: connect again later")

    def _on_our_clock(self, due_at: float) -> float | None:
        """A time since 1970 on the server's clock; None if it is no time at which a message that is
        here now can have been due."""
        age_s = self._since_1970() - due_at
        return self._metrics.clock() - age_s if 0 <= age_s <= DUE_AGE_MAX_S else None

    async def _history(self, client: Talker, request: GetHistory) -> HistoryFrame:
        if not 1 <= request.limit <= HISTORY_LIMIT_MAX:
            raise Refusal("invalid_field", f"limit is from 1 to {HISTORY_LIMIT_MAX}")
        await self._rooms.require_member(request.room_id, client.user)
        messages = fitting(await self._store.history(request.room_id, request.limit))
        return HistoryFrame(ref=request.ref, room_id=request.room_id, messages=messages)

    async def _refuse(self, client: Talker, code: str, text: str, ref: Ref) -> None:
        self._metrics.refused(code)
        await client.send(encode(ErrorFrame(code, text, ref)))

    async def _storage_failed(self, client: Talker, error: StorageError, ref: Ref) -> None:
        self._metrics.note(str(error))
        await self._refuse(client, "storage_failed", f"{error}; send it again later", ref)
