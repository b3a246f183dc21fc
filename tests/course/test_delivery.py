"""The delivery's checks: other right answers pass, and nonsense is told in words."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from chatlab.course.catalog import Exercise, load
from chatlab.course.judge import judge
from chatlab.course.verdicts import Result

ROOT = Path(__file__).parents[2]
EXERCISE: Exercise = load(ROOT / "exercises" / "08_delivery", ROOT / "solutions" / "08_delivery")
HEAD = """
import asyncio
from chatlab.chat.parts.delivery import Delivery
from chatlab.chat.parts.delivery.batch import BatchDelivery
from chatlab.chat.protocol import MessagesFrame, encode, encode_message
"""
BUILT_IN = "class RoomDelivery(BatchDelivery): pass"
A_TASK_A_ROOM = """
class RoomDelivery(Delivery):
    def __init__(self, members):
        super().__init__(members)
        self.frames = "batch"

    async def deliver(self, batch):
        rooms = dict.fromkeys(message.room_id for message in batch)
        return sum(await asyncio.gather(*(self.room(one, batch) for one in rooms)))

    async def room(self, room_id, batch):
        messages = [message for message in batch if message.room_id == room_id]
        large = sum(len(message.content) for message in messages) > 60_000
        step = 15 if large else len(messages)
        parts = [messages[n : n + step] for n in range(0, len(messages), step)]
        batches = [encode(MessagesFrame(room_id, part)) for part in parts]
        singles = [encode_message(message) for message in messages]
        sent = 0
        for client in set(self.members(room_id)):
            for frame in batches if client.frame_style == "batch" else singles:
                client.push(frame)
                sent += 1
        return sent
"""


async def tried(tmp_path: Path, code: str, only: tuple[str, ...] = ()) -> dict[str, Result]:
    path = tmp_path / "work.py"
    path.write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    judged = await judge(EXERCISE, path, only=only)
    assert not judged.broken
    return {result.check: result for result in judged.results}


@pytest.mark.parametrize("code", [BUILT_IN, A_TASK_A_ROOM], ids=["built in", "a task a room"])
async def test_other_right_answers_get_all_points(tmp_path: Path, code: str) -> None:
    results = await tried(tmp_path, code)

    assert {one.verdict for one in results.values()} == {"passed"}
    assert sum(one.points for one in results.values()) == 10


async def test_a_broadcast_without_batches_has_the_points_for_waiting_and_encoding(
    tmp_path: Path,
) -> None:
    code = """
    class RoomDelivery(Delivery):
        async def deliver(self, batch):
            sent = 0
            for message in batch:
                frame = encode_message(message)
                for client in tuple(self.members(message.room_id)):
                    client.push(frame)
                    sent += 1
            return sent
    """
    results = await tried(tmp_path, code)

    assert [name for name, one in results.items() if one.points] == ["slow_client", "encode_once"]
    assert "frames of your class" in results["batch_frames"].expected


@pytest.mark.parametrize(
    ("body", "actual"),
    [
        ("async def deliver(self, batch): pass", "it returned None"),
        ("def deliver(self, batch): return 0", "it returned an object of type int at once"),
        ("async def deliver(self): return 0", "takes 1 positional argument but 2 were given"),
        ("async def deliver(self, batch): return 9", "no messages; missing: 3 messages"),
        (
            "async def deliver(self, batch):\n"
            "        for m in batch:\n"
            "            for c in self.members(m.room_id): c.push(encode_message(m).decode())\n"
            "        return len(batch)",
            "an object of type str",
        ),
        (
            "async def deliver(self, batch):\n"
            "        for m in batch:\n"
            "            for c in self.members(m.room_id): c.push(encode(m))\n"
            "        return len(batch)",
            "bytes that no client can read",
        ),
    ],
)
async def test_nonsense_is_told_in_words(tmp_path: Path, body: str, actual: str) -> None:
    results = await tried(tmp_path, f"class RoomDelivery(Delivery):\n    {body}\n", ("everyone",))

    assert results["everyone"].verdict == "failed"
    assert actual in results["everyone"].actual


async def test_a_cut_that_comes_one_message_late_is_found(tmp_path: Path) -> None:
    code = (EXERCISE.answers / "work.py").read_text("utf-8")
    late = code.replace(
        "if part and chars + len(message.content) > FRAME_CHARS_MAX",
        "if part and chars > FRAME_CHARS_MAX",
    )
    assert late != code
    results = await tried(tmp_path, late.replace("from __future__ import annotations", ""))

    assert [name for name, one in results.items() if one.verdict == "failed"] == ["large_batch"]
