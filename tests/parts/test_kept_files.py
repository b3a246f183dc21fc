"""How a server knows that its files are still there: one look at the folder while nothing moves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chatlab.disk import kept
from chatlab.disk.kept import COARSE_TICK_NS, TICK_NS, KeptFiles

FINE, WHOLE_S = 1_700_000_000_123_456_789, 1_700_000_000_000_000_000
NAMES = ("lock", "a.log", "b.log")


def kept_in(folder: Path, changed_ns: int, passed_ns: int) -> KeptFiles:
    """Three files in a folder that changed last at one time, and are looked at so much later."""
    for name in NAMES:
        (folder / name).touch()
    found = KeptFiles(folder, "lock", now_ns=lambda: changed_ns + passed_ns)
    for name in NAMES[1:]:
        found.keep(name)
    os.utime(folder, ns=(changed_ns, changed_ns))
    found.check()
    return found


@pytest.mark.parametrize(
    ("changed_ns", "passed_ns", "looks"),
    [(FINE, TICK_NS + 1, 1), (FINE, TICK_NS, 4), (WHOLE_S, TICK_NS + 1, 4)],
    ids=["long ago", "within a tick", "within a coarse tick"],
)
def test_an_old_time_of_change_saves_the_looks_at_each_file(
    changed_ns: int,
    passed_ns: int,
    looks: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[Path] = []
    files, look = kept_in(tmp_path, changed_ns, passed_ns), kept._found
    monkeypatch.setattr(kept, "_found", lambda path: looked.append(path) or look(path))
    files.check()
    assert len(looked) == looks


@pytest.mark.parametrize(
    ("changed_ns", "passed_ns"), [(FINE, TICK_NS), (WHOLE_S, COARSE_TICK_NS), (FINE, -1)]
)
def test_a_change_with_the_time_of_the_one_before_is_noticed(
    changed_ns: int, passed_ns: int, tmp_path: Path
) -> None:
    files = kept_in(tmp_path, changed_ns, passed_ns)
    (tmp_path / "a.log").unlink()
    os.utime(tmp_path, ns=(changed_ns, changed_ns))
    with pytest.raises(OSError, match=r"a\.log was deleted"):
        files.check()


def test_what_is_put_back_is_the_same_again(tmp_path: Path) -> None:
    files = kept_in(tmp_path, FINE, TICK_NS + 1)
    (tmp_path / "b.log").rename(tmp_path / "c.log")
    assert "b.log" in files.trouble()
    (tmp_path / "c.log").rename(tmp_path / "b.log")
    assert files.trouble() == ""
    files.check()
