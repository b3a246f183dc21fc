"""`requirements.lock` fits pyproject.toml: what is locked is what is asked for, with hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ASKED = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED = {
    canonicalize_name(name): (version, re.findall(r"--hash=sha256:([0-9a-f]{64})\b", hashes))
    for name, version, hashes in re.findall(
        r"^([\w.-]+)==([\w.]+)[^\n]*\\\n((?: +--hash=\S+[^\n]*\n?)+)", LOCK, re.MULTILINE
    )
}


@pytest.mark.parametrize("asked", ASKED)
def test_the_lock_has_a_version_that_the_project_asks_for(asked: str) -> None:
    requirement = Requirement(asked)
    version, _ = LOCKED[canonicalize_name(requirement.name)]

    assert version in requirement.specifier


def test_everything_in_the_lock_is_one_version_with_hashes() -> None:
    lines = [line for line in LOCK.splitlines() if line and line[0] not in " #"]

    assert len(lines) == len(LOCKED) > len(ASKED)
    assert all(hashes for _, hashes in LOCKED.values())
