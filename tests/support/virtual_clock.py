"""Tests on the virtual clock of the course's simulation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from chatlab.course.simulation import Deadlock, VirtualClockLoop, now, run, settle

__all__ = ["Deadlock", "VirtualClockLoop", "now", "on_virtual_clock", "run", "settle"]


def on_virtual_clock(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make an ordinary test of an `async def`: it starts at time 0 on a virtual clock."""

    @functools.wraps(scenario)
    def test(*args: Any, **kwargs: Any) -> None:
        run(scenario(*args, **kwargs))

    return test
