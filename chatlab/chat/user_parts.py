"""Parts that a user wrote: what the word `mine` stands for, which file and class a part comes from,
and how that file is read or run.

A command finds out what `mine` is (`course/solved_parts.py`) and passes it to every process that it
starts, through the environment. So the server, the benchmark that runs it and the table that shows
it agree on what that short word means.
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

from chatlab.disk.text_files import NotText, check_source
from chatlab.errors import UsageError

MINE = "mine"
LOADED_FILES: set[str] = set()
"""The paths of the users' files that this process has run."""
ENVIRONMENT = "CHATLAB_MINE"
BUG_CHARS_MAX = 1_000


class UserParts(msgspec.Struct, frozen=True):
    """What `mine` stands for.

    Attributes:
        parts: role to `path/to/file.py:Class`, for `+ROLE=mine`.
        labels: role to the name that people see, e.g. `02_cache`.
        solved: the roles that `--mode mine` takes.
        knobs: knob to value, as in a mode's name; `--mode mine` takes them, too.
    """

    parts: dict[str, str] = {}
    labels: dict[str, str] = {}
    solved: list[str] = []
    knobs: dict[str, str] = {}


def current_user_parts() -> UserParts | None:
    """What `mine` means in this process; None if it means nothing."""
    text = os.environ.get(ENVIRONMENT)
    return msgspec.json.decode(text, type=UserParts) if text else None


def set_user_parts(parts: UserParts) -> None:
    """Say what `mine` means in this process and in all that it starts from now on."""
    os.environ[ENVIRONMENT] = msgspec.json.encode(parts).decode()


def is_user_part(choice: str) -> bool:
    """Whether a choice names a user's file, whose code may do anything."""
    return ".py:" in choice


def user_line(error: BaseException) -> str:
    """` (work.py, line 31)`: the line of a user's file that an exception passed through; or ""."""
    seen: BaseException | None = error
    while seen is not None:
        for frame in reversed(traceback.extract_tb(seen.__traceback__)):
            if frame.filename in LOADED_FILES:
                return f" ({Path(frame.filename).name}, line {frame.lineno})"
        seen = seen.__cause__
    return ""


def bug_text(error: Exception) -> str:
    """What to say of a bug in a part; a part may put all its data into its exception."""
    return f"{type(error).__name__} in the server: {str(error)[:BUG_CHARS_MAX]}{user_line(error)}"


def exit_call(error: SystemExit) -> str:
    """What to say of a user's part that calls `sys.exit`."""
    called = f"sys.exit({error.code!r}) was called{user_line(error)}"
    return f"{called}: in a server, that ends it for everyone"


def find_class(role: str, choice: str, seam: str) -> tuple[Path, str]:
    """The file and the class that `path/to/file.py:Class` names. Reads the file, does not run it.

    Args:
        role: which part it is for.
        choice: as above.
        seam: the name of the base class, for error messages.

    Raises:
        UsageError: there is no such file, it is not Python, or nothing in it has that name.
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
        check_source(source)
        tree = ast.parse(source, str(path))
    except NotText as error:
        raise UsageError(f"{path} {error}") from error
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise UsageError(
            f"{path} cannot be loaded: {type(error).__name__}: {error}{line}"
        ) from None
    if not {class_name, "*"} & _names_in(tree.body):
        raise UsageError(f"{path} has no class {class_name} that extends {seam}")
    return path, class_name


def _names_in(body: Iterable[ast.stmt]) -> set[str]:
    """The names that the statements of a module define, as far as its source shows."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.If | ast.Try | ast.ExceptHandler | ast.With):
            names |= _names_in(ast.iter_child_nodes(node))  # type: ignore[arg-type]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return names


def load_class(path: Path, class_name: str, seam: type, must_say: str | None) -> type:
    """Run a file and return a class from it.

    Args:
        seam: the class that it must extend.
        must_say: an attribute that it must have, if any.

    Raises:
        UsageError: the file cannot be run, or has no such class.
    """
    spec = importlib.util.spec_from_file_location(f"chatlab_part_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    LOADED_FILES.add(str(spec.origin))  # as a traceback will name it
    sys.modules[spec.name] = module  # dataclasses and msgspec look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        words = f"{type(error).__name__}: {error}{user_line(error)}"
        raise UsageError(f"{path} cannot be loaded: {words}") from error
    found: Any = getattr(module, class_name, None)
    if not isinstance(found, type) or not issubclass(found, seam):
        raise UsageError(f"{path} has no class {class_name} that extends {full_name(seam)}")
    missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
    if missing:
        raise UsageError(f"{class_name} in {path} does not yet have: {missing}")
    if must_say is not None and not hasattr(found, must_say):
        raise UsageError(
            f"{class_name} in {path} does not say its {must_say}: see {seam.__module__}"
        )
    return found


def full_name(seam: type) -> str:
    """A class with its module."""
    return f"{seam.__module__}.{seam.__name__}"
