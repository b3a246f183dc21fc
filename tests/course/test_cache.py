"""`02_cache`: another right answer passes, and mistakes beside the named ones are found."""

from __future__ import annotations

from tests.course.judging import Mistake, mistakes, right

NAME = "02_cache"
BUILT_IN = """
from chatlab.chat.parts.reader.ttl import TTLReader
class CachingReader(TTLReader): pass
"""
VALUE = "            value = file.decode(await self.files.read(file.name))\n"
FRESH = "self.clock() - copy.read_at < self.settings.cache_ttl_s"
HIT = "            self._hits += 1\n"
LOOKS = "        if copy.read_at is not None"
FLIES = """        if copy.flight is not None:
            return file.decode(await self.files.read(file.name))
"""
WRITTEN = "copy.value, copy.read_at = value, self.clock()\n        copy.version"
STALE = "return copy.value  # type: ignore[no-any-return]\n        else"
MISTAKES: dict[str, Mistake] = {
    "gives the bytes": ("reads", VALUE, VALUE.replace("file.decode(", "(")),
    "trusts nothing for long": ("few_reads: 1,000 questions", FRESH, "copy.value is None"),
    "milliseconds for seconds": ("expires", FRESH, FRESH.replace("_ttl_s", "_ttl_s * 1000")),
    "each hit lives on": ("expires", HIT, HIT + "            copy.read_at = self.clock()\n"),
    "does not hear of writes": ("own_writes: after a write", WRITTEN, "copy.version"),
    "never comes down again": ("single_flight: for 21 who ask", LOOKS, FLIES + LOOKS),
    "serves nothing for old": ("stale_on_error", STALE, "return []\n        else"),
    "raises in any case": ("stale_on_error: StorageError", "if copy.read_at is None:", "if 1:"),
}

test_the_built_in_cache_gets_all_points = right(NAME, {"built in": BUILT_IN})
test_a_mistake_is_found_by_its_check = mistakes(NAME, MISTAKES)
