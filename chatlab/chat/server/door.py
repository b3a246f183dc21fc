"""Who may come in: with the server's secret, and while others have their share of the places.

What counts as one address, `rates.network` says. Programs that share one (a class behind a router)
share what it may have. Who has many addresses has many shares: against that, only a secret helps.
"""

from __future__ import annotations

import hmac
from collections import Counter, OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from chatlab.chat.rates import Allowance
from chatlab.chat.secret import HOW_TO_SHOW_A_SECRET, check_secret
from chatlab.chat.settings import Clock, Settings

if TYPE_CHECKING:
    from chatlab.chat.server.arrivals import LoggingConnection

GUESSES_AT_ONCE = 10
GUESS_EVERY_S = 2.0
KEPT_PART = 10
"""Of the places, one in so many is kept for addresses that have less than their share."""
HANDSHAKES_MAX = 400
"""Connections that have not yet said what they want. A program says it at once, and a server that
is busy accepts a few hundred before it hears the first."""
HANDSHAKES_MIN = 4
TOKEN = "token"


class NotAdmitted(NamedTuple):
    """Why somebody may not come in: an answer in HTTP."""

    status: HTTPStatus
    code: str
    text: str
    retry_after_s: int | None = None


class Places:
    """Places for one kind of connection, shared between addresses.

    While there is room, an address may have any number. The last tenth is kept for addresses that
    have less than their share: one of equal parts for each address, and for one yet to come.

    Args:
        most: how many there are.
        kind: what has them, in words.
    """

    def __init__(self, most: int, kind: str) -> None:
        self.most = most
        self._kind = kind
        self._held: Counter[str] = Counter()
        self._taken = 0

    @property
    def all_taken(self) -> bool:
        """Whether nobody may have one more."""
        return self._taken >= self.most

    def taken_from(self, address: str) -> str:
        """Why the address may have no more; "" if it may."""
        if self.all_taken:
            return f"full: {self._taken:,} {self._kind} are connected; try again later"
        held = self._held.get(address, 0)
        addresses = len(self._held) + (not held)
        kept = self._taken >= self.most - self.most // KEPT_PART
        if kept and held >= self.most / (addresses + 1):
            return (
                f"full for your address: {held:,} {self._kind} are connected from it, and the last "
                "places are kept for others; close some"
            )
        return ""

    def take(self, address: str) -> None:
        """One more for the address."""
        self._held[address] += 1
        self._taken += 1

    def free(self, address: str) -> None:
        """One less."""
        self._held[address] -= 1
        self._taken -= 1
        if not self._held[address]:
            del self._held[address]


class Door:
    """Decides on every connection: once when it is open, once when it has said what it wants.

    Args:
        token: a secret that clients must show, if any.
        settings: how many places there are.
        sockets_possible: how many sockets the system allows, of so many that are wanted; None if
            it does not say.
        clock: seconds.
        note: gets sentences for people.

    Attributes:
        chats, watchers: the places.
    """

    def __init__(
        self,
        token: str | None,
        settings: Settings,
        sockets_possible: Callable[[int], int | None],
        clock: Clock,
        note: Callable[[str], None],
    ) -> None:
        self._token = None if token is None else check_secret(token)
        self._note = note
        self._guesses = Allowance(clock, GUESSES_AT_ONCE, GUESS_EVERY_S)
        wanted = settings.clients_max + settings.watchers_max + HANDSHAKES_MAX
        possible = sockets_possible(wanted)
        part = 1.0 if possible is None else min(1.0, possible / wanted)
        self.chats = Places(max(1, int(settings.clients_max * part)), "clients")
        self.watchers = Places(max(1, int(settings.watchers_max * part)), "watchers")
        self._handshakes_max = max(HANDSHAKES_MIN, int(HANDSHAKES_MAX * part))
        self._handshakes: dict[str, OrderedDict[LoggingConnection, None]] = {}
        self._handshaking = 0
        self._inside: dict[LoggingConnection, Places] = {}
        if part < 1:
            note(
                f"few places (for clients: {self.chats.most:,}, for watchers: "
                f"{self.watchers.most:,}): the system lets this process open few files (ulimit -n)"
            )

    def inside(self) -> tuple[LoggingConnection, ...]:
        """All that have a place."""
        return tuple(self._inside)

    def opened(self, connection: LoggingConnection) -> None:
        """A connection is open, and has said nothing yet."""
        self._handshakes.setdefault(connection.address, OrderedDict())[connection] = None
        self._handshaking += 1
        if self._handshaking > self._handshakes_max:
            most = max(self._handshakes.values(), key=len)
            self._note("too many unfinished handshakes: the oldest from one address was closed")
            first = next(iter(most))
            self._finished(first)
            first.abort()

    def closed(self, connection: LoggingConnection) -> None:
        """A connection is gone."""
        self._finished(connection)
        if places := self._inside.pop(connection, None):
            places.free(connection.address)

    def checked(self, connection: LoggingConnection, query: str) -> NotAdmitted | None:
        """Why this is not somebody who knows the secret; None if it is."""
        if self._token is None:
            return None
        shown = parse_qs(query).get(TOKEN, [""])[0]
        if not shown:
            text = f"this server asks for a secret: {HOW_TO_SHOW_A_SECRET}"
            return NotAdmitted(HTTPStatus.UNAUTHORIZED, "bad_token", text)
        # Nobody looks at the secret of who must wait: else every guess would still be answered.
        if (wait_s := self._guesses.wait_s(connection.address)) > 0:
            again_s = int(wait_s) + 1
            text = f"too many wrong secrets from your address: try again in {again_s} s"
            return NotAdmitted(HTTPStatus.TOO_MANY_REQUESTS, "too_many_guesses", text, again_s)
        if hmac.compare_digest(shown.encode(), self._token.encode()):
            return None
        self._guesses.spend(connection.address)
        self._note("somebody showed a wrong secret")
        text = f"that is not this server's secret: {HOW_TO_SHOW_A_SECRET}"
        return NotAdmitted(HTTPStatus.UNAUTHORIZED, "bad_token", text)

    def admit(self, connection: LoggingConnection, places: Places) -> NotAdmitted | None:
        """Give it a place; else why not."""
        why = "" if connection.may_stay else "full: no file descriptor is left; try again later"
        if why := why or places.taken_from(connection.address):
            return NotAdmitted(HTTPStatus.SERVICE_UNAVAILABLE, "server_full", why)
        self._finished(connection)
        places.take(connection.address)
        self._inside[connection] = places
        return None

    def _finished(self, connection: LoggingConnection) -> None:
        waiting = self._handshakes.get(connection.address)
        if waiting and connection in waiting:
            del waiting[connection]
            self._handshaking -= 1
            if not waiting:
                del self._handshakes[connection.address]
