"""placeholder"""

from chatlab.chat.snapshot import Snapshot


def print_summary(s: Snapshot) -> None: ...
