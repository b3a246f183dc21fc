"""A command in a child process, because it runs users' code: this process lives, whatever happens.

The child has our terminal. The end of its standard input tells it of a Ctrl-C, and of our death. It
creates a file when the command ends normally, which a part that exits or crashes does not.
"""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from chatlab import exit_codes
from chatlab.chat.user_parts import exit_call
from chatlab.child_process import STOP_TIMEOUT_S, own_session, when_stdin_ends

is_child = threading.Event()
"""Set in the child."""

_CHILD = "from chatlab.cli.child_command import main; main()"


def run_in_child() -> int:
    """Run this process's command once more, in a child; returns its exit code."""
    with tempfile.TemporaryDirectory(prefix="chatlab-") as folder:
        ended = Path(folder) / "ended"
        command = [sys.executable, "-c", _CHILD, str(ended), *sys.argv[1:]]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, **own_session())
        stopped = _wait(process)
        if ended.exists():
            return process.returncode
    if stopped:
        print("chatlab: stopped: a part of your own would not end", file=sys.stderr)
        return exit_codes.INTERRUPTED
    print(
        f"chatlab: a part of your own has ended the process that ran it (exit code "
        f"{process.returncode}): nothing more can be said",
        file=sys.stderr,
    )
    return exit_codes.SOFTWARE


def _wait(process: subprocess.Popen[bytes]) -> bool:
    """Wait for its end; returns whether a Ctrl-C stopped it."""
    try:
        process.wait()
        return False
    except KeyboardInterrupt:
        assert process.stdin is not None
        process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT_S)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    return True


def main() -> None:
    """The child: run the command, from the arguments after the first."""
    from chatlab.cli import app

    is_child.set()
    ended = Path(sys.argv.pop(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # some shells have it ignored
    when_stdin_ends(_interrupt)
    code: object = exit_codes.OK
    try:
        app.main()
    except SystemExit as error:
        code = error.code
    sys.stdout.flush()
    sys.stderr.flush()
    ended.touch()
    # At once: a thread of a user's part may never end.
    os._exit(code if isinstance(code, int) else exit_codes.OK)


def explain_exit(error: SystemExit) -> int:
    """Say that a user's part has called `sys.exit`; returns an exit code."""
    print(f"chatlab: {exit_call(error)}", file=sys.stderr)
    return exit_codes.SOFTWARE


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes an event loop that waits
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
