"""The unsaved messages: of each sender in order, and a batch with a fair share for each.

If all that waits fits into a batch, the order is that of acceptance. If not, each sender gets an
equal share of the batch first, so that nobody's message waits behind a thousand of another's; what
is left goes to those who have more.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from itertools import chain

from chatlab.chat.parts.message_seams import Client, Entry

FEW = 8
"""Messages; a sender of whom no more than these wait says little."""


class FairQueue:
    """The messages of a queueing processor; a batch stays in it until it is done.

    Args:
        fair: whether senders share a batch; if not, first come, first served.

    Attributes:
        batch: what is being saved.
    """

    def __init__(self, fair: bool) -> None:
        self.batch: list[Entry] = []
        self._fair = fair
        self._waiting: dict[Client | None, deque[Entry]] = {}  # none of them empty
        self._size = 0
        self._oldest: Entry | None = None

    def __len__(self) -> int:
        return len(self.batch) + self._size

    def __iter__(self) -> Iterator[Entry]:
        return chain(self.batch, *self._waiting.values())

    def add(self, entry: Entry) -> None:
        """Add a message."""
        sender = entry.sender if self._fair else None
        mine = self._waiting.get(sender)
        if mine is None:
            mine = self._waiting[sender] = deque()
        mine.append(entry)
        self._size += 1
        if self._oldest is None:
            self._oldest = entry

    def of(self, sender: Client) -> int:
        """How many of the messages are a sender's; of all, where senders do not share."""
        if not self._fair:
            return len(self)
        saving = sum(entry.sender is sender for entry in self.batch)
        return len(self._waiting.get(sender, ())) + saving

    @property
    def accepted_at(self) -> float | None:
        """When the oldest was accepted, in seconds; None if there is none."""
        times = [one.accepted_at for one in (*self.batch[:1], self._oldest) if one]
        return min(times, default=None)

    def take(
        self, size_max: int, chars_max: float = math.inf, quick_size: int | None = None
    ) -> list[Entry]:
        """The next batch; one that is not done is put back first.

        Args:
            size_max: messages; the most that are taken.
            chars_max: characters in all their contents; one message may have more.
            quick_size: messages. If more waits than a batch holds, some flood the queue, and the
                next batches are quick: half as large, and if there are senders of few messages, all
                of theirs and no more than so many of the others.
        """
        for entry in reversed(self.batch):
            sender = entry.sender if self._fair else None
            self._waiting.setdefault(sender, deque()).appendleft(entry)
        self._size += len(self.batch)
        taken = self._all(chars_max) if self._size <= size_max else []
        chars = 0
        if quick_size is not None and self._size > size_max:
            for sender in [one for one, mine in self._waiting.items() if len(mine) <= FEW]:
                chars += self._move(sender, taken, size_max - len(taken), chars_max - chars)
            size_max = min(size_max, len(taken) + quick_size) if taken else size_max // 2
        senders = len(self._waiting) or 1
        size_share = max(1, (size_max - len(taken)) // senders)
        chars_share = (chars_max - chars) / senders
        for sender in list(self._waiting):  # to each its share ...
            size = min(size_share, size_max - len(taken))
            chars += self._move(sender, taken, size, min(chars_share, chars_max - chars))
        for sender in list(self._waiting):  # ... and then what is left
            chars += self._move(sender, taken, size_max - len(taken), chars_max - chars)
        taken.sort(key=_accepted_at)  # stable: each sender's own order stays
        self._size -= len(taken)
        heads = [mine[0] for mine in self._waiting.values()]
        self._oldest = min(heads, key=_accepted_at, default=None)
        self.batch = taken
        return taken

    def done(self) -> None:
        """The batch is saved."""
        self.batch = []

    def _all(self, chars_max: float) -> list[Entry]:
        """Take all that waits, if it has no more characters than that."""
        entries = list(chain(*self._waiting.values()))
        if chars_max < math.inf and sum(len(one.message.content) for one in entries) > chars_max:
            return []
        self._waiting.clear()
        return entries

    def _move(self, sender: Client | None, to: list[Entry], size: int, chars_max: float) -> int:
        """Move some messages of a sender; returns how many characters they have."""
        mine = self._waiting[sender]
        chars, before = 0, len(to)
        while mine and size > 0:
            more = len(mine[0].message.content)
            if chars + more > chars_max and to:
                break
            to.append(mine.popleft())
            chars += more
            size -= 1
        if len(to) > before:
            del self._waiting[sender]
            if mine:
                self._waiting[sender] = mine  # at the end: the next batch begins with others
        return chars


def _accepted_at(entry: Entry) -> float:
    return entry.accepted_at
