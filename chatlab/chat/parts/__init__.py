"""The interchangeable parts. Each folder is one question, with the seam in its `__init__.py`; each
file in it is one answer.

The plain answer and its better sibling share names, order and shape: read their diff. `modes.py`
puts the parts together. A part may use `Files` and the seams of other parts, never another part's
implementation.
"""
