"""A load's result in sentences: whether the server kept up, how the run ended, what to try next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from chatlab.bench.address import DEFAULT_PORT, LOCAL_HOST, start_command
from chatlab.bench.report import LoadReport
from chatlab.data.records import MESSAGES
from chatlab.disk.counted import FileIO
from chatlab.view import words
from chatlab.view.dashboard.state import rewrites_history

BEHIND_MAX_S = 1.0
BEHIND_MAX_SHARE = 0.05
"""A server kept up if it ended no further behind the plan than this; the larger of the two counts,
the second as a share of the plan's length."""


def kept_up(report: LoadReport) -> bool:
    """Whether the server served the planned rate; True if no rate was planned."""
    planned_s = report.scenario.planned_s
    if not planned_s:
        return True
    limit_s = max(BEHIND_MAX_S, BEHIND_MAX_SHARE * planned_s)
    return report.behind_s <= limit_s and not report.audit.refused


def verdict(report: LoadReport) -> str:
    """Whether the server kept up, in one sentence."""
    mode, scenario = words.printable(report.mode), report.scenario
    waited = ""
    if report.waited_p50_ms is not None:
        least = "at least " if report.unsettled else ""
        waited = f"; the median message waited {least}{words.milliseconds(report.waited_p50_ms)}"
    refused = f", refused {words.many(report.audit.refused, 'message')}"
    end = (refused if report.audit.refused else "") + waited + "."
    if scenario.in_flight is not None:
        load = f"with {scenario.in_flight} in flight for each of {scenario.users} users"
        return f"{mode} delivered {report.throughput_per_s:,.0f} messages/s {load}{end}"
    if not scenario.planned_s:
        delivered = f"{report.audit.delivered:,} of {scenario.messages:,} messages, sent at once,"
        if report.throughput_per_s:
            took_s = report.audit.delivered / report.throughput_per_s
            delivered += f" in {words.milliseconds(took_s * 1000)}"
        return f"{mode} delivered {delivered.rstrip(',')}{end}"
    asked = f"asked for {scenario.messages / scenario.planned_s:,.0f} messages/s"
    if scenario.rate_end_per_s is not None:
        asked += " on average"
    if kept_up(report):
        return f"{mode} kept up: {asked}, delivered as many{end}"
    return f"{mode} did not keep up: {asked}, delivered {report.throughput_per_s:,.0f}{end}"


def ending(report: LoadReport) -> Iterator[str]:
    """How the run ended, if not by itself, what was then missing, and what its figures hide."""
    unanswered = "no message was unanswered"
    if report.unsettled:
        were = "was" if report.unsettled == 1 else "were"
        unanswered = (
            f"{words.many(report.unsettled, 'message')} {were} still unanswered, "
            f"the oldest for {words.duration(report.oldest_s)}"
        )
    unsent = report.scenario.messages - report.audit.sent
    if unsent:
        unanswered += f"; {unsent:,} not sent yet"
    after = f"after {words.duration(report.ended_s)}: {unanswered}."
    gone = sum(report.disconnected.values()) >= report.scenario.users
    if report.at_deadline:
        yield f"Stopped at its deadline {after} --deadline SECONDS gives it longer."
    elif report.interrupted:
        yield f"Stopped by you {after}"
    elif not report.complete:
        yield f"{'The server ended every connection' if gone else 'Given up'} {after}"
    ended = report.complete or report.at_deadline
    if ended and not kept_up(report):
        yield (
            "These users send on without waiting. Someone who types, and waits, may feel less of "
            "it: `chatlab typist` measures both."
        )
    if "shutting_down" in report.refusals:
        yield _refused_unheard(report)
    if report.still_listed:
        users = words.many(report.still_listed, "user")
        why = "is gone" if gone else "is still busy with what it had taken"
        yield (
            f"{users} could not leave the room: the server {why}. "
            "Its file lists them on, which does no harm."
        )
    audit = report.audit
    if rewrites_history(report.io.get(MESSAGES.name, FileIO()), audit.delivered):
        yield (
            f"The server keeps these {audit.delivered:,} messages, and rewrites them all with each "
            "save: the next load will be slower. A fresh --data folder starts over."
        )


def _refused_unheard(report: LoadReport) -> str:
    """Why a server that stopped counts more refusals than its clients."""
    audit = report.audit
    most = f"{audit.refused:,} + {audit.unanswered:,} = {audit.refused + audit.unanswered:,}"
    return (
        "As it stopped, the server refused what it still read, but some answers came too late: "
        f"it counts up to {most} refused."
    )


def next_steps(report: LoadReport) -> Iterator[str]:
    """What to try, the best first."""
    mode = report.mode
    other = "optimized" if mode == "naive" else "naive"
    start = start_command(report.url or f"ws://{LOCAL_HOST}:{DEFAULT_PORT}", other)
    yield f"{start}    in its place; load it again"
    pair = ["naive", mode if mode not in ("naive", "unknown") else "optimized"]
    yield f"chatlab compare {shlex.join(pair)}    measures both, and audits"
    if report.scenario.planned_s and kept_up(report):
        yield "a higher --rate: where does it stop keeping up?"
