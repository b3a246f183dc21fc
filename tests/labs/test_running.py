"""Running a lab: what is left when a process fails, and the exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatlab.bench.load_process import GeneratorFailed
from chatlab.bench.server_process import ServerFailed
from chatlab.cli.labs_run import exit_code, finish, measure
from chatlab.errors import ChatlabError, UsageError


class Measured(msgspec.Struct):
    """A report of a lab made up for it."""

    rounds: int
    complete: bool = False


class FailingLab:
    """Measures one round, and fails in the second."""

    def __init__(self, error: ChatlabError) -> None:
        self._error = error
        self.rounds = 0

    async def run(self) -> None:
        self.rounds += 1
        raise self._error

    def report(self, command: str) -> Any:  # noqa: ARG002
        return Measured(self.rounds)


@pytest.mark.parametrize("kind", [ServerFailed, GeneratorFailed])
def test_a_process_that_fails_leaves_what_was_measured_before(
    kind: type[ChatlabError], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, path = FailingLab(kind("it broke")), tmp_path / "result.json"
    measure(lab)
    finish(lab, lambda report: f"{report.rounds} round", path)

    out, err = capsys.readouterr()
    assert "stopped: it broke" in err
    assert "1 round" in out
    assert msgspec.json.decode(path.read_bytes()) == {"rounds": 1, "complete": False}


def test_a_mistake_of_the_users_is_not_taken_for_a_failing_server() -> None:
    with pytest.raises(UsageError):
        measure(FailingLab(UsageError("no such thing")))


@pytest.mark.parametrize(
    ("complete", "clean", "code"), [(True, True, 0), (True, False, 1), (False, False, 130)]
)
def test_the_exit_code_says_how_it_ended(complete: bool, clean: bool, code: int) -> None:
    assert exit_code(complete, clean) == code
