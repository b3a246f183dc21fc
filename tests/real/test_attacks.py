"""Each attack once, briefly: what must hold, but for how long a polite client waits (only the
command measures that: `python -m tests.real`)."""

from __future__ import annotations

import sys

import pytest

from tests.real.__main__ import ATTACKS
from tests.real.trial import run_trial

SECONDS = 0.5


@pytest.mark.real
@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform == "win32", reason="stops its servers by signals")
@pytest.mark.parametrize("name", ATTACKS)
async def test_it_holds(name: str) -> None:
    result = await run_trial(ATTACKS[name], "journal", SECONDS)

    assert result.broken == []
    assert result.lost == 0
