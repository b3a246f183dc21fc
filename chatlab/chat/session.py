"""One client's conversation: each request is checked, done and answered, one after another.

Owns the rules of the protocol. Knows frames, not sockets: it gets the frames that come in and a
client to answer to. A request that breaks a rule gets an `error`; the conversation goes on.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import AsyncIterable, Callable
from datetime import UTC, datetime
from typing import Protocol

from chatlab.chat.metrics import Metrics
from chatlab.chat.parts.message_seams import Client, Entry, Processor
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.protocol import (
    CONTENT_CHARS_MAX,
    HISTORY_LIMIT_MAX,
    Ack,
    CreateRoom,
    ErrorFrame,
    GetHistory,
    HistoryFrame,
    Invite,
    JoinRoom,
    LeaveRoom,
    Ref,
    Request,
    SendMessage,
    decode_request,
    encode,
    ref_of,
)
from chatlab.chat.rooms import Presence, Rooms
from chatlab.chat.settings import Clock
from chatlab.chat.user_parts import user_line
from chatlab.data.folder import utc_text
from chatlab.data.records import Message, Room
from chatlab.errors import Overloaded, Refusal, StorageError

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
NAME_RULE = "1 to 64 letters, digits, '_', '.' or '-', the first a letter or digit"
ROOM_TITLE_CHARS_MAX = 100
HISTORY_CHARS_MAX = 100_000


class Conversation:
    """What all clients of a server share: the parts and the rules.

    Args:
        rooms, presence, store, processor: what requests act upon.
        metrics: counts.
        new_message: makes a message of (room, sender, content), with an id and a time.
        stopping: whether the server refuses new messages.
    """

    def __init__(
        self,
        *,
        rooms: Rooms,
        presence: Presence,
        store: Store,
        processor: Processor,
        metrics: Metrics,
        new_message: Callable[[str, str, str], Message],
        stopping: Callable[[], bool],
    ) -> None:
        self._rooms = rooms
        self._presence = presence
        self._store = store
        self._processor = processor
        self._metrics = metrics
        self._new_message = new_message
        self._stopping = stopping

    async def hold(self, client: Talker, frames: AsyncIterable[str | bytes]) -> None:
        """Answer each frame until the client leaves."""
        async for frame in frames:
            arrived_at = self._metrics.clock()
            try:
                request = decode_request(frame)
            except Refusal as refusal:
                await self._refuse(client, refusal.code, refusal.message, ref_of(frame))
                continue
            try:
                if isinstance(request, SendMessage):
                    await self._send_message(client, request, arrived_at)
                else:
                    await self._answer(client, request)
            except Refusal as refusal:
                await self._refuse(client, refusal.code, refusal.message, request.ref)
            except StorageError as error:
                await self._storage_failed(client, error, request.ref)
            except Exception as error:  # a bug in a part must not end the connection
                text = f"{type(error).__name__} in the server: {error}{user_line(error)}"
                self._metrics.note(text)
                await self._refuse(client, "internal_error", text, request.ref)

    async def _answer(self, client: Talker, request: Request) -> None:
        match request:
            case GetHistory():
                await self._history(client, request)
                return  # its answer is the history
            case JoinRoom(room_id=room_id):
                await self._rooms.join(room_id, client.user)
                self._presence.enter(client, room_id)
            case LeaveRoom(room_id=room_id):
                await self._rooms.leave(room_id, client.user)
                self._presence.exit(client, room_id)
            case CreateRoom(room_id=room_id):
                await self._rooms.create(_new_room(request, client.user))
                self._presence.enter(client, room_id)
            case Invite(room_id=room_id, user=guest):
                _check_name("user", guest)
                await self._rooms.invite(room_id, client.user, guest)
        await client.send(encode(Ack(ref=request.ref, means=self._rooms.promise)))

    async def _send_message(self, client: Talker, request: SendMessage, arrived_at: float) -> None:
        """Give a message to the processor; `outcome.py` sends its ack."""
        if client.frame_style == "batch":
            client.latest_ref = _growing(request.ref, client.latest_ref)
        _check_content(request.content)
        # Awaiting costs time even when there is nothing to wait for: ask without first.
        if not self._rooms.surely_member(request.room_id, client.user):
            await self._rooms.require_member(request.room_id, client.user)
        if not client.reserved_at_once():
            await client.reserve()
        # No await between this check and the processor: else a message could slip in after the
        # drain, and its ack would be a lie.
        if self._stopping():
            client.release()
            raise Refusal("shutting_down", "the server is stopping: connect again later")
        message = self._new_message(request.room_id, client.user, request.content)
        self._metrics.accepted()
        try:
            await self._processor.submit(Entry(message, request.ref, client, arrived_at))
        except Overloaded as error:
            client.release()
            self._metrics.accepted(-1)
            raise Refusal("overloaded", f"{error}: wait a moment, then send it again") from None
        except Exception:  # a bug in a processor: it will never report this message
            client.release()
            raise

    async def _history(self, client: Talker, request: GetHistory) -> None:
        if not 1 <= request.limit <= HISTORY_LIMIT_MAX:
            raise Refusal("invalid_field", f"limit is from 1 to {HISTORY_LIMIT_MAX}")
        await self._rooms.require_member(request.room_id, client.user)
        messages = await self._store.history(request.room_id, request.limit)
        messages = _fitting(messages)
        frame = HistoryFrame(ref=request.ref, room_id=request.room_id, messages=messages)
        await client.send(encode(frame))

    async def _refuse(self, client: Talker, code: str, text: str, ref: Ref) -> None:
        self._metrics.refused(code)
        await client.send(encode(ErrorFrame(code, text, ref)))

    async def _storage_failed(self, client: Talker, error: StorageError, ref: Ref) -> None:
        self._metrics.note(str(error))
        await self._refuse(client, "storage_failed", f"{error}; send it again later", ref)


class Talker(Client, Protocol):
    """A client that also sends: each message waits for the client's share of the queue.

    Attributes:
        latest_ref: of its messages, if it takes batches and so gets cumulative acks.
    """

    latest_ref: int

    def reserved_at_once(self) -> bool:
        """Reserve if that needs no wait; returns whether it did."""

    async def reserve(self) -> None:
        """Wait until the client has fewer unsaved messages than `client_queue_limit`; count one
        more."""


def check_user(user: str) -> None:
    """Raises `Refusal` unless `user` is a valid name."""
    _check_name("user", user)


def _check_name(field: str, value: str) -> None:
    if not NAME_PATTERN.fullmatch(value):
        raise Refusal("invalid_field", f"{field} {value[:80]!r} is not a name: use {NAME_RULE}")


def _growing(ref: Ref, latest: int) -> int:
    """The ref, which must be a number above the latest: a cumulative ack covers all up to one."""
    if not isinstance(ref, int) or ref <= latest:
        raise Refusal(
            "invalid_field",
            f"with frames=batch each message needs a ref that is a number above the last one, "
            f"{latest}; this one has {ref!r}"[:200],
        )
    return ref


def _check_content(content: str) -> None:
    if not content.strip():
        raise Refusal("invalid_field", "content is empty: say something")
    if len(content) > CONTENT_CHARS_MAX:
        raise Refusal(
            "too_large",
            f"content has {len(content):,} characters, {CONTENT_CHARS_MAX:,} are allowed: "
            "send it in pieces",
        )


def _fitting(messages: list[Message]) -> list[Message]:
    """The latest messages that fit into one answer, so that long ones do not overrun the client's
    send buffer."""
    chars = list(itertools.accumulate(len(message.content) for message in reversed(messages)))
    return messages[len(messages) - bisect_right(chars, HISTORY_CHARS_MAX) :]


def _new_room(request: CreateRoom, creator: str) -> Room:
    _check_name("roomId", request.room_id)
    title = request.name.strip() or request.room_id
    if len(title) > ROOM_TITLE_CHARS_MAX:
        raise Refusal("too_large", f"name has more than {ROOM_TITLE_CHARS_MAX} characters")
    return Room(request.room_id, title, (creator,), request.private)


def message_maker(now: Clock) -> Callable[[str, str, str], Message]:
    """A function that makes a message of (room, sender, content): gives it its id and time.

    An id is the server's start time and a counter, so that ids are unique over restarts and sort in
    order of acceptance.

    Args:
        now: tells seconds since 1970, in UTC.
    """
    prefix = f"{int(now() * 1000):012x}"
    counter = itertools.count(1)
    latest_ms, text = -1, ""
    latest_s, second = -1, ""

    def new_message(room_id: str, sender: str, content: str) -> Message:
        nonlocal latest_ms, text, latest_s, second
        now_ms = int(now() * 1000)
        if now_ms != latest_ms:  # formatting a date takes longer than all the rest
            latest_ms = now_ms
            if now_ms // 1000 != latest_s:
                latest_s = now_ms // 1000
                second = utc_text(datetime.fromtimestamp(latest_s, UTC)).removesuffix("000Z")
            text = f"{second}{now_ms % 1000:03}Z"
        return Message(f"{prefix}-{next(counter):08x}", room_id, sender, content, text)

    return new_message
