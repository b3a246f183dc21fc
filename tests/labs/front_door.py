"""`chatlab` as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CHATLAB = [sys.executable, "-m", "chatlab"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHATLAB, *words], capture_output=True, text=True, timeout=50, check=False
    )


def run_for_json(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """What a lab writes, and what it prints."""
    path = folder / "result.json"
    done = run(*words, "--json", str(path))
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text("utf-8"))
    assert report["complete"] is True
    assert report["command"].startswith("chatlab " + words[0])
    return report, done.stdout
