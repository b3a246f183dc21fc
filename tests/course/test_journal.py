"""The journal's checks: other right answers pass, and more mistakes than in `wrong/` are found."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from chatlab.course.catalog import Exercise, load
from chatlab.course.judge import judge
from chatlab.course.verdicts import Result

ROOT = Path(__file__).parents[2]
EXERCISE: Exercise = load(ROOT / "exercises" / "09_journal", ROOT / "solutions" / "09_journal")
SOLUTION = (EXERCISE.answers / "work.py").read_text("utf-8")
RIGHT = Path(__file__).with_name("right_journals")


async def tried(path: Path, only: tuple[str, ...] = ()) -> dict[str, Result]:
    judged = await judge(EXERCISE, path, only=only)
    assert not judged.broken
    return {result.check: result for result in judged.results}


async def changed(tmp_path: Path, before: str, after: str) -> dict[str, Result]:
    """The solution with a mistake in it."""
    assert before in SOLUTION
    path = tmp_path / "work.py"
    path.write_text(SOLUTION.replace(before, after), encoding="utf-8")
    return await tried(path)


def failed(results: dict[str, Result]) -> list[str]:
    return [name for name, one in results.items() if one.verdict == "failed"]


@pytest.mark.parametrize("path", sorted(RIGHT.glob("*.py")), ids=lambda path: path.stem)
async def test_other_right_answers_get_all_points(path: Path) -> None:
    results = await tried(path)

    assert failed(results) == []
    assert sum(one.points for one in results.values()) == 10


@pytest.mark.parametrize(
    ("before", "after", "found_by"),
    [
        ("fsync=True)\n        except", "fsync=False)\n        except", ["one_sync", "power_cut"]),
        ("[-limit:]", "[:limit]", ["keeps"]),
        ('return "synced"', 'return "written"', ["power_cut"]),
        ("            self._remember(group.messages)\n        group", "        group", ["keeps"]),
        ('kept_in = "my-journal*.log"', 'kept_in = "*.log"', ["keeps"]),
        (
            "            await self._cut()\n            self._unc",
            "            self._unc",
            ["after_failure"],
        ),
        (
            "            if not group.over:\n",
            "            if True:\n",
            ["group_commit", "power_cut"],
        ),
    ],
)
async def test_a_mistake_in_the_solution_is_found(
    tmp_path: Path, before: str, after: str, found_by: list[str]
) -> None:
    assert set(found_by) <= set(failed(await changed(tmp_path, before, after)))


@pytest.mark.parametrize(
    ("method", "actual"),
    [
        ("async def history(self, room_id, limit): return None", "None"),
        ("async def history(self, room_id, limit): return [1]", "an object of type int in it"),
        ("def save(self, batch): return 1", "it returned an object of type int at once"),
        ("async def save(self): pass", "takes 1 positional argument but 2 were given"),
        ("async def start(self, starting=()): pass", "it returned None"),
        ("async def save(self, batch): await asyncio.sleep(1e6)", "not ended after 5,000 ms"),
        ("kept_in = None", "it is None"),
    ],
)
async def test_nonsense_is_told_in_words(tmp_path: Path, method: str, actual: str) -> None:
    path = tmp_path / "work.py"
    code = f"""
    import asyncio
    from chatlab.chat.parts.store import Store
    class JournalStore(Store):
        kept_in = "my-journal.log"
        promise = "synced"
        async def save(self, batch): await self.files.append("my-journal.log", b"x")
        async def history(self, room_id, limit): return []
        {method}
    """
    path.write_text(textwrap.dedent(code), encoding="utf-8")
    results = await tried(path, ("keeps",))

    assert results["keeps"].verdict == "failed"
    assert actual in results["keeps"].actual


async def test_the_story_of_a_power_cut_ends_with_what_is_on_the_disk(tmp_path: Path) -> None:
    results = await changed(tmp_path, "        await self.files.fsync_folder()\n", "")

    assert "the power fails" in results["power_cut"].story[-2]
    assert "the folder without: create my-journal.log" in results["power_cut"].story[-1] or (
        "the folder without: rename" in results["power_cut"].story[-1]
    )
