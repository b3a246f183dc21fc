"""What the crash lab found, as data; `chatlab crash --json` writes it."""

from __future__ import annotations

import msgspec

from chatlab.chat.protocol import AckLevel
from chatlab.labs.base import LabReport


class KillTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One server, killed once.

    Attributes:
        killed_s: seconds after the start of the load.
        sent, acked: messages, until the server was gone.
        lost: acked, and missing after the restart.
        wrong: messages stored twice, or changed.
        corrupt: why the folder cannot be used any more; empty if it can.
        recovery_s: from the start of a new server until it listens; None if it does not.
        ordinary_s: the same on the same folder after an orderly stop; None if not measured.
        story: what happened to one lost message; empty if none was lost.
    """

    killed_s: float
    sent: int
    acked: int
    lost: int
    wrong: int
    corrupt: str
    recovery_s: float | None
    ordinary_s: float | None
    story: list[str]


class KillResult(msgspec.Struct, frozen=True, kw_only=True):
    """All trials of one mode.

    Attributes:
        trials: how many.
        acked, lost, wrong: all trials added up; see `KillTrial`.
        trials_losing: trials in which anything acked was lost.
        corrupt: trials after which the folder could not be used any more.
        recovery_s, recovery_most_s: median and highest start after a kill, of those that started.
        ordinary_s: median start after an orderly stop, on the same folders.
        story: the first loss.
        each: every trial.
    """

    trials: int
    acked: int
    lost: int
    wrong: int
    trials_losing: int
    corrupt: int
    recovery_s: float | None
    recovery_most_s: float | None
    ordinary_s: float | None
    story: list[str]
    each: list[KillTrial]


class PowerResult(msgspec.Struct, frozen=True, kw_only=True):
    """All simulated power cuts of one mode.

    Attributes:
        messages, acked: of the workload.
        operations: changes and syncs that it made.
        cuts: moments at which the power failed.
        states: what the disk may have held then, over all moments.
        folders: how many of these are different; each was opened.
        capped_cuts: moments with more states than were tried.
        losing: states that open, and in which acked messages are missing.
        lost_most: ... how many at most.
        corrupt: states that do not open, or do not work afterwards.
        wrong: states with a message twice, changed, out of order or never sent.
        stories: the earliest finding of each kind.
    """

    messages: int
    acked: int
    operations: int
    cuts: int
    states: int
    folders: int
    capped_cuts: int
    losing: int
    lost_most: int
    corrupt: int
    wrong: int
    stories: list[list[str]]


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
