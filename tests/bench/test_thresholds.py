"""`--fail-if`: read as arithmetic and nothing else, and never silent."""

from __future__ import annotations

from typing import Any

import pytest

from chatlab.bench.thresholds import Threshold
from chatlab.errors import UsageError

MODES: dict[str, Any] = {
    "naive": {"throughput_per_s": {"median": 700.0}, "ack_ms": {"p50": 5.0, "p99": None}},
    "naive+reader=ttl": {"throughput_per_s": {"median": 900.0}, "audit": {"lost": 0}},
}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("naive.throughput_per_s < 5 * 100", None),
        ("naive.ack_ms.p50 > 5", None),
        ("naive.ack_ms.p50 != 5.0", None),
        ('"naive+reader=ttl".throughput_per_s <= naive.throughput_per_s + 199', None),
        ('"naive+reader=ttl".audit.lost > 0', None),
        ("-naive.ack_ms.p50 > (1 - 6) / 1", None),
        ("naive.throughput_per_s < 1000", "700 against 1,000"),
        ("naive.throughput_per_s == 700", "700 against 700"),
        ('"naive+reader=ttl".throughput_per_s < 2 * naive.throughput_per_s', "900 against 1,400"),
        ("naive.ack_ms.p99 > 50", "blank"),
        ("naive.cpu_s > 1", "'cpu_s' is not among"),
        ('naive.ack_ms.p50 / "naive+reader=ttl".audit.lost > 1', "divides by zero"),
    ],
)
def test_a_threshold_says_nothing_or_both_its_sides_or_what_the_result_lacks(text, why) -> None:
    missed = Threshold(text, MODES).missed(MODES)
    if missed is None or why is None:
        assert missed is why is None
    else:
        assert why in missed.why


@pytest.mark.parametrize(
    "text",
    [
        *("", "naive", "1 +", "naive.cpu_s", "1 < naive.cpu_s < 2", "naive.cpu_s in 3"),
        *("naive.cpu_s < limit", "naive.cpu_s < 'x'", "naive.cpu_s < abs(1)"),
        *("naive.cpu_s < 2 ** 9", "__import__('os').getcwd() < 1", "naive['cpu_s'] < 1"),
    ],
)
def test_what_is_no_comparison_of_figures_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--fail-if"):
        Threshold(text, MODES)


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("naiv.cpu_s > 1", "no mode 'naiv' is compared; did you mean 'naive'?"),
        ("optimized.cpu_s > 1", "compared; there are: naive, naive+reader=ttl"),
        ("naive.ack_m.p99 > 1", "'ack_m' is not among its parts; did you mean 'ack_ms'?"),
        ("naive.audit.lose > 1", "did you mean 'lost'?"),
        ("naive.cpu_s.p99 > 1", "naive has no figure 'cpu_s.p99'"),
        ("naive.ack_ms > 1", "choose one of naive.ack_ms.p50"),
        ("naive.ack_means > 1", "naive.ack_means is no number"),
    ],
)
def test_what_no_result_can_have_is_a_usage_error_that_names_what_there_is(text, help) -> None:
    with pytest.raises(UsageError) as found:
        Threshold(text, MODES)
    assert help in str(found.value)
