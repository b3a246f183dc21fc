"""The plug lab: kill a server before your eyes, and strike through what it had acked and lost.

Read `pull.py` for one kill, and `bench/crash/killing.py` for how it is judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from chatlab.labs.base import Lab, Option, Seed
from chatlab.labs.plug.pull import RAMP, pull
from chatlab.labs.plug.room import PlugReport, PulledMode
from chatlab.labs.plug.view import stage
from chatlab.view import words

AROUND_S = 3.5
"""What a kill takes beside its load: two starts, and the time to look."""


@dataclass(kw_only=True)
class Plug(Lab):
    """Fills a room with messages, kills its server with kill -9, starts it again on the same data
    folder, and strikes through every message that had been acked and is gone: about ten seconds.

    By default first `optimized`, which acks what is in memory only, then `journal`, which acks what
    is on the disk, as the contrast. kill -9 is a crash of the server, not a power cut: for that,
    run `chatlab crash --only power`. Exit code 1 if a promise was broken: a message acked as
    written or synced is gone.
    """

    modes: Annotated[tuple[str, ...], Option("MODES", "Line-ups.", kind="modes")] = (
        "optimized",
        "journal",
    )
    messages: Annotated[
        int, Option("N", "Acked messages before the kill, at least.", 10, 10_000)
    ] = 400
    rate: Annotated[
        float, Option("N", "Messages per second at the end; a tenth of it first.", 10, 20_000)
    ] = 600.0
    seed: Seed = 1
    pulled: dict[str, PulledMode] = field(default_factory=dict, init=False)

    def estimate(self) -> tuple[float, str]:
        load_s = 2 * self.messages / (self.rate * (1 + RAMP))
        kills = f"kill -9 of {words.listed(self.modes)}"
        return len(self.modes) * (AROUND_S + load_s), kills

    async def measure(self) -> None:
        with stage(self.narrator) as shown:
            for mode in self.modes:
                self.pulled[mode] = await pull(
                    mode,
                    messages=self.messages,
                    rate_per_s=self.rate,
                    seed=self.seed,
                    work_folder=self.work,
                    stage=shown,
                )

    def report(self) -> PlugReport:
        return self.fill(PlugReport, rate_per_s=self.rate, modes=self.pulled)
