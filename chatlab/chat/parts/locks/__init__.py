"""Who may read, change and write back at once? `none.py`: everyone. `per_file.py`: one a file."""
