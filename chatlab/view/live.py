"""placeholder"""

from collections.abc import AsyncIterator, Callable
import asyncio
from chatlab.chat.snapshot import Snapshot


async def every(interval_s: float, take: Callable[[], Snapshot]) -> AsyncIterator[Snapshot]:
    while True:
        yield take()
        await asyncio.sleep(interval_s)


async def show(snapshots: AsyncIterator[Snapshot]) -> None:
    async for s in snapshots:
        print(s)
