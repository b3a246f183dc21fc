"""How does a message reach its room? `each.py`: one awaited send after another. `broadcast.py`:
encoded once, pushed to all. `batch.py`: one frame for a whole batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from chatlab.chat.parts.entry import Members
from chatlab.chat.protocol import FrameStyle
from chatlab.data.records import Message


class Delivery(ABC):
    """Sends saved messages to the clients live in their rooms.

    Args:
        members: lists the clients live in a room.

    Attributes:
        frames: `batch` if clients that ask for it get batch frames and cumulative acks.
    """

    frames: ClassVar[FrameStyle] = "single"

    def __init__(self, members: Members) -> None:
        self.members = members

    @abstractmethod
    async def deliver(self, batch: Sequence[Message]) -> int:
        """Send each message to each member of its room, in order.

        Returns the number of frames sent. No client makes it raise; an empty room costs nothing.
        """
