"""chatlab: see, do and prove what makes a server fast without making it wrong.

Read `chat/README.md` next: it leads through the server in the order of one message's journey.
"""

__version__ = "0.1.0"
