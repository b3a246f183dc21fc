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
from typing import Any, NamedTuple

from chatlab.chat.settings import Clock
from chatlab.errors import Refusal

BUCKETS_MAX = 20_000
"""Beyond it, those unused longest are forgotten."""


class Rate(NamedTuple):
    """So many at once, then so many a second."""

    burst: float
    per_s: float


OF_A_USER = Rate(100, 1)
OF_AN_ADDRESS = Rate(5_000, 20)


class ChangeRates:
    """Counts the changes of rooms.

    Args:
        clock: seconds.
        peer_of: tells the other end of a user's socket, if it is known.
    """

    def __init__(self, clock: Clock, peer_of: Callable[[str], Any]) -> None:
        self._clock = clock
        self._peer_of = peer_of
        # What is left of a bucket, and when that was so; those used last come last.
        self._buckets: OrderedDict[tuple[str, Rate], tuple[float, float]] = OrderedDict()

    def pay(self, user: str) -> None:
        """Count one change of a user.

        Raises:
            Refusal: `slow_down`: too many; nothing is counted.
        """
        now = self._clock()
        keys = (user, OF_A_USER), (network(self._peer_of(user)), OF_AN_ADDRESS)
        left = {key: self._left(key, now) for key in keys}
        wait_s = max((1 - left[key]) / key[1].per_s for key in keys)
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            raise Refusal("slow_down", f"too many changes of rooms: send it again in {seconds} s")
        for key in keys:
            self._buckets[key] = left[key] - 1, now
            self._buckets.move_to_end(key)
        while len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)

    def _left(self, key: tuple[str, Rate], now: float) -> float:
        burst, per_s = key[1]
        left, at = self._buckets.get(key, (burst, now))
        return min(burst, left + (now - at) * per_s)


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
