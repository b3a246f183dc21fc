"""The commands of the course, as a learner types them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest

from chatlab.course import workplace
from chatlab.course.catalog import Exercise
from chatlab.course.progress import Progress
from chatlab.course.workplace import Workplace
from tests.course.small import PARTLY, RIGHT, STARTER, SYNTAX_ERROR, lacks, save, small_course
from tests.support.command_line import run_here as run

pytestmark = pytest.mark.usefixtures("course")


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A small course, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return small_course(tmp_path)


@pytest.fixture
def one(course: Workplace) -> Exercise:
    return course.exercises[0]


def kept(course: Workplace) -> Progress:
    return msgspec.json.decode((course.state / "progress.json").read_bytes(), type=Progress)


def out(command: str, code: int = 0) -> str:
    """What `chatlab COMMAND` prints, which must end with this code."""
    done = run(*command.split())
    assert done.code == code, done
    return done.out


def test_check_names_what_failed_and_what_to_do() -> None:
    text = out("check", 1)

    assert not lacks(text, "0 of 10 points", "asked     Twice two is four.", "why", "not tried yet")
    assert not lacks(text, "double(2): 4", "double(2) is called", "chatlab replay 01_one positive")
    assert "--seed 0\n" in text
    assert "Edit exercises/01_one/work.py, then: chatlab check 01_one" in text
    assert re.search(r"^- negative +0/4 Twice minus one", text, re.MULTILINE)
    assert "\x1b" not in text


def test_what_passes_is_kept_and_the_solution_a_reward(course: Workplace, one: Exercise) -> None:
    save(one, RIGHT)
    out("check")
    assert kept(course).of("01_one").passed
    listed, solution = out("list"), out("solution one")
    out("check", 1)
    assert kept(course).of("02_two").checks == 1

    assert re.search(r"^   01_one .* 10 of 10 +passed", listed, re.MULTILINE)
    assert re.search(r"^>  02_two .* 0 of 10 +about 5 min", listed, re.MULTILINE)
    assert "1 of 2 exercises passed, 10 of 20 points" in listed
    reason = "squares fails negative. It squares."
    assert not lacks(solution, "return 2 * number", "Two times is twice.", reason)
    assert not kept(course).of("01_one").gave_up


def test_check_says_why_a_file_cannot_run(one: Exercise) -> None:
    save(one, SYNTAX_ERROR)
    assert not lacks(out("check one", 1), "SyntaxError", "work.py:1  def double(number:")
    one.work.unlink()
    assert "cannot read" in out("check 1", 1)


@pytest.mark.parametrize("where", ["-", "result.json"])
def test_check_for_machines(one: Exercise, tmp_path: Path, where: str) -> None:
    save(one, PARTLY)
    done = run("check", "01", "--json", where)
    report = json.loads(done.out if where == "-" else (tmp_path / where).read_bytes())

    assert done.code == 1
    assert report["schema"] == "chatlab.check/1"
    assert (report["passed"], report["points"], report["of"]) == (False, 6, 10)
    assert [result["verdict"] for result in report["results"]] == ["passed", "failed"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("check 09", "there is no exercise '09'"),
        ("check --course nowhere", "nowhere is no course"),
        ("check --json no/where.json", "no folder"),
        ("replay", "no failed check of 01_one is known"),
        ("replay one other", "01_one has no check 'other'; there are: positive, negative"),
        ("solution", "01_one has not passed yet"),
        ("course verify 09", "there is no exercise"),
        ("course wrong one cubes", "01_one has no wrong answer 'cubes'; there are: squares"),
        ("course wrong one squares --to no/such.py", "no folder"),
        ("learn --at 09", "there is no exercise"),
        ("reset one --yes", "no fresh 01_one"),  # the course that came with chatlab has none
        ("learn init full", "full has other files in it"),
        ("learn init full/letter.txt/below", "cannot copy the exercises"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, words: str, said: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")

    assert said in run(*words.split()).complaint
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_outside_of_a_course(tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    assert "chatlab learn init chatlab-course" in run("check", folder=outside).complaint


def test_each_hint_is_one_more(course: Workplace) -> None:
    shown = [run("hint").out for _ in range(4)]

    assert [out.count("Hint ") for out in shown] == [1, 2, 3, 3]
    assert not lacks(shown[-1], "2 * number", "chatlab solution 01_one --give-up")
    assert kept(course).of("01_one").hints == 3


def test_everything_works_where_nothing_can_be_kept(course: Workplace, one: Exercise) -> None:
    course.state.write_text("in the way")
    hint = run("hint")
    save(one, RIGHT)

    assert "progress is not kept" in hint.err
    assert "chatlab hint 01_one --stage 2" in hint.out
    assert out("hint --stage 2").count("Hint ") == 2
    for command in ("check one", "list", "solution --give-up"):
        out(command)


def test_giving_up_is_recorded_once_there_is_something_to_see(course: Workplace) -> None:
    out("solution --give-up")
    assert kept(course).of("01_one").gave_up
    out("solution")  # it is no secret any more
    (course.root / "solutions" / "02_two" / "WHY.md").unlink()
    out("solution two --give-up", 2)
    assert not kept(course).of("02_two").gave_up


def test_a_replay_repeats_what_failed_last(course: Workplace, one: Exercise) -> None:
    save(one, PARTLY)
    run("check")
    assert lacks(out("replay", 1), "negative", "positive") == ["positive"]
    save(one, RIGHT)
    assert "negative passes with seed 0" in out("replay")
    assert kept(course).of("01_one").checks == 1


def test_learn_without_a_terminal_shows_the_state_once() -> None:
    said = ("0 of 2 exercises passed", "Twice two is four.", "your file is not watched")
    assert not lacks(out("learn"), *said)


# Fresh copies


def test_a_second_init_adds_only_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "mine" / ".git").mkdir(parents=True)  # a fresh repository is as good as empty
    made = tmp_path / "mine"
    assert "cd mine\n  chatlab learn" in out("learn init mine")
    assert not list(made.rglob("__pycache__"))
    assert all(path.stat().st_mode & 0o200 for path in made.rglob("*"))
    first = Workplace(made).exercises[0]
    save(first, "mine = 1\n")
    first.text.unlink()

    assert "1 file added" in out("learn init mine")
    assert (first.work.read_text(), first.text.is_file()) == ("mine = 1\n", True)
    assert "nothing was missing" in out("learn init mine")


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The course that "came with chatlab", in another folder than the learner's."""
    original = small_course(tmp_path / "original").root
    monkeypatch.setattr(workplace, "packaged", lambda: original)


@pytest.mark.usefixtures("original")
def test_a_reset_keeps_what_it_replaces_or_is_refused(course: Workplace, one: Exercise) -> None:
    out("reset one")  # it is the starter
    one.work.unlink()
    out("reset one")
    backups = course.state / "backups"
    assert not backups.exists()
    save(one, RIGHT)
    asked = run("reset", "one")
    assert (asked.code, one.work.read_text(), backups.exists()) == (2, RIGHT, False)
    assert "`chatlab reset 01_one --yes`" in asked.err
    assert "your file is now .chatlab" in out("reset one --yes")
    save(one, PARTLY)
    out("reset one --yes")

    assert one.work.read_text() == STARTER
    assert {path.read_text() for path in backups.iterdir()} == {RIGHT, PARTLY}
    shutil.rmtree(course.state)
    course.state.write_text("in the way")
    save(one, RIGHT)
    refused = run("reset", "one", "--yes")
    assert (refused.code, one.work.read_text()) == (2, RIGHT)
    assert "was not reset" in refused.err


@pytest.mark.usefixtures("original")
def test_on_a_terminal_a_reset_asks(one: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm = Mock(side_effect=[SystemExit(1), True])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", confirm)
    save(one, RIGHT)
    for code, expected in ((1, RIGHT), (0, STARTER)):
        out("reset one", code)
        assert one.work.read_text() == expected
    assert [call.kwargs for call in confirm.call_args_list] == [{"abort": True}] * 2


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_in_a_checkout_the_starter_comes_out_of_git(
    one: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workplace, "packaged", lambda: tmp_path)
    save(one, RIGHT)
    assert "git does not have it" in run("reset", "one").err
    assert one.work.read_text() == RIGHT
    save(one, STARTER)
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "exercises"), (*who, "commit", "-qm", "a")):
        subprocess.run(["git", *words], check=True, cwd=tmp_path)
    save(one, RIGHT)
    reset = run("reset", "one", "--yes")
    assert one.work.read_text() == STARTER
    assert "note: this is chatlab's own source" in reset.err
    assert "`chatlab learn init` makes a copy" in reset.err


# For teachers


def test_verify_says_what_is_wrong_with_an_exercise() -> None:
    done = run("course", "verify", "one", "--seeds", "1", "--json", "verified.json")

    assert done.code == 1
    assert "it has 1 wrong answers of 3" in done.out
    assert "01_one: the starter" in done.err
    assert json.loads(Path("verified.json").read_bytes())["exercises"]["01_one"]["problems"]


def test_a_wrong_answer_is_shown_as_a_diff_and_written_as_a_file() -> None:
    assert "squares fails negative\n  It squares.\n" in out("course wrong one")
    shown, again = out("course wrong one squares"), run("course", "wrong", "one", "squares")
    assert "-    return 2 * number\n+    return number * number" in shown
    assert "Two is the only number" in shown
    assert again.code == 2
    assert "squares.py exists: --force overwrites it" in again.err
    Path("squares.py").write_text("")
    out("course wrong one squares --force --to squares.py")
    printed = out("course wrong one squares --to -")
    assert Path("squares.py").read_text() == printed
    assert printed == RIGHT.replace("2 * number", "number * number")


def test_check_imports_nothing_heavy(course: Workplace) -> None:
    code = (
        "import sys; from chatlab.cli.app import main; sys.argv = ['chatlab', 'check', 'one']\n"
        "try: main()\nfinally: print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=course.root, capture_output=True, text=True, check=False
    )
    heavy = {"websockets", "picows", "prompt_toolkit", "rich.markdown", "pygments"}

    assert "0 of 10 points" in done.stdout
    assert not heavy & set(done.stderr.split())
