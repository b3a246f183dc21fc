"""The harness of a journal: a store over files in memory, restarted, and cut off from its power.

All that the store does to the disk is recorded, and the power fails at every moment of it. What a
disk may hold then stands in `disk/power_loss.py`, and what must hold in `bench/crash/recovery.py`.
A fresh store opens each such folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch

from chatlab.bench.crash.recovery import Cut, states_at_cuts, what_is_wrong
from chatlab.bench.crash.workload import Recording
from chatlab.chat.parts.lock.per_file import PerFileLock
from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.chat.settings import Settings
from chatlab.course.checks import CheckBench, Mismatch
from chatlab.course.checks.messages import expect_messages, one, said
from chatlab.course.simulation import Story, StoryStep, now
from chatlab.data.records import Message
from chatlab.disk.conditions import Recorder
from chatlab.disk.counted import Operation
from chatlab.disk.memory import SimulatedFiles
from chatlab.disk.power_loss import State, Volume

STEP_S = 5.0
"""Virtual seconds that one call of a store may take where the disk takes none."""
ALL = 1_000_000
FIRST = said(2, sender="carol", content="before {}")
"""What a store that was never used begins with."""


class JournalHarness:
    """The learner's store over files in memory, started as a server would start it.

    Args:
        contents: name to bytes: of a disk whose operations take no time and are not told.
        starting: for a store that has never been used.
        files: what it works on, in place of `contents`.

    Attributes:
        notes: what its start had to say.
    """

    def __init__(
        self,
        bench: CheckBench,
        contents: Mapping[str, bytes] | None = None,
        starting: Sequence[Message] = (),
        *,
        files: SimulatedFiles | None = None,
    ) -> None:
        self.files = files or SimulatedFiles(contents, operation_s=0.0)
        self.notes: list[str] = []
        self._bench = bench
        self._starting = starting
        settings = Settings()
        parts = DirectReader(self.files, settings, now), AtomicWriter(self.files), PerFileLock()
        self.store: Store = bench.part(self.files, *parts, settings)

    @property
    def contents(self) -> dict[str, bytes]:
        """What the disk holds now."""
        return self.files.disk.contents

    @property
    def kept_in(self) -> str:
        """Its pattern of file names.

        Raises:
            Mismatch: it is none.
        """
        pattern = getattr(self.store, "kept_in", None)
        if not isinstance(pattern, str) or not pattern:
            raise Mismatch("kept_in to be the pattern of your files' names", f"it is {pattern!r}")
        return pattern

    @property
    def own_files(self) -> dict[str, bytes]:
        """The files that it keeps messages in."""
        pattern = self.kept_in
        return {name: data for name, data in self.contents.items() if fnmatch(name, pattern)}

    async def start(self) -> JournalHarness:
        """Raises what the store raises."""
        first_use = not self.own_files
        work = self.store.start(self._starting if first_use else ())
        notes = await self._bench.within(STEP_S, work, "start")
        self._bench.expect(
            isinstance(notes, list) and all(isinstance(note, str) for note in notes),
            "start to return a list of sentences, [] if there is nothing to say",
            f"it returned {notes!r:.80}",
        )
        self.notes = notes
        return self

    async def restarted(self) -> JournalHarness:
        """A fresh store over the same files; this one does not hear of it, as after a kill."""
        self._bench.story.tell("the server is killed, and starts again")
        return await JournalHarness(self._bench, self.contents).start()

    async def save(self, *batch: Message) -> None:
        """Raises what the store raises."""
        await self._bench.within(STEP_S, self.store.save(list(batch)), "a save")

    async def history(self, room_id: str = "general", limit: int = ALL) -> list[Message]:
        """Whatever the store returns; raises what it raises."""
        return await self._bench.within(STEP_S, self.store.history(room_id, limit), "history")

    async def expect(self, wanted: Sequence[Message], when: str, room_id: str = "general") -> None:
        """Go on if just these messages are in a room."""
        expect_messages(await self.history(room_id), wanted, f"the messages of {room_id} {when}")

    async def close(self) -> None:
        """Raises what the store raises."""
        await self._bench.within(STEP_S, self.store.close(), "close")


class StoryRecorder(Recorder):
    """A recorder that knows how far the story was at each step."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self._story = story
        self._told: list[int] = []

    def before(self, operation: Operation) -> int | None:
        fits = super().before(operation)
        self._mark()
        return fits

    def after(self, operation: Operation) -> None:
        super().after(operation)
        self._mark()

    def end_at(self, step: int, *what: str) -> None:
        """Have the story end at a step, and with these words."""
        self._mark()
        steps = self._story.steps
        while len(steps) > (self._told[step] if step >= 0 else 0):
            steps.pop()
        at_s = steps[-1].at_s if steps else 0.0
        steps.extend(StoryStep(at_s, "", words, 0) for words in what)

    def _mark(self) -> None:
        self._told += [len(self._story.steps)] * (len(self.steps) - len(self._told))


def states_of(recording: Recording, part: int, parts: int) -> Iterator[tuple[Cut, State]]:
    """What the disk may hold after a cut; of all of it, one part of several.

    The same folder comes once for all cuts with the same promises.
    """
    # Not what this system's folders need, but the most that any asks for: a check that passes on
    # one machine must pass on all.
    disk = Volume(recording.files, folder_syncs=True)
    seen: set[tuple[bytes, frozenset[str]]] = set()
    for cut, states, _ in states_at_cuts(recording, disk):
        for state in states:
            key = (state.key, cut.promised)
            if key not in seen:
                seen.add(key)
                if len(seen) % parts == part:
                    yield cut, state


async def survives(
    bench: CheckBench, recorder: StoryRecorder, recording: Recording, cut: Cut, state: State
) -> None:
    """Go on if a fresh store can be used after a cut, and holds what had been promised.

    Raises:
        Mismatch: it cannot, or does not. The story then ends with the cut.
    """
    try:
        names = {message.room_id for message in recording.known.values()}
        with bench.no_error("a start on what a power cut has left, to succeed"):
            rooms = await _reopened(bench, state.files, sorted(names))
        _judge(rooms, cut, recording)
    except BaseException:
        place = f"on the disk: {state.words or 'all that was written'}"
        recorder.end_at(cut.step, "the power fails", place)
        raise


async def _reopened(
    bench: CheckBench, contents: dict[str, bytes], rooms: list[str]
) -> dict[str, list[Message]]:
    """What a fresh store finds, and goes on finding after one more message and one more start."""
    store = await JournalHarness(bench, contents).start()
    found = {room_id: await store.history(room_id) for room_id in rooms}
    for room_id, messages in found.items():
        if not isinstance(messages, list):
            expect_messages(messages, [], f"the messages of {room_id}")
    one_more = one("one-more", sender="carol", content="still here")
    await store.save(one_more)
    await store.close()
    again = await JournalHarness(bench, store.contents).start()
    for room_id, messages in found.items():
        wanted = [*messages, one_more] if room_id == one_more.room_id else messages
        await again.expect(wanted, "after a power cut, one more save and another start", room_id)
    await again.close()
    return found


def _judge(rooms: dict[str, list[Message]], cut: Cut, recording: Recording) -> None:
    here = {message.id for messages in rooms.values() for message in messages}
    lost = [id_ for id_ in recording.known if id_ in cut.promised - here]
    if lost:
        others = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise Mismatch(
            f"all {len(cut.promised)} messages whose save had returned to be there after the cut",
            f"{lost[0]} is gone{others}",
        )
    if wrong := what_is_wrong(rooms, cut, recording):
        raise Mismatch("each message once, whole, in order, and none that was never sent", wrong)
