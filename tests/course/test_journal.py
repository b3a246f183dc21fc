"""`09_journal`: other right answers pass, and more mistakes than in `wrong/` are found."""

from __future__ import annotations

from pathlib import Path

from tests.course.judging import Mistake, changed, judged, mistakes, right_files, solution, wrong

NAME = "09_journal"
GROWS = "            self._remember(group.messages)\n        group"
MISTAKES: dict[str, Mistake] = {
    "no fsync": (
        "one_sync power_cut",
        "fsync=True)\n        except",
        "fsync=False)\n        except",
    ),
    "the first ones": ("keeps", "[-limit:]", "[:limit]"),
    "a weak promise": ("power_cut: synced", 'return "synced"', 'return "written"'),
    "remembers nothing": ("keeps", GROWS, "        group"),
    "everybody's files": ("keeps: match", '"my-journal*.log"', '"*.log"'),
    "joins too late": ("group_commit power_cut", "if not group.over:", "if True:"),
}
HEAD = """
import asyncio
from chatlab.chat.parts.storage_seams import Store

class JournalStore(Store):
    kept_in = "my-journal.log"
    promise = "synced"
    async def save(self, batch): await self.files.append("my-journal.log", b"x")
    async def history(self, room_id, limit): return []
"""
HISTORY = "async def history(self, room_id, limit): return "
WAITS = "async def save(self, batch): await asyncio.sleep(1e6)"
NONSENSE = {
    "no history": ("keeps: None", HISTORY + "None"),
    "a number": ("keeps: an object of type int in it", HISTORY + "[1]"),
    "not async": ("keeps: an object of type int at once", "def save(self, batch): return 1"),
    "no batch": ("keeps: takes 1 positional argument but 2", "async def save(self): pass"),
    "no notes": ("keeps: it returned None", "async def start(self, starting=()): pass"),
    "takes days": ("keeps: not ended after 5,000 ms", WAITS),
    "no files": ("keeps: it is None", "kept_in = None"),
}

test_other_right_answers_get_all_points = right_files(
    NAME, "journal_binary_records", "journal_leaves_out_damage", "journal_line_a_message"
)
test_a_mistake_in_the_solution_is_found = mistakes(NAME, MISTAKES)
test_nonsense_is_told_in_words = wrong(NAME, NONSENSE, HEAD)


def test_the_story_of_a_power_cut_ends_with_what_is_on_the_disk(tmp_path: Path) -> None:
    answer = changed(solution(NAME), ("        await self.files.fsync_folder()\n", ""))
    *_, cut, left = judged(NAME, tmp_path, answer, "power_cut")["power_cut"].story

    assert "the power fails" in cut
    assert "the folder without: create my-journal.log" in left or "without: rename" in left
