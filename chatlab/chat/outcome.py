"""What happens to a message once the processor has taken it: its ack, its delivery, its errors.

The ack is sent as soon as the server's promise holds: when the message is queued, or after the
save. Delivery always waits for the save, so that nobody reads a message that a crash could undo.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chatlab.chat.metrics import Metrics
from chatlab.chat.parts.message_seams import Client, Delivery, Entry
from chatlab.chat.parts.text_frames import TextFrames
from chatlab.chat.protocol import Ack, AckLevel, ErrorFrame, Ref, encode
from chatlab.chat.trace import Tracer
from chatlab.chat.turns import Pieces
from chatlab.chat.user_parts import user_line
from chatlab.errors import StorageError


class Dispatcher:
    """Listens to the processor; sends acks and errors to the sender, and messages to their room.

    Args:
        ack_means: the promise of this server's acks.
        on_queueing: whether the promise holds as soon as a message is queued.
        delivery: brings saved messages to their rooms.
        metrics: counts.
        tracer: hears what becomes of the messages that it traces.
    """

    def __init__(
        self,
        ack_means: AckLevel,
        on_queueing: bool,
        delivery: Delivery,
        metrics: Metrics,
        tracer: Tracer,
    ) -> None:
        self._ack_means = ack_means
        self._on_queueing = on_queueing
        self._delivery = delivery
        self._metrics = metrics
        self._tracer = tracer
        self._pieces = Pieces(metrics.clock)

    async def queued(self, entry: Entry) -> None:
        if self._on_queueing:
            await self._ack(entry)

    async def saved(self, batch: Sequence[Entry]) -> None:
        self._metrics.saved(batch)
        self._tracer.saved(batch)
        for entry in batch:
            entry.sender.release()
        acked_together: Sequence[Entry] = [] if self._on_queueing else await self._ack_all(batch)
        # Where each message has its own frames, each is delivered at its own time.
        in_one = self._delivery.frames == "batch"
        for part in [batch] if in_one else [[entry] for entry in batch]:
            await self._pieces.before(part[0], batch)
            await self._deliver(part)
        if acked_together:
            self._metrics.acked(acked_together)

    async def delayed(self, batch: Sequence[Entry], error: StorageError, retry_in_s: float) -> None:
        self._metrics.save_failed(str(error))
        self._metrics.note(
            f"{error}{user_line(error)}; {len(batch)} messages wait and are tried again"
        )
        text = f"not saved yet: {error}; kept in memory, next try in {retry_in_s:g} s"
        await self._tell(batch, "storage_delayed", text)

    async def failed(self, batch: Sequence[Entry], error: StorageError) -> None:
        self._metrics.save_failed(str(error))
        self._metrics.note(f"{error}{user_line(error)}; {len(batch)} messages were refused")
        self._tracer.give_up(batch)
        for entry in batch:
            entry.sender.release()
        await self._tell(batch, "storage_failed", f"not saved: {error}; send it again later")

    async def _deliver(self, batch: Sequence[Entry]) -> None:
        try:
            frames = await self._delivery.deliver([entry.message for entry in batch])
        except Exception as error:  # a bug in a part: the messages are saved, so go on
            self._tracer.give_up(batch)
            self._metrics.note(
                f"delivery failed: {type(error).__name__}: {error}{user_line(error)}"
            )
            return
        if self._delivery.frames == "batch":
            # What was pushed goes to the sockets in the next turn of the event loop, not before.
            await asyncio.sleep(0)
        self._metrics.delivered(batch, frames)
        self._tracer.delivered(batch)

    async def _ack(self, entry: Entry) -> None:
        await entry.sender.send(encode(Ack(ref=entry.ref, means=self._ack_means)))
        self._metrics.acked([entry])
        self._tracer.acked(entry)

    async def _ack_all(self, batch: Sequence[Entry]) -> Sequence[Entry]:
        """An ack for each message; a cumulative one to a sender that takes batches.

        Such a sender's refs increase and its messages are saved in order: the last covers them all.
        Returns the messages whose acks go out together with the messages themselves.
        """
        if self._delivery.frames != "batch":
            for entry in batch:
                await self._pieces.before(entry, batch)
                await self._ack(entry)
            return []
        refs: dict[Client, list[Ref]] = {}
        for entry in batch:
            refs.setdefault(entry.sender, []).append(entry.ref)
            self._tracer.acked(entry)
        for sender, mine in refs.items():
            if sender.frame_style == "batch":
                latest = mine[-1]
                assert isinstance(latest, int)
                sender.push(encode(Ack(up_to=latest, means=self._ack_means)))
            else:
                acks = [encode(Ack(ref=ref, means=self._ack_means)) for ref in mine]
                sender.push_all(TextFrames(acks))
        return list(batch)

    async def _tell(self, batch: Sequence[Entry], code: str, text: str) -> None:
        for entry in batch:
            await self._pieces.before(entry, batch)
            await entry.sender.send(encode(ErrorFrame(code, text, entry.ref)))
            self._metrics.refused(code)
