"""The cache's checks: another right answer passes, and mistakes beside the named ones are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatlab.course.catalog import load
from chatlab.course.judge import judge
from chatlab.course.verdicts import Judged

ROOT = Path(__file__).parents[2]
EXERCISE = load(ROOT / "exercises" / "02_cache", ROOT / "solutions" / "02_cache")
SOLUTION = (ROOT / "solutions" / "02_cache" / "work.py").read_text("utf-8")
BUILT_IN = """
from chatlab.chat.parts.reader.ttl import TTLReader
class CachingReader(TTLReader): pass
"""
VALUE = "            value = file.decode(await self.files.read(file.name))\n"
FRESH = "self.clock() - copy.read_at < self.settings.cache_ttl_s"
MISTAKES = {
    "gives the bytes": ("reads", VALUE, VALUE.replace("file.decode(", "(")),
    "trusts nothing for long": ("few_reads", FRESH, "copy.value is None"),
    "milliseconds for seconds": ("expires", FRESH, FRESH.replace("_ttl_s", "_ttl_s * 1000")),
    "each hit lives on": (
        "expires",
        "            self._hits += 1\n",
        "            self._hits += 1\n            copy.read_at = self.clock()\n",
    ),
    "does not hear of writes": (
        "own_writes",
        "copy.value, copy.read_at = value, self.clock()\n        copy.version",
        "copy.version",
    ),
    "never comes down again": (
        "single_flight",
        "        copy = self._copy(file)\n        if copy.read_at is not None",
        "        copy = self._copy(file)\n        if copy.flight is not None:\n"
        "            return file.decode(await self.files.read(file.name))\n"
        "        if copy.read_at is not None",
    ),
    "forgets the version": ("late_read", "        copy.version += 1\n", ""),
    "serves nothing for old": (
        "stale_on_error",
        "return copy.value  # type: ignore[no-any-return]\n        else",
        "return []\n        else",
    ),
    "raises in any case": (
        "stale_on_error",
        "            if copy.read_at is None:\n                raise\n",
        "            raise\n",
    ),
}


async def tried(tmp_path: Path, code: str, *only: str) -> Judged:
    path = tmp_path / "work.py"
    path.write_text(code, encoding="utf-8")
    return await judge(EXERCISE, path, only=only)


async def test_the_built_in_cache_gets_all_points(tmp_path: Path) -> None:
    assert (await tried(tmp_path, BUILT_IN)).points == EXERCISE.points


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_found_by_its_check(tmp_path: Path, mistake: str) -> None:
    check, before, after = MISTAKES[mistake]
    assert before in SOLUTION
    judged = await tried(tmp_path, SOLUTION.replace(before, after), check)

    assert [(one.check, one.verdict) for one in judged.results] == [(check, "failed")]
