"""Why a client cannot connect, in words that a newcomer can act upon."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from chatlab.bench import client
from chatlab.errors import UsageError

HERE, THERE = "ws://localhost:8765", "ws://lab.example:9000"
CALL = "[Errno {0}] Connect call failed ('{1}', 8765)"
BOTH_REFUSED = f"Multiple exceptions: {CALL}, {CALL}".format(errno.ECONNREFUSED, "::1")
MIXED = BOTH_REFUSED.replace(f"[Errno {errno.ECONNREFUSED}]", "[Errno 101]", 1)


def failing(error: OSError) -> Callable[..., Any]:
    async def ws_connect(*_: Any, **__: Any) -> Any:
        raise error

    return ws_connect


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        (HERE, ConnectionRefusedError(10061, "in any language"),
            "nothing listens on localhost:8765: start it with `chatlab serve`"),
        (HERE, OSError(BOTH_REFUSED),
            "nothing listens on localhost:8765: start it with `chatlab serve`"),
        (HERE, OSError(MIXED), f"no server answers at {HERE} (Multiple exceptions: Connect call"),
        (THERE, ConnectionRefusedError(111, "Connect call failed"),
            "nothing listens on lab.example:9000: check the address; the server there must"),
        (THERE, socket.gaierror(-2, "Name or service not known"),
            f"no server answers at {THERE} (Name or service not known): check the address"),
        (THERE, OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 9000)"),
            f"no server answers at {THERE} ({os.strerror(errno.EHOSTUNREACH)}): check"),
        (THERE, TimeoutError(), f"no server answers at {THERE} (it took too long): check"),
    ],
)  # fmt: skip
async def test_a_connection_that_fails_says_why_and_what_to_do(
    url: str, error: OSError, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ws_connect", failing(error))
    with pytest.raises(UsageError) as caught:
        await client.connect(url, lambda _: None)
    assert str(caught.value).startswith(said)
    assert "[Errno" not in str(caught.value)
