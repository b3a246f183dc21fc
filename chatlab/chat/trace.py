"""Where one message's time goes: the traces that clients ask for.

A trace costs time, so only messages whose sender asks are traced, and only so many at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from chatlab.chat.parts.message_seams import Entry
from chatlab.chat.protocol import TraceFrame, encode
from chatlab.chat.settings import Clock

if TYPE_CHECKING:
    from chatlab.chat.parts.storage_seams import Lock, Store
    from chatlab.data.records import Message

TRACED_MAX = 100


@dataclass(slots=True)
class _Trace:
    """The moments of one message on the server's clock; 0.0 where it did not get yet."""

    submitted_at: float
    save_began_at: float = 0.0
    lock_held_at: float = 0.0
    saved_at: float = 0.0
    acked_at: float = 0.0


_in_this_save: ContextVar[Sequence[_Trace]] = ContextVar("_in_this_save", default=())
"""The traced messages that the current task saves."""


class Tracer:
    """The traces of one server.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._traces: dict[str, _Trace] = {}  # by the message's id; at most `TRACED_MAX`

    def begin(self, message_id: str) -> None:
        """Trace a message that is handed to the processor now."""
        if len(self._traces) < TRACED_MAX:
            self._traces[message_id] = _Trace(self._clock())

    def saved(self, batch: Sequence[Entry]) -> None:
        """A batch is saved."""
        for trace in self._of([entry.message.id for entry in batch]):
            trace.saved_at = self._clock()

    def acked(self, entry: Entry) -> None:
        """An ack was sent."""
        for trace in self._of([entry.message.id]):
            trace.acked_at = self._clock()

    def delivered(self, batch: Sequence[Entry]) -> None:
        """A batch was sent to its rooms: tell each sender who asked."""
        if not self._traces:
            return
        for entry in batch:
            if trace := self._traces.pop(entry.message.id, None):
                entry.sender.push(encode(self._frame(entry, trace)))

    def give_up(self, batch: Sequence[Entry]) -> None:
        """These will never be delivered."""
        for entry in batch:
            self._traces.pop(entry.message.id, None)

    def watch(self, store: Store, lock: Lock) -> None:
        """Hear when a save of this store begins, and when it has got this lock, if it asks for it.

        Of a save that is tried again, the first time counts.
        """
        save, hold = store.save, lock.hold

        async def watched_save(batch: Sequence[Message]) -> None:
            traces = self._of([message.id for message in batch])
            if not traces:
                return await save(batch)
            for trace in traces:
                trace.save_began_at = trace.save_began_at or self._clock()
            token = _in_this_save.set(traces)
            try:
                await save(batch)
            finally:
                _in_this_save.reset(token)

        def watched_hold(name: str) -> AbstractAsyncContextManager[None]:
            traces = _in_this_save.get()
            return self._held(hold(name), traces) if traces else hold(name)

        store.save = watched_save  # type: ignore[method-assign]
        lock.hold = watched_hold  # type: ignore[method-assign]

    @asynccontextmanager
    async def _held(
        self, held: AbstractAsyncContextManager[None], traces: Sequence[_Trace]
    ) -> AsyncIterator[None]:
        async with held:
            for trace in traces:
                trace.lock_held_at = trace.lock_held_at or self._clock()
            yield

    def _of(self, ids: list[str]) -> list[_Trace]:
        return [self._traces[one] for one in ids if one in self._traces] if self._traces else []

    def _frame(self, entry: Entry, trace: _Trace) -> TraceFrame:
        began_at = trace.save_began_at or trace.saved_at  # a processor may save in its own way
        steps = (
            entry.since,
            entry.accepted_at,
            trace.submitted_at,
            began_at,
            trace.lock_held_at or began_at,  # a store may use another lock, or none
            trace.saved_at,
            self._clock(),
        )
        waiting, check, queue, lock, save, delivery = (
            (after - before) * 1000 for before, after in pairwise(steps)
        )
        return TraceFrame(
            ref=entry.ref,
            id=entry.message.id,
            waiting_ms=waiting,
            check_ms=check,
            queue_ms=queue,
            lock_ms=lock,
            save_ms=save,
            delivery_ms=delivery,
            ack_ms=(trace.acked_at - entry.since) * 1000,
        )
