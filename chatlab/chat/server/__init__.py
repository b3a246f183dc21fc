"""The server: sockets, clients and plain HTTP around the conversation.

`app.py` starts, stops and wires; `client.py` is one connected client with its bounded buffers;
`http.py` answers plain HTTP beside them. How messages come out of a socket is a part of its own
(`parts/transport/`).
"""

from chatlab.chat.server.app import ChatServer, Farewell

__all__ = ["ChatServer", "Farewell"]
