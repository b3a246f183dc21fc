"""A command in a process of its own, because it runs code of someone's own: this one lives on.

The other process has our terminal. It hears of a Ctrl-C, or of our death, by the end of its
standard input; and it says at its end that it has come to an end in order, for which the part of
someone's own (which may exit, or crash) cannot do it.
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
from chatlab.chat.user_parts import user_line

STOP_TIMEOUT_S = 20.0

here = threading.Event()
"""Whether this is that other process."""

_OTHER = "from chatlab.cli.apart import main; main()"


def run_apart() -> int:
    """Run the same command once more, in another process; returns its exit code."""
    with tempfile.TemporaryDirectory(prefix="chatlab-") as folder:
        said = Path(folder) / "ended"
        process = subprocess.Popen(
            [sys.executable, "-c", _OTHER, str(said), *sys.argv[1:]],
            stdin=subprocess.PIPE,
            # A Ctrl-C in the terminal is for us alone; we then pass it on, once.
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        stopped = _wait(process)
        if said.exists():
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
    """Wait for its end; returns whether it was told to stop."""
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
    """The other process: the command, from the arguments after the first."""
    from chatlab import cli

    here.set()
    said = Path(sys.argv.pop(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # some shells have it ignored
    threading.Thread(target=_interrupt_when_stdin_ends, daemon=True).start()
    code: object = 0
    try:
        cli.main()
    except SystemExit as error:
        code = error.code
    sys.stdout.flush()
    sys.stderr.flush()
    said.touch()
    os._exit(code if isinstance(code, int) else 0)  # a thread of someone's own may never end


def own_exit(error: SystemExit) -> int:
    """Say that a part of someone's own has called `sys.exit`; returns an exit code."""
    called = f"sys.exit({error.code!r}) was called{user_line(error)}"
    print(f"chatlab: {called}: in a server, that ends it for everyone", file=sys.stderr)
    return exit_codes.SOFTWARE


def _interrupt_when_stdin_ends() -> None:
    while os.read(0, 4096):
        pass
    if hasattr(signal, "pthread_kill"):  # wakes an event loop that waits
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
