"""`04_race`: right answers of any shape pass; wrong ones are told what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.answers import body, judged, not_passed

NAME = "04_race"

HEAD = """
import asyncio
from collections import defaultdict, deque
from contextlib import asynccontextmanager, contextmanager

from chatlab.chat.parts.lock import Lock


class OneAtATime(Lock):
"""

RIGHT = {
    "semaphores": """
        def __init__(self):
            self.locks = defaultdict(lambda: asyncio.Semaphore(1))

        @asynccontextmanager
        async def hold(self, name):
            async with self.locks[name]:
                yield
    """,
    "the lock itself, without a generator": """
        def __init__(self):
            self.locks = defaultdict(asyncio.Lock)

        def hold(self, name):
            return self.locks[name]
    """,
    "acquire and release by hand": """
        def __init__(self):
            self.locks = {}

        @asynccontextmanager
        async def hold(self, name):
            if name not in self.locks:
                self.locks[name] = asyncio.Lock()
            await self.locks[name].acquire()
            try:
                yield
            finally:
                self.locks[name].release()
    """,
    "a queue with one token": """
        def __init__(self):
            self.tokens = {}

        @asynccontextmanager
        async def hold(self, name):
            if name not in self.tokens:
                self.tokens[name] = asyncio.Queue()
                self.tokens[name].put_nowait("token")
            token = await self.tokens[name].get()
            try:
                yield
            finally:
                self.tokens[name].put_nowait(token)
    """,
    "a condition": """
        def __init__(self):
            self.conditions = defaultdict(asyncio.Condition)
            self.busy = set()

        @asynccontextmanager
        async def hold(self, name):
            condition = self.conditions[name]
            async with condition:
                await condition.wait_for(lambda: name not in self.busy)
                self.busy.add(name)
            try:
                yield
            finally:
                async with condition:
                    self.busy.discard(name)
                    condition.notify_all()
    """,
    "futures in a queue": """
        def __init__(self):
            self.held = set()
            self.waiting = defaultdict(deque)

        @asynccontextmanager
        async def hold(self, name):
            await self.take(name)
            try:
                yield
            finally:
                self.give_back(name)

        async def take(self, name):
            if name not in self.held:
                self.held.add(name)
                return
            turn = asyncio.get_running_loop().create_future()
            self.waiting[name].append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self.give_back(name)
                raise

        def give_back(self, name):
            while self.waiting[name]:
                turn = self.waiting[name].popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
            self.held.discard(name)
    """,
    "a chain: each waits for the one before": """
        def __init__(self):
            self.last = {}

        @asynccontextmanager
        async def hold(self, name):
            before = self.last.get(name)
            mine = self.last[name] = asyncio.Event()
            try:
                if before is not None:
                    await before.wait()
                yield
            finally:
                if before is None or before.is_set():
                    mine.set()
                else:
                    asyncio.create_task(self.pass_on(before, mine))

        async def pass_on(self, before, mine):
            await before.wait()
            mine.set()
    """,
}

WRONG = {
    "returns nothing": ("holds", "def hold(self, name): return None", "NoneType"),
    "forgets the decorator": ("holds", "async def hold(self, name): yield", "async_generator"),
    "forgets the yield": (
        "holds",
        "@asynccontextmanager\nasync def hold(self, name): pass",
        "never yields",
    ),
    "a context manager that is not async": (
        "holds",
        "@contextmanager\ndef hold(self, name): yield",
        "_GeneratorContextManager",
    ),
    "takes no name": (
        "holds",
        "@asynccontextmanager\nasync def hold(self): yield",
        "positional argument",
    ),
    "is never given back": (
        "holds",
        """
        def __init__(self):
            self.locks = defaultdict(asyncio.Lock)

        @asynccontextmanager
        async def hold(self, name):
            await self.locks[name].acquire()
            yield
        """,
        "had not ended",
    ),
    "loses patience, and goes in": (
        "loses_nothing",
        """
        def __init__(self):
            self.locks = defaultdict(asyncio.Lock)

        @asynccontextmanager
        async def hold(self, name):
            try:
                await asyncio.wait_for(self.locks[name].acquire(), 0.001)
            except TimeoutError:
                pass
            try:
                yield
            finally:
                if self.locks[name].locked():
                    self.locks[name].release()
        """,
        "",
    ),
    "swallows what goes wrong inside": (
        "gives_back",
        """
        def __init__(self):
            self.locks = defaultdict(asyncio.Lock)

        @asynccontextmanager
        async def hold(self, name):
            async with self.locks[name]:
                try:
                    yield
                except Exception:
                    pass
        """,
        "swallowed",
    ),
    "gives back on errors, not when cancelled": (
        "gives_back",
        """
        def __init__(self):
            self.locks = defaultdict(asyncio.Lock)

        @asynccontextmanager
        async def hold(self, name):
            await self.locks[name].acquire()
            try:
                yield
            except Exception:
                self.locks[name].release()
                raise
            else:
                self.locks[name].release()
        """,
        "had not ended",
    ),
    "looks at the door now and then, in order": (
        "side_by_side",
        """
        def __init__(self):
            self.queues = defaultdict(deque)

        @asynccontextmanager
        async def hold(self, name):
            me = object()
            self.queues[name].append(me)
            try:
                while self.queues[name][0] is not me:
                    await asyncio.sleep(0.003)
                yield
            finally:
                self.queues[name].remove(me)
        """,
        "34.0 ms",
    ),
}


@pytest.mark.parametrize("shape", RIGHT)
def test_a_right_answer_of_another_shape_passes(shape: str, tmp_path: Path) -> None:
    assert not not_passed(judged(NAME, HEAD + body(RIGHT[shape]), tmp_path))


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(kind: str, tmp_path: Path) -> None:
    check, source, words = WRONG[kind]
    result = judged(NAME, HEAD + body(source), tmp_path)[check]
    assert result.verdict == "failed"
    assert words in result.actual
