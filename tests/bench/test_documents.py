"""The files that a command writes: whole, or reported; and a pipe gets a document alone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatlab.bench.documents import Documents
from chatlab.chat.interchange import export_messages
from chatlab.errors import NotWritten, UsageError
from tests.support.command_line import needs_signals, run_here

LONG = "new " * 1000


def written(**documents: tuple[Path, str]) -> None:
    """Write each document to its path."""
    files = Documents({option: path for option, (path, _) in documents.items()})
    files.write({option: text.__str__ for option, (_, text) in documents.items()})


@contextmanager
def disk_with_room_for(count: int) -> Iterator[None]:
    """No file grows above `count` bytes here."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@needs_signals
def test_a_full_disk_is_told_leaves_the_old_file_and_stops_no_other(tmp_path: Path) -> None:
    old, small = tmp_path / "old.json", tmp_path / "small.csv"
    old.write_text("old")
    with disk_with_room_for(100), pytest.raises(NotWritten, match=r"cannot write json .*old"):
        written(json=(old, LONG), csv=(small, "a,b"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "old.json": "old",
        "small.csv": "a,b",
    }


@needs_signals
def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "file.json", tmp_path / "link.json"
    file.touch(0o640)
    link.symlink_to(file)
    written(json=(link, "new"))
    assert (link.is_symlink(), file.read_text()) == (True, "new")
    assert file.stat().st_mode & 0o777 == 0o640


@needs_signals
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    written(json=(pipe, LONG), csv=(tmp_path / "first.csv", "a,b"))
    reader.join(10)
    assert (tmp_path / "first.csv").stat().st_mtime_ns <= pipe.stat().st_mtime_ns
    assert (pipe.is_fifo(), read) == (True, [LONG])
    (tmp_path / "messages.json").write_text("[]")
    words = ("data", "export", ".", "--to", "pipe", "--force")
    assert "is no ordinary file" in run_here(*words, folder=tmp_path).complaint
    assert pipe.is_fifo()


def test_each_file_that_fails_is_told_and_a_bug_in_one_document_costs_no_other(
    tmp_path: Path,
) -> None:
    gone, last = tmp_path / "gone", tmp_path / "last.csv"
    gone.mkdir()
    files = Documents({"--json": gone / "a", "--csv": gone / "b", "--html": last})
    gone.rmdir()
    documents = dict.fromkeys(("--json", "--csv", "--html"), "text".__str__)
    with pytest.raises(NotWritten, match=r"write --json .*\n.*write --csv"):
        files.write(documents)
    assert last.read_text() == "text"
    last.unlink()
    with pytest.raises(ZeroDivisionError):
        files.write(documents | {"--json": lambda: str(1 // 0)})
    assert last.read_text() == "text"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("screen", ["there", "full"])
async def test_a_full_output_has_an_exit_code_of_its_own_and_costs_no_other(
    screen: str, tmp_path: Path
) -> None:
    (tmp_path / "messages.json").write_text("[]")
    to = "" if screen == "there" else " > /dev/full"
    words = f"{sys.executable} -m chatlab data inspect . --json"
    script = f"{words} /dev/full{to}; echo $? > code; {words} ok.json{to}"
    process = await asyncio.create_subprocess_shell(script, stdout=PIPE, stderr=PIPE, cwd=tmp_path)
    out, errors = await process.communicate()
    assert json.loads((tmp_path / "ok.json").read_text())["users"] is None
    if screen == "there":
        assert (tmp_path / "code").read_text() == "73\n"
        assert errors == b"chatlab: cannot write --json /dev/full: No space left on device\n"
        assert b"messages.json" in out


@pytest.mark.parametrize("again", ["same.json", "./same.json", "link.json"])
@pytest.mark.parametrize("there", [False, True], ids=["new", "there already"])
def test_one_file_for_two_documents_is_refused(again: str, there: bool, tmp_path: Path) -> None:
    file = tmp_path / "same.json"
    (tmp_path / "link.json").symlink_to(file)
    if there:
        file.touch()
    with pytest.raises(UsageError, match="--json and --csv both name"):
        Documents({"--json": file, "--csv": tmp_path / again})
    with pytest.raises(UsageError, match="both name -"):
        Documents({"--json": Path("-"), "--html": Path("/dev/stdout")})
    assert file.exists() == there


@pytest.mark.parametrize("name", ["load.TOML", "work.py", "messages.json", "messages.sqlite-wal"])
def test_a_document_replaces_no_file_that_chatlab_reads(name: str, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / name)
    Documents({"--json": tmp_path / name})  # there is none yet, and no trial leaves one behind
    (tmp_path / name).touch()
    for path in (tmp_path / name, tmp_path / "link.json"):
        with pytest.raises(UsageError, match="is a file that chatlab reads"):
            Documents({"--json": path})


def test_a_trial_tells_of_every_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("old")
    with pytest.raises(UsageError, match=r"--csv .*: File name too long.*; --html .* no folder"):
        Documents(
            {
                "--json": tmp_path / ("x" * 255),  # as long as a name may be
                "--markdown": old,
                "--csv": tmp_path / ("x" * 256),
                "--html": tmp_path / "no" / "x",
            }
        )
    (tmp_path / "messages.json").write_text("[]")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(UsageError, match=r"--json .*loop: is a link that leads to itself"):
        Documents({"--json": loop})
    with pytest.raises(UsageError, match="leads to itself"):
        export_messages(tmp_path, loop)
    loop.unlink()
    (tmp_path / "messages.json").unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
    assert old.read_text() == "old"
    written(json=(tmp_path / ("x" * 255), "new"))
    assert (tmp_path / ("x" * 255)).read_text() == "new"


def test_a_file_that_gets_what_a_command_prints_is_refused(tmp_path: Path) -> None:
    (tmp_path / "messages.json").write_text("[]")
    command = [sys.executable, "-m", "chatlab", "data", "inspect", ".", "--json", "out.json"]
    with (tmp_path / "out.json").open("w") as screen:
        done = subprocess.run(command, check=False, stdout=screen, stderr=PIPE, cwd=tmp_path)
    assert (done.returncode, (tmp_path / "out.json").read_text()) == (2, "")
    assert b"is where the command's own output goes" in done.stderr


def test_what_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    for path, why in [(tmp_path, "is a folder"), (tmp_path / "no" / "x", "there is no folder")]:
        with pytest.raises(UsageError, match=why):
            Documents({"--json": path, "--csv": None})


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do anything")
def test_a_folder_that_takes_no_file_is_told_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="you may not write there"):
        Documents({"--json": tmp_path / "x.json"})


@pytest.mark.parametrize("words", ["inspect . --json -", "export . --to -"])
def test_a_pipe_gets_the_document_alone(words: str, tmp_path: Path) -> None:
    (tmp_path / "messages.json").write_text("[]")
    done = run_here("data", *words.split(), folder=tmp_path)
    assert done.code == 0
    json.loads(done.out)
    assert "messages" in done.err


def test_text_for_people_gives_way_to_a_document() -> None:
    assert Documents({"--json": Path("-")}).people is sys.stderr
    assert Documents({"--json": Path("x.json"), "--csv": None}).people is sys.stdout


def test_an_export_goes_into_no_file_of_its_folder_by_way_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "messages.json").write_text("[]")
    (tmp_path / "users.json").write_text("users")
    (tmp_path / "link.json").symlink_to(tmp_path / "users.json")
    with pytest.raises(UsageError, match="is a file of the data folder itself"):
        export_messages(tmp_path, tmp_path / "link.json", force=True)
    assert (tmp_path / "users.json").read_text() == "users"
