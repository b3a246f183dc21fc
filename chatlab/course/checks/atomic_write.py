"""Checks of `03_atomic_write`: a writer that replaces a file all at once, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.parts.storage_seams import Writer
from chatlab.course.checks import CheckBench, Mismatch, check
from chatlab.disk.conditions import Change, FailingDisk, RecordedStep, Recorder, Sync
from chatlab.disk.counted import FOLDER
from chatlab.disk.power_loss import State, Volume
from chatlab.errors import StorageError

NAME, OTHER, FRESH = "messages.json", "chatrooms.json", "users.json"
WITHIN_S = 1.0
"""A replace is a handful of operations of a millisecond each."""


@check("examples")
async def replaces(bench: CheckBench) -> None:
    """After a replace, the file holds the new content, and no other file has changed.

    The server relies on that when it saves.
    """
    harness = WriterHarness(bench)
    before = harness.contents
    for name, content in ((NAME, harness.next_version()), (NAME, b""), (FRESH, b"[]")):
        await harness.replace(name, content)
        harness.expect(name, [content], "after a replace")
    bench.equal(harness.contents[OTHER] == before[OTHER], True, f"{OTHER} as it was")


@check("interleavings")
async def never_half(bench: CheckBench) -> None:
    """A reader during a replace finds the old content or the new, whole; also while two files are
    being replaced at once.

    A write takes time. In the middle of it, a file that is written in place is half a file, and a
    server, a backup or a colleague's script that reads it at that moment breaks.
    """
    harness = WriterHarness(bench)
    busy = 2

    async def replaces_often(name: str) -> None:
        nonlocal busy
        for _ in range(4):
            await harness.replace(name, harness.next_version(name))
        busy -= 1

    async def looks(name: str) -> None:
        while busy:
            try:
                found: bytes | None = await harness.files.read(name)
            except StorageError:
                found = None
            when = "for one who reads during a replace"
            harness.expect_found(name, found, harness.versions(name), when)

    names = (NAME, OTHER)
    work = [*map(replaces_often, names), *map(looks, names), *map(looks, names)]
    await bench.within(10 * WITHIN_S, bench.together(*work), "four replaces of two files")
    for name in names:
        harness.expect(name, harness.versions(name)[-1:], "after all replaces")


@check("crash states")
async def power_cut_whole(bench: CheckBench) -> None:
    """Cut the power at any moment of a replace: the file is there, and holds the old content or the
    new, whole.

    The disk gets changes late, and not in the order in which they were made. A rename can reach it
    before the data of the renamed file. After the power cut, the server then starts on an empty
    messages.json: it has lost not one message, but all of them.
    """
    harness = WriterHarness(bench)
    for _ in range(3):
        await harness.replace(NAME, harness.next_version())
        harness.expect_after_cuts(harness.versions(NAME))


@check("crash states")
async def power_cut_kept(bench: CheckBench) -> None:
    """Once `replace` has returned, the new content survives a power cut; `promise` says so:
    "synced".

    The server acks a message as soon as the save returns. An ack was too early if a power cut can
    still take the message back.
    """
    harness = WriterHarness(bench)
    for _ in range(3):
        await harness.replace(NAME, harness.next_version())
        harness.expect_after_cuts(harness.versions(NAME)[-2:])
        harness.expect_kept()
    bench.equal(getattr(bench.part, "promise", None), "synced", "the class attribute promise")


@check("faults")
async def disk_fails(bench: CheckBench) -> None:
    """When the disk fails or is full, `replace` raises StorageError and the file stays whole; once
    the disk works again, the next replace succeeds.

    A full disk is the most ordinary of disasters. It must cost the message that does not fit, not
    those that were saved before; and the sender must hear of it.
    """
    await _full_disk(bench)
    harness = WriterHarness(bench)
    await harness.replace(NAME, harness.next_version())
    operations = harness.trouble.seen
    for number in range(1, operations + 1):
        for count, how_long in ((1, "once"), (None, "for a while")):
            harness = WriterHarness(bench)
            how = f"the disk fails {how_long}, at operation {number}"
            bench.story.tell(f"a new try: {how}")
            harness.trouble.fail(number, count=count)
            await _survives(harness, how)
            await _works_again(harness)


async def _full_disk(bench: CheckBench) -> None:
    harness = WriterHarness(bench)
    left_over = []
    for _ in range(3):
        bench.story.tell("the disk is full")
        harness.trouble.fail(count=None, error="enospc", kind="write")
        await _survives(harness, "the disk is full")
        left_over.append(len(harness.contents))
    bench.expect(
        left_over[-1] <= left_over[0],
        "no more files after three failures than after one",
        f"{left_over[0]} files after one failure, {left_over[-1]} after three: they pile up",
    )
    await _works_again(harness)


async def _survives(harness: WriterHarness, how: str) -> None:
    """A replace on a disk that fails."""
    old, new = harness.contents.get(NAME), harness.next_version()
    try:
        await harness.replace(NAME, new)
    except StorageError:
        pass
    else:
        harness.bench.expect(
            harness.contents.get(NAME) == new,
            "replace to raise StorageError",
            f"{how}: nothing was raised, and {NAME} does not hold the new content",
        )
        harness.cuts()
        harness.expect_kept(f"{how}, and replace returned as if all were well")
    harness.expect(NAME, [old, new], how)
    harness.expect_after_cuts(harness.versions(NAME))


async def _works_again(harness: WriterHarness) -> None:
    harness.trouble.heal()
    harness.bench.story.tell("the disk is well again")
    new = harness.next_version()
    with harness.bench.no_error("the next replace to work, once the disk is well"):
        await harness.replace(NAME, new)
    harness.expect(NAME, [new], "after the next replace, with the disk well again")
    harness.cuts()
    harness.expect_kept()


class WriterHarness:
    """The learner's writer over a disk in memory, with a record of all that is done to it.

    Attributes:
        trouble: makes the disk fail.
    """

    def __init__(self, bench: CheckBench) -> None:
        self.bench = bench
        contents = {name: self._version(1) for name in (NAME, OTHER)}
        self.trouble, self._recorder = FailingDisk(), Recorder()
        self.trouble.arm()
        self.files = bench.files(contents, conditions=[self.trouble, self._recorder])
        self._versions = {name: [content] for name, content in contents.items()}
        # On Windows, too, where the crash lab's default differs: verdicts must not.
        self._volume = Volume(contents, folder_syncs=True)
        self._applied = 0
        self._writer: Writer = bench.part(self.files)

    @property
    def contents(self) -> dict[str, bytes]:
        """What each file holds now."""
        return self.files.disk.contents

    def next_version(self, name: str = NAME) -> bytes:
        """A content that the file has not had yet; each is of another length."""
        return self._version(len(self._versions[name]) + 1)

    def versions(self, name: str) -> list[bytes]:
        """All contents that a file was ever to hold, in order."""
        return self._versions.get(name, [])

    async def replace(self, name: str, content: bytes) -> None:
        """Have the learner's writer do it."""
        self._versions.setdefault(name, []).append(content)
        self.bench.story.tell(f"replace({name!r}, {len(content):,} bytes)")
        await self.bench.within(WITHIN_S, self._writer.replace(name, content), "replace")
        self.bench.story.tell("replace returns")

    def expect(self, name: str, wanted: Sequence[bytes | None], when: str) -> None:
        """Go on if a file holds one of the contents that it may hold now."""
        self.expect_found(name, self.contents.get(name), wanted, when)

    def expect_found(
        self, name: str, found: bytes | None, wanted: Sequence[bytes | None], when: str
    ) -> None:
        """The same of what someone has read."""
        if found not in wanted:
            described = _described(found, self.versions(name))
            line = self._line_of(name)
            self.bench.story.tell(f"{name}: {described}")
            raise Mismatch(self._to_hold(name, wanted), f"{when}: {described}", line)

    def cuts(self) -> list[tuple[int, State]]:
        """Every state that a power cut may leave, after each step since the last call."""
        found = []
        while self._applied < len(self._recorder.steps):
            number, self._applied = self._applied, self._applied + 1
            self._volume.apply(number, self._recorder.steps[number])
            found += [(number, state) for state in self._volume.states()[0]]
        return found

    def expect_after_cuts(self, wanted: Sequence[bytes]) -> None:
        """Go on if every power cut since the last call leaves a content that it may leave."""
        for number, state in self.cuts():
            steps = self._recorder.steps[: number + 1]
            after = f"after {_words(steps[-1])}"
            if left := self._left(state, wanted, after, steps):
                line = self._line_of(_story_name(steps[-1]))
                raise Mismatch(self._to_hold(NAME, wanted), f"a power cut {after} {left}", line)

    def expect_kept(self, when: str = "replace has returned") -> None:
        """Go on if the last version survives a power cut now."""
        for state in self._volume.states()[0]:
            if left := self._left(state, self.versions(NAME)[-1:], "now", self._recorder.steps):
                actual = f"{when}, yet a power cut {left}"
                raise Mismatch("the new content to be there", actual, self._line_of(""))

    def _left(
        self, state: State, wanted: Sequence[bytes], when: str, steps: Sequence[RecordedStep]
    ) -> str:
        """What a cut may leave and must not, told and in words; empty if it is as it must be."""
        found = state.files.get(NAME)
        if found in wanted:
            return ""
        self.bench.story.tell(f"if the power fails {when}, the disk may hold")
        self.bench.story.tell(f"... {state.words or 'all that was handed over'}")
        described = _described(found, self.versions(NAME))
        return f"may leave {described}. {_missing(steps)}".rstrip()

    def _to_hold(self, name: str, wanted: Sequence[bytes | None]) -> str:
        versions = self.versions(name)
        known = sorted({versions.index(one) + 1 for one in wanted if one is not None})
        return f"{name} to hold version {' or '.join(map(str, known))}, whole"

    def _line_of(self, name: str) -> int:
        """The learner's line that last had to do with a file; 0 if there is none."""
        steps = reversed(self.bench.story.steps)
        return next((step.line for step in steps if step.line and name in step.what), 0)

    def _version(self, number: int) -> bytes:
        line = f"{number}: version {number}\n"
        return (line * (30 + 7 * number + self.bench.chance.randrange(50))).encode()


def _described(found: bytes | None, versions: Sequence[bytes]) -> str:
    if found is None:
        return "no such file"
    if found in versions:
        return f"version {versions.index(found) + 1}, whole"
    if not found:
        return "an empty file"
    for number, version in reversed(list(enumerate(versions, start=1))):
        if version.startswith(found):
            return f"{len(found):,} of the {len(version):,} bytes of version {number}"
    return f"{len(found):,} bytes that are no version of it"


def _words(step: RecordedStep) -> str:
    if isinstance(step, Sync):
        return "an fsync of the folder" if step.name == FOLDER else f"an fsync of {step.name}"
    if not isinstance(step, Change):
        return "a note"
    operation = step.operation
    words = {
        "rename": f"the rename of {operation.name} to {operation.target}",
        "write": f"a write of {len(operation.data):,} bytes to {operation.name}",
        "truncate": f"{operation.name} is cut to {operation.offset:,} bytes",
        "remove": f"the removal of {operation.name}",
    }
    return words[operation.kind]


def _story_name(step: RecordedStep) -> str:
    """What a step was done to, as the story names it."""
    if isinstance(step, Change):
        name = step.operation.name
        return f"rename {name}" if step.operation.kind == "rename" else name
    return step.name if isinstance(step, Sync) else ""


def _missing(steps: Sequence[RecordedStep]) -> str:
    """What would have helped, as far as what was done tells."""
    changes = {n: step.operation for n, step in enumerate(steps) if isinstance(step, Change)}
    syncs = {n: step.name for n, step in enumerate(steps) if isinstance(step, Sync)}
    renamed = max((n for n, operation in changes.items() if operation.target == NAME), default=-1)
    if renamed < 0:
        return f"{NAME} itself was changed: until the last byte is on the disk, it is torn."
    source = changes[renamed].name
    written = max(
        (n for n, one in changes.items() if one.name == source and n < renamed), default=-1
    )
    synced = max((n for n, name in syncs.items() if name == source and n < renamed), default=-1)
    if synced < written:
        return f"No fsync of {source} had returned before the rename."
    if not any(name == FOLDER and n > renamed for n, name in syncs.items()):
        return "No fsync of the folder had returned after the rename."
    return ""
