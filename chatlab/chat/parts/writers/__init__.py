"""How is a file replaced? `truncate.py`: in place. `atomic.py`: by a rename, all or nothing."""
