"""When is a message saved? `immediate.py`: now, alone. `queueing.py`: soon, in a batch."""
