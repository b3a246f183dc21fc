"""Where a server listens, and how it keeps file descriptors for what matters more than one client.

Every socket is a descriptor, and the system limits them (`ulimit -n`). A server that has used them
all can neither begin the journal's next segment nor tell anybody why. So it opens fewer sockets
than it may; and if the system still has none, it turns clients away one by one, and says so once.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import psutil

from chatlab.chat.server.arrivals import SO_TIMESTAMPNS, StampedSocket
from chatlab.errors import system_words

BACKLOG = 1_000
"""Connections that the kernel keeps until they are accepted; it may keep fewer."""
ACCEPTED_MAX = 16
"""Connections that were accepted and are not yet known to the server: so few are not counted."""
DESCRIPTORS_KEPT = 32
"""For data files, for a look at this process itself, and for sockets that are not yet counted."""
BACK_OFF_S = 0.5
NONE = -1
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
ACCEPT_FAILED = "socket.accept() out of system resource"  # so does asyncio call it

RETRY = "._start_serving("
"""What asyncio calls a second later, once for each failure, and even if the socket was closed."""


class ListeningSocket(StampedSocket):
    """A socket that accepts a few connections at a time, and never complains loudly.

    Attributes:
        note: gets a sentence for people.
    """

    note: Callable[[str], None]

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._accepted: list[StampedSocket] = []
        self._failed_at = float("-inf")
        self._spare = NONE
        self._keep_a_spare()

    def listen(self, backlog: int = BACKLOG) -> None:
        """Let the kernel keep many; asyncio's number is how many it accepts in one turn."""
        super().listen(max(backlog, BACKLOG))

    def accept(self) -> tuple[StampedSocket, Any]:
        self._accepted = [one for one in self._accepted if not one.known and one.fileno() >= 0]
        # asyncio asks again and again within one turn, whatever the answer was.
        backing_off = time.monotonic() - self._failed_at < BACK_OFF_S
        if backing_off or len(self._accepted) >= ACCEPTED_MAX:
            raise BlockingIOError
        self._keep_a_spare()
        try:
            plain, address = socket.socket.accept(self)
            in_reserve = False
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self.note(exhausted(error))
            plain, address = self._accepted_with_the_spare(error)
            in_reserve = True
        stamped = StampedSocket(fileno=plain.detach())
        stamped.in_reserve = in_reserve
        self._accepted.append(stamped)
        return stamped, address

    def close(self) -> None:
        self._give_up_the_spare()
        super().close()

    def _keep_a_spare(self) -> None:
        if self._spare == NONE:
            with suppress(OSError):
                self._spare = os.dup(self.fileno())

    def _give_up_the_spare(self) -> None:
        spare, self._spare = self._spare, NONE
        if spare != NONE:
            os.close(spare)

    def _accepted_with_the_spare(self, failed: OSError) -> tuple[socket.socket, Any]:
        """Accept one that may ask for `/health`. While it is here, no other is: asyncio waits for a
        second after an error."""
        if self._spare != NONE:
            self._give_up_the_spare()
            with suppress(OSError):
                return socket.socket.accept(self)
        self._failed_at = time.monotonic()
        raise failed


def listening_place(host: str, port: int, note: Callable[[str], None]) -> dict[str, Any]:
    """Where to listen, as arguments for a server; a failed accept becomes a note.

    Raises:
        OSError: it cannot listen there.
    """
    note_failed_accepts(note)
    listening = listening_socket(host, port, note)
    if listening:
        return {"sock": listening, "backlog": ACCEPTED_MAX}
    # asyncio accepts as many in one turn as wait; on Windows, which limits no descriptors, one.
    backlog = ACCEPTED_MAX if os.name == "posix" else BACKLOG
    return {"host": host, "port": port, "backlog": backlog}


def let_many_wait(sockets: Iterable[Any]) -> None:
    """Have the kernel keep more connections than asyncio accepts in one turn."""
    for one in sockets:
        with suppress(OSError), socket.socket(fileno=os.dup(one.fileno())) as same:
            same.listen(BACKLOG)


def listening_socket(host: str, port: int, note: Callable[[str], None]) -> ListeningSocket | None:
    """A socket that knows its limits, and stamps on Linux; None for a name, and on Windows.

    Raises:
        OSError: it cannot listen there.
    """
    try:
        version = ip_address(host).version
    except ValueError:  # a name, which may stand for several addresses
        return None
    if os.name != "posix":
        return None
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    plain = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Only with a file number does the socket ask the system which protocol it speaks; and asyncio
    # turns Nagle's algorithm off (TCP_NODELAY) only for a socket that says it speaks TCP.
    listening = ListeningSocket(fileno=plain.detach())
    listening.note = note
    # What it accepts inherits this. And the kernel, which begins to stamp a moment after the first
    # socket asked, has begun before there is anything to stamp, and does not stop in between.
    if sys.platform == "linux":
        listening.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return listening


def note_failed_accepts(note: Callable[[str], None]) -> None:
    """Of the running event loop: a failed accept becomes a note, not a page for each attempt."""
    loop = asyncio.get_running_loop()
    otherwise = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == ACCEPT_FAILED:
            note(exhausted(context["exception"]))
        elif RETRY in str(context.get("handle")):
            pass  # the server has stopped since
        elif otherwise:
            otherwise(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


def exhausted(error: OSError) -> str:
    """What a person reads of a failed accept."""
    return f"new connections are turned away: {system_words(error)} (ulimit -n)"


def sockets_possible(wanted: int) -> int | None:
    """How many sockets this process may open, once its limit is raised for as many as are wanted.

    Returns None where the system says nothing of a limit.
    """
    try:
        import resource
    except ImportError:  # Windows
        return None
    used = psutil.Process().num_fds() + DESCRIPTORS_KEPT
    limit, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= used + wanted:
        return None
    raised = used + wanted if highest == resource.RLIM_INFINITY else min(used + wanted, highest)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, highest))
        limit = raised
    except (OSError, ValueError):  # macOS allows less than it says
        pass
    return max(0, limit - used)
