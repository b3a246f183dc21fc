"""How often who may change rooms: token buckets, one for each user and one for each address.

Each change rewrites `chatrooms.json`, for everybody. A bucket holds some changes, and gets new ones
at a steady rate (https://en.wikipedia.org/wiki/Token_bucket). A user who connects again finds the
bucket as it was; one who connects under another name still shares that of the address, which has
enough for a class behind one router, or for a load of a thousand users on this machine.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any

from chatlab.chat.settings import Clock
from chatlab.errors import Refusal

BUCKETS_MAX = 20_000
"""Of one allowance; beyond it, the one unused longest is forgotten."""
OF_A_USER = 100, 1.0
OF_AN_ADDRESS = 5_000, 1 / 16
"""Changes at once, then one in every so many seconds."""


class Allowance:
    """A token bucket for each address, or for each user: so many at once, then one in every so
    many seconds.

    Args:
        clock: seconds.
        at_once, every_s: of each bucket.
    """

    def __init__(self, clock: Clock, at_once: int, every_s: float) -> None:
        self._clock = clock
        self._at_once = at_once
        self._every_s = every_s
        # When each bucket is full again; the one that was used longest ago comes first.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, whose: str) -> float:
        """Seconds until this one may have one; 0 if it may now."""
        until_full_s = self._full_at.get(whose, 0.0) - self._clock()
        return max(0.0, until_full_s - (self._at_once - 1) * self._every_s)

    def spend(self, whose: str) -> None:
        """Take one out of the bucket."""
        now = self._clock()
        self._full_at[whose] = max(now, self._full_at.get(whose, now)) + self._every_s
        self._full_at.move_to_end(whose)
        if len(self._full_at) > BUCKETS_MAX:
            self._full_at.popitem(last=False)


class ChangeRates:
    """Counts the changes of rooms.

    Args:
        clock: seconds.
        peer_of: tells the other end of a user's socket, if it is known.
    """

    def __init__(self, clock: Clock, peer_of: Callable[[str], Any]) -> None:
        self._peer_of = peer_of
        self._of_users = Allowance(clock, *OF_A_USER)
        self._of_addresses = Allowance(clock, *OF_AN_ADDRESS)

    def pay(self, user: str) -> None:
        """Count one change of a user.

        Raises:
            Refusal: `slow_down`: too many; nothing is counted.
        """
        address = network(self._peer_of(user))
        wait_s = max(self._of_users.wait_s(user), self._of_addresses.wait_s(address))
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            raise Refusal("slow_down", f"too many changes of rooms: send it again in {seconds} s")
        self._of_users.spend(user)
        self._of_addresses.spend(address)


def network(peer: Any) -> str:
    """What counts as one address: of IPv6, a /64, for that is what one household gets.

    Args:
        peer: as sockets name it: host, port and more; None if it is not known.
    """
    host = str(peer[0]) if peer else ""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:  # such as the path of a local socket
        return host
    if not isinstance(found, IPv6Address):
        return host
    # A socket for both versions shows an IPv4 address in the form ::ffff:10.1.2.3.
    return str(found.ipv4_mapped or int(found) >> 64)
