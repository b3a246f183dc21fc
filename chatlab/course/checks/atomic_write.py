"""Checks of `03_atomic_write`: a writer that replaces a file all at once, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chatlab.chat.parts.writer import Writer
from chatlab.course.checks import CheckBench, Mismatch, check
from chatlab.course.checks.failing import FailingDisk
from chatlab.disk.counted import FOLDER
from chatlab.disk.power_loss import State, Volume
from chatlab.disk.recording import Change, RecordedStep, Recorder, Sync
from chatlab.errors import StorageError

NAME, OTHER, FRESH = "messages.json", "chatrooms.json", "users.json"
WITHIN_S = 1.0
"""A replace is a handful of operations of a millisecond each."""


@check(
    "examples",
    asked="After a replace the file holds the new content, and no other file has changed.",
    why="That is what the server counts on when it saves.",
)
async def replaces(bench: CheckBench) -> None:
    scene = _Scene(bench)
    before = scene.files.disk.contents
    for name, content in ((NAME, _content(bench, 2)), (NAME, b""), (FRESH, b"[]")):
        await scene.replace(name, content)
        found = scene.files.disk.contents.get(name)
        scene.expect(name, found, [content], "after a replace")
    bench.equal(scene.files.disk.contents[OTHER] == before[OTHER], True, f"{OTHER} as it was")


@check(
    "interleavings",
    asked="Whoever reads while a replace is under way finds the old content or the new one, whole; "
    "also while two files are being replaced at once.",
    why="A write takes time. In the middle of it a file that is written in place is half a file, "
    "and a server, a backup or a colleague's script that reads it just then breaks.",
)
async def never_half(bench: CheckBench) -> None:
    scene = _Scene(bench)
    busy = 2

    async def replaces_often(name: str) -> None:
        nonlocal busy
        for number in range(2, 6):
            await scene.replace(name, _content(bench, number))
        busy -= 1

    async def looks(name: str) -> None:
        while busy:
            try:
                found: bytes | None = await scene.files.read(name)
            except StorageError:
                found = None
            scene.expect(name, found, scene.versions(name), "for one who reads during a replace")

    names = (NAME, OTHER)
    work = [*map(replaces_often, names), *map(looks, names), *map(looks, names)]
    await bench.within(10 * WITHIN_S, bench.together(*work), "four replaces of two files")
    for name in names:
        found = scene.files.disk.contents.get(name)
        scene.expect(name, found, scene.versions(name)[-1:], "after all replaces")


@check(
    "crash states",
    asked="Cut the power at any moment of a replace: the file is there, and holds the old content "
    "or the new one, whole.",
    why="The disk learns of changes late and in another order than they were made. A rename can be "
    "on it before the data of the renamed file. After the power cut the server then starts on an "
    "empty messages.json: not one message is lost, but all that there ever were.",
)
async def power_cut_whole(bench: CheckBench) -> None:
    scene = _Scene(bench)
    for number in range(2, 5):
        await scene.replace(NAME, _content(bench, number))
        for cut, state in scene.power_cuts():
            scene.expect_after_cut(cut, state, scene.versions(NAME))


@check(
    "crash states",
    asked="Once `replace` has returned, the new content survives a power cut; `promise` says so: "
    '"synced".',
    why="The server acks a message as soon as the save has returned. What a power cut can still "
    "take back was acked too early.",
)
async def power_cut_kept(bench: CheckBench) -> None:
    scene = _Scene(bench)
    for number in range(2, 5):
        await scene.replace(NAME, _content(bench, number))
        for cut, state in scene.power_cuts():
            scene.expect_after_cut(cut, state, scene.versions(NAME)[-2:])
        scene.expect_kept()
    bench.equal(getattr(bench.part, "promise", None), "synced", "the class attribute promise")


@check(
    "faults",
    asked="When the disk fails or is full, `replace` raises StorageError and the file is whole; "
    "once the disk is well, the next replace works.",
    why="A full disk is the most ordinary of all disasters. It must cost the message that does not "
    "fit, and not those that were saved before; and whoever sent it must hear of it.",
)
async def disk_fails(bench: CheckBench) -> None:
    await _full_disk(bench)
    scene = _Scene(bench)
    await scene.replace(NAME, _content(bench, 2))
    operations = scene.trouble.seen
    for number in range(1, operations + 1):
        for once in (True, False):
            scene = _Scene(bench)
            how = f"the disk fails {'once' if once else 'for a while'}, at operation {number}"
            bench.story.tell(f"a new try: {how}")
            scene.trouble.fail(number, once=once)
            await _survives(scene, how)
            await _works_again(scene)


async def _full_disk(bench: CheckBench) -> None:
    scene = _Scene(bench)
    left_over = []
    for _ in range(3):
        bench.story.tell("the disk is full")
        scene.trouble.fill_up()
        await _survives(scene, "the disk is full")
        left_over.append(len(scene.files.disk.contents))
    bench.expect(
        left_over[-1] <= left_over[0],
        expected="no more files after three failures than after one",
        actual=f"{left_over[0]} files after one failure, {left_over[-1]} after three: they pile up",
    )
    await _works_again(scene)


async def _survives(scene: _Scene, how: str) -> None:
    """A replace that meets with trouble."""
    bench = scene.bench
    old, new = scene.files.disk.contents.get(NAME), _content(bench, scene.next_number)
    raised = False
    try:
        await scene.replace(NAME, new)
    except StorageError:
        raised = True
    found = scene.files.disk.contents.get(NAME)
    if not raised:
        bench.expect(
            found == new,
            expected="replace to raise StorageError",
            actual=f"{how}: nothing was raised, and {NAME} does not hold the new content",
        )
        scene.drain()
        scene.expect_kept(f"{how}, and replace returned as if all were well")
    scene.expect(NAME, found, [old, new], how)
    for cut, state in scene.power_cuts():
        scene.expect_after_cut(cut, state, scene.versions(NAME))


async def _works_again(scene: _Scene) -> None:
    scene.trouble.heal()
    scene.bench.story.tell("the disk is well again")
    new = _content(scene.bench, scene.next_number)
    try:
        await scene.replace(NAME, new)
    except StorageError as error:
        raise Mismatch("the next replace to work, once the disk is well", str(error)) from error
    found = scene.files.disk.contents.get(NAME)
    scene.expect(NAME, found, [new], "after the next replace, with the disk well again")
    scene.drain()
    scene.expect_kept()


class _Scene:
    """A writer over a disk in memory that records all that is done to it.

    Attributes:
        trouble: makes the disk fail.
    """

    def __init__(self, bench: CheckBench) -> None:
        self.bench = bench
        contents = {name: _content(bench, 1) for name in (NAME, OTHER)}
        self.trouble, self._recorder = FailingDisk(), Recorder()
        self.files = bench.files(contents, conditions=[self.trouble, self._recorder])
        self._versions = {name: [content] for name, content in contents.items()}
        # Also on Windows, where the crash lab's default differs: a verdict must not.
        self._volume = Volume(contents, folder_syncs=True)
        self._applied = 0
        self._writer: Writer = bench.part(self.files)

    @property
    def next_number(self) -> int:
        """Of the next version of `NAME`."""
        return len(self._versions[NAME]) + 1

    def versions(self, name: str) -> list[bytes]:
        """All that a file was ever to hold, in order."""
        return self._versions.get(name, [])

    async def replace(self, name: str, content: bytes) -> None:
        """Have the learner's writer do it."""
        self._versions.setdefault(name, []).append(content)
        self.bench.story.tell(f"replace({name!r}, {len(content):,} bytes)")
        await self.bench.within(WITHIN_S, self._writer.replace(name, content), "replace")
        self.bench.story.tell("replace returns")

    def power_cuts(self) -> Iterator[tuple[int, State]]:
        """Every state that a power cut may leave, after each step since the last call."""
        while self._applied < len(self._recorder.steps):
            number, self._applied = self._applied, self._applied + 1
            self._volume.apply(number, self._recorder.steps[number])
            for state in self._volume.states()[0]:
                yield number, state

    def drain(self) -> None:
        """Let the steps since the last cut happen, whatever a power cut would leave."""
        for _ in self.power_cuts():
            pass

    def expect(
        self, name: str, found: bytes | None, wanted: Sequence[bytes | None], when: str
    ) -> None:
        """Whether a file holds one of the contents that it may hold."""
        if found not in wanted:
            described = _described(found, self.versions(name))
            line = self._line_of(name)
            self.bench.story.tell(f"{name}: {described}")
            expected = f"{name} to hold {_either(wanted, self.versions(name))}"
            raise Mismatch(expected, f"{when}: {described}", line)

    def expect_after_cut(self, cut: int, state: State, wanted: Sequence[bytes]) -> None:
        """Whether a power cut leaves one of the contents that it may leave."""
        found = state.files.get(NAME)
        if found in wanted:
            return
        steps = self._recorder.steps[: cut + 1]
        self._tell_cut(f"after {_words(steps[-1])}", state)
        actual = (
            f"a power cut after {_words(steps[-1])} may leave "
            f"{_described(found, self.versions(NAME))}. {_missing_step(steps)}"
        )
        expected = f"{NAME} to hold {_either(wanted, self.versions(NAME))}"
        raise Mismatch(expected, actual.rstrip(), self._line_of(_name_of(steps[-1])))

    def expect_kept(self, when: str = "replace has returned") -> None:
        """Whether the last version survives a power cut now."""
        last = self.versions(NAME)[-1]
        for state in self._volume.states()[0]:
            found = state.files.get(NAME)
            if found == last:
                continue
            self._tell_cut("now", state)
            actual = (
                f"{when}, yet a power cut may leave {_described(found, self.versions(NAME))}. "
                f"{_missing_step(self._recorder.steps)}"
            )
            raise Mismatch("the new content to be there", actual.rstrip(), self._line_of(""))

    def _tell_cut(self, when: str, state: State) -> None:
        self.bench.story.tell(f"if the power fails {when}, the disk may hold")
        self.bench.story.tell(f"... {state.words or 'all that was handed over'}")

    def _line_of(self, name: str) -> int:
        """The learner's line that last had to do with a file; 0 if there is none."""
        steps = reversed(self.bench.story.steps)
        return next((step.line for step in steps if step.line and name in step.what), 0)


def _content(bench: CheckBench, number: int) -> bytes:
    """A version of a file; each is different, and of another length."""
    line = f"{number}: version {number}\n"
    return (line * (30 + 7 * number + bench.chance.randrange(50))).encode()


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


def _either(wanted: Sequence[bytes | None], versions: Sequence[bytes]) -> str:
    known = sorted({versions.index(one) + 1 for one in wanted if one is not None})
    return f"version {' or '.join(map(str, known))}, whole"


def _words(step: RecordedStep) -> str:
    if isinstance(step, Sync):
        return "an fsync of the folder" if step.name == FOLDER else f"an fsync of {step.name}"
    if not isinstance(step, Change):
        return "a note"
    operation = step.operation
    words: Mapping[str, str] = {
        "rename": f"the rename of {operation.name} to {operation.target}",
        "write": f"a write of {len(operation.data):,} bytes to {operation.name}",
        "truncate": f"{operation.name} is cut to {operation.offset:,} bytes",
        "remove": f"the removal of {operation.name}",
    }
    return words[operation.kind]


def _name_of(step: RecordedStep) -> str:
    """What a step was done to, as the story has it."""
    if isinstance(step, Change):
        name = step.operation.name
        return f"rename {name}" if step.operation.kind == "rename" else name
    return step.name if isinstance(step, Sync) else ""


def _missing_step(steps: Sequence[RecordedStep]) -> str:
    """What would have helped, as far as can be told from what was done."""
    renames = [
        number
        for number, step in enumerate(steps)
        if isinstance(step, Change) and step.operation.target == NAME
    ]
    if not renames:
        return f"{NAME} itself was changed: until the last byte is on the disk, it is torn."
    last = renames[-1]
    rename = steps[last]
    assert isinstance(rename, Change)
    source = rename.operation.name
    written = [
        number
        for number, step in enumerate(steps[:last])
        if isinstance(step, Change) and step.operation.name == source
    ]
    synced = [
        number
        for number, step in enumerate(steps[:last])
        if isinstance(step, Sync) and step.name == source
    ]
    if written and (not synced or synced[-1] < written[-1]):
        return f"No fsync of {source} had returned before the rename."
    if not any(isinstance(step, Sync) and step.name == FOLDER for step in steps[last:]):
        return "No fsync of the folder had returned after the rename."
    return ""
