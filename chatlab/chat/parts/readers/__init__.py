"""How is a file read? `direct.py`: from disk, each time. `ttl.py`: from memory, while fresh."""
