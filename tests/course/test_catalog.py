"""The exercises, read from their folders: each mistake is told; and where a learner works."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatlab.course import workplace
from chatlab.course.catalog import CheckSpec, Exercise, ExerciseSpec, find, load, load_all
from chatlab.course.workplace import find_workplace, packaged
from chatlab.errors import UsageError
from tests.course.small import lacks

GOOD = """\
title = "A cache"
part = "reader"
class = "Cache"
goal = "Keep it."
objectives = ["keep"]
hints = ["a", "b", "c"]

[[checks]]
name = "reads"

[[checks]]
name = "few_reads"
points = 10
needs = ["reads"]
full = 1
zero = 20
"""


def put(root: Path, name: str = "02_cache", text: str = GOOD) -> Path:
    """Make an exercise in a course."""
    folder = root / "exercises" / name
    folder.mkdir(parents=True)
    (folder / "exercise.toml").write_text(text, "utf-8")
    return folder


def made(*names: str) -> list[Exercise]:
    spec = ExerciseSpec("A", "B", [], [], [CheckSpec("c")])
    return [Exercise(name, Path(name), Path(name), spec) for name in names]


def complaint(folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load(folder, folder)
    assert "chatlab learn init" in str(caught.value)
    return str(caught.value)


def test_an_exercise_says_what_its_file_says(tmp_path: Path) -> None:
    one = load(put(tmp_path), tmp_path / "answers")

    assert (one.name, one.number, one.topic, one.points) == ("02_cache", "02", "cache", 10)
    assert (one.spec.title, one.spec.part, one.spec.class_name) == ("A cache", "reader", "Cache")
    folder = tmp_path / "exercises/02_cache"
    assert (one.work, one.text) == (folder / "work.py", folder / "README.md")
    assert one.spec.checks[1] == CheckSpec("few_reads", 10, ["reads"], 1, 20)


def test_its_checks_are_those_of_its_topic_or_its_own(tmp_path: Path) -> None:
    folder = put(tmp_path)
    assert load(folder, folder).checks == "chatlab.course.checks.cache"
    (folder / "checks.py").touch()
    assert load(folder, folder).checks == str(folder / "checks.py")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "A cache"\n', "", "missing required field `title`"),
        ('title = "A cache"', "title = 5", "Expected `str`, got `int` - at `$.title`"),
        ('title = "A cache"', "title = ", "line 1"),
        ("objectives", "objectivs", "unknown field `objectivs`"),
        ("points = 10", "point = 10", "unknown field `point` - at `$.checks"),
        ("points = 10", "points = -1", "check 'few_reads' has -1 points"),
        ('"reader"', '"raeder"', "part = 'raeder' is not one of transport, reader"),
        ('class = "Cache"\n', "", "part = 'reader', but no class for it"),
        ('name = "few_reads"', 'name = "reads"', "two checks have the same name"),
        ('["reads"]', '["few_reads"]', "needs ['few_reads'], which do not come before it"),
        ('["reads"]', '["nothing"]', "check 'few_reads' needs ['nothing']"),
        ("zero = 20\n", "", "has full or zero, but not both"),
        ("full = 1\n", "", "has full or zero, but not both"),
        ("zero = 20", "zero = 1", "full = 1, but zero is not more than that"),
        ("points = 10", "seeds = 0", "check 'few_reads' runs with 0 seeds"),
        (GOOD[GOOD.index("[[checks]]") :], "", "missing required field `checks`"),
        (GOOD[GOOD.index("[[checks]]") :], "checks = []", "it has no checks"),
    ],
)
def test_a_mistake_in_an_exercise_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    folder = put(tmp_path, text=GOOD.replace(old, new, 1))
    assert not lacks(complaint(folder), said, str(folder / "exercise.toml"))


def test_a_file_that_is_missing_or_not_text_is_told(tmp_path: Path) -> None:
    spec = put(tmp_path) / "exercise.toml"
    spec.write_bytes(b"title = '\xff'")
    assert "exercise.toml is not saved as UTF-8" in complaint(spec.parent)
    spec.unlink()
    assert "exercise.toml: No such file" in complaint(spec.parent)


def test_all_exercises_come_in_order_and_other_folders_are_left_alone(tmp_path: Path) -> None:
    for name in ("10_end", "02_cache", "01_start"):
        put(tmp_path, name)
    for name in (".git", "notes", "3_short", "04_Upper"):
        (tmp_path / "exercises" / name).mkdir()
    (tmp_path / "exercises" / "05_file").touch()
    found = load_all(tmp_path / "exercises", tmp_path / "solutions")

    assert [one.name for one in found] == ["01_start", "02_cache", "10_end"]
    assert found[0].answers == tmp_path / "solutions" / "01_start"


def test_a_folder_without_exercises_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no exercises: they are folders such as"):
        load_all(tmp_path, tmp_path)
    with pytest.raises(UsageError, match=r"cannot read .*: No such file"):
        load_all(tmp_path / "none", tmp_path)


@pytest.mark.parametrize(
    "text",
    ["02_cache", "02", "2", "cache", " cache ", "exercises/02_cache/", "exercises\\02_cache\\"],
)
def test_an_exercise_is_found_by_any_of_its_names(text: str) -> None:
    assert find(made("01_start", "02_cache", "12_late"), text).name == "02_cache"


@pytest.mark.parametrize("text", ["3", "cach", "", "/", "02_"])
def test_an_unknown_exercise_is_told_with_the_known_ones(text: str) -> None:
    with pytest.raises(UsageError, match="there are: 00_begin, 02_cache"):
        find(made("00_begin", "02_cache"), text)


# Where a learner works.


def test_a_workplace_is_named_or_the_nearest_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"there is no course in .*chatlab learn init"):
        find_workplace()
    inner = put(tmp_path / "inner")
    with pytest.raises(UsageError, match=r"no course: it has no exercises/NN_name/exercise\.toml"):
        find_workplace(tmp_path)
    put(tmp_path)
    assert find_workplace().root == tmp_path
    assert find_workplace().state == tmp_path / ".chatlab"
    assert find_workplace(tmp_path / "inner").root == tmp_path / "inner"
    for folder in (inner, inner.parent, tmp_path / "inner"):
        monkeypatch.chdir(folder)
        assert find_workplace().root == tmp_path / "inner"


def test_a_workplace_reads_its_exercises_anew_and_may_have_its_own_answers(tmp_path: Path) -> None:
    put(tmp_path)
    place = find_workplace(tmp_path)
    assert [one.answers for one in place.exercises] == [packaged() / "solutions" / "02_cache"]
    (tmp_path / "solutions").mkdir()
    names = "02_cache", put(tmp_path, "03_more").name
    assert [one.answers for one in place.exercises] == [tmp_path / "solutions" / n for n in names]


def test_an_installed_package_has_the_course_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "chatlab" / "course" / "workplace.py"
    monkeypatch.setattr(workplace, "__file__", str(inside))
    assert packaged() == tmp_path
    (tmp_path / "chatlab" / "_course").mkdir(parents=True)
    assert packaged() == tmp_path / "chatlab" / "_course"
