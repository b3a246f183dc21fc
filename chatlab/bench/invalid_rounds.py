"""What `compare` does when a round is invalid, and whether the instrument can be trusted.

A round is invalid if the load generator did not do what was planned: its figures then tell of the
generator, and not of the server. Such a round is audited and shown, its faults count, and a check
of the trust panel fails. No estimate and no ratio rests on it (`analysis.py`), and with fewer than
six valid pairs nothing is claimed. It is not repeated, and changes no exit code but `--strict`'s.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from chatlab.bench.load_result import LoadResult

if TYPE_CHECKING:
    from chatlab.bench.machine import CeilingRound
    from chatlab.bench.rounds import Round

LATE_MAX_MS = 20.0
LATE_MAX_SHARE = 0.05
SENDER_CPU_MAX_PERCENT = 90.0
MACHINE_BUSY_MAX_PERCENT = 25.0
VIEW_CPU_MAX_PERCENT = 15.0
CLOCK_STEP_MAX_MS = 0.1
_IN_MEMORY = ("tmpfs", "ramfs")


class TrustCheck(msgspec.Struct, frozen=True):
    """One check of whether the instrument can be trusted.

    Attributes:
        check: what was checked.
        ok: whether it held.
        value: what was measured.
        limit: what is allowed.
    """

    check: str
    ok: bool
    value: float | str
    limit: float | str


def why_invalid(load: LoadResult) -> list[str]:
    """Why the plan of a round was not met; empty if it was."""
    reasons = {
        f"{load.unsent:,} planned messages were not sent": load.unsent > 0,
        f"the sender was {load.late_p99_ms:.0f} ms late (p99)": load.late_p99_ms
        > _late_max_ms(load.wall_s),
        f"the sender used {load.sender_cpu_percent:.0f}% of a core": load.sender_cpu_percent
        > SENDER_CPU_MAX_PERCENT,
    }
    return [reason for reason, holds in reasons.items() if holds]


def valid_rounds(rounds: Sequence[Round]) -> list[Round]:
    """The rounds on which estimates rest: the valid ones, or all if none is valid."""
    return [one for one in rounds if not one.invalid] or list(rounds)


def trust(
    rounds: Sequence[Round],
    ceilings: Sequence[CeilingRound] = (),
    *,
    busy_percent: float,
    view_percent: float,
    file_system: str,
) -> list[TrustCheck]:
    """Whether the instrument itself can be trusted; empty if nothing was measured.

    Args:
        rounds: all of them.
        ceilings: all rounds of all ceilings.
        busy_percent: how busy the machine was before the start.
        view_percent: what showing the progress took, of one core.
        file_system: of the data folders.
    """
    if not rounds:
        return []
    # A long round may be later than a short one.
    latest = max(
        (one.load for one in rounds), key=lambda load: load.late_p99_ms / _late_max_ms(load.wall_s)
    )
    sender_percent = max(one.load.sender_cpu_percent for one in rounds)
    return [
        _at_most(
            "sender late, p99 of the worst round (ms)",
            latest.late_p99_ms,
            _late_max_ms(latest.wall_s),
        ),
        _at_most(
            "sender CPU in the worst round (% of a core)", sender_percent, SENDER_CPU_MAX_PERCENT
        ),
        *[
            _at_most(
                "sender CPU against a ceiling (% of a core)",
                max(one.sender_cpu_percent for one in ceilings),
                SENDER_CPU_MAX_PERCENT,
            )
            for _ in ceilings[:1]
        ],
        _at_most("messages planned but not sent", sum(one.load.unsent for one in rounds), 0),
        _at_most("rounds whose plan was not met", sum(bool(one.invalid) for one in rounds), 0),
        _at_most("machine busy before the start (%)", busy_percent, MACHINE_BUSY_MAX_PERCENT),
        _at_most("showing the progress (% of a core)", view_percent, VIEW_CPU_MAX_PERCENT),
        _at_most("smallest step of the clock (ms)", _clock_step_ms(), CLOCK_STEP_MAX_MS),
        TrustCheck(
            "data folder on a disk (in memory, an fsync costs nothing)",
            file_system not in _IN_MEMORY,
            file_system,
            "not in memory",
        ),
    ]


def _late_max_ms(wall_s: float) -> float:
    """How late the sender may be in a round of `wall_s` seconds."""
    return max(LATE_MAX_MS, LATE_MAX_SHARE * wall_s * 1000)


def _clock_step_ms() -> float:
    """The smallest step of the clock that the load generator uses."""
    steps = []
    for _ in range(100):
        before = after = time.perf_counter()
        while after == before:
            after = time.perf_counter()
        steps.append(after - before)
    return 1000 * min(steps)


def _at_most(check: str, value: float, limit: float) -> TrustCheck:
    return TrustCheck(check, value <= limit, round(value, 6), round(limit, 1))
