"""The power cut: a recorded workload, stopped at every moment, in every state of the disk.

For each moment of a recording the model tells what the disk may hold; each of these folders is
opened again and held against what had been promised by then:

- what was acked must be there, and so must all that was there at the start;
- each message once, unchanged, a sender's in their order; none that was never sent;
- the folder opens, and goes on working.

How much of this a mode must keep is its ack's promise: only `synced` promises to survive a power
cut. What the others lose is counted all the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from chatlab.bench.crash.promises import Cut, Finding, cuts_of, what_is_wrong
from chatlab.bench.crash.reopening import Reopened, reopen
from chatlab.bench.crash.workload import MESSAGES_SENT, Recording, record
from chatlab.chat.modes import LineUp
from chatlab.disk.power_loss import State, Volume
from chatlab.disk.recording import Milestone
from chatlab.labs.common import Say, silent
from chatlab.labs.crash import stories
from chatlab.labs.crash.report import PowerResult

CUTS_A_LINE = 50


async def power_cuts(
    line_up: LineUp,
    seed: int,
    *,
    messages: int = MESSAGES_SENT,
    work_folder: Path | None = None,
    say: Say = silent,
) -> PowerResult:
    """Cut the power of one mode at every moment.

    Args:
        line_up: the mode.
        seed, messages: of the workload.
        work_folder: where folders are made (and removed).
        say: hears how far it is.
    """
    with tempfile.TemporaryDirectory(prefix="chatlab-", dir=work_folder) as made:
        recording = await record(line_up, Path(made) / "recorded", seed, messages)
        lab = _PowerCuts(line_up, recording, Path(made) / "cut")
        return await lab.run(say)


class _PowerCuts:
    """The cuts of one recording, under way."""

    def __init__(self, line_up: LineUp, recording: Recording, folder: Path) -> None:
        self._line_up = line_up
        self._recording = recording
        self._folder = folder
        self._reopened: dict[bytes, Reopened] = {}  # bounded by the states of a small workload
        self._findings: list[Finding] = []

    async def run(self, say: Say) -> PowerResult:
        volume = Volume(self._recording.files)
        steps = self._recording.steps
        cuts = {cut.step: cut for cut in cuts_of(self._recording)}
        done = states = capped = 0
        for number in range(-1, len(steps)):
            if number >= 0:
                volume.apply(number, steps[number])
            if number not in cuts:
                continue
            if done % CUTS_A_LINE == 0:
                say(f"power cut: {self._line_up.name}, moment {done + 1} of {len(cuts)}")
            found, more = volume.states()
            for state in found:
                await self._try(cuts[number], state)
            done, states, capped = done + 1, states + len(found), capped + more
        return self._result(done, states, capped)

    async def _try(self, cut: Cut, state: State) -> None:
        key = state.key
        if key not in self._reopened:
            self._reopened[key] = await reopen(self._line_up, state.files, self._folder)
        found = self._reopened[key]
        here = {message.id for messages in found.rooms.values() for message in messages}
        finding = Finding(
            cut=cut,
            words=state.words,
            lost=[id_ for id_ in self._recording.known if id_ in cut.promised - here],
            error=found.error,
            wrong="" if found.error else what_is_wrong(found.rooms, cut, self._recording),
        )
        if finding.lost or finding.error or finding.wrong:
            self._findings.append(finding)

    def _result(self, cuts: int, states: int, capped: int) -> PowerResult:
        findings, steps = self._findings, self._recording.steps
        losses = [one for one in findings if one.lost and not one.error]
        corrupt = [one for one in findings if one.error]
        acked = len({s.message_id for s in steps if isinstance(s, Milestone) and s.what == "acked"})
        return PowerResult(
            messages=len(self._recording.messages),
            acked=acked,
            operations=sum(not isinstance(step, Milestone) for step in steps),
            cuts=cuts,
            states=states,
            folders=len(self._reopened),
            capped_cuts=capped,
            losing=len(losses),
            lost_most=max((len(one.lost) for one in losses), default=0),
            corrupt=len(corrupt),
            wrong=sum(bool(one.wrong) for one in findings),
            stories=[*self._told(losses, corrupt)],
        )

    def _told(self, losses: list[Finding], corrupt: list[Finding]) -> Iterator[list[str]]:
        """The shortest story of each kind: the earliest, and of those the one that loses least."""
        for findings in (losses, corrupt, [one for one in self._findings if one.wrong]):
            if findings:
                told = min(findings, key=lambda one: (one.cut.step, len(one.lost)))
                yield stories.of_power_cut(self._recording, told)
