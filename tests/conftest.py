"""What many tests look at, and is made once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatlab.bench.compare import Compare
from chatlab.bench.report import Report
from chatlab.bench.scenario import Scenario
from chatlab.data.records import indented_json

TINY = Scenario(name="tiny", words="a load for tests", messages=60, users=4, history=3)


@dataclass(frozen=True)
class Measured:
    """A real comparison, with ceilings: two rounds of each, on real servers."""

    folder: Path
    compare: Compare
    report: Report
    json: dict[str, Any]


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("compare")
    compare = Compare(
        ["naive", "optimized"], TINY, seed=5, rounds=2, ceiling=True, work_folder=folder
    )
    asyncio.run(compare.run())
    report = compare.report("chatlab compare --some-option")
    return Measured(folder, compare, report, json.loads(indented_json(report)))
