"""`08_delivery`: other right answers pass, and nonsense is told in words."""

from __future__ import annotations

from pathlib import Path

from chatlab.chat.protocol import FRAME_CHARS_MAX
from chatlab.course.checks.delivery import large_batch
from tests.course.judging import Mistake, body, judged, mistakes, right, wrong

NAME = "08_delivery"
HEAD = """
import asyncio
from chatlab.chat.parts.message_seams import Delivery
from chatlab.chat.parts.delivery.batch import BatchDelivery
from chatlab.chat.protocol import MessagesFrame, encode, encode_message

class RoomDelivery(Delivery):
"""
A_TASK_A_ROOM = """
frames = "batch"

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
BUILT_IN = HEAD.replace("class RoomDelivery(Delivery):", "class RoomDelivery(BatchDelivery): pass")
EACH = """
async def deliver(self, batch):
    sent = 0
    for message in batch:
        frame = encode_message(message)
        for client in tuple(self.members(message.room_id)):
            client.push(frame)
            sent += 1
    return sent
"""
NONSENSE = {
    "returns nothing": ("everyone: it returned None", "async def deliver(self, batch): pass"),
    "not async": ("everyone: an object of type int at once", "def deliver(self, batch): return 0"),
    "no batch": (
        "everyone: takes 1 positional argument but 2",
        "async def deliver(self): return 0",
    ),
    "sends nothing": ("everyone: missing: 3 messages", "async def deliver(self, batch): return 9"),
    "sends text": (
        "everyone: an object of type str",
        EACH.replace("push(frame", "push(frame.decode()"),
    ),
    "no frames": ("everyone: bytes that no client", EACH.replace("encode_message(", "encode(")),
}
CUT = "if part and chars + len(message.content) > FRAME_CHARS_MAX"
ONE_LATE: Mistake = ("large_batch: characters", CUT, "if part and chars > FRAME_CHARS_MAX")

test_other_right_answers_get_all_points = right(
    NAME, {"built in": BUILT_IN, "a task a room": HEAD + body(A_TASK_A_ROOM)}
)
test_nonsense_is_told_in_words = wrong(NAME, NONSENSE, HEAD)
test_a_cut_that_comes_one_message_late_is_found = mistakes(NAME, {"one late": ONE_LATE})


def test_a_broadcast_has_the_points_for_waiting_and_encoding(tmp_path: Path) -> None:
    results = judged(NAME, tmp_path, HEAD + body(EACH))

    assert [name for name, one in results.items() if one.points] == ["slow_client", "encode_once"]
    assert "frames of your class" in results["batch_frames"].expected


def test_the_limit_of_a_frame_is_the_protocols() -> None:
    assert f"{FRAME_CHARS_MAX:,} characters" in large_batch.asked
