"""A small world in which checks run: a clock that jumps, a disk in memory, people who talk.

The same seed gives the same world, step by step, on every machine; no second of it is a real one.
"""
