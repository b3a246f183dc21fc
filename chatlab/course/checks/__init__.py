"""What is asked of learners' parts: a file for each exercise, and `base.py`, which they all use.

A check decides by behaviour and by counts, never by real seconds.
"""
