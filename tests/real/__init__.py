"""Attacks on a real server, from outside, and what must hold meanwhile.

    python -m tests.real                              every attack, ten trials each
    python -m tests.real --trials 1 fragments pings   two of them, once
    python -m tests.real --marathon 600               all at once, for ten minutes

Each trial starts a `chatlab serve` of its own on a fresh folder. What attacks it, and what measures
it, shares no code with it: raw sockets, frames made by hand (`frames.py`), processes of their own.
Nothing here leaves this machine, and everything is bounded.

Read `trial.py` next, then one attack: `on_wire.py`.
"""
