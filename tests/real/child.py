"""A function in a process of its own, which ends when it is told to, or with its parent.

    python -m tests.real.child tests.real.polite:talk '{"port": 4711, "seconds": 5}'

The function gets `until`, and the arguments; what it returns goes to standard output, as JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable
from typing import Any, Self

NICENESS = 10
"""Raiders stand back: from elsewhere they would not take the server's processor."""


class Until:
    """When a child is to end: after some seconds, or when its parent says so.

    Attributes:
        told: set when the parent says so.
    """

    def __init__(self, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        self.told = threading.Event()

    def over(self) -> bool:
        return self.told.is_set() or time.monotonic() >= self.ends_at

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the end."""
        self.told.wait(max(0.0, min(seconds, self.ends_at - time.monotonic())))


class Child:
    """The parent's side; an async context manager that leaves no process behind.

    Args:
        function: of a module in tests.real.
        arguments: JSON values.
    """

    def __init__(self, function: Callable[..., Any], **arguments: Any) -> None:
        self._name = f"{function.__module__}:{function.__name__}"
        self._arguments = arguments

    async def __aenter__(self) -> Self:
        words = ("-m", __name__, self._name, json.dumps(self._arguments))
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, *words), stdin=PIPE, stdout=PIPE, limit=1 << 28
        )
        assert self._process.stdout is not None
        await self._process.stdout.readline()  # it has begun
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()

    def tell(self) -> None:
        """Tell it to end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def result(self, tell: bool = False) -> Any:
        """What the function returned, once it has."""
        if tell:
            self.tell()
        assert self._process.stdout is not None
        answer = await self._process.stdout.read()
        await self._process.wait()
        if not answer:
            raise RuntimeError(f"{self._name} failed: see above")
        return json.loads(answer)


def _end_with_stdin(until: Until) -> None:
    while os.read(sys.stdin.fileno(), 1):  # no buffer, whose lock would be held at the end
        pass
    until.told.set()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    if hasattr(os, "nice") and "polite" not in sys.argv[1]:
        os.nice(NICENESS)
    module, _, name = sys.argv[1].partition(":")
    arguments = json.loads(sys.argv[2])
    until = Until(arguments.pop("seconds"))
    threading.Thread(target=_end_with_stdin, args=(until,), daemon=True).start()
    print("begun", flush=True)
    result = getattr(importlib.import_module(module), name)(until, **arguments)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
