"""Notice when the program that started this one is gone, or asks it to stop.

It holds the other end of our standard input. When it closes that end, or dies, however suddenly,
our standard input ends. This works alike on every system, as signals do not.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable


def when_stdin_ends(call: Callable[[], object]) -> None:
    """Call back, in the running event loop, when standard input ends."""
    loop = asyncio.get_running_loop()

    def wait_for_end() -> None:
        # Not through `sys.stdin`: a thread inside its buffer makes Python abort at the exit.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(call)

    threading.Thread(target=wait_for_end, daemon=True).start()
