"""What the racy mode is there to show: messages that were acknowledged and are not on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from chatlab.chat.modes import parse
from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.data.records import MESSAGES
from tests.support.chat_client import chatting, new_contents

SENDERS = 5


class ReadTogether(DirectReader):
    """Lets nobody go on before all `SENDERS` have read the messages: the race, every time."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._together = asyncio.Barrier(SENDERS)

    async def read(self, file: Any) -> Any:
        value = await super().read(file)
        if file is MESSAGES:
            await self._together.wait()
        return value


async def test_of_messages_saved_at_once_all_are_acked_and_one_survives(tmp_path: Path) -> None:
    racy = parse("racy")
    line_up = msgspec.structs.replace(racy, classes=racy.classes | {"reader": ReadTogether})
    names = [f"user-{n}" for n in range(SENDERS)]
    async with chatting(line_up, tmp_path, *names) as (_, *clients):
        # All of one length: whoever writes last covers what the others wrote.
        answers = await asyncio.gather(
            *(client.say(f"message {n}") for n, client in enumerate(clients))
        )
    assert [(answer["type"], answer["means"]) for answer in answers] == [("ack", "written")] * 5
    assert len(new_contents(tmp_path)) == 1


async def test_concurrent_senders_lose_acked_messages_soon_without_any_help(tmp_path: Path) -> None:
    names = [f"user-{n}" for n in range(10)]
    async with chatting("racy+writer=atomic", tmp_path, *names) as (_, *clients):
        for turn in range(100):
            await asyncio.gather(*(one.say(f"{one.user} {turn}") for one in clients))
            acked = {text for one in clients for text in one.answered("ack")}
            if lost := acked - set(new_contents(tmp_path)):
                break
    assert lost
