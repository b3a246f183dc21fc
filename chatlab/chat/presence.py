"""Who is connected, and live in which rooms: in memory only."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from chatlab.chat.parts.entry import Client


class Presence:
    """The connected clients; bounded by the server's limit on connections."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        # Dicts rather than sets: members are served in the order in which they came.
        self._rooms: dict[str, dict[Client, None]] = {}

    def arrive(self, client: Client) -> bool:
        """Add a new connection; returns False, and adds nothing, if its user is connected."""
        if client.user in self._clients:
            return False
        self._clients[client.user] = client
        return True

    def leave(self, client: Client) -> None:
        """Remove a connection, from every room."""
        if self._clients.get(client.user) is client:
            del self._clients[client.user]
        for room_id in [room for room, members in self._rooms.items() if client in members]:
            self.exit(client, room_id)

    def enter(self, client: Client, room_id: str) -> None:
        """The client receives the room's messages from now on."""
        self._rooms.setdefault(room_id, {})[client] = None

    def exit(self, client: Client, room_id: str) -> None:
        """The client receives the room's messages no longer."""
        members = self._rooms.get(room_id, {})
        members.pop(client, None)
        if not members:
            self._rooms.pop(room_id, None)

    def members(self, room_id: str) -> Collection[Client]:
        """The clients live in a room, in the order in which they came."""
        return self._rooms.get(room_id, {}).keys()

    def clients(self) -> Iterable[Client]:
        """All connected clients."""
        return tuple(self._clients.values())

    def __len__(self) -> int:
        return len(self._clients)
