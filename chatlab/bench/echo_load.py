"""The load generator against an echo server: the same plan, the same sender, the same clocks.

Who sends a message gets it back, and that is both its ack and its delivery.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chatlab.bench.client import chat_url, connect
from chatlab.bench.load import Load
from chatlab.chat.protocol import SendMessage


class EchoLoad(Load):
    """One run of a plan against an echo server."""

    async def set_up(self) -> None:
        self.result.receivers = [1] * len(self.result.plan)
        for user in range(self.scenario.users):
            url = chat_url(self.url, f"load-{user}")
            self.connections.append(await connect(url, self.listener(user)))

    def listener(self, user: int) -> Callable[[bytes], None]:
        decoder = msgspec.json.Decoder(SendMessage)
        ledger = self.ledger

        def on_frame(data: bytes) -> None:
            now_s = self.now_s()
            frame = decoder.decode(data)
            assert isinstance(frame.ref, int)
            ledger.echo(user, frame.ref, frame.content, now_s)

        return on_frame
