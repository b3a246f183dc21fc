"""The labs: four questions about speed, each answered by real rounds on real servers.

- `growth.py`: what does a message cost when the history is long?
- `tune.py`: how large should a batch be, and how long may it wait?
- `capacity.py`: how many messages a second can it take?
- `pitfalls.py`: five famous mistakes, each made and then cured.

Each lab is an object with `run` (measures; may be cancelled at any moment) and `report` (what was
measured so far). `fit.py`, `frontier.py`, `grid.py`, `pace.py` and `search.py` are their
arithmetic, without any server; `probe.py` judges a probe of the capacity lab; `pitfall_runs.py` is
what the pitfalls do to a server, and `parts/` holds the wrong parts they use.
"""
