"""The command line: which attacks, how often; one row for each.

Exit codes: 0 if everything held, 1 if something is broken, 2 if it could not be tried, 130 after
Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any

from tests.real import on_door, on_files, on_load, on_rooms, on_signals, on_wire  # noqa: F401  (each registers its attacks)
from tests.real.marathon import marathon, words
from tests.real.server import CannotStart
from tests.real.trial import ATTACKS, FACTOR_MAX, Attack, Result, run_trial

COLUMNS = "{:20} {:9} {:>6} {:>11} {:>10} {:>6}  {}"
HEAD = COLUMNS.format("attack", "mode", "trials", "memory MB", "polite p50", "lost", "verdict")


def described(one: Attack) -> str:
    """Its name and its promise, for the help."""
    indent = " " * 24
    return fill(f"  {one.name:22}{one.promise}", 79, subsequent_indent=indent)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.real",
        description="Attack chatlab servers on this machine, and tell what held.",
        epilog="\n".join(["attacks:", *map(described, ATTACKS.values())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help="default: all of them")
    parser.add_argument("--trials", type=int, default=10, metavar="N")
    parser.add_argument(
        "--mode", default="journal", help="of the server, unless an attack has its own"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="that each attack lasts")
    parser.add_argument(
        "--marathon", type=float, metavar="S", help="every attack at once, for so many seconds"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every trial there, too")
    chosen = parser.parse_args()
    for name in chosen.attacks:
        if count := re.fullmatch(r"flooders_([1-9]\d{0,2})", name):
            ATTACKS.setdefault(name, on_load.flooders_of(int(count[1])))
    if unknown := set(chosen.attacks) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}; see --help")
    if chosen.trials < 1 or not 0.2 <= chosen.seconds <= 3_600:
        parser.error("at least 1 trial; 0.2 to 3,600 seconds")
    return chosen


def row(results: list[Result]) -> tuple[str, dict[str, Any]]:
    """One line for the trials of an attack, and the same as JSON."""
    factors = [one.factor for one in results if one.factor is not None]
    reasons = list(dict.fromkeys(reason for one in results for reason in one.broken))
    failed = sum(bool(one.broken) for one in results)
    if factors and median(factors) > FACTOR_MAX:
        reasons.append(f"a polite client waits more than {FACTOR_MAX} times as long")
    summary = {
        "attack": results[0].attack,
        "mode": results[0].mode,
        "trials": len(results),
        "memory_from_mb": round(median(one.memory_from for one in results)),
        "memory_to_mb": round(max(one.memory_to for one in results)),
        "polite_factor": round(median(factors), 2) if factors else None,
        "polite_factor_max": round(max(factors), 2) if factors else None,
        "acked": sum(one.acked for one in results),
        "lost": sum(one.lost for one in results),
        "stop_s_max": round(max(one.stop_s or 0 for one in results), 1),
        "verdict": "broken" if reasons else "held",
        "why": reasons,
    }
    factor = f"x {summary['polite_factor']:,.3g}" if factors else "-"
    if factors and any(one.base == "after" for one in results):
        factor += "*"
    memory = f"{summary['memory_from_mb']} to {summary['memory_to_mb']}"
    verdict = "held" if not reasons else f"BROKEN ({failed}): {'; '.join(reasons)}"
    start = (summary["attack"], summary["mode"], len(results), memory, factor)
    return COLUMNS.format(*start, f"{summary['lost']:,}", verdict), summary


async def trials(which: Attack, chosen: argparse.Namespace) -> list[Result]:
    results = []
    for n in range(chosen.trials):
        if sys.stderr.isatty():
            print(
                f"\r{which.name}: trial {n + 1} of {chosen.trials}\033[K", end="", file=sys.stderr
            )
        results.append(await run_trial(which, chosen.mode, chosen.seconds))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return results


async def run_marathon(chosen: argparse.Namespace) -> bool:
    report = await marathon(chosen.mode, chosen.marathon)
    print(words(report))
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=1))
    return not report["broken"]


async def everything(chosen: argparse.Namespace) -> bool:
    print(HEAD)
    report = []
    for name in chosen.attacks or ATTACKS:
        which = ATTACKS[name]
        if which.linux and sys.platform != "linux":
            print(f"{name:20} needs Linux: not tried")
            continue
        results = await trials(which, chosen)
        line, summary = row(results)
        print(line, flush=True)
        report.append(
            {**summary, "promise": which.promise, "each": [asdict(one) for one in results]}
        )
        if chosen.json:
            chosen.json.write_text(json.dumps(report, indent=1))
    return all(one["verdict"] == "held" for one in report)


def main() -> int:
    chosen = arguments()
    try:
        held = asyncio.run(run_marathon(chosen) if chosen.marathon else everything(chosen))
    except KeyboardInterrupt:
        print("\nstopped: every server that was started has ended", file=sys.stderr)
        return 130
    except (CannotStart, OSError) as error:
        print(f"tests.real: {error}", file=sys.stderr)
        return 2
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
