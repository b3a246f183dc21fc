"""placeholder"""


def print_modes() -> None: ...
