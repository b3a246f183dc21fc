"""What happened to one message that was lost, step by step, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from chatlab.bench.crash.promises import Finding
from chatlab.bench.crash.workload import Recording
from chatlab.chat.protocol import AckLevel
from chatlab.disk.counted import FOLDER
from chatlab.disk.recording import Change, Milestone, RecordedStep, Sync

LINES_MAX = 6

WHERE_QUEUED = "in the server's queue: in memory alone, which the kill took with it"
WHERE_WRITTEN = "handed to the operating system, which survives a kill; later saves lost it"
WHERE_SYNCED = "nowhere: its ack said that it is on the disk. A broken promise"


def of_power_cut(recording: Recording, finding: Finding) -> list[str]:
    """The story of one state of the disk."""
    last = finding.cut.step
    steps = list(enumerate(recording.steps[: last + 1], start=1))
    about = next((id_ for id_ in finding.lost if id_ in recording.messages), "")
    about = about or _latest_acked(recording, last)
    begin = next((n for n, step in steps if step == Milestone("sent", about)), 1)
    lines = [
        f"step {number}: {words}"
        for number, step in steps[begin - 1 :]
        if (words := _words(step, about, recording.ack_means))
    ]
    lines = _middle_left_out(lines)
    lines.append(f"after step {last + 1}: the power fails")
    lines.append(f"on the disk: {finding.words or 'all that was handed over'}")
    return [*lines, *_outcome(recording, finding, about)]


def of_kill(
    number: int, sent_s: float, acked_s: float, killed_s: float, means: AckLevel, corrupt: str
) -> list[str]:
    """The story of a message that was acked by a server, and was gone after the kill.

    Args:
        number: of the message.
        sent_s, acked_s, killed_s: seconds after the start of the load.
        means: what its ack promised.
        corrupt: why the folder cannot be used any more; empty if it can.
    """
    where = {"queued": WHERE_QUEUED, "written": WHERE_WRITTEN, "synced": WHERE_SYNCED}[means]
    if corrupt:
        where = "in a file that the server was rewriting, in place, when the kill came"
    return [
        f"{sent_s * 1000:.1f} ms: message {number} is sent",
        f"{acked_s * 1000:.1f} ms: it is acked as {means}",
        f"{killed_s * 1000:.1f} ms: the server is killed, {_later(killed_s - acked_s)} the ack",
        f"where it was: {where}",
        f"at the restart: {corrupt}" if corrupt else "at the restart: it is not there",
    ]


def _later(seconds: float) -> str:
    # An ack can wait in the client's socket while the server dies.
    return f"{seconds * 1000:.1f} ms after" if seconds >= 0 else "while the client still reads"


def _outcome(recording: Recording, finding: Finding, about: str) -> Iterator[str]:
    written = any(
        isinstance(step, Change) and about.encode() in step.operation.data
        for step in recording.steps[: finding.cut.step + 1]
    )
    if finding.error:
        yield f"at the restart: {finding.error}"
        if finding.cut.promised:
            yield f"with it, {len(finding.cut.promised)} messages that were there are out of reach"
    elif finding.wrong:
        yield f"at the restart: {finding.wrong}"
    else:
        others = len(finding.lost) - 1
        more = f", and {others} other{'s' * (others > 1)}" if others else ""
        yield f"at the restart: {about or finding.lost[0]} is not there{more}"
        if about:
            yield (
                "where it was: written, and not synced"
                if written
                else "where it was: in the server's queue, in memory alone; no write holds it yet"
            )


def _words(step: RecordedStep, about: str, means: AckLevel) -> str:
    """A step, if it has to do with the message or with the disk."""
    match step:
        case Milestone("sent", message_id) if message_id == about:
            return f"{about} is sent"
        case Milestone("acked", message_id) if message_id == about:
            return f"{about} is acked as {means}"
        case Sync(name):
            return f"fsync of {'the folder' if name == FOLDER else name}"
        case Change(operation):
            size = f"{len(operation.data):,} bytes"
            holds = ", this message among them" if about.encode() in operation.data else ""
            return {
                "write": f"write {size} at {operation.offset:,} of {operation.name}{holds}",
                "truncate": f"cut {operation.name} off after {operation.offset:,} bytes",
                "rename": f"rename {operation.name} to {operation.target}",
                "remove": f"remove {operation.name}",
            }[operation.kind]
    return ""


def _latest_acked(recording: Recording, last: int) -> str:
    acked = [
        step.message_id
        for step in recording.steps[: last + 1]
        if isinstance(step, Milestone) and step.what == "acked"
    ]
    return acked[-1] if acked else ""


def _middle_left_out(lines: list[str]) -> list[str]:
    if len(lines) <= LINES_MAX:
        return lines
    half = LINES_MAX // 2
    return [*lines[:half], f"... {len(lines) - LINES_MAX} more steps ...", *lines[-half:]]
