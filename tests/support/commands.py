"""The commands of `chatlab`, each imported."""

from __future__ import annotations

from typing import Any

from typer.main import get_command

from chatlab.cli.app import app

LISTED: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
"""As `chatlab --help` lists them: not yet imported."""
COMMANDS: dict[str, Any] = {name: command.load() for name, command in LISTED.items()}
