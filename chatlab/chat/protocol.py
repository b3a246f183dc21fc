"""What travels on the wire: JSON text frames, one typed struct for each kind.

Owns the names and types of every frame, and the refusals of broken ones. Knows nothing of sockets,
files or time. Field names are camelCase on the wire (`roomId`).

Read `session.py` next: the conversation in these frames.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from chatlab.chat.bad_frames import explained
from chatlab.data.message_rule import CONTENT_CHARS_MAX as CONTENT_CHARS_MAX
from chatlab.data.records import Message
from chatlab.errors import Refusal

AckLevel = Literal["queued", "written", "synced"]
"""What an acknowledgment promises, weakest first.

`queued`: in the server's memory. `written`: handed to the operating system; survives a crash of
the server, not a power cut. `synced`: fsynced; survives a power cut.
"""
ACK_LEVELS: tuple[AckLevel, ...] = ("queued", "written", "synced")

FrameStyle = Literal["single", "batch"]
"""How a server delivers messages: one frame each, or one for all that were saved together.

A client asks for `batch` with `?frames=batch`; the welcome says what it gets.
"""

Ref = int | str | None
"""The client's own mark on a request; the answer carries it."""

FRAME_BYTES_MAX = 64 * 1024
"""A larger frame closes the connection with code 1009 (RFC 6455, section 7.4.1)."""
FRAME_CHARS_MAX = 64 * 1024
"""Characters of text in one `messages` frame: a large batch of long messages must not overrun the
buffer of a client that reads well."""
FRAME_MESSAGES_MAX = 1_000
"""... and messages: of short ones, the names and times are what is long."""
HISTORY_LIMIT_MAX = 500
ROOMS_LISTED_MAX = 1_000
MEMBERS_LISTED_MAX = 500


class _Incoming(msgspec.Struct, frozen=True, rename="camel", tag_field="type", kw_only=True):
    ref: Ref = None


class JoinRoom(_Incoming, frozen=True, tag="join_room"):
    """Become a participant, and receive the room's messages from now on."""

    room_id: str


class LeaveRoom(_Incoming, frozen=True, tag="leave_room"):
    """Stop being a participant."""

    room_id: str


class CreateRoom(_Incoming, frozen=True, tag="create_room"):
    """Open a new room with the sender in it; a private one takes invited users only."""

    room_id: str
    name: str = ""
    private: bool = False


class Invite(_Incoming, frozen=True, tag="invite"):
    """Make another user a participant; only participants may."""

    room_id: str
    user: str


class SendMessage(_Incoming, frozen=True, tag="send_message", omit_defaults=True):
    """Say something in a room.

    Attributes:
        due_at: when it was to be sent, in seconds since 1970, by a clock that the server shares:
            for the statistics
        trace: whether to answer, once it is delivered, with a `trace`.
    """

    room_id: str
    content: str
    due_at: float | None = None
    trace: bool = False


class GetHistory(_Incoming, frozen=True, tag="history"):
    """Ask for the last `limit` messages of a room, oldest first."""

    room_id: str
    limit: int = 50


class ListRooms(_Incoming, frozen=True, tag="list_rooms"):
    """Ask for rooms that the sender may see, as they are now: at most `limit` of them.

    With `after`, a page in the order of ids: those behind that one; `""` gives the first page.
    """

    after: str | None = None
    limit: int = ROOMS_LISTED_MAX


class Who(_Incoming, frozen=True, tag="who"):
    """Ask who is in a room now; only participants may."""

    room_id: str


Request = JoinRoom | LeaveRoom | CreateRoom | Invite | SendMessage | GetHistory | ListRooms | Who


class _Outgoing(msgspec.Struct, frozen=True, rename="camel", tag_field="type"):
    pass


class RoomInfo(msgspec.Struct, frozen=True, rename="camel"):
    """A room as one user sees it: whether a member of it, and how many people are in it now."""

    id: str
    name: str
    private: bool
    member: bool
    live: int = 0


class Welcome(_Outgoing, frozen=True, tag="welcome"):
    """The first frame: who you are here, what this server's acks promise, and some of its rooms."""

    user: str
    name: str
    mode: str
    ack_means: AckLevel
    rooms: list[RoomInfo]
    frames: FrameStyle = "single"
    rooms_total: int = 0


class Ack(_Outgoing, frozen=True, tag="ack", kw_only=True):
    """The request with this `ref` was done; for a message, as safely as `means` says.

    With `up_to` in place of `ref`: so were all of the client's messages with refs up to this one,
    except those that got an error.
    """

    ref: Ref | msgspec.UnsetType = msgspec.UNSET
    up_to: int | msgspec.UnsetType = msgspec.UNSET
    means: AckLevel


class MessageFrame(_Outgoing, frozen=True, tag="message"):
    """A message, delivered to everyone live in its room, its sender too."""

    id: str
    room_id: str
    sender: str
    content: str
    timestamp: str


class MessagesFrame(_Outgoing, frozen=True, tag="messages"):
    """Messages of one room that were saved together, in order."""

    room_id: str
    messages: list[Message]


class HistoryFrame(_Outgoing, frozen=True, tag="history", kw_only=True):
    """The answer to `history`."""

    ref: Ref
    room_id: str
    messages: list[Message]


class RoomsFrame(_Outgoing, frozen=True, tag="rooms", kw_only=True):
    """The answer to `list_rooms`: the user's own first, then the fullest; how many there are."""

    ref: Ref
    rooms: list[RoomInfo]
    total: int


class MembersFrame(_Outgoing, frozen=True, tag="members", kw_only=True):
    """The answer to `who`: who is here, how many they are, and how many may speak in the room."""

    ref: Ref
    room_id: str
    live: list[str]
    live_count: int
    participants: int


class TraceFrame(_Outgoing, frozen=True, tag="trace", kw_only=True):
    """Where one message's time went in the server, in milliseconds: the answer to `trace`.

    Six steps, one after another, from when it could be read to the last send to its room.

    Attributes:
        waiting_ms: until the server took it from its connection.
        check_ms: the check of its room and sender: for the naive parts, a lock and a file.
        queue_ms: in the processor, until its save began.
        lock_ms: until it had the lock, behind others; 0 with a store that never asks for it.
        save_ms: its save: for the naive parts, two file operations.
        delivery_ms: the sends to its room.
        ack_ms: from the same beginning to its ack, which came during or after the queue or save.
    """

    ref: Ref
    id: str
    waiting_ms: float
    check_ms: float
    queue_ms: float
    lock_ms: float
    save_ms: float
    delivery_ms: float
    ack_ms: float


class ErrorFrame(_Outgoing, frozen=True, tag="error"):
    """The request with this `ref` was refused; `code` is stable, `message` says what to do."""

    code: str
    message: str
    ref: Ref = None


Answer = Ack | HistoryFrame | RoomsFrame | MembersFrame
Outgoing = Welcome | Answer | MessageFrame | MessagesFrame | TraceFrame | ErrorFrame

_encoder = msgspec.json.Encoder()
_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_outgoing_decoder: msgspec.json.Decoder[Outgoing] = msgspec.json.Decoder(Outgoing)
_REQUEST_TYPES = {str(kind.__struct_config__.tag) for kind in get_args(Request)}


def encode(frame: msgspec.Struct) -> bytes:
    """The UTF-8 JSON text of a frame."""
    return _encoder.encode(frame)


def encode_message(message: Message) -> bytes:
    """The `message` frame that delivers a saved message."""
    return _encoder.encode(
        MessageFrame(
            message.id, message.room_id, message.sender, message.content, message.timestamp
        )
    )


def decode_outgoing(frame: str | bytes) -> Outgoing:
    """Read a server's frame, on the client's side.

    Raises:
        msgspec.MsgspecError: it is not one; a client should leave such a server.
    """
    return _outgoing_decoder.decode(frame)


def decode_request(frame: str | bytes) -> Request:
    """Read a client's frame.

    Raises:
        Refusal: `binary_frame`, `bad_json`, `unknown_type` or `invalid_field`.
    """
    if isinstance(frame, bytes):
        raise Refusal("binary_frame", "send JSON as a text frame, not as a binary one")
    try:
        return _request_decoder.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise explained(frame, error, _REQUEST_TYPES) from None
