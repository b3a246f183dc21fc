"""How does a message reach its room? `each.py`: one awaited send after another. `broadcast.py`:
encoded once, pushed to all."""
