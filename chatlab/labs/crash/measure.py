"""The crash lab: kills and power cuts, for some modes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from chatlab.bench import environment
from chatlab.chat.modes import MODES, ack_means, parse
from chatlab.labs.common import Say, silent
from chatlab.labs.crash.kill import add_up, kill_trial
from chatlab.labs.crash.power import power_cuts
from chatlab.labs.crash.report import CrashReport, KillTrial, ModeCrashes, PowerResult

WANTED = ("naive", "optimized", "journal", "sqlite")
DEFAULT_MODES = tuple(name for name in WANTED if name in MODES)
DEFAULT_TRIALS = 20
DEFAULT_HISTORY = 1_000
DEFAULT_RATE_PER_S = 1_000.0


class Crash:
    """The lab, under way.

    Args:
        modes: the line-ups.
        trials: kills of each; 0 for none.
        power: whether to simulate power cuts.
        history: messages in the data folder before each kill.
        rate_per_s: messages sent a second, until the server is killed.
        seed: of the loads, the moments and the workload.
        work_folder: where data folders are made; the system's place for temporary files if None.
        say: hears what is being done.
    """

    def __init__(
        self,
        modes: Sequence[str],
        *,
        trials: int = DEFAULT_TRIALS,
        power: bool = True,
        history: int = DEFAULT_HISTORY,
        rate_per_s: float = DEFAULT_RATE_PER_S,
        seed: int = 1,
        work_folder: Path | None = None,
        say: Say = silent,
    ) -> None:
        self._line_ups = {name: parse(name) for name in modes}
        self._means = {name: ack_means(line_up) for name, line_up in self._line_ups.items()}
        self._trials = trials
        self._power = power
        self._history = history
        self._rate_per_s = rate_per_s
        self._seed = seed
        self._work_folder = work_folder
        self._say = say
        self._cut: dict[str, PowerResult] = {}
        self._killed: dict[str, list[KillTrial]] = {name: [] for name in modes}

    async def run(self) -> None:
        """Cut the power of every mode, then kill them in turn, so that an early end is fair.

        Raises:
            UsageError, ServerFailed: a server would not start on a fresh folder.
        """
        for name, line_up in self._line_ups.items() if self._power else ():
            self._cut[name] = await power_cuts(
                line_up, self._seed, work_folder=self._work_folder, say=self._say
            )
        for number in range(1, self._trials + 1):
            for name, line_up in self._line_ups.items():
                self._say(f"kill {number} of {self._trials}: {name}")
                trial = await kill_trial(
                    line_up,
                    self._means[name],
                    history=self._history,
                    rate_per_s=self._rate_per_s,
                    seed=self._seed,
                    number=number,
                    work_folder=self._work_folder,
                )
                self._killed[name].append(trial)

    def report(self, command: str) -> CrashReport:
        """What was found so far; `command` is the command line that asked for it."""
        tried = {
            name: ModeCrashes(
                ack_means=means,
                kill=add_up(self._killed[name]) if self._killed[name] else None,
                power=self._cut.get(name),
            )
            for name, means in self._means.items()
            if self._killed[name] or name in self._cut
        }
        all_killed = all(len(trials) == self._trials for trials in self._killed.values())
        all_cut = not self._power or len(self._cut) == len(self._line_ups)
        return CrashReport(
            command=command,
            seed=self._seed,
            environment=environment.describe(self._work_folder or Path(tempfile.gettempdir())),
            trials=self._trials,
            history=self._history,
            rate_per_s=self._rate_per_s,
            complete=all_killed and all_cut,
            modes=tried,
        )
