"""Crash and reopen: a recorded workload, and what must hold of a data folder after a crash."""
