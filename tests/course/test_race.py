"""`04_race`: right answers of any shape pass; wrong ones are told what is wrong."""

from __future__ import annotations

from textwrap import dedent, indent

from tests.course.judging import right, wrong

HEAD = """
import asyncio
from collections import defaultdict, deque
from contextlib import asynccontextmanager, contextmanager, suppress
from chatlab.chat.parts.storage_seams import Lock

def queue_with_a_token():
    queue = asyncio.Queue()
    queue.put_nowait("token")
    return queue

class OneAtATime(Lock):
    def __init__(self):
        self.locks = defaultdict(asyncio.Lock)
        self.semaphores = defaultdict(lambda: asyncio.Semaphore(1))
        self.conditions = defaultdict(asyncio.Condition)
        self.queues = defaultdict(deque)
        self.tokens = defaultdict(queue_with_a_token)
        self.busy, self.last = set(), {}

"""


def hold(source: str) -> str:
    """An async context manager with a body."""
    return "@asynccontextmanager\nasync def hold(self, name):\n" + indent(dedent(source), "    ")


def around(before: str, after: str) -> str:
    """One that does something before its block, and something after it, however it ends."""
    parts = dedent(before), indent(dedent(after), "    ")
    return hold("{}\ntry:\n    yield\nfinally:\n{}".format(*parts))


RIGHT = {
    "semaphores": hold("async with self.semaphores[name]: yield"),
    "the lock itself, without a generator": "def hold(self, name): return self.locks[name]",
    "by hand": around("await self.locks[name].acquire()", "self.locks[name].release()"),
    "a queue with one token": around(
        "token = await self.tokens[name].get()", "self.tokens[name].put_nowait(token)"
    ),
    "a condition": around(
        """
        condition = self.conditions[name]
        async with condition:
            await condition.wait_for(lambda: name not in self.busy)
            self.busy.add(name)
        """,
        """
        async with condition:
            self.busy.discard(name)
            condition.notify_all()
        """,
    ),
    "futures in a queue": around("await self.take(name)", "self.give_back(name)")
    + dedent("""
        async def take(self, name):
            if name not in self.busy:
                self.busy.add(name)
                return
            turn = asyncio.get_running_loop().create_future()
            self.queues[name].append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self.give_back(name)
                raise

        def give_back(self, name):
            while self.queues[name]:
                turn = self.queues[name].popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
            self.busy.discard(name)
    """),
    "a chain: each waits for the one before": hold("""
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
                asyncio.create_task(before.wait()).add_done_callback(lambda _: mine.set())
    """),
}
SYNC = "@contextmanager\ndef hold(self, name): yield"
WRONG = {
    "returns nothing": ("holds: NoneType", "def hold(self, name): return None"),
    "forgets the decorator": ("holds: async_generator", "async def hold(self, name): yield"),
    "forgets the yield": ("holds: never yields", hold("pass")),
    "a context manager that is not async": ("holds: _GeneratorContextManager", SYNC),
    "takes no name": ("holds: positional argument", hold("yield").replace(", name", "")),
    "never given back": ("holds: had not ended", hold("await self.locks[name].acquire(); yield")),
    "loses patience, and goes in": (
        "loses_nothing",
        around(
            """
            try:
                await asyncio.wait_for(self.locks[name].acquire(), 0.001)
            except TimeoutError:
                pass
            """,
            "if self.locks[name].locked(): self.locks[name].release()",
        ),
    ),
    "swallows what goes wrong inside": (
        "gives_back: swallowed",
        hold("async with self.locks[name]:\n    with suppress(Exception): yield"),
    ),
    "gives back on errors, not when cancelled": (
        "gives_back: had not ended",
        hold("""
            await self.locks[name].acquire()
            try:
                yield
            except Exception:
                self.locks[name].release()
                raise
            self.locks[name].release()
        """),
    ),
    "looks at the door now and then, in order": (
        "side_by_side: 34.0 ms",
        hold("""
            me = object()
            self.queues[name].append(me)
            try:
                while self.queues[name][0] is not me:
                    await asyncio.sleep(0.003)
                yield
            finally:
                self.queues[name].remove(me)
        """),
    ),
}

test_a_right_answer_of_another_shape_passes = right("04_race", RIGHT, HEAD)
test_a_wrong_answer_is_told_what_is_wrong = wrong("04_race", WRONG, HEAD)
