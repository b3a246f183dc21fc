"""The interchangeable parts. Each folder is one question; each file in it is one answer.

The plain answer and its better sibling share names, order and shape: read their diff.
`modes.py`, one floor up, puts them together. A part may use `files` and the other parts' base
classes, never another part's implementation.
"""
