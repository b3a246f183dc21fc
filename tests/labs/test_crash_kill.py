"""Real servers, really killed; and the crash lab as its user sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from chatlab.chat.protocol import AckLevel
from chatlab.cli.crash import crash
from chatlab.labs.crash.kill import add_up
from chatlab.labs.crash.measure import Crash
from chatlab.labs.crash.report import CrashReport, KillTrial, ModeCrashes
from chatlab.labs.crash.view import render
from tests.labs.test_commands import wait_for_servers

LOST = KillTrial(
    killed_s=0.3,
    sent=300,
    acked=290,
    lost=7,
    wrong=0,
    corrupt="",
    recovery_s=0.4,
    ordinary_s=0.3,
    story=["1 ms: message 1 is sent"],
)


def run(*words: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(crash)
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "80"})
    return done.exit_code, done.stdout


def report_of(**modes: ModeCrashes) -> CrashReport:
    return CrashReport(
        command="chatlab crash",
        seed=1,
        environment={},
        trials=2,
        history=0,
        rate_per_s=1_000,
        complete=False,
        modes=modes,
    )


def shown(report: CrashReport) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(render(report))
    return capture.get()


def killed(means: AckLevel, *trials: KillTrial) -> ModeCrashes:
    return ModeCrashes(ack_means=means, kill=add_up(trials))


def test_a_killed_server_keeps_what_it_acked_as_synced(tmp_path: Path) -> None:
    lab = Crash(["journal", "optimized"], trials=1, power=False, work_folder=tmp_path)
    asyncio.run(lab.run())
    report = lab.report("chatlab crash")

    assert report.complete
    journal, optimized = (report.modes[name].kill for name in ("journal", "optimized"))
    assert journal is not None
    assert optimized is not None
    assert journal.acked > 0
    assert (journal.lost, journal.corrupt, journal.wrong, journal.story) == (0, 0, 0, [])
    assert journal.recovery_s is not None
    assert optimized.acked > 0
    assert optimized.corrupt == 0
    assert bool(optimized.lost) == bool(optimized.story)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_breaks_the_promise_of_a_synced_ack_only() -> None:
    assert report_of(sure=killed("synced", LOST)).broken == ["sure"]
    assert report_of(quick=killed("queued", LOST)).broken == []
    torn = msgspec.structs.replace(LOST, corrupt="torn", recovery_s=None)
    result = add_up([LOST, torn])

    assert (result.lost, result.trials_losing, result.corrupt) == (14, 2, 1)
    assert result.recovery_s == 0.4


def test_the_result_fits_a_narrow_screen_and_says_what_was_lost() -> None:
    text = shown(report_of(optimized=killed("queued", LOST), mine=killed("synced", LOST)))

    assert "PARTIAL (stopped early)" in text
    assert "message 1 is sent" in text
    assert "BROKEN PROMISE: mine acked as synced" in text
    assert max(map(len, text.splitlines())) <= 80


def test_nothing_measured_is_said() -> None:
    assert "Nothing was measured" in shown(report_of())


def test_a_weaker_promise_that_a_crash_breaks_is_exit_code_0() -> None:
    code, text = run("optimized", "--only", "power")

    assert code == 0
    assert "allowed: queued is memory" in text
    assert "power fails" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a single process")
def test_ctrl_c_leaves_no_server_and_no_data(tmp_path: Path) -> None:
    program = "import typer; from chatlab.cli.crash import crash; typer.run(crash)"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "journal", "--only", "kill", "--work", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    servers: list[psutil.Process] = wait_for_servers(process.pid)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Nothing was measured" in out
    assert "Traceback" not in err
    assert not [server for server in servers if server.is_running()]
    assert list(tmp_path.iterdir()) == []
