"""The crash lab: what is left of what a server promised when it dies?

- `kill.py`: the real server, killed under load. The operating system lives on and keeps what it was
  handed; what was only in the server's memory is gone.
- `recording.py`, `model.py`, `power.py`: a power cut, simulated. Every file operation of a small
  workload is recorded, and for each moment every state is made that the disk could be in.
- `reopening.py`: how such a folder is opened again, and what must hold then.
- `stories.py`: what happened to one message that was lost.
- `lab.py`: both, for some modes. `report.py`: what comes out.

Read `model.py` first: what it allows a power cut to do is what all claims rest on.
"""
