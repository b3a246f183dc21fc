"""Your lock. Save this file, and `chatlab learn` checks it.

It works as it is: like the one of the `racy` mode, it lets everyone in at once. `README.md` beside
this file tells what becomes of the messages then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.storage_seams import Lock


class OneAtATime(Lock):
    """Guards files that are read, changed and written back."""

    def __init__(self) -> None:
        # TODO: what must you remember, so that who comes later knows that someone is inside?
        pass

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """`async with lock.hold("messages.json"):` has that file to itself.

        What stands before the `yield` happens on the way in; it may wait. What stands behind it
        happens on the way out. If the code inside raises, or is cancelled, the `yield` raises.
        """
        # TODO: wait until nobody else holds this file; and give it back, whatever happens.
        yield
