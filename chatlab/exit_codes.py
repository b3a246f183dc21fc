"""What the exit code of a command says to the shell, to a script, or to CI: one name for each."""

from __future__ import annotations

OK = 0
"""The command did what it was asked, and found nothing wrong."""
NOT_CLEAN = 1
"""It ran to its end and found something wrong: a failed check, an audit that is not clean, damage,
unsaved messages, a server that ended the connection."""
USAGE = 2
"""A mistake in what the user asked; one line on standard error says which."""
SOFTWARE = 70
"""Code that is not chatlab's (a learner's part) ended or blocked the process: `EX_SOFTWARE` of
sysexits.h."""
THRESHOLD_MISSED = 99
"""A `--fail-if` holds, or its figure was not measured: the code that k6 uses, too."""
INTERRUPTED = 130
"""It stopped before its end, by Ctrl-C (128 + SIGINT) or because a server failed."""


def of(clean: bool, *, complete: bool = True) -> int:
    """The code of a command that measured or checked something.

    Args:
        clean: whether it found nothing wrong.
        complete: whether it came to its end; if not, that says more than what it found.
    """
    if not complete:
        return INTERRUPTED
    return OK if clean else NOT_CLEAN
