"""The pitfalls lab: when a mistake counts as shown, what is at risk, what the screen explains."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.bench.load_result import NEVER
from chatlab.chat.modes import parse
from chatlab.labs.base import most_at_risk
from chatlab.labs.pitfalls.measure import PITFALLS, Pitfalls, PitfallsReport, is_clear, result
from chatlab.labs.pitfalls.runs import Figure, Unit
from chatlab.labs.screen import bar
from tests.labs.support import printed, report_of

MOMENTS = st.integers(0, 20).map(float) | st.just(NEVER)
Times = list[tuple[float, float]]


@given(st.lists(st.tuples(MOMENTS, MOMENTS), max_size=30))
def test_at_risk_agrees_with_looking_at_every_moment(times: Times) -> None:
    def at(moment: float) -> int:
        return sum(
            acked != NEVER and acked <= moment and (delivered == NEVER or delivered > moment)
            for acked, delivered in times
        )

    run = SimpleNamespace(acked_s=[one for one, _ in times], delivered_s=[one for _, one in times])
    assert most_at_risk(run) == max(at(float(moment)) for moment in range(21))


@pytest.mark.parametrize(
    ("wrong", "cured", "unit", "clear"),
    [
        (200.0, 100.0, "s", True),
        (199.0, 100.0, "s", False),
        (5.0, 0.0, "s", True),
        (0.0, 0.0, "s", False),
        (None, 0.5, "s", True),  # never, against at some time
        (0.5, None, "s", False),
        (None, None, "s", False),
        (None, 5.0, "ms", False),  # a p95 of too few samples proves nothing
    ],
)
def test_a_mistake_is_shown_only_when_it_is_clearly_worse(wrong, cured, unit, clear) -> None:
    assert is_clear(Figure("time", wrong, unit), Figure("time", cured, unit)) is clear


@pytest.mark.parametrize("name", PITFALLS)
def test_a_mistake_and_its_cure_differ_in_one_thing(name: str) -> None:
    wrong, cured = PITFALLS[name].wrong, PITFALLS[name].cured
    parts = zip(parse(wrong.mode).parts.items(), parse(cured.mode).parts.items(), strict=True)
    options = zip(wrong.options, cured.options, strict=True)

    assert sum(a != b for a, b in parts) + sum(a != b for a, b in options) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(8.0, "████"), (4.0, "██"), (1.0, "▌"), (0.001, "▏"), (0.0, ""), (99.0, "████")],
)
def test_a_bar_is_as_long_as_its_value(value: float, text: str) -> None:
    assert bar(value, 8.0, 4) == text


def screen(name: str, wrong: float | None, cured: float, unit: Unit, width: int = 200) -> str:
    what = PITFALLS[name].proof
    one = result(name, PITFALLS[name], [Figure(what, wrong, unit)], [Figure(what, cured, unit)])
    return printed(Pitfalls().render(report_of(PitfallsReport, results=[one])), width)


def test_pitfalls_explain_only_what_the_run_showed_and_why_a_percentile_is_blank() -> None:
    assert PITFALLS["cache"].happens in screen("cache", None, 0.5, "s")
    assert "This run did not show it" in screen("cache", 0.4, 0.5, "s")
    assert "a p95 takes 200" in screen("blocking", None, 1.0, "ms")
    assert "a p95 takes 200" not in screen("blocking", 9.0, 1.0, "ms")


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_screen_fits_its_terminal(width: int) -> None:
    assert max(map(len, screen("errors", 5, 5, "count", width).splitlines())) <= width
