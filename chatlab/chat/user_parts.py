"""Parts of someone's own: which file and class stands behind the word `mine`, what is to be known
of such a file without running it, and how it is run.

A command finds out what `mine` is (`course/mine.py`) and hands it on to every process that it
starts, through the environment: so a server, the benchmark that runs it and the table that shows
it mean the same by one short word.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import msgspec

from chatlab.errors import UsageError

MINE = "mine"
FILES: set[str] = set()
"""The files of someone's own parts that this process has loaded, by path."""
ENVIRONMENT = "CHATLAB_MINE"


class Own(msgspec.Struct, frozen=True):
    """What `mine` stands for.

    Attributes:
        parts: role to `path/to/file.py:Class`, for `+ROLE=mine`.
        labels: role to the name that people know it by, e.g. `02_cache`.
        solved: the roles that `--mode mine` takes.
        knobs: knob to value, as in a mode's name; `--mode mine` takes them, too.
    """

    parts: dict[str, str] = {}
    labels: dict[str, str] = {}
    solved: list[str] = []
    knobs: dict[str, str] = {}


def own() -> Own | None:
    """What was handed on to this process; None if nothing was."""
    text = os.environ.get(ENVIRONMENT)
    return msgspec.json.decode(text, type=Own) if text else None


def hand_on(what: Own) -> None:
    """Let this process, and all that it starts from now on, know what `mine` is."""
    os.environ[ENVIRONMENT] = msgspec.json.encode(what).decode()


def is_own(choice: str) -> bool:
    """Whether a part comes from a file, so that nobody knows what its code does."""
    return ".py:" in choice


def place(error: BaseException) -> str:
    """` (work.py, line 31)`: which line of someone's own an exception came through; or nothing."""
    seen: BaseException | None = error
    while seen is not None:
        for frame in reversed(traceback.extract_tb(seen.__traceback__)):
            if frame.filename in FILES:
                return f" ({Path(frame.filename).name}, line {frame.lineno})"
        seen = seen.__cause__
    return ""


def split(role: str, choice: str, seam: str) -> tuple[Path, str]:
    """The file and the class of `path/to/file.py:Class`, looked at without being run.

    Args:
        role: which part it is for.
        choice: as above.
        seam: the base class, for the words of an error.

    Raises:
        UsageError: there is no such file, it is no Python, or nothing in it has that name.
    """
    path_text, _, class_name = choice.rpartition(":")
    path = Path(path_text)
    try:
        source = SourceFileLoader(path.stem, str(path)).get_data(str(path))
    except FileNotFoundError:
        raise UsageError(f"{role}={choice}: there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"{role}={choice}: cannot read {path}: {error.strerror}") from error
    try:
        tree = ast.parse(source, str(path))
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise UsageError(
            f"{path} cannot be loaded: {type(error).__name__}: {error}{line}"
        ) from None
    if not {class_name, "*"} & _names(tree.body):
        raise UsageError(f"{path} has no class {class_name} that extends {seam}")
    return path, class_name


def _names(body: Iterable[ast.stmt]) -> set[str]:
    """What the statements of a module define, as far as can be seen."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.If | ast.Try | ast.ExceptHandler | ast.With):
            names |= _names(ast.iter_child_nodes(node))  # type: ignore[arg-type]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return names


def load(path: Path, class_name: str, seam: type, must_say: str | None) -> type:
    """Run a file, and take a class from it.

    Args:
        seam: what it must extend.
        must_say: an attribute that it must have, if any.

    Raises:
        UsageError: the file cannot be run, or has no such class.
    """
    spec = importlib.util.spec_from_file_location(f"chatlab_part_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    FILES.add(str(spec.origin))  # as it will stand in a traceback
    sys.modules[spec.name] = module  # dataclasses and msgspec look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        words = f"{type(error).__name__}: {error}{place(error)}"
        raise UsageError(f"{path} cannot be loaded: {words}") from error
    found: Any = getattr(module, class_name, None)
    if not isinstance(found, type) or not issubclass(found, seam):
        raise UsageError(f"{path} has no class {class_name} that extends {name_of(seam)}")
    missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
    if missing:
        raise UsageError(f"{class_name} in {path} does not yet have: {missing}")
    if must_say is not None and not hasattr(found, must_say):
        raise UsageError(
            f"{class_name} in {path} does not say its {must_say}: see {seam.__module__}"
        )
    return found


def name_of(seam: type) -> str:
    """A class with its module, for people."""
    return f"{seam.__module__}.{seam.__name__}"
