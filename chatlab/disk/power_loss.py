"""What a power cut may leave on the disk: the model, and every state that it allows.

A running system shows every change at once. The disk learns of it later, in pieces, in another
order; a power cut freezes it wherever it is. Only a sync that has returned is a promise. So, at any
moment, the disk may hold this:

**The content of a file** is what it was at its last fsync, and then of the changes since:

- none, or all, or only the first few of them;
- the last one torn: 1 byte of it, half, all but one byte, or the second half alone;
- zeros in place of what it added: a file's new length can be on the disk before its data;
- the last write, but not those before it: the disk writes in the order that suits it. (Cutting a
  file off is not overtaken by later writes: file systems keep such changes in order.)

**The folder** (which names there are, and what they stand for) is what it was at its last fsync,
and then the first few of the files created, renamed and removed since. A file's own fsync puts its
content on the disk and not its name: POSIX asks for no more, and there are file systems that do no
more. So a rename may be on the disk while the data of the renamed file are not.

Not modelled: a disk that lies (confirms a sync and has only cached it), decay of data at rest, and
a second power cut while the server recovers from the first. A program that survives every state
here asks the right things of the system; whether the hardware does them, no program can see.

Windows cannot sync a folder: there, every change to the folder counts as on the disk at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import product
from typing import NamedTuple

from chatlab.disk.conditions import Change, RecordedStep, Sync
from chatlab.disk.counted import FOLDER, Operation

STATES_MAX = 80
"""States at one moment; of more, the likeliest are taken, and the result says so."""

FOLDER_SYNCS = os.name != "nt"


class State(NamedTuple):
    """One thing that the disk may hold after a power cut.

    Attributes:
        files: name to content.
        words: how it differs from what the running system showed, for people.
    """

    files: dict[str, bytes]
    words: str

    @property
    def key(self) -> bytes:
        """The same for equal files."""
        digest = blake2b(digest_size=16)
        for name, content in sorted(self.files.items()):
            digest.update(b"%d %d " % (len(name), len(content)))
            digest.update(name.encode() + content)
        return digest.digest()


class Variant(NamedTuple):
    """One thing that a file may hold; `words` is empty if it is all that was written."""

    content: bytes
    words: str


@dataclass
class _File:
    """A file, whatever it is called.

    Attributes:
        synced: its content at the last fsync.
        pending: (step, change) since then.
    """

    synced: bytes = b""
    pending: list[tuple[int, Operation]] = field(default_factory=list)

    @property
    def operations(self) -> list[Operation]:
        return [operation for _, operation in self.pending]

    def sync(self, covers: int) -> None:
        done = [operation for step, operation in self.pending if step < covers]
        self.synced = _applied(self.synced, done)
        self.pending = self.pending[len(done) :]


class _FolderChange(NamedTuple):
    """A change of names: to each, the file that then has it, or None if there is none any more."""

    step: int
    words: str
    names: tuple[tuple[str, _File | None], ...]


class Volume:
    """A data folder on a disk that may lose power.

    Args:
        files: what is safely on it at the beginning.
        folder_syncs: whether a change of names needs a sync of the folder to be safe.
    """

    def __init__(self, files: dict[str, bytes], *, folder_syncs: bool = FOLDER_SYNCS) -> None:
        self._synced = {name: _File(content) for name, content in files.items()}
        self._now = dict(self._synced)
        self._pending: list[_FolderChange] = []
        self._folder_syncs = folder_syncs

    def apply(self, number: int, step: RecordedStep) -> None:
        """Apply the step of this number; milestones change nothing."""
        if isinstance(step, Sync):
            self._sync(step)
        elif isinstance(step, Change):
            self._change(number, step.operation)

    def now(self) -> dict[str, bytes]:
        """What the running system shows."""
        return {n: _applied(file.synced, file.operations) for n, file in self._now.items()}

    def states(self, states_max: int = STATES_MAX) -> tuple[list[State], bool]:
        """What a power cut at this moment may leave.

        Returns the states, all different, and whether there would have been more than
        `states_max`. Those near to "everything, but for the last change" come first.
        """
        found: dict[bytes, State] = {}
        capped = False
        for left_out in range(len(self._pending) + 1):
            names = self._names(len(self._pending) - left_out)
            of_folder = self._folder_words(left_out)
            states, more = _combined(names, of_folder, states_max)
            capped |= more
            for state in states:
                found.setdefault(state.key, state)
        return list(found.values())[:states_max], capped or len(found) > states_max

    def _sync(self, step: Sync) -> None:
        if step.name != FOLDER:
            self._file(step.covers, step.name).sync(step.covers)
            return
        done = [change for change in self._pending if change.step < step.covers]
        for change in done:
            _rename(self._synced, change)
        self._pending = self._pending[len(done) :]

    def _change(self, number: int, operation: Operation) -> None:
        name = operation.name
        match operation.kind:
            case "rename":
                words = f"rename {name} to {operation.target}"
                file = self._file(number, name)
                self._in_folder(number, words, ((name, None), (operation.target, file)))
            case "remove":
                self._in_folder(number, f"remove {name}", ((name, None),))
            case _:
                self._file(number, name).pending.append((number, operation))

    def _file(self, number: int, name: str) -> _File:
        """The file of that name; created if there is none."""
        if name not in self._now:
            self._in_folder(number, f"create {name}", ((name, _File()),))
        return self._now[name]

    def _in_folder(
        self, number: int, words: str, names: tuple[tuple[str, _File | None], ...]
    ) -> None:
        change = _FolderChange(number, words, names)
        _rename(self._now, change)
        if self._folder_syncs:
            self._pending.append(change)
        else:
            _rename(self._synced, change)

    def _names(self, done: int) -> dict[str, _File]:
        names = dict(self._synced)
        for change in self._pending[:done]:
            _rename(names, change)
        return names

    def _folder_words(self, left_out: int) -> str:
        if not left_out:
            return ""
        missing = ", ".join(change.words for change in self._pending[-left_out:])
        return f"the folder without: {missing}"


def variants(synced: bytes, operations: list[Operation]) -> list[Variant]:
    """What a file may hold that was `synced`, then changed; all that was written comes first."""
    found: dict[bytes, Variant] = {}
    for variant in _variants(synced, operations):
        found.setdefault(variant.content, variant)
    return list(found.values())


def _variants(synced: bytes, operations: list[Operation]) -> Iterator[Variant]:
    count = len(operations)
    stages = [synced]
    for operation in operations:
        stages.append(_applied(stages[-1], [operation]))
    yield Variant(stages[-1], "")
    if not operations:
        return
    yield from _torn(stages[-2], operations[-1], "")
    yield Variant(synced, f"nothing since its last sync ({count} changes missing)")
    if (alone := _overtaking(stages, operations)) is not None:
        yield Variant(alone, "the last write, but not those before it")
    for done in range(count - 1, 0, -1):
        first = f"the first {done} of {count} changes"
        yield Variant(stages[done], first)
        yield from _torn(stages[done - 1], operations[done - 1], f"{first}, and of the last ")


def _torn(before: bytes, operation: Operation, words: str) -> Iterator[Variant]:
    """A write that is on the disk in part."""
    if operation.kind != "write" or not operation.data:
        return
    data, offset = operation.data, operation.offset
    size, half = len(data), len(data) // 2
    for kept in sorted({1, half, size - 1} - {0, size}):
        part = _written(before, offset, data[:kept])
        yield Variant(part, f"{words}{kept:,} of {size:,} bytes")
    whole_length = _longer(before, offset + size)
    if len(whole_length) > len(before):
        yield Variant(whole_length, f"{words}the length, with zeros for {size:,} bytes of data")
        front = _written(whole_length, offset, data[:half])
        yield Variant(front, f"{words}{half:,} of {size:,} bytes, then zeros")
    if half:
        back = _written(whole_length, offset + half, data[half:])
        yield Variant(back, f"{words}its second half alone")


def _overtaking(stages: list[bytes], operations: list[Operation]) -> bytes | None:
    """The last write without the earlier ones since the file was last cut off; None if none."""
    if operations[-1].kind != "write":
        return None
    cuts = [n for n, operation in enumerate(operations, start=1) if operation.kind == "truncate"]
    since = cuts[-1] if cuts else 0
    if len(operations) - since < 2:
        return None
    return _applied(stages[since], operations[-1:])


def _combined(names: dict[str, _File], words: str, states_max: int) -> tuple[list[State], bool]:
    """Every variant of each file with every variant of the others, the likeliest first."""
    unsure = [name for name, file in names.items() if file.pending]
    choices = [variants(names[name].synced, names[name].operations) for name in unsure]
    total = 1
    for choice in choices:
        total *= len(choice)
    if len(choices) > 1:  # keep the product within bounds before it is made
        choices = [choice[: max(2, int(4_000 ** (1 / len(choices))))] for choice in choices]
    ranked = sorted(product(*map(range, map(len, choices))), key=sum)[:states_max]
    sure = {name: file.synced for name, file in names.items() if not file.pending}
    states = []
    for ranks in ranked:
        chosen = [choice[rank] for choice, rank in zip(choices, ranks, strict=True)]
        files = sure | {n: one.content for n, one in zip(unsure, chosen, strict=True)}
        said = [f"{n}: {one.words}" for n, one in zip(unsure, chosen, strict=True) if one.words]
        states.append(State(files, "; ".join([words, *said] if words else said)))
    return states, total > len(ranked)


def _rename(names: dict[str, _File], change: _FolderChange) -> None:
    for name, file in change.names:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def _applied(content: bytes, operations: list[Operation]) -> bytes:
    for operation in operations:
        if operation.kind == "write":
            content = _written(content, operation.offset, operation.data)
        else:
            content = _longer(content[: operation.offset], operation.offset)
    return content


def _written(content: bytes, offset: int, data: bytes) -> bytes:
    content = _longer(content, offset)
    return content[:offset] + data + content[offset + len(data) :]


def _longer(content: bytes, size: int) -> bytes:
    """At least `size` bytes, with zeros at the end where it was shorter: a hole reads as zeros."""
    return content.ljust(size, b"\0")
