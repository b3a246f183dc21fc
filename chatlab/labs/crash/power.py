"""The power cut: a recorded workload, stopped at every moment, in every state of the disk.

For each moment of a recording the model tells what the disk may hold; each of these folders is
opened again and held against what had been promised by then:

- what was acked must be there, and so must all that was there at the start;
- each message once, unchanged, a sender's in their order; none that was never sent;
- the folder opens, and goes on working.

How much of this a mode must keep is its ack's promise: only `synced` promises to survive a power
cut. The lab counts what the others lose, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from chatlab.bench.crash.recovery import (
    Cut,
    Finding,
    Reopened,
    cuts_of,
    reopen,
    states_at_cuts,
    what_is_wrong,
)
from chatlab.bench.crash.workload import MESSAGES_SENT, Recording, record
from chatlab.chat.modes import LineUp
from chatlab.chat.protocol import AckLevel
from chatlab.disk.conditions import Change, Milestone, RecordedStep, Sync
from chatlab.disk.counted import FOLDER
from chatlab.disk.power_loss import State, Volume

CUTS_A_LINE = 50
LINES_MAX = 6
"""Of a story."""


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


async def power_cuts(
    line_up: LineUp,
    seed: int,
    *,
    messages: int = MESSAGES_SENT,
    work_folder: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> PowerResult:
    """Cut the power of one mode at every moment.

    Args:
        line_up: the mode.
        seed, messages: of the workload.
        work_folder: where folders are made (and removed).
        say: receives progress, a line at a time.
    """
    with tempfile.TemporaryDirectory(prefix="chatlab-", dir=work_folder) as made:
        recording = await record(line_up, Path(made) / "recorded", seed, messages)
        return await _PowerCuts(line_up, recording, Path(made) / "cut").run(say)


@dataclass
class _PowerCuts:
    """The cuts of one recording, in progress."""

    line_up: LineUp
    recording: Recording
    folder: Path
    reopened: dict[bytes, Reopened] = field(default_factory=dict)  # the workload bounds it
    findings: list[Finding] = field(default_factory=list)

    async def run(self, say: Callable[[str], None]) -> PowerResult:
        total = sum(1 for _ in cuts_of(self.recording))
        states = capped = 0
        moments = states_at_cuts(self.recording, Volume(self.recording.files))
        for number, (cut, found, more) in enumerate(moments, start=1):
            if number % CUTS_A_LINE == 1:
                say(f"power cut: {self.line_up.name}, moment {number} of {total}")
            for state in found:
                await self._try(cut, state)
            states, capped = states + len(found), capped + more
        return self._result(total, states, capped)

    async def _try(self, cut: Cut, state: State) -> None:
        key = state.key
        if key not in self.reopened:
            self.reopened[key] = await reopen(self.line_up, state.files, self.folder)
        found = self.reopened[key]
        here = {message.id for messages in found.rooms.values() for message in messages}
        finding = Finding(
            cut=cut,
            words=state.words,
            lost=[id_ for id_ in self.recording.known if id_ in cut.promised - here],
            error=found.error,
            wrong="" if found.error else what_is_wrong(found.rooms, cut, self.recording),
        )
        if finding.lost or finding.error or finding.wrong:
            self.findings.append(finding)

    def _result(self, cuts: int, states: int, capped: int) -> PowerResult:
        findings, steps = self.findings, self.recording.steps
        losses = [one for one in findings if one.lost and not one.error]
        corrupt = [one for one in findings if one.error]
        acked = len({s.message_id for s in steps if isinstance(s, Milestone) and s.what == "acked"})
        return PowerResult(
            messages=len(self.recording.messages),
            acked=acked,
            operations=sum(not isinstance(step, Milestone) for step in steps),
            cuts=cuts,
            states=states,
            folders=len(self.reopened),
            capped_cuts=capped,
            losing=len(losses),
            lost_most=max((len(one.lost) for one in losses), default=0),
            corrupt=len(corrupt),
            wrong=sum(bool(one.wrong) for one in findings),
            stories=[*self._told(losses, corrupt)],
        )

    def _told(self, losses: list[Finding], corrupt: list[Finding]) -> Iterator[list[str]]:
        """The shortest story of each kind: the earliest, and of those the one that loses least."""
        for findings in (losses, corrupt, [one for one in self.findings if one.wrong]):
            if findings:
                told = min(findings, key=lambda one: (one.cut.step, len(one.lost)))
                yield story_of_cut(self.recording, told)


def story_of_cut(recording: Recording, finding: Finding) -> list[str]:
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
        yield f"at the restart: {about or finding.lost[0]} is missing{more}"
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
