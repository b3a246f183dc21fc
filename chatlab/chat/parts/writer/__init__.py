"""How is a file replaced? `truncate.py`: in place. `atomic.py`: by a rename, all or nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from chatlab.chat.protocol import AckLevel
from chatlab.disk.files import Files


class Writer(ABC):
    """Replaces the content of files.

    Attributes:
        promise: how safe the new content is once `replace` has returned.
    """

    promise: ClassVar[AckLevel]

    def __init__(self, files: Files) -> None:
        self.files = files

    @abstractmethod
    async def replace(self, name: str, data: bytes) -> None:
        """Make the file hold `data`; create it if it does not exist.

        Raises:
            StorageError: it failed. The file holds the old content, the new one, or (with a writer
                that is not atomic) neither.
        """
