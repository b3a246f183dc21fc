"""The batch store's checks: other right answers pass, and nonsense is told in words."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from chatlab.course.catalog import Exercise, load
from chatlab.course.checking import judge
from chatlab.course.verdicts import Result

ROOT = Path(__file__).parents[2]
NAME = "05_batch_save"
EXERCISE: Exercise = load(ROOT / "exercises" / NAME, ROOT / "solutions" / NAME)
HEAD = """
import asyncio
from chatlab.chat.datafiles import MESSAGES
from chatlab.chat.parts.stores.base import Store
from chatlab.chat.parts.stores.rewrite import RewriteStore
"""
BUILT_IN = "class BatchStore(RewriteStore): pass"
LOOKS_EACH_TIME = """
class BatchStore(Store):
    kept_in = "messages.json"
    promise = property(lambda self: self.writer.promise)

    async def save(self, batch):
        ids = {message.id for message in batch}
        async with self.lock.hold(MESSAGES.name):
            there = await self.reader.read(MESSAGES)
            after = [message for message in there if message.id not in ids]
            after.extend(batch)
            await self.writer.replace(MESSAGES.name, MESSAGES.encode(after))
            self.reader.written(MESSAGES, after)

    async def history(self, room_id, limit):
        there = await self.reader.read(MESSAGES)
        return [message for message in there if message.room_id == room_id][-limit:]
"""
SAVE = "\n    async def save(self, batch):\n        "
HISTORY = "\n    async def history(self, room_id, limit):\n        "


async def tried(tmp_path: Path, code: str, *only: str) -> dict[str, Result]:
    path = tmp_path / "work.py"
    path.write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    judged = await judge(EXERCISE, path, only=only)
    assert not judged.broken
    return {result.check: result for result in judged.results}


@pytest.mark.parametrize("code", [BUILT_IN, LOOKS_EACH_TIME], ids=["built in", "looks each time"])
async def test_other_right_answers_get_all_points(tmp_path: Path, code: str) -> None:
    results = await tried(tmp_path, code)

    assert [one.check for one in results.values() if one.verdict != "passed"] == []


@pytest.mark.parametrize(
    ("body", "check", "told"),
    [
        (HISTORY + "return None", "keeps", "None"),
        (HISTORY + "return [message.id for message in []] or ['m']", "keeps", "type str"),
        (SAVE + "await asyncio.Event().wait()", "keeps", "not ended after"),
        (SAVE + "raise ValueError('no')", "keeps", "ValueError: no"),
        (SAVE + "pass", "one_save", "missing: 100 messages"),
        (SAVE + "asyncio.get_running_loop().create_task(super().save(batch))", "one_save", "miss"),
    ],
    ids=["None", "no messages", "hangs", "raises", "does nothing", "later"],
)
async def test_what_is_wrong_is_told(tmp_path: Path, body: str, check: str, told: str) -> None:
    result = (await tried(tmp_path, BUILT_IN.replace(" pass", body), check))[check]

    assert result.verdict == "failed"
    assert told in result.actual


async def test_a_lock_that_is_never_given_back_is_told(tmp_path: Path) -> None:
    code = BUILT_IN.replace(" pass", SAVE + "await self.lock.hold(MESSAGES.name).__aenter__()")
    result = (await tried(tmp_path, code, "keeps"))["keeps"]

    assert result.verdict == "failed"
