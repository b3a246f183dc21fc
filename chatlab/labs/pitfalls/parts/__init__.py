"""Parts for the pitfalls lab: wrong on purpose, each beside its cure; loaded by path."""
