"""Parts for the pitfalls lab: wrong answers, and what they have to be compared with.

None of them is in `PARTS`: they are loaded by path, as a learner's own part would be.
"""
