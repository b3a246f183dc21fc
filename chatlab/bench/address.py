"""The address of a chat server: read as people write it, shown without its secret, and extended to
what a client asks for.

Everything but `read_address` takes an address that `read_address` made, or that a server says of
itself.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import parse_qs, quote, urlsplit

from chatlab.errors import UsageError

DEFAULT_PORT = 8765
LOCAL_HOST = "127.0.0.1"
_THIS_MACHINE = (LOCAL_HOST, "localhost", "::1")
EXAMPLES = f":{DEFAULT_PORT}, localhost:{DEFAULT_PORT} or ws://{LOCAL_HOST}:{DEFAULT_PORT}"

_SCHEMES = {"ws": ("ws", 80), "http": ("ws", 80), "wss": ("wss", 443), "https": ("wss", 443)}
"""By the scheme that a person writes: the one that is used, and its port if none is given."""
_PATHS = ("", "/", "/stats", "/health", "/metrics")
_HOST = re.compile(r"(?!-)[^\s/?#@\\:\[\]\x00-\x1f\x7f]+")


def read_address(text: str, *, token: str | None = None, default_token: str | None = None) -> str:
    """Read an address: `8765`, `:8765`, `host`, `host:port`, `[::1]:8765`, `ws://`, `http://`, ...

    Without a scheme the port is 8765 if none is given, and the host is this machine. A page that
    the server has, such as `/stats`, may follow; so may `?token=SECRET`.

    Args:
        text: as a person wrote it.
        token: the secret that the server asks for, instead of one in `text`.
        default_token: the secret if there is none in `text`.

    Returns `ws://HOST:PORT` or `wss://HOST:PORT`, and `/?token=SECRET` behind it if there is one.

    Raises:
        UsageError: it is none of these.
    """
    full = text.strip() if "://" in text else f"ws://{_with_host(text.strip())}"
    try:
        parts = urlsplit(full)
        scheme, port = _SCHEMES[parts.scheme]
        if parts.port is not None:
            port = parts.port
        elif "://" not in text:
            port = DEFAULT_PORT
        host = _checked(parts.hostname or "", in_brackets="[" in parts.netloc)
    except (ValueError, KeyError):
        raise _no_address(text) from None
    if parts.username is not None or port == 0 or parts.path not in _PATHS:
        raise _no_address(text)
    token = token or parse_qs(parts.query).get("token", [default_token])[0]
    return f"{scheme}://{host}:{port}" + (f"/?token={quote(token, safe='')}" if token else "")


def shown(url: str) -> str:
    """The address for people: without a path, and without the secret."""
    return re.sub(r"(?<=[^/:])[/?#].*", "", url, flags=re.DOTALL)


def chat_url(url: str, user: str) -> str:
    """Where `user` connects."""
    return f"{_page(url, '/')}&user={quote(user)}"


def stats_url(url: str, interval_s: float) -> str:
    """What streams snapshots."""
    return f"{_page(url, '/stats')}&interval_s={interval_s}"


def snapshot_url(url: str) -> str:
    """What answers a plain request with one snapshot."""
    return _page(url, "/stats").replace("ws", "http", 1)


def start_command(url: str, mode: str = "") -> str:
    """The command that starts a server at `url`, in a mode if one is given."""
    parts = urlsplit(url)
    host = "" if parts.hostname in _THIS_MACHINE else " --host 0.0.0.0"
    port = "" if parts.port == DEFAULT_PORT else f" --port {parts.port}"
    return f"chatlab serve{f' --mode {mode}' if mode else ''}{host}{port}"


def how_to_start(url: str) -> str:
    """What to do where no server answers: a sentence without its full stop."""
    parts = urlsplit(url)
    if parts.scheme == "wss":
        return "a chatlab server itself speaks ws://; wss:// needs a proxy in front of it"
    if parts.hostname not in _THIS_MACHINE:
        return f"check the address; the server there must be started with `{start_command(url)}`"
    check = "" if parts.port == DEFAULT_PORT else ", or check the address"
    return f"start it with `{start_command(url)}`{check}"


def _with_host(text: str) -> str:
    """Host and what follows it, of an address without a scheme."""
    if re.fullmatch(r":?[0-9]+(/.*|\?.*)?", text):
        return f"{LOCAL_HOST}:{text.removeprefix(':')}"
    try:
        return f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        return text


def _checked(host: str, *, in_brackets: bool) -> str:
    """A host as it stands in an address; raises ValueError if it is none."""
    if in_brackets:
        address = ipaddress.IPv6Address(host)
        return "[::1]" if address.is_unspecified else f"[{address}]"
    if not _HOST.fullmatch(host):
        raise ValueError(host)
    # A server that listens everywhere is reached here; not every system connects to "everywhere".
    return LOCAL_HOST if host == "0.0.0.0" else host


def _no_address(text: str) -> UsageError:
    written = re.sub(r"\?.*", "", text, flags=re.DOTALL)
    if "@" in written:
        return UsageError("a server address has no `user:password@`: give a secret with --token")
    return UsageError(f"{written!r} is not a server address: write {EXAMPLES}")


def _page(url: str, path: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path=path, query=parts.query or "v=1", fragment="").geturl()
