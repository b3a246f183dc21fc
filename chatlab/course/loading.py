"""Loads a learner's file and the checks over it: only ever in a child process, see `runner.py`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from pathlib import Path
from types import CodeType, ModuleType

from chatlab.course.checks import Check

MODULE = "chatlab_learners_work"


def load_work(path: Path) -> ModuleType:
    """The learner's file, freshly run. Raises whatever it raises."""
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # dataclasses look their module up there
    exec(_compiled(path), vars(module))
    return module


@functools.cache
def _compiled(path: Path) -> CodeType:
    """Compiled once: with hundreds of seeds, that would take longer than the checks."""
    return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def load_checks(where: str) -> dict[str, Check]:
    """The checks of an exercise, by name.

    Args:
        where: a module's name, or the path of a file.
    """
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location("chatlab_own_checks", where)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    return {one.name: one for one in vars(module).values() if isinstance(one, Check)}
