"""What does it cost to save a batch? `rewrite.py`: the whole file, history and all."""
