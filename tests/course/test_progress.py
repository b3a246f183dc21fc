"""Progress: kept whatever happens to the file, the folder or the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from chatlab.course.progress import (
    RACES_MAX,
    ComparisonRecord,
    FailedCheck,
    Progress,
    ProgressFile,
    Standing,
    checked,
    compared,
    gave_up,
    hinted,
)
from chatlab.course.verdicts import Judged, Verdict
from tests.course import small

NAME = "01_one"


def judged(verdict: Verdict = "passed", points: float = 10, seed: int = 0) -> Judged:
    return small.judged(NAME, small.result(verdict, points=points, of=10, seed=seed))


def test_what_one_process_keeps_another_reads(tmp_path: Path) -> None:
    assert ProgressFile(tmp_path / ".chatlab").read() == Progress()
    assert not list(tmp_path.iterdir())  # reading makes no folder
    ProgressFile(tmp_path / ".chatlab").update(lambda now: checked(now, judged(), "now"))
    found = ProgressFile(tmp_path / ".chatlab").read().of(NAME)
    assert found == Standing(passed=True, points=10, passed_at="now", checks=1)


def test_what_was_reached_stays_reached() -> None:
    progress = checked(Progress(), judged(points=9), "first")
    progress = checked(progress, judged("failed", points=0, seed=7), "later")
    progress = checked(progress, judged(points=8), "last")

    assert progress.of(NAME) == Standing(
        passed=True, points=9, failure=FailedCheck("it", 7), passed_at="first", checks=3
    )
    assert not gave_up(progress, NAME).of(NAME).gave_up  # only before it passes
    assert gave_up(Progress(), NAME).of(NAME).gave_up
    assert hinted(hinted(Progress(), NAME, 3), NAME, 1).of(NAME).hints == 3


def test_the_first_race_is_kept_for_good() -> None:
    progress = Progress()
    for number in range(RACES_MAX + 5):
        race = ComparisonRecord(str(number), "midnight", 1_000, 6, True, {})
        progress = compared(progress, race)

    assert len(progress.races) == RACES_MAX
    assert [progress.races[0].when, progress.races[-1].when] == ["0", str(RACES_MAX + 4)]


def test_files_that_cannot_be_understood_are_all_moved_aside(tmp_path: Path) -> None:
    damaged = ['{"schema": "chatlab.prog', "", "[]", '{"schema": "else"}', '{"races": 3}']
    for text in damaged:
        (tmp_path / "progress.json").write_text(text)
        kept = ProgressFile(tmp_path)
        kept.update(lambda now: hinted(now, NAME, 1))
        assert any(aside.name in kept.notes[0] for aside in tmp_path.glob("*.damaged"))
        assert ProgressFile(tmp_path).read().of(NAME).hints == 1

    assert {path.read_text() for path in tmp_path.glob("*.damaged")} == set(damaged)


def test_what_cannot_be_written_is_kept_in_memory_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / ".chatlab"
    folder.write_text("a file in the folder's place: nobody can write into that, root neither")
    kept = ProgressFile(folder)
    kept.update(lambda now: hinted(now, NAME, 1))
    kept.update(lambda now: hinted(now, NAME, 2))
    assert kept.read().of(NAME).hints == 2
    assert ["not kept" in note for note in kept.notes] == [True]
    folder.unlink()
    ProgressFile(folder).update(lambda now: checked(now, judged(), "now"))

    kept.update(lambda now: hinted(now, "02_two", 1))

    found = ProgressFile(folder).read()
    assert (found.of(NAME).hints, found.of(NAME).passed, found.of("02_two").hints) == (2, True, 1)


def test_a_rename_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ProgressFile(tmp_path)
    kept.update(lambda now: hinted(now, NAME, 1))
    before = (tmp_path / "progress.json").read_bytes()

    no_space = OSError(28, "No space left on device")
    monkeypatch.setattr("os.replace", Mock(side_effect=no_space))
    kept.update(lambda now: hinted(now, NAME, 2))

    assert (tmp_path / "progress.json").read_bytes() == before
    assert not list(tmp_path.glob("*.tmp"))
    assert "No space left" in kept.notes[0]


def test_two_processes_lose_none_of_each_others_updates(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from chatlab.course.progress import ProgressFile, hinted
kept = ProgressFile(Path(sys.argv[1]))
for number in range(30):
    kept.update(lambda now: hinted(now, f"{sys.argv[2]}_{number}", 1))
sys.exit(bool(kept.notes))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen([*command, name]) for name in ("a", "b")]

    assert [process.wait(30) for process in processes] == [0, 0]
    assert len(ProgressFile(tmp_path).read().exercises) == 60
