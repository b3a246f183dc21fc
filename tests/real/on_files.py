"""Files that vanish under a running server: what it acks afterwards must be there, or it acks no
more, and says so."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.real.child import Child, Until
from tests.real.frames import Wire
from tests.real.server import CannotStart, Server, UnreadableFolder
from tests.real.trial import Trial, attack

SAID = 20
LOCK = ".chatlab.lock"
BESIDE = {LOCK, "chatrooms.json", "users.json"}
"""Files without messages."""
WAIT_S = 1.0


def say(_: Until, port: int, tag: str) -> list[str]:
    """Say something, twenty times, each after the answer to the last; what was acked."""
    wire = Wire(port, tag)
    wire.receive()
    acked = []
    try:
        wire.ask(type="join_room", roomId="general", ref="join", wait_s=WAIT_S)
        for ref in range(SAID):
            words = {"roomId": "general", "content": f"{tag} {ref}", "ref": ref}
            answer = wire.ask(type="send_message", **words, wait_s=WAIT_S)
            if answer.get("type") == "ack":
                acked.append(f"{tag} {ref}")
    except (TimeoutError, OSError):
        pass  # no answer is no ack
    wire.close()
    return acked


async def _acked(server: Server, tag: str) -> list[str]:
    async with Child(say, port=server.port, seconds=30, tag=tag) as child:
        return await child.result()  # type: ignore[no-any-return]


async def _take_away(trial: Trial, change: Callable[[Path], None]) -> None:
    """Say something, change the folder, say more: what was acked after the change must be there,
    and where not all was acked, /health must say why."""
    server = trial.server
    first = await _acked(server, "before")
    trial.expect(len(first) == SAID, "it does not work at all")
    change(server.data)
    later = await _acked(server, "later")
    await asyncio.sleep(1.0)
    status, health = await server.get("/health")
    trial.exit_codes = (0, 1)
    trial.data_is_gone = True
    trial.acked += later
    await server.end()
    try:
        saved = await server.saved()
    except UnreadableFolder:
        saved = set()
    trial.result.lost = len(set(later) - saved)
    trial.note(acked_later=len(later), health=health)
    trial.expect(not trial.result.lost, "acked messages are lost")
    trial.expect(status == 503 or len(later) == SAID, "/health says nothing")


def _delete(folder: Path, *, messages: bool) -> None:
    for path in folder.iterdir():
        if path.is_file() and (path.name not in BESIDE) == messages and path.name != LOCK:
            path.unlink()


def _swap(folder: Path) -> None:
    """As an editor that saves, or a restored backup, does."""
    for path in folder.iterdir():
        if path.is_file() and path.name != LOCK:
            copy = path.with_name(path.name + ".copy")
            shutil.copy(path, copy)
            copy.replace(path)


@attack(polite=False)
async def messages_deleted(trial: Trial) -> None:
    """Every file with messages is deleted: no ack for what nobody can read."""
    await _take_away(trial, lambda folder: _delete(folder, messages=True))


@attack(polite=False)
async def rooms_deleted(trial: Trial) -> None:
    """The files of rooms and users are deleted: no ack for what nobody can read."""
    await _take_away(trial, lambda folder: _delete(folder, messages=False))


@attack(polite=False)
async def files_swapped(trial: Trial) -> None:
    """Every file is replaced by a copy of itself: no ack for what nobody can read."""
    await _take_away(trial, _swap)


@attack(polite=False)
async def folder_deleted(trial: Trial) -> None:
    """The data folder is deleted: no ack for what nobody can read."""
    await _take_away(trial, shutil.rmtree)


@attack(polite=False)
async def folder_moved(trial: Trial) -> None:
    """The data folder is moved, and an empty one made: no ack for what nobody can read there."""

    def move(folder: Path) -> None:
        folder.rename(folder.with_name("moved"))
        folder.mkdir()

    await _take_away(trial, move)


@attack(polite=False)
async def lock_deleted(trial: Trial) -> None:
    """The lock file is deleted: no second server starts, or the first acks no more."""
    server = trial.server
    await _acked(server, "before")
    (server.data / LOCK).unlink()
    later = await _acked(server, "later")
    await asyncio.sleep(1.0)
    with tempfile.TemporaryDirectory(dir=server.work) as work:
        try:
            async with Server(Path(work), server.mode, data=server.data) as second:
                acked = await _acked(server, "beside")
                trial.expect(not acked, "two servers ack in one folder")
                await second.end()
        except CannotStart as error:
            trial.note(second=str(error).splitlines()[-1])
    trial.exit_codes = (0, 1)
    trial.acked += later
