"""One person's talk with a server: what a typed line asks for, and what is shown of the answers."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from chatlab.bench.own_messages import OwnMessages
from chatlab.chat import protocol
from chatlab.cli.terminal import ChatScreen
from chatlab.data.records import Message
from chatlab.plain_text import printable
from chatlab.view import chat as view

HISTORY_LINES = 10
SEEN_MAX = 1_000


@dataclass(frozen=True)
class _Asked:
    """A request that has no answer yet.

    Attributes:
        done: called with the answer.
        follows: it was sent behind a `join_room`: if that is refused, so is this, in silence.
    """

    done: Callable[[Any], None]
    follows: bool


class Talk:
    """Lines in, frames out; frames in, lines out.

    Args:
        send: sends a frame.

    Attributes:
        room: in which the person is; empty if in none.
        own: the person's messages that have not come back.
        mode: of the server; empty until it has said so.
        turned_away: why the server does not take this person; empty if it does.
    """

    def __init__(
        self, user: str, room: str, screen: ChatScreen, send: Callable[[bytes], None]
    ) -> None:
        self.room = room
        self._screen = screen
        self.own = OwnMessages()
        self.mode = ""
        self.turned_away = ""
        self._user = user
        self._send = send
        self._refs = itertools.count(1)
        # These are bounded by what a person can type before an answer comes.
        self._traced: dict[protocol.Ref, float] = {}  # when they came back, in ms
        self._asked: dict[protocol.Ref, _Asked] = {}
        # Ids: a message that comes while one joins may stand in the history, too.
        self._seen: deque[str] = deque(maxlen=SEEN_MAX)

    @property
    def unanswered(self) -> bool:
        """Whether something has not been answered yet."""
        return bool(self.own or self._asked)

    def on_line(self, line: str) -> bool:
        """Do what a line says; False to leave."""
        if len(line) > protocol.CONTENT_CHARS_MAX:
            limit = f"{protocol.CONTENT_CHARS_MAX:,} are allowed: send it in pieces"
            self._note(f"! your message has {len(line):,} characters, {limit}")
        elif line.startswith("/") and not line.startswith("//"):
            word, _, rest = line.partition(" ")
            return self._on_command(word.lower(), rest.strip())
        elif line and not self.room:
            self._note(view.NO_ROOM)
        elif line:
            self._say(line.removeprefix("/") if line.startswith("//") else line)
        return True

    def _on_command(self, word: str, rest: str) -> bool:
        if complaint := view.complaint(word, rest, self.room):
            self._note(complaint)
            return True
        match word:
            case "/quit":
                return False
            case "/help":
                self._screen.show(view.HELP)
            case "/rooms":
                fields: dict[str, Any] = {"limit": view.ROOMS_SHOWN_MAX} | (
                    {"after": rest} if rest else {}
                )
                self._ask(protocol.ListRooms, self._on_rooms(rest), **fields)
            case "/who":
                self._ask(protocol.Who, self._on_members, room_id=self.room)
            case "/join":
                self.enter(rest)
            case "/create":
                self._ask(protocol.CreateRoom, lambda _: self._is_in(rest), room_id=rest)
            case "/invite":
                done = f"* {rest} may now join {self.room}"
                self._ask(protocol.Invite, self._tell(done), room_id=self.room, user=rest)
            case "/leave":
                self._ask(protocol.LeaveRoom, self._on_left(self.room), room_id=self.room)
            case "/history":
                limit = int(rest or HISTORY_LINES)
                self._ask(protocol.GetHistory, self._on_history, room_id=self.room, limit=limit)
        return True

    def _say(self, content: str) -> None:
        ref = next(self._refs)
        self.own.sent(ref, self.room, content)
        message = protocol.SendMessage(ref=ref, room_id=self.room, content=content, trace=True)
        self._send(protocol.encode(message))

    def enter(self, room: str) -> None:
        """Join a room; its last messages, and who is there, are shown."""
        self._ask(protocol.JoinRoom, lambda _: self._is_in(room), room_id=room)
        # All at once: so the answers come before that to anything that is typed later.
        self._ask(protocol.GetHistory, self._on_joining, True, room_id=room, limit=HISTORY_LINES)
        self._ask(protocol.Who, self._on_members, True, room_id=room)

    def _is_in(self, room: str) -> None:
        self.room = room
        self._note(f"* you are in {room}")

    def _ask(
        self,
        kind: type[protocol.Request],
        done: Callable[[Any], None],
        follows: bool = False,
        **fields: Any,
    ) -> None:
        ref = next(self._refs)
        self._asked[ref] = _Asked(done, follows)
        self._send(protocol.encode(kind(ref=ref, **fields)))

    def _note(self, text: str) -> None:
        """Show words of our own."""
        self._screen.show(view.wrapped(printable(text), self._screen.width))

    def _tell(self, text: str) -> Callable[[Any], None]:
        return lambda _: self._note(text)

    def on_frame(self, data: bytes) -> None:
        """Show what a frame says."""
        frame = protocol.decode_outgoing(data)
        match frame:
            case protocol.Welcome():
                self._on_welcome(frame)
            case protocol.MessageFrame():
                self._on_message(frame)
            case protocol.ErrorFrame():
                self._on_error(frame)
            case protocol.TraceFrame(ref=ref) if ref in self._traced:
                back_ms = self._traced.pop(ref)
                line = view.where_it_went(frame, back_ms, self._screen.width)
                self._screen.show_trace(ref, line)
            case protocol.Ack() if frame.ref in self.own:
                self.own.acked(frame)
            case (
                protocol.Ack(ref=ref)
                | protocol.HistoryFrame(ref=ref)
                | protocol.RoomsFrame(ref=ref)
                | protocol.MembersFrame(ref=ref)
            ) if ref in self._asked:
                self._asked.pop(ref).done(frame)

    def _on_welcome(self, frame: protocol.Welcome) -> None:
        self.mode = frame.mode
        self._note(f"* hello {frame.name}. /help lists the commands.")
        self._note(f"* the server runs {self.mode}; its ack means {frame.ack_means!r}")

    def _on_message(self, frame: protocol.MessageFrame) -> None:
        if frame.id in self._seen:
            return
        self._seen.append(frame.id)
        width = self._screen.width
        line = view.message_line(frame, date.today(), width)
        own = self.own.back(frame) if frame.sender == self._user else None
        if own is None:
            self._screen.show_other(line)
            return
        self._traced[own.ref] = own.back_ms
        line = view.own_line(line, own.means, own.ack_ms, own.back_ms, width)
        self._screen.show_until_traced(own.ref, line)

    def _on_error(self, frame: protocol.ErrorFrame) -> None:
        asked = self._asked.pop(frame.ref, None)
        if asked is not None and asked.follows and frame.code in ("not_a_member", "no_such_room"):
            return
        if frame.code != "storage_delayed":  # that one is still on its way
            self.own.refused(frame.ref)
        text = view.refusal_text(frame.code, frame.message)
        if frame.ref is None:
            self.turned_away = text.removeprefix("! ")
        else:
            self._note(text)

    def _on_joining(self, frame: protocol.HistoryFrame) -> None:
        unseen = [message for message in frame.messages if message.id not in self._seen]
        self._seen.extend(message.id for message in unseen)
        if unseen:
            self._show_history(unseen)

    def _on_history(self, frame: protocol.HistoryFrame) -> None:
        if frame.messages:
            self._show_history(frame.messages)
        else:
            self._note("* nothing was said here yet")

    def _show_history(self, messages: list[Message]) -> None:
        today, width = date.today(), self._screen.width
        lines = [view.message_line(one, today, width) for one in messages]
        self._screen.show(self._screen.quiet("\n".join(lines)))

    def _on_rooms(self, after: str) -> Callable[[protocol.RoomsFrame], None]:
        return lambda frame: self._screen.show(view.rooms_text(frame, self._screen.width, after))

    def _on_members(self, frame: protocol.MembersFrame) -> None:
        self._note(view.members_text(frame, self._user))

    def _on_left(self, room: str) -> Callable[[Any], None]:
        def left(_: Any) -> None:
            if self.room == room:
                self.room = ""
            self._note(f"* you have left {room}; /join ROOM enters another")

        return left
