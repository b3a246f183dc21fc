"""A learner's knobs: read from the file, and never by running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatlab.chat.modes import parse
from chatlab.chat.settings import Settings
from chatlab.course.solved_parts import knobs_of
from chatlab.errors import UsageError
from tests.course.judging import exercise

GOOD = "BATCH_SIZE = 220\nFLUSH_INTERVAL_S = 0.075\n"


def read(folder: Path, text: str) -> dict[str, str]:
    path = folder / "work.py"
    path.write_text(text, "utf-8")
    return knobs_of(path)


def test_the_numbers_fit_into_a_modes_name(tmp_path: Path) -> None:
    knobs = read(tmp_path, GOOD)
    mode = "optimized" + "".join(f"+{name}={value}" for name, value in knobs.items())

    assert mode == "optimized+batch-size=220+flush-interval=0.075"
    assert parse(mode).turned(Settings()) == Settings(batch_size_max=220, flush_interval_s=0.075)


@pytest.mark.parametrize(
    "text",
    [
        "BATCH_SIZE: int = 220\nFLUSH_INTERVAL_S: float = 75e-3\n",
        "BATCH_SIZE = 1\n" + GOOD,
        GOOD + "if True:\n    BATCH_SIZE = 1\n",
        GOOD + "raise SystemExit('it was run')\n",
        GOOD + "A = B = C[0] = 1\nX: int\nimport nothing_of_that_name\n",
    ],
)
def test_they_stand_at_the_top_of_a_file_that_is_not_run(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == {"batch-size": "220", "flush-interval": "0.075"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("BATCH_SIZE = 220\n", "there is no FLUSH_INTERVAL_S"),
        ("\n\nBATCH_SIZE = 22 * 10\nFLUSH_INTERVAL_S = 1\n", "line 3: BATCH_SIZE = 22 * 10: write"),
        ("BATCH_SIZE = 220\nFLUSH_INTERVAL_S = float('1')\n", "line 2: FLUSH_INTERVAL_S = float("),
        ("BATCH_SIZE = True\nFLUSH_INTERVAL_S = 1\n", "a plain number"),
        ("BATCH_SIZE = '220'\nFLUSH_INTERVAL_S = 1\n", "a plain number"),
        ("BATCH_SIZE = {[]: 1}\nFLUSH_INTERVAL_S = 1\n", "a plain number"),
        ("BATCH_SIZE = 220.0\nFLUSH_INTERVAL_S = 1\n", "line 1: BATCH_SIZE = 220.0: batch-size"),
        ("BATCH_SIZE = 0\nFLUSH_INTERVAL_S = 1\n", "a whole number of messages, from 1"),
        ("BATCH_SIZE = 1\nFLUSH_INTERVAL_S = -1\n", "line 2: FLUSH_INTERVAL_S = -1: flush-in"),
        ("BATCH_SIZE = 1\nFLUSH_INTERVAL_S = 1e999\n", "from 0 to 3,600"),
        ("BATCH_SIZE =\n", "is no Python"),
        ("\0", "is no text"),
    ],
)
def test_what_is_no_plain_number_is_a_usage_error_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)

    assert told in str(caught.value)
    assert "work.py" in str(caught.value)


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        knobs_of(tmp_path / "work.py")


def test_the_starter_and_the_solution_have_knobs() -> None:
    tune = exercise("10_tune")

    assert knobs_of(tune.work) == {"batch-size": "10", "flush-interval": "1.0"}
    assert knobs_of(tune.answers / "work.py") == {"batch-size": "220", "flush-interval": "0.075"}
