"""Modes: every line-up can be put together, and every wrong one is explained."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from chatlab.chat.metrics import Metrics
from chatlab.chat.modes import MODES, PARTS, SEAMS, Parts, ack_means, assemble, parse
from chatlab.chat.protocol import ACK_LEVELS, AckLevel
from chatlab.chat.settings import KNOBS, Settings
from chatlab.errors import UsageError
from tests.support.parts import FakeClock, InlineFiles, fill

HEAD = "from chatlab.chat.parts.reader import Reader\n"
GOOD = HEAD + (
    "class Mine(Reader):\n"
    "    async def read(self, file):\n"
    "        return file.decode(await self.files.read(file.name))\n"
)


def put_together(text: str, folder: Path, ack: AckLevel | None = None) -> Parts:
    clock = FakeClock()
    return assemble(
        parse(text),
        files=InlineFiles(fill(folder)),
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
def test_every_mode_names_a_part_that_exists_for_every_role(name: str) -> None:
    assert MODES[name].parts.keys() == PARTS.keys()
    assert all(choice in PARTS[role] for role, choice in MODES[name].parts.items())
    assert MODES[name].words


@pytest.mark.parametrize("name", MODES)
async def test_every_mode_can_be_put_together(name: str, tmp_path: Path) -> None:
    parts = put_together(name, tmp_path)

    for role in PARTS:
        assert type(getattr(parts, role)) is PARTS[role][MODES[name].parts[role]]
    assert parts.store.reader is parts.reader
    assert parts.processor.store is parts.store
    assert parts.ack_means == ack_means(parse(name))


def test_every_part_fits_its_seam() -> None:
    assert PARTS.keys() == SEAMS.keys()
    for role, choices in PARTS.items():
        for part in choices.values():
            assert issubclass(part, SEAMS[role])
            assert not getattr(part, "__abstractmethods__", None)


async def test_every_line_up_can_be_put_together(tmp_path: Path) -> None:
    for choice in product(*PARTS.values()):
        swaps = "".join(f"+{role}={part}" for role, part in zip(PARTS, choice, strict=True))
        assert put_together("naive" + swaps, tmp_path).ack_means in ACK_LEVELS


# Swaps.


def test_a_mode_without_swaps_is_what_the_table_says() -> None:
    line_up = parse("naive")

    assert line_up.name == "naive"
    assert line_up.parts == MODES["naive"].parts


def test_a_swap_changes_one_part_and_no_other() -> None:
    line_up = parse("naive+reader=ttl")

    assert line_up.name == "naive+reader=ttl"
    assert line_up.parts == MODES["naive"].parts | {"reader": "ttl"}
    assert line_up.classes["reader"] is PARTS["reader"]["ttl"]


def test_several_parts_can_be_swapped() -> None:
    assert parse("naive+reader=ttl+processor=queueing").parts == MODES["naive"].parts | {
        "reader": "ttl",
        "processor": "queueing",
    }


def test_a_swap_does_not_change_the_table() -> None:
    parse("naive+reader=ttl")

    assert MODES["naive"].parts["reader"] == "direct"


# Knobs.


def test_a_mode_without_knobs_leaves_the_settings_as_they_are() -> None:
    settings = Settings(batch_size_max=7)

    assert parse("optimized").knobs == {}
    assert parse("optimized").turned(settings) == settings


def test_a_knob_is_turned_and_no_part_is_swapped() -> None:
    line_up = parse("optimized+batch-size=10")

    assert line_up.name == "optimized+batch-size=10"
    assert line_up.parts == MODES["optimized"].parts
    assert line_up.turned(Settings()) == Settings(batch_size_max=10)


def test_every_knob_turns_a_setting_of_its_own() -> None:
    turned = parse(
        "cached+batch-size=2+flush-interval=0.5+cache-ttl=1e-1+processor=queueing+queue-limit=9"
        "+segment-size=5"
    )

    assert turned.turned(Settings()) == Settings(
        batch_size_max=2,
        flush_interval_s=0.5,
        cache_ttl_s=0.1,
        queue_limit=9,
        segment_bytes_max=5,
    )
    assert turned.parts == MODES["cached"].parts | {"processor": "queueing"}
    assert turned.knobs.keys() == KNOBS.keys()


def test_the_name_wins_over_the_option_and_the_last_of_two_over_the_first() -> None:
    line_up = parse("optimized+batch-size=10+batch-size=20")

    assert line_up.turned(Settings(batch_size_max=99)).batch_size_max == 20


def test_an_unknown_knob_names_all_knobs() -> None:
    told = complaint("optimized+batchsize=10")

    assert all(name in told for name in KNOBS)


async def test_the_parts_get_the_turned_settings(tmp_path: Path) -> None:
    parts = put_together("optimized+batch-size=10+cache-ttl=0", tmp_path)

    assert parts.processor.settings == Settings(batch_size_max=10, cache_ttl_s=0)
    assert parts.reader.settings.cache_ttl_s == 0


# What is wrong is explained.


def test_an_unknown_mode_names_all_modes_and_a_close_match() -> None:
    text = complaint("optimised")

    assert "did you mean 'optimized'?" in text
    assert all(name in text for name in MODES)


def test_an_unknown_mode_like_nothing_names_all_modes_and_no_match() -> None:
    assert "did you mean" not in complaint("zzz")


@pytest.mark.parametrize("role", PARTS)
def test_an_unknown_implementation_names_all_of_the_role_and_how_to_bring_ones_own(
    role: str,
) -> None:
    text = complaint(f"naive+{role}=zzz")

    assert all(name in text for name in PARTS[role])
    assert f"{role}=path/to/file.py:Class" in text


def test_an_unknown_implementation_names_a_close_match() -> None:
    assert "did you mean 'queueing'?" in complaint("naive+processor=queuing")


@pytest.mark.parametrize("text", ["naive+raeder=ttl", "naive+ttl", "naive+", "naive+reader"])
def test_an_unknown_part_names_all_parts(text: str) -> None:
    told = complaint(text)

    assert all(role in told for role in PARTS)


@pytest.mark.parametrize("text", ["", "+reader=ttl", "naive+reader=", "Naive", " naive"])
def test_nonsense_is_a_usage_error(text: str) -> None:
    assert "there are:" in complaint(text)


# What an ack means.


@pytest.mark.parametrize(
    ("mode", "level"),
    [
        ("racy", "written"),
        ("naive", "written"),
        ("cached", "written"),
        ("batched", "queued"),
        ("optimized", "queued"),
        ("naive+writer=atomic", "synced"),
    ],
)
def test_an_ack_means_what_the_parts_promise(mode: str, level: str) -> None:
    assert ack_means(parse(mode)) == level


@pytest.mark.parametrize(
    ("mode", "level"),
    [
        ("naive", "written"),
        ("batched", "queued"),
        ("batched", "written"),
        ("optimized", "written"),
        ("optimized", "synced"),
    ],
)
async def test_an_ack_can_be_raised_as_far_as_the_store_goes(
    mode: str, level: AckLevel, tmp_path: Path
) -> None:
    assert put_together(mode, tmp_path, ack=level).ack_means == level


async def test_an_ack_cannot_be_lowered(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--ack queued is less than .*'naive'.*\(written\)"):
        put_together("naive", tmp_path, ack="queued")


@pytest.mark.parametrize("mode", ["naive", "batched"])
async def test_an_impossible_ack_is_refused_with_the_swap_that_makes_it_possible(
    mode: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="cannot promise 'synced'") as caught:
        put_together(mode, tmp_path, ack="synced")
    hint = str(caught.value).rpartition("--mode ")[2]

    assert put_together(hint, tmp_path, ack="synced").ack_means == "synced"


# A class of one's own.


async def test_a_class_of_ones_own_is_loaded_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    mode = f"naive+reader={tmp_path / 'mine.py'}:Mine"
    parts = put_together(mode, tmp_path / "data")

    assert type(parts.reader).__name__ == "Mine"
    assert parse(mode).parts["reader"] == f"{tmp_path / 'mine.py'}:Mine"


async def test_the_path_may_hold_a_plus_sign_and_stand_before_another_swap(tmp_path: Path) -> None:
    folder = tmp_path / "a+b"
    folder.mkdir()
    (folder / "mine.py").write_text(GOOD)
    line_up = parse(f"naive+reader={folder / 'mine.py'}:Mine+writer=atomic")

    assert line_up.classes["reader"].__name__ == "Mine"
    assert line_up.parts["writer"] == "atomic"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("class Mine(Reader:", "cannot be loaded: SyntaxError"),
        (GOOD + "1 / 0", "cannot be loaded: ZeroDivisionError"),
        (GOOD + "import nothing_of_that_name", "cannot be loaded: ModuleNotFoundError"),
        ("", "has no class Mine that extends chatlab.chat.parts.reader.Reader"),
        ("Mine = 5", "has no class Mine that extends"),
        ("class Mine: pass", "has no class Mine that extends"),
        (HEAD + "class Mine(Reader): pass", "does not yet have: read"),
    ],
    ids=["syntax", "raises", "import", "missing", "no class", "wrong base", "abstract"],
)
def test_what_is_wrong_with_a_class_of_ones_own_is_said(
    tmp_path: Path, code: str, told: str
) -> None:
    (tmp_path / "mine.py").write_text(code)

    text = complaint(f"naive+reader={tmp_path / 'mine.py'}:Mine")
    assert told in text
    assert "mine.py" in text


def test_a_part_of_another_role_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD)

    assert "extends chatlab.chat.parts.writer.Writer" in complaint(
        f"naive+writer={tmp_path / 'mine.py'}:Mine"
    )


def test_a_file_that_does_not_exist_is_said_to(tmp_path: Path) -> None:
    assert "there is no file" in complaint(f"naive+reader={tmp_path / 'none.py'}:Mine")


def test_a_file_of_ones_own_may_hold_a_dataclass(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        + GOOD
        + "@dataclass\nclass Slot:\n    value: int = 0\n"
    )

    assert parse(f"naive+reader={tmp_path / 'mine.py'}:Mine").classes["reader"].__name__ == "Mine"


@pytest.mark.parametrize(
    ("role", "code", "missing"),
    [
        (
            "writer",
            "from chatlab.chat.parts.writer import Writer\n"
            "class Mine(Writer):\n    async def replace(self, name, data): pass\n",
            "promise",
        ),
        (
            "processor",
            "from chatlab.chat.parts.processor.immediate import ImmediateProcessor\n"
            "from chatlab.chat.parts.processor import Processor\n"
            "class Mine(Processor):\n"
            "    async def submit(self, entry): pass\n"
            "    async def drain(self): return []\n"
            "    def statistics(self): pass\n",
            "acks_queued",
        ),
    ],
)
def test_a_class_of_ones_own_that_promises_nothing_is_a_usage_error(
    tmp_path: Path, role: str, code: str, missing: str
) -> None:
    (tmp_path / "mine.py").write_text(code)

    with pytest.raises(UsageError, match=missing):
        ack_means(parse(f"naive+{role}={tmp_path / 'mine.py'}:Mine"))


def test_a_file_of_ones_own_that_exits_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD + "raise SystemExit(0)\n")

    assert "cannot be loaded" in complaint(f"naive+reader={tmp_path / 'mine.py'}:Mine")
