"""The page of a comparison in a real browser: everything is drawn, nobody is asked, no error."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from chatlab.view.compare.html import CHARTS, to_html
from tests.conftest import Measured

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
HOSTILE = "<img src=http://chatlab.invalid/x.png onerror=console.error(1)>&amp;"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=6000", "--dump-dom"),
)

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(NAMES)} is on PATH"),
]


def opened(page: Path, profile: Path) -> tuple[str, list[str]]:
    """The page as the browser has it after its scripts ran, and what they wrote to the console."""
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={profile}", page.as_uri()],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=40,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_the_page_draws_every_chart_and_asks_nobody(measured: Measured, tmp_path: Path) -> None:
    naive, optimized = measured.report.modes.values()
    modes = {"naive": naive, HOSTILE: optimized}
    hostile = msgspec.structs.replace(measured.report, modes=modes, comparisons=[])
    page = tmp_path / "page.html"
    page.write_text(to_html(hostile), encoding="utf-8")

    dom, console = opened(page, tmp_path / "profile")
    elements = re.sub(r"<(script|style)\b.*?</\1>", "", dom, flags=re.DOTALL)
    addresses = re.findall(r'(?:src|href)="([^"]*)"', elements)

    assert console == []
    assert elements.count('class="plot"') == len(CHARTS)
    assert '<div class="switches" hidden' not in elements, "the script ran"
    assert "<img" not in elements
    assert [one for one in addresses if not one.startswith(("data:", "#"))] == []


def test_a_switch_shows_the_other_axis_and_what_is_too_wide_says_so(
    measured: Measured, tmp_path: Path
) -> None:
    """A script of the test's own presses a button, where the page's policy would not let it."""
    many = {f"{name}+{n}": mode for n in range(9) for name, mode in measured.report.modes.items()}
    source = to_html(msgspec.structs.replace(measured.report, modes=many, comparisons=[]))
    page = tmp_path / "page.html"
    press = "document.querySelector('.switches button').click()"
    open_to_all = source.replace("Content-Security-Policy", "x-nothing")
    page.write_text(f"{open_to_all}<script>{press}</script>", encoding="utf-8")

    dom, console = opened(page, tmp_path / "profile")
    before, after = (
        re.findall(r"<(div class=.view[^>]*|button[^>]*axis[^>]*)>", one) for one in (source, dom)
    )
    changed = [
        now
        for old, now in zip(before, after, strict=True)
        if ("hidden" in old) != ("hidden" in now)
    ]

    assert console == []
    assert len(changed) == 2, "one view is hidden in place of another"
    assert ["hidden" in one for one in changed].count(True) == 1
    assert '<p class="hint" aria-hidden="true">' in dom
    assert '<p class="hint" hidden="" aria-hidden="true">' in dom


def test_the_browser_tells_of_a_script_that_fails_and_of_a_request(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    policy = '<meta http-equiv="Content-Security-Policy" content="img-src \'none\'">'
    page.write_text(f"{policy}<img src=http://chatlab.invalid/x.png><script>oops()</script>")

    _, console = opened(page, tmp_path / "profile")

    assert any("oops" in line for line in console)
    assert any("chatlab.invalid" in line for line in console)
