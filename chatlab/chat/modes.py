"""The modes, as data: which part plays each role, and what an ack then means.

One table feeds `--mode`, `chatlab modes`, `compare`, the tests and the docs. To add a part: write
one file beside its siblings and one line in `PARTS`. To add a mode: one line in `MODES`.

    naive                       a mode
    naive+reader=ttl            the same with one part swapped
    naive+store=my.py:MyStore   ... for a class of your own
    optimized+batch-size=10     the same with one knob turned (`settings.py`)
    mine                        the exercises that you have solved, naive for the rest
    naive+reader=mine           ... one part of them

`named` says what a mode is made of; `parse` also loads it. Only `parse` runs users' code: a command
that only starts servers and draws tables never does.
"""

from __future__ import annotations

import difflib
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from chatlab.chat.metrics import Metrics
from chatlab.chat.outcome import Dispatcher
from chatlab.chat.parts.delivery.batch import BatchDelivery
from chatlab.chat.parts.delivery.broadcast import BroadcastDelivery
from chatlab.chat.parts.delivery.each import EachDelivery
from chatlab.chat.parts.lock.none import NoLock
from chatlab.chat.parts.lock.per_file import PerFileLock
from chatlab.chat.parts.message_seams import Delivery, Members, Monitor, Processor, Transport
from chatlab.chat.parts.monitor.totals import TotalsMonitor
from chatlab.chat.parts.monitor.window import WindowMonitor
from chatlab.chat.parts.processor.group_commit import GroupCommitProcessor
from chatlab.chat.parts.processor.immediate import ImmediateProcessor
from chatlab.chat.parts.processor.queueing import QueueingProcessor
from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.chat.parts.reader.ttl import TTLReader
from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.parts.store.journal import JournalStore
from chatlab.chat.parts.store.rewrite import RewriteStore
from chatlab.chat.parts.store.sqlite import SqliteStore
from chatlab.chat.parts.transport.bulk import BulkTransport
from chatlab.chat.parts.transport.library import LibraryTransport
from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.protocol import ACK_LEVELS, AckLevel
from chatlab.chat.settings import KNOBS, Clock, Settings
from chatlab.chat.trace import Tracer
from chatlab.chat.user_parts import (
    MINE,
    UserParts,
    current_user_parts,
    find_class,
    full_name,
    is_user_part,
    load_class,
)
from chatlab.disk.files import Files
from chatlab.errors import UsageError

PARTS: dict[str, dict[str, type]] = {
    "transport": {"library": LibraryTransport, "bulk": BulkTransport},
    "reader": {"direct": DirectReader, "ttl": TTLReader},
    "writer": {"truncate": TruncateWriter, "atomic": AtomicWriter},
    "lock": {"none": NoLock, "per-file": PerFileLock},
    "store": {"rewrite": RewriteStore, "journal": JournalStore, "sqlite": SqliteStore},
    "processor": {
        "immediate": ImmediateProcessor,
        "queueing": QueueingProcessor,
        "group-commit": GroupCommitProcessor,
    },
    "delivery": {"each": EachDelivery, "broadcast": BroadcastDelivery, "batch": BatchDelivery},
    "monitor": {"totals": TotalsMonitor, "window": WindowMonitor},
}

SEAMS: dict[str, type] = {
    "transport": Transport,
    "reader": Reader,
    "writer": Writer,
    "lock": Lock,
    "store": Store,
    "processor": Processor,
    "delivery": Delivery,
    "monitor": Monitor,
}

_MUST_SAY = {"writer": "promise", "store": "kept_in", "processor": "acks_queued"}

_NAIVE = {
    "transport": "library",
    "reader": "direct",
    "writer": "truncate",
    "lock": "per-file",
    "store": "rewrite",
    "processor": "immediate",
    "delivery": "each",
    # Not the plain one, in any mode: it would hide how slow a mode is, and not make it slower.
    "monitor": "window",
}


_BETTER = {
    "transport": "bulk",
    "reader": "ttl",
    "writer": "atomic",
    "processor": "group-commit",
    "delivery": "batch",
}


class Mode(msgspec.Struct, frozen=True):
    """A named line-up.

    Attributes:
        words: one sentence about it.
        parts: role to implementation, for every role.
    """

    words: str
    parts: dict[str, str]


MODES: dict[str, Mode] = {
    "racy": Mode(
        "naive without the lock: loses updates and tears files", _NAIVE | {"lock": "none"}
    ),
    "naive": Mode("reads and rewrites the files for every single message", _NAIVE),
    "cached": Mode("naive with a cache in front of the files", _NAIVE | {"reader": "ttl"}),
    "batched": Mode(
        "naive with a queue: many messages share one save", _NAIVE | {"processor": "queueing"}
    ),
    "optimized": Mode(
        "cache, queue, atomic writes and broadcast: the training's answer",
        _NAIVE
        | {
            "reader": "ttl",
            "writer": "atomic",
            "processor": "queueing",
            "delivery": "broadcast",
        },
    ),
    "journal": Mode(
        "an append-only log, group commit and batch frames: every ack synced",
        _NAIVE | _BETTER | {"store": "journal"},
    ),
    "sqlite": Mode(
        "the same on an embedded database: a log, and an index for the history",
        _NAIVE | _BETTER | {"store": "sqlite"},
    ),
}


class Named(msgspec.Struct, frozen=True):
    """What a mode is made of, by name.

    Attributes:
        name: as given to `--mode`.
        parts: role to the implementation's name, as people see it.
        sources: role to the implementation's name, or its `path/to/file.py:Class`.
        knobs: knob to value.
    """

    name: str
    parts: dict[str, str]
    sources: dict[str, str]
    knobs: dict[str, float]

    @property
    def user_parts(self) -> dict[str, str]:
        """Role to `path/to/file.py:Class`, for the parts that users wrote."""
        return {role: choice for role, choice in self.sources.items() if is_user_part(choice)}


class LineUp(msgspec.Struct, frozen=True):
    """One implementation for each role, ready to be put together.

    Attributes:
        name: as given to `--mode`.
        parts: role to the implementation's name, as people see it.
        classes: role to implementation.
        knobs: knob to value.
    """

    name: str
    parts: dict[str, str]
    classes: dict[str, type]
    knobs: dict[str, float] = {}

    def turned(self, settings: Settings) -> Settings:
        """The settings with the knobs in this line-up's name, which win."""
        changes: dict[str, Any] = {KNOBS[name].field: value for name, value in self.knobs.items()}
        return replace(settings, **changes)


class Parts(msgspec.Struct, frozen=True):
    """A line-up put together, ready to take messages."""

    transport: Transport
    reader: Reader
    writer: Writer
    lock: Lock
    store: Store
    delivery: Delivery
    processor: Processor
    monitor: Monitor
    ack_means: AckLevel


def parse(text: str) -> LineUp:
    """Read `NAME[+PART=IMPL|+KNOB=VALUE]...`, and load its parts: this runs users' code.

    Raises:
        UsageError: as `named`; or a part cannot be loaded.
    """
    found = named(text)
    classes = {role: _implementation(role, found.sources[role]) for role in PARTS}
    return LineUp(text, found.parts, classes, found.knobs)


def named(text: str) -> Named:
    """Read `NAME[+PART=IMPL|+KNOB=VALUE]...`; the last of two for the same wins. Runs no code.

    Raises:
        UsageError: an unknown mode, part, implementation or knob (the text lists those that
            exist), or a value that a knob does not take.
    """
    known = "|".join((*PARTS, *KNOBS))
    name, *swaps = re.split(rf"\+(?=(?:{known})=)", text)
    if "+" in name:
        name, wrong = name.split("+", 1)
        raise UsageError(
            f"{wrong!r} in mode {text!r} swaps no part and turns no knob: write +PART=IMPL, with "
            f"PART one of {', '.join(PARTS)}, or +KNOB=VALUE, with KNOB one of {', '.join(KNOBS)}"
        )
    if name not in MODES and name != MINE:
        raise UsageError(f"unknown mode {name!r}{_did_you_mean(name, MODES)}")
    changes = dict(swap.split("=", 1) for swap in swaps)
    if name == MINE:
        changes = _mine().knobs | changes
    knobs = {name: KNOBS[name].value(changes.pop(name)) for name in KNOBS if name in changes}
    chosen = (_of_mine() if name == MINE else MODES[name].parts) | changes
    sources = {role: _source(role, chosen[role]) for role in PARTS}
    shown = {role: _shown(role, chosen[role]) for role in PARTS}
    return Named(text, shown, sources, knobs)


def storage(
    line_up: LineUp, files: Files, settings: Settings, clock: Clock = time.perf_counter
) -> tuple[Reader, Writer, Lock, Store]:
    """The parts of a line-up that keep messages, connected."""
    make = line_up.classes
    reader = make["reader"](files, settings, clock)
    writer, lock = make["writer"](files), make["lock"]()
    return reader, writer, lock, make["store"](files, reader, writer, lock, settings)


def assemble(
    line_up: LineUp,
    *,
    files: Files,
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    members: Members,
    tracer: Tracer | None = None,
    ack: AckLevel | None = None,
) -> Parts:
    """Build the parts of a line-up and connect them.

    Args:
        files, settings, clock: what the parts work with; knobs in the line-up's name win.
        metrics: what counts; gets the line-up's monitor.
        members: the clients live in a room.
        tracer: hears of each message that it traces, if any does.
        ack: what acks promise, if more than the line-up's default.

    Raises:
        UsageError: the line-up cannot promise `ack`.
    """
    make = line_up.classes
    settings = line_up.turned(settings)
    monitor = metrics.monitor = make["monitor"](clock)
    reader, writer, lock, store = storage(line_up, files, settings, clock)
    tracer = tracer or Tracer(clock)
    tracer.watch(store, lock)
    ack_means = _ack_means(line_up, store, ack)
    delivery = make["delivery"](members)
    on_queueing = ack_means == "queued" and make["processor"].acks_queued  # type: ignore[attr-defined]
    dispatcher = Dispatcher(ack_means, on_queueing, delivery, metrics, tracer)
    processor = make["processor"](store, dispatcher, settings, clock)
    transport = make["transport"]()
    return Parts(transport, reader, writer, lock, store, delivery, processor, monitor, ack_means)


def ack_means(line_up: LineUp) -> AckLevel:
    """What an ack of this line-up promises by default."""
    writer = line_up.classes["writer"](None)
    store = line_up.classes["store"](None, None, writer, None, None)
    return _ack_means(line_up, store, None)


def _ack_means(line_up: LineUp, store: Store, wanted: AckLevel | None) -> AckLevel:
    lowest: AckLevel = "queued" if line_up.classes["processor"].acks_queued else store.promise  # type: ignore[attr-defined]
    if wanted is None or wanted == lowest:
        return lowest
    if ACK_LEVELS.index(wanted) < ACK_LEVELS.index(lowest):
        raise UsageError(
            f"--ack {wanted} is less than mode {line_up.name!r} promises by default ({lowest}): "
            "an ack can only be raised"
        )
    if ACK_LEVELS.index(wanted) > ACK_LEVELS.index(store.promise):
        raise UsageError(
            f"mode {line_up.name!r} cannot promise {wanted!r}: its store and writer reach "
            f"{store.promise!r}. Swap the writer: --mode {line_up.name}+writer=atomic"
        )
    return wanted


def _of_mine() -> dict[str, str]:
    """The parts of `--mode mine`: those of the exercises that are solved, naive for the rest."""
    return _NAIVE | dict.fromkeys(_mine().solved, MINE)


def _mine() -> UserParts:
    found = current_user_parts()
    if found is None:
        raise UsageError(
            f"{MINE!r} stands for your answers to the exercises, and there is no course here: "
            "`chatlab learn init chatlab-course` makes one"
        )
    return found


def _shown(role: str, choice: str) -> str:
    return f"{MINE}:{_mine().labels.get(role, '')}".rstrip(":") if choice == MINE else choice


def _source(role: str, choice: str) -> str:
    """Where an implementation comes from: a name in `PARTS`, or `path/to/file.py:Class`.

    Raises:
        UsageError: there is no such implementation.
    """
    if choice in PARTS[role]:
        return choice
    if choice == MINE:
        if role not in (parts := _mine().parts):
            raise UsageError(f"{role}={MINE}: none of your exercises is about the {role}")
        choice = parts[role]
    if not is_user_part(choice):
        raise UsageError(
            f"unknown {role} {choice!r}{_did_you_mean(choice, PARTS[role])}; "
            f"or name a class of your own: {role}=path/to/file.py:Class"
        )
    path, class_name = find_class(role, choice, full_name(SEAMS[role]))
    return f"{path}:{class_name}"


def _implementation(role: str, source: str) -> type:
    if source in PARTS[role]:
        return PARTS[role][source]
    path, _, class_name = source.rpartition(":")
    return load_class(Path(path), class_name, SEAMS[role], _MUST_SAY.get(role))


def _did_you_mean(word: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{hint}; there are: {', '.join(known)}"
