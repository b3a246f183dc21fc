"""The crash lab: kills and power cuts, for some modes. Read `kill.py` and `power.py` for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import msgspec

from chatlab.chat.modes import ack_means, parse
from chatlab.chat.protocol import AckLevel
from chatlab.labs.base import History, Lab, LabReport, Option, Seed
from chatlab.labs.crash.kill import KillResult, KillTrial, add_up, kill_trial
from chatlab.labs.crash.power import PowerResult, power_cuts

KILL_S, POWER_S = 2.0, 5.0
"""What a kill and all power cuts of a mode take, about."""


class ModeCrashes(msgspec.Struct, frozen=True, kw_only=True):
    """One mode. What was not tried is None."""

    ack_means: AckLevel
    kill: KillResult | None = None
    power: PowerResult | None = None

    @property
    def broken(self) -> bool:
        """Whether acks promise `synced`, and that was not true.

        A weaker ack never promised to survive a power cut, so its losses are no fault here.
        """
        kill, power = self.kill, self.power
        return self.ack_means == "synced" and bool(
            (kill and (kill.lost or kill.corrupt or kill.wrong))
            or (power and (power.losing or power.corrupt or power.wrong))
        )


class CrashReport(LabReport, frozen=True, kw_only=True):
    """All modes.

    Attributes:
        trials: wanted for each mode; 0 if none.
        history: messages in the data folder before each trial.
        rate_per_s: messages a second that were sent to a server until it was killed.
    """

    schema: str = "chatlab.crash/1"
    seed: int
    trials: int
    history: int
    rate_per_s: float
    modes: dict[str, ModeCrashes]

    @property
    def broken(self) -> list[str]:
        """The modes that promised `synced` and did not keep it."""
        return [name for name, mode in self.modes.items() if mode.broken]

    @property
    def passed(self) -> bool:
        """Whether every `synced` promise was kept."""
        return not self.broken


@dataclass(kw_only=True)
class Crash(Lab):
    """kill -9 of real servers under load, and a simulated power cut at every file operation. Exit
    code 1 if a mode that acks as synced lost or damaged anything; 70 if a part of your own ended
    the lab.
    """

    runs_parts: ClassVar[bool] = True

    modes: Annotated[tuple[str, ...], Option("MODES", "Line-ups.", kind="modes")] = (
        "naive",
        "optimized",
        "journal",
        "sqlite",
    )
    trials: Annotated[int, Option("N", "Kills of each mode.", 1, 10_000)] = 20
    only: Annotated[
        Literal["kill", "power"] | None, Option("WHAT", "Just one of the two: kill or power.")
    ] = None
    history: History = 1_000
    rate: Annotated[
        float, Option("N", "Messages per second to a server to be killed.", 10, 20_000)
    ] = 1_000.0
    seed: Seed = 1
    cut: dict[str, PowerResult] = field(default_factory=dict, init=False)
    killed: dict[str, list[KillTrial]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.only == "power":
            self.trials = 0
        self._line_ups = {name: parse(name) for name in self.modes}
        self._means = {name: ack_means(line_up) for name, line_up in self._line_ups.items()}

    def estimate(self) -> tuple[float, str]:
        modes = len(self.modes)
        power_s = 0.0 if self.only == "kill" else POWER_S
        amount = [f"{self.trials} kills of {modes} modes"] if self.trials else []
        amount += [f"all power cuts of {modes} modes"] if power_s else []
        return modes * (self.trials * KILL_S + power_s), ", ".join(amount)

    async def measure(self) -> None:
        """Cut the power of every mode, then kill them in turn, so that an early end is fair."""
        if self.only != "kill":
            for name, line_up in self._line_ups.items():
                self.cut[name] = await power_cuts(
                    line_up, self.seed, work_folder=self.work, say=self.say
                )
        for number in range(1, self.trials + 1):
            for name, line_up in self._line_ups.items():
                self.say(f"kill {number} of {self.trials}: {name}")
                trial = await kill_trial(
                    line_up,
                    self._means[name],
                    history=self.history,
                    rate_per_s=self.rate,
                    seed=self.seed,
                    number=number,
                    work_folder=self.work,
                )
                self.killed.setdefault(name, []).append(trial)

    def report(self) -> CrashReport:
        tried = {
            name: ModeCrashes(
                ack_means=means,
                kill=add_up(self.killed[name]) if name in self.killed else None,
                power=self.cut.get(name),
            )
            for name, means in self._means.items()
            if name in self.killed or name in self.cut
        }
        return self.fill(CrashReport, rate_per_s=self.rate, modes=tried)
