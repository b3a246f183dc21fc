"""The xray lab: strips that are true to scale, and one real run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.bench.own_messages import STEPS
from chatlab.labs.xray.measure import Life, Xray, XrayedMode, XrayReport, flush_interval_s
from chatlab.labs.xray.view import Strip
from tests.labs.support import names_in, printed, report_of, run_for_json


def life(*steps_ms: float) -> Life:
    return Life(sum(steps_ms), 0.0, dict(zip(STEPS, steps_ms, strict=True)))


def screen(width: int = 80, **modes: XrayedMode) -> list[str]:
    found = {"rate_per_s": 50.0, "users": 10, "history": 0, "modes": modes}
    return printed(Xray().render(report_of(XrayReport, **found)), width).splitlines()


@given(st.lists(st.floats(0, 1_000), min_size=7, max_size=7), st.floats(1.0, 10.0))
def test_a_strip_is_as_long_as_its_time_and_each_step_within_a_column(steps_ms, times) -> None:
    one = life(*steps_ms)
    if not one.back_ms:
        return
    strip = Strip(one.steps_ms, times * one.back_ms).drawn(79).plain
    assert len(strip) == pytest.approx(79 / times, abs=1)
    for step, ms in one.steps_ms.items():
        assert strip.count(step[0]) == pytest.approx(79 / times * ms / one.back_ms, abs=1)
    assert list(strip) == sorted(strip, key="wcqlsdn|".index)


@pytest.mark.parametrize("width", [80, 140])
def test_what_would_be_invisible_is_drawn_once_more_and_larger(width: int) -> None:
    slow, fast = life(50, 10, 0, 0, 930, 10, 0), life(0.2, 0, 1, 0, 0.6, 0.2, 0)
    lines = screen(width, naive=XrayedMode("written", [slow]), journal=XrayedMode("synced", [fast]))

    assert max(map(len, lines)) < width
    strips = [line for line in lines if re.fullmatch(" (w*c*q*l*s*d*n*|[|])", line)]
    assert [len(one) for one in strips] == [width - 1, 2, width - 1]
    assert "the same, 500 x larger:" in lines
    assert "naive: 93% of its time went to: save." in lines
    assert max(map(len, screen(10_000, naive=XrayedMode("written", [slow]))[:4])) < 100, "a page"


def test_the_life_that_is_shown_is_a_real_one_and_falling_behind_is_told() -> None:
    lives = [life(n, 0, 0, 0, 0, 0, 0) for n in (1, 1, 9, 2, 5, 3, 7, 9)]
    seen = XrayedMode("written", lives)
    assert seen.typical == lives[5]
    assert seen.fell_behind
    assert not XrayedMode("written", lives[::-1]).fell_behind
    assert any("It fell behind" in line for line in screen(naive=seen))


def test_a_mode_that_waits_for_its_batch_is_told_so_and_more_load_is_offered() -> None:
    naive = XrayedMode("written", [life(0, 0, 0, 0, 12, 0, 0)])
    slow = XrayedMode("queued", [life(0, 0, 23, 0, 16, 0, 0)], flush_interval_s("optimized"))
    text = " ".join(screen(140, naive=naive, optimized=slow))
    assert "queue. It waits until its batch is full, or 50 ms old; all else took 16.0 ms." in text
    assert "Next: chatlab xray naive optimized --rate 500   does more load turn the order?" in text

    assert [flush_interval_s(m) for m in ("batched+flush-interval=2", "journal")] == [2, None]
    others = XrayedMode("queued", slow.lives)
    behind = XrayedMode("written", [life(0, 0, 0, 251, 12, 0, 1)])
    text = " ".join(screen(140, naive=behind, optimized=slow, mine=others))
    assert "naive: 95% of its time went to: lock. The server saved the messages before it" in text
    assert "mine: 59% of its time went to: queue. Each is" in text
    assert "--rate" not in text, "it came first"
    assert "an append-only log" in " ".join(screen(140, journal=others))


@pytest.mark.real
async def test_real_messages_are_traced_and_their_steps_add_up(tmp_path: Path) -> None:
    options = ("--messages", "2", "--history", "10", "--work", str(tmp_path))
    report, text = await run_for_json(tmp_path, "xray", "naive", "optimized", *options)

    for mode, means in (("naive", "written"), ("optimized", "queued")):
        seen = report["modes"][mode]
        assert seen["ack_means"] == means
        assert len(seen["lives"]) == 2
        for one in seen["lives"]:
            assert list(one["steps_ms"]) == list(STEPS)
            assert sum(one["steps_ms"].values()) == pytest.approx(one["back_ms"])
            assert one["steps_ms"]["save"] > 0
    assert report["modes"]["optimized"]["lives"][0]["steps_ms"]["queue"] > 0
    assert "One message's life among 50 messages a second of 10 users" in text
    assert names_in(tmp_path) == ["result.json"]
