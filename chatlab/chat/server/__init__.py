"""The server: the only place that knows sockets.

`app.py` starts, stops and wires; `client.py` is one connected client with its bounded buffers;
`http.py` answers plain HTTP on the same port.
"""

from chatlab.chat.server.app import ChatServer, Farewell

__all__ = ["ChatServer", "Farewell"]
