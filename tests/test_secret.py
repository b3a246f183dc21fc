"""A secret that would keep nobody out is refused; one in a file or a variable is not in `ps`."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from chatlab.cli.options import command_line
from chatlab.errors import UsageError
from tests.support.chat_client import get, running
from tests.support.command_line import ENVIRONMENT, needs_signals, run_here, serving

COMMANDS = pytest.mark.parametrize("command", ["serve", "load", "chat", "top"])


@COMMANDS
@pytest.mark.parametrize("secret", ["", " \t", "a\x07b", "half \udc80", "x" * 1_001], ids=ascii)
def test_no_command_takes_a_secret_that_keeps_nobody_out_or_cannot_be_shown(
    command: str, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(secret.encode(errors="surrogateescape"))
    file.chmod(0o600)
    words = "empty" if not secret.strip() else "too long" if len(secret) > 1_000 else ""
    assert words in run_here(command, "--token", secret, folder=tmp_path).complaint
    assert words in run_here(command, f"--token-file={file}", folder=tmp_path).complaint
    if secret.isprintable() or not secret.strip():
        monkeypatch.setenv("CHATLAB_TOKEN", secret)
        assert words in run_here(command, folder=tmp_path).complaint


async def test_a_server_itself_takes_no_empty_secret(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="empty"):
        async with running("naive", tmp_path, token=""):
            pass


@needs_signals
@pytest.mark.parametrize("by", ["file", "variable"])
async def test_a_secret_in_a_file_or_a_variable_protects_and_is_in_no_argument(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xef\xbb\xbf  hush & hush \r\nnot this line\n")
    file.chmod(0o644)
    if by == "variable":
        monkeypatch.setitem(ENVIRONMENT, "CHATLAB_TOKEN", "hush & hush")
    words = [f"--token-file={file}"] if by == "file" else []
    async with serving(tmp_path / "data", *words) as server:
        assert "hush" not in " ".join(psutil.Process(server.process.pid).cmdline())
        assert (await get(server.url, "/stats")).status == 401
        assert (await get(server.url, "/stats?token=hush+%26+hush")).status == 200
        await server.end("SIGTERM")
    warned = "others can read the secret: chmod 600" in server.errors
    assert warned == (by == "file" and os.name == "posix")


def test_two_secrets_or_a_file_that_is_not_there_are_mistakes(tmp_path: Path) -> None:
    both = run_here("serve", "--token=a", "--token-file=b", folder=tmp_path)
    assert "give one of them" in both.complaint
    missing = run_here("top", "--token-file=nowhere", folder=tmp_path)
    assert "cannot read the secret from nowhere: No such file" in missing.complaint


@pytest.mark.parametrize(
    "words",
    [["--token", "it's & so"], ["--token=it's & so"], ["ws://h/?token=it%27s", "-m"]],
    ids=" ".join,
)
def test_no_report_repeats_any_part_of_a_secret(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["chatlab", "load", *words, "--json", "x"])
    line = command_line()
    assert "it" not in line
    assert "so" not in line.replace("json", "")
    assert line.endswith("--json x")
