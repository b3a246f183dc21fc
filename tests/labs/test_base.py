"""What all labs share: options, the estimate, what is left when a process fails, exit codes."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from rich.console import RenderableType
from rich.text import Text

from chatlab.bench.documents import Documents
from chatlab.bench.processes import GeneratorFailed, ServerFailed
from chatlab.cli.app import LABS
from chatlab.cli.labs import declared, load
from chatlab.errors import UsageError
from chatlab.labs import screen
from chatlab.labs.base import Lab, LabReport, Option, carry_out
from chatlab.view.words import QUIET, about
from tests.support.command_line import run_here


class Measured(LabReport, frozen=True, kw_only=True):
    schema: str = "chatlab.made-up/1"
    rounds: int

    @property
    def passed(self) -> bool:
        return self.rounds < 3


@dataclass(kw_only=True)
class MadeUp(Lab):
    """Measures one round after another, and may fail in the second."""

    rounds: Annotated[int, Option("N", "Rounds.", 1, 9)] = 2
    error: BaseException | None = None
    done: int = 0

    def estimate(self) -> tuple[float, str]:
        return 61.0 * self.rounds, f"{self.rounds} rounds"

    async def measure(self) -> None:
        for number in range(self.rounds):
            self.say(f"round {number + 1}")
            self.done += 1
            if self.error is not None:
                raise self.error

    def report(self) -> Measured:
        return self.fill(Measured, rounds=self.done)

    def render(self, report: Measured) -> RenderableType:
        return f"{report.rounds} measured"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ServerFailed("it broke"), "stopped: it broke"),
        (GeneratorFailed("it broke"), "stopped: it broke"),
        (KeyboardInterrupt(), "stopped: the unfinished round does not count"),
    ],
)
def test_what_was_measured_before_an_early_end_is_shown_and_written(
    error: BaseException, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "result.json"
    assert carry_out(MadeUp(error=error), Documents({"--json": path}), "It tries.") == 130

    out, err = capsys.readouterr()
    plan, *then = err.splitlines()
    assert plan.startswith("It tries. About 2 min: 2 rounds. Ctrl-C stops early")
    assert then == ["round 1", said]
    assert "1 measured" in out
    report = msgspec.json.decode(path.read_bytes())
    assert (report["rounds"], report["complete"]) == (1, False)
    assert report["schema"] == "chatlab.made-up/1"
    assert report["environment"]["python"]


def test_a_lab_is_written_as_a_page_with_real_headings_tables_and_colours(tmp_path: Path) -> None:
    made = screen.table("mode", "lost")
    made.add_row("naive <b>", Text("3", "bold strike color(160)"))
    bars = screen.chart([("a", 8.0, "8"), ("b", 2.0, "2")], 8)
    lab = MadeUp()
    parts: list[RenderableType] = [screen.title("What is lost", complete=True), made]
    parts += [Text("\nIn bars", style="bold"), bars, Text(), Text("Counted.", QUIET)]
    lab.shown = [*parts, Text("  x    1 of 2"), Text("  yy  13 of 2")]
    path = tmp_path / "result.html"
    assert carry_out(lab, Documents({"--html": path})) == 0

    page = path.read_text("utf-8")
    assert "<h1>What is lost</h1>" in page
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", page) == [
        *("Result", "In bars", "Notes", "Repeat it", "Environment")
    ]
    assert '<th scope="col" class="">lost</th>' in page
    assert '<th scope="row" class="left">naive &lt;b&gt;</th>' in page
    assert '<td class=""><span class="bad strong gone">3</span></td>' in page
    assert [float(one) for one in re.findall(r"width:([\d.]+)ch", page)] == [8, 2]
    assert '<p><span class="soft">Counted.</span></p>' in page
    assert "<pre>  x    1 of 2<br>  yy  13 of 2</pre>" in page
    assert "<p>2 measured</p>" in page
    assert '<th scope="row">rounds</th><td>2</td>' in page


def test_a_mistake_of_the_users_is_not_taken_for_a_failing_server() -> None:
    with pytest.raises(UsageError):
        carry_out(MadeUp(error=UsageError("no such thing")))


@pytest.mark.parametrize(("rounds", "code"), [(2, 0), (3, 1)])
def test_the_exit_code_says_whether_what_was_measured_is_as_it_should_be(rounds, code) -> None:
    assert carry_out(MadeUp(rounds=rounds)) == code


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"),
        (9, "9 s"),
        (48, "50 s"),
        (62, "1 min"),
        (200, "3 min"),
        (5_400, "2 h"),
        (3_600 * 30, "30 h"),
    ],
)
def test_an_estimate_is_no_more_exact_than_it_can_be(seconds: float, words: str) -> None:
    assert about(seconds) == words


@pytest.mark.parametrize("name", LABS)
def test_each_lab_estimates_more_time_for_more_rounds(name: str) -> None:
    lab = load(name)
    has = {field.name for field in fields(lab)}
    more = next(x for x in ("rounds", "trials", "seconds", "messages", "names") if x in has)
    few, many = (("cache",), ()) if more == "names" else (200, 2_000)
    (short_s, amount), (long_s, _) = (lab(**{more: value}).estimate() for value in (few, many))

    assert 0 < short_s < long_s
    assert any(c.isdigit() for c in amount)


@pytest.mark.parametrize("name", LABS)
def test_each_option_has_help_and_a_default_within_its_bounds(name: str) -> None:
    for one in declared(load(name)):
        values = one.default if one.many else (one.default,)
        assert one.option.help
        for value in values:
            assert one.option.low is None or one.option.low <= value
            assert one.option.high is None or value <= one.option.high


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("growth optimised", "did you mean 'optimized'"),
        ("growth --history 0,many", "'many' is no number"),
        ("growth --history 0.5", "0.5 is no whole number"),
        ("growth --history -1", "-1 is not between 0 and 1e+09"),
        ("growth --history nan", "nan is not between"),
        ("growth --json no/such/folder/x.json", "there is no folder"),
        ("growth --work no/such/folder", "this is not a folder"),
        ("tune naive", "saves each message alone"),
        ("tune journal", "saves all that waits"),
        ("tune sqlite", "saves all that waits"),
        ("tune optimized+batch-size=10", "fixes batch-size"),
        ("tune --batch-sizes 0", "0 is not between 1"),
        ("tune --batch-sizes 99999999", "99999999 is not between 1 and 1e+06"),
        ("tune --flush-intervals=", "'' is no number"),
        ("capacity nosuch", "unknown mode 'nosuch'"),
        ("pitfalls nosuch", "unknown pitfall 'nosuch'; there are: batch"),
        ("data explain --data no/such/folder", "there is no such folder"),
    ],
)
def test_a_mistake_is_told_before_anything_is_measured(command: str, said: str) -> None:
    assert said in run_here(*command.split()).complaint


@pytest.mark.parametrize(
    "command", ["growth --rounds 0", "tune --rate nan", "crash --only fire", "capacity --start 0"]
)
def test_a_value_out_of_bounds_is_a_mistake(command: str) -> None:
    assert run_here(*command.split()).code == 2


def test_pitfalls_list_names_all_five() -> None:
    done = run_here("pitfalls", "list")

    assert done.code == 0
    five = {"batch", "interval", "cache", "errors", "blocking"}
    _, *names, blank, last = done.out.splitlines()
    assert {line.split()[0] for line in names} == five
    assert (blank, last) == ("", "Next: chatlab pitfalls batch")
