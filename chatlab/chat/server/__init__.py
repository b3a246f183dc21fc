"""The server: the only place that knows sockets.

`app.py` starts, stops and wires; `client.py` is one connected client with its bounded buffers;
`inbox.py` and `framing.py` take messages from the socket; `http.py` answers plain HTTP beside them.
"""

from chatlab.chat.server.app import ChatServer, Farewell

__all__ = ["ChatServer", "Farewell"]
