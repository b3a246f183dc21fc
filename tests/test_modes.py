"""Modes: every line-up can be put together, and every wrong one is explained."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from chatlab.chat.metrics import Metrics
from chatlab.chat.modes import MODES, PARTS, SEAMS, Parts, ack_means, assemble, parse
from chatlab.chat.protocol import ACK_LEVELS, AckLevel
from chatlab.chat.settings import KNOBS, Settings
from chatlab.data.records import USERS
from chatlab.errors import UsageError
from tests.support.parts import FakeClock, InlineFiles, fill


def put_together(text: str, folder: Path, ack: AckLevel | None = None) -> Parts:
    clock = FakeClock()
    return assemble(
        parse(text),
        files=InlineFiles(folder if (folder / USERS.name).exists() else fill(folder)),
        settings=Settings(),
        clock=clock,
        metrics=Metrics(clock),
        members=lambda _room_id: (),
        ack=ack,
    )


def complaint(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(text)
    return str(caught.value)


# The table.


@pytest.mark.parametrize("name", MODES)
async def test_every_mode_can_be_put_together(name: str, tmp_path: Path) -> None:
    parts = put_together(name, tmp_path)
    assert MODES[name].words
    assert MODES[name].parts.keys() == PARTS.keys()
    for role in PARTS:
        assert type(getattr(parts, role)) is PARTS[role][MODES[name].parts[role]]
    assert parts.store.reader is parts.reader
    assert parts.processor.store is parts.store
    assert parts.ack_means == ack_means(parse(name))


async def test_every_part_fits_its_seam_and_every_line_up_can_be_put_together(tmp_path) -> None:
    assert PARTS.keys() == SEAMS.keys()
    for role, choices in PARTS.items():
        assert all(issubclass(part, SEAMS[role]) for part in choices.values()), role
    for choice in product(*PARTS.values()):
        swaps = "".join(f"+{role}={part}" for role, part in zip(PARTS, choice, strict=True))
        assert put_together("naive" + swaps, tmp_path).ack_means in ACK_LEVELS


# Swaps.


@pytest.mark.parametrize(
    "swapped", [{}, {"reader": "ttl"}, {"reader": "ttl", "processor": "queueing"}]
)
def test_swaps_change_these_parts_no_other_and_not_the_table(swapped: dict[str, str]) -> None:
    text = "naive" + "".join(f"+{role}={part}" for role, part in swapped.items())
    line_up = parse(text)
    assert line_up.name == text
    assert line_up.parts == MODES["naive"].parts | swapped
    assert all(line_up.classes[role] is PARTS[role][part] for role, part in swapped.items())
    assert MODES["naive"].parts["reader"] == "direct"


# Knobs.


def test_every_knob_turns_a_setting_of_its_own_and_swaps_no_part() -> None:
    knobs = "batch-size=2+flush-interval=0.5+cache-ttl=1e-1+queue-limit=9+segment-size=5"
    knobs += "+turn-size=7"
    turned = parse(f"cached+processor=queueing+{knobs}")
    values = {"batch_size_max": 2, "flush_interval_s": 0.5, "cache_ttl_s": 0.1, "queue_limit": 9}
    assert turned.turned(Settings()) == Settings(**values, segment_bytes_max=5, turn_size=7)
    assert turned.parts == MODES["cached"].parts | {"processor": "queueing"}
    assert turned.knobs.keys() == KNOBS.keys()


async def test_a_name_wins_over_an_option_the_last_over_the_first_and_parts_obey(tmp_path) -> None:
    settings = Settings(batch_size_max=99)
    assert parse("optimized").turned(settings) == settings
    line_up = parse("optimized+batch-size=10+batch-size=20")
    assert line_up.turned(settings).batch_size_max == 20
    parts = put_together("optimized+batch-size=10+cache-ttl=0", tmp_path)
    assert parts.processor.settings == Settings(batch_size_max=10, cache_ttl_s=0)
    assert parts.reader.settings.cache_ttl_s == 0


# What is wrong is explained.


@pytest.mark.parametrize(
    ("text", "hints"),
    [
        ("optimised", ["did you mean 'optimized'?", *MODES]),
        ("zzz", list(MODES)),
        *((f"naive+{role}=zzz", [*PARTS[role], f"{role}=path/to/file.py:Class"]) for role in PARTS),
        ("naive+processor=queuing", ["did you mean 'queueing'?"]),
        *((wrong, list(PARTS)) for wrong in ("naive+raeder=ttl", "naive+ttl", "naive+")),
        ("naive+reader", list(PARTS)),
        ("optimized+batchsize=10", list(KNOBS)),
        *((nonsense, ["there are:"]) for nonsense in ("", "+reader=ttl", "naive+reader=")),
        *((nonsense, ["did you mean 'naive'?", "there are:"]) for nonsense in ("Naive", " naive")),
    ],
)
def test_what_is_unknown_is_answered_with_all_that_there_is(text: str, hints: list[str]) -> None:
    told = complaint(text)

    assert [hint for hint in hints if hint not in told] == []
    assert ("did you mean" in told) == ("did you mean" in hints[0])


# What an ack means.


async def test_an_ack_can_be_raised_and_not_lowered(tmp_path: Path) -> None:
    for mode, level in (
        *(("naive", "written"), ("batched", "queued"), ("batched", "written")),
        *(("optimized", "written"), ("optimized", "synced")),
    ):
        assert put_together(mode, tmp_path, ack=level).ack_means == level
    with pytest.raises(UsageError, match=r"--ack queued is less than .*'naive'.*\(written\)"):
        put_together("naive", tmp_path, ack="queued")


@pytest.mark.parametrize("mode", ["naive", "batched"])
async def test_an_impossible_ack_is_refused_with_the_right_swap(mode: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot promise 'synced'") as caught:
        put_together(mode, tmp_path, ack="synced")
    hint = str(caught.value).rpartition("--mode ")[2]

    assert put_together(hint, tmp_path, ack="synced").ack_means == "synced"
