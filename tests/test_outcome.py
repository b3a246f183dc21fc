"""When an ack and a delivery count as done, on a fake clock; and what a trace makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from chatlab.chat.metrics import Metrics, Samples
from chatlab.chat.modes import parse, storage
from chatlab.chat.outcome import Dispatcher
from chatlab.chat.parts.message_seams import Delivery, Entry
from chatlab.chat.protocol import FrameStyle, TraceFrame
from chatlab.chat.settings import Settings
from chatlab.chat.trace import TRACED_MAX, Tracer
from chatlab.data.records import MESSAGES, Message
from tests.support.parts import DISK_FULL, FakeClient, FakeClock, InlineFiles, entry, fill


class SlowDelivery(Delivery):
    """Takes a second for each message."""

    def __init__(self, clock: FakeClock, frames: FrameStyle) -> None:
        super().__init__(lambda _: ())
        self.frames = frames  # type: ignore[misc]
        self._clock = clock

    async def deliver(self, batch: Sequence[Message]) -> int:
        self._clock.advance(len(batch))
        return len(batch)


class Scene:
    """A dispatcher whose clock stands still but for its deliveries."""

    def __init__(self, frames: FrameStyle = "single") -> None:
        self.clock = FakeClock(0.0)
        self.metrics = Metrics(self.clock)
        self.tracer = Tracer(self.clock)
        delivery = SlowDelivery(self.clock, frames)
        self.dispatcher = Dispatcher("written", False, delivery, self.metrics, self.tracer)
        self.alice = FakeClient("alice", frames=frames)
        self.batch = [entry(n, sender=self.alice, ref=n) for n in range(20)]

    @staticmethod
    def of(samples: Samples) -> list[float]:
        """All samples, the old ones too."""
        return sorted(value for _, group in samples._groups for value in group)

    def traces(self) -> list[TraceFrame]:
        return [frame for frame in self.alice.heard if isinstance(frame, TraceFrame)]


async def test_each_message_with_its_own_frames_is_delivered_at_its_own_time() -> None:
    scene = Scene()
    await scene.dispatcher.saved(scene.batch)
    assert scene.of(scene.metrics.delivery_ms) == [1_000.0 * n for n in range(1, 21)]
    assert scene.of(scene.metrics.ack_ms) == [0] * 20  # acked before any delivery
    assert scene.metrics.counts.frames == 20


async def test_messages_in_one_frame_are_acked_and_delivered_when_it_goes_out() -> None:
    scene = Scene("batch")
    # The turn of the event loop in which the frame goes to the sockets takes a second.
    scene.alice._on_send = lambda: _next_turn(scene.clock)
    await scene.dispatcher.saved(scene.batch)
    assert scene.of(scene.metrics.delivery_ms) == [21_000.0] * 20
    assert scene.of(scene.metrics.ack_ms) == [21_000] * 20


def _next_turn(clock: FakeClock) -> None:
    asyncio.get_running_loop().call_soon(clock.advance, 1)


async def test_a_trace_adds_up_and_is_told_once_to_who_asked() -> None:
    scene = Scene()
    asked: Entry = scene.batch[0]
    scene.tracer.begin(asked.message.id)
    scene.clock.advance(2)
    await scene.dispatcher.saved(scene.batch)
    await scene.dispatcher.saved(scene.batch)

    (trace,) = scene.traces()
    assert (trace.ref, trace.id) == (0, asked.message.id)
    steps = (trace.waiting_ms, trace.check_ms, trace.queue_ms, trace.lock_ms, trace.save_ms)
    assert (*steps, trace.delivery_ms) == (0, 0, 2_000, 0, 0, 1_000)
    assert trace.ack_ms == 2_000


async def test_a_message_that_fails_is_traced_no_longer_and_leaves_room_for_others() -> None:
    scene = Scene()
    for n in range(3 * TRACED_MAX):
        one = entry(n, sender=scene.alice)
        scene.tracer.begin(one.message.id)
        await scene.dispatcher.failed([one], DISK_FULL)
    assert not scene.tracer._traces

    for n in range(2 * TRACED_MAX):  # more than it traces at once
        scene.tracer.begin(f"m{n}")
    assert len(scene.tracer._traces) == TRACED_MAX


async def test_the_wait_for_the_lock_is_told_apart_from_the_work_behind_it(tmp_path: Path) -> None:
    scene = Scene()
    clock, settings = scene.clock, Settings()
    files = InlineFiles(fill(tmp_path))
    files.fail = lambda _operation, _name: clock.advance(1)  # type: ignore[func-returns-value]
    _, _, lock, store = storage(parse("naive"), files, settings, clock)
    scene.tracer.watch(store, lock)
    asked = scene.batch[0]
    clock.advance(1)
    scene.tracer.begin(asked.message.id)
    async with lock.hold(MESSAGES.name):
        saving = asyncio.ensure_future(store.save([asked.message]))
        await asyncio.sleep(0)
        clock.advance(6)
    await saving
    await scene.dispatcher.saved([asked])

    (trace,) = scene.traces()  # a save reads, and writes
    assert (trace.queue_ms, trace.lock_ms, trace.save_ms) == (0, 6_000, 2_000)
