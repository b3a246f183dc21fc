"""Two of the mistakes, made for real: those that need no clock to be seen."""

from __future__ import annotations

from pathlib import Path

from tests.labs.front_door import run_for_json


def test_pitfalls_make_a_mistake_and_cure_it(tmp_path: Path) -> None:
    report, text = run_for_json(tmp_path, "pitfalls", "cache", "errors")

    assert report["schema"] == "chatlab.pitfalls/1"
    cache, errors = report["results"]
    assert (cache["shown"], errors["shown"]) == (True, True)
    never, soon = cache["figures"][0]
    assert (never["value"], soon["value"] is None) == (None, False)
    lost = {f["what"]: (f["value"], g["value"]) for f, g in errors["figures"]}["acked and lost"]
    assert lost[0] > 0
    assert lost[1] == 0
    assert "forgetful.py:ForgetfulProcessor" in text
