"""The school: exercises, the checks that judge them, and the learner's own parts as a mode.

Learners' code runs in processes of its own, never in this one. Read `README.md` in this folder.
"""
