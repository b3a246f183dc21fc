"""Addresses as people write them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatlab.bench.address import chat_url, how_to_start, read_address, shown, stats_url
from chatlab.errors import UsageError

HERE = "ws://127.0.0.1:8765"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *((same, HERE) for same in ("8765", ":8765", "127.0.0.1", " ws://127.0.0.1:8765/ ")),
        *((page, HERE) for page in (":8765/stats", "http://127.0.0.1:8765/metrics", "0.0.0.0")),
        (":9000", "ws://127.0.0.1:9000"),
        ("localhost", "ws://localhost:8765"),
        ("Lab-7.example:80", "ws://lab-7.example:80"),
        ("[::1]:9000", "ws://[::1]:9000"),
        ("::1", "ws://[::1]:8765"),
        ("[::]:9000", "ws://[::1]:9000"),
        ("http://lab.example", "ws://lab.example:80"),
        ("https://lab.example", "wss://lab.example:443"),
        ("WSS://lab.example:8765", "wss://lab.example:8765"),
        (":9000?token=a%26b", "ws://127.0.0.1:9000/?token=a%26b"),
        ("lab.example/?user=ann&token=s", "ws://lab.example:8765/?token=s"),
    ],
)
def test_an_address_is_read_as_people_write_it(written: str, read: str) -> None:
    assert read_address(written) == read


@pytest.mark.parametrize(
    "wrong",
    [
        *("", ":", ":0", "65536", "-1", "a b", "host:port", "host:1:2", "[::1", "[lab]:1", "lab]"),
        *("ftp://lab", "ws://", "lab/room", "http://lab:80/stats/more", "C:\\data", "ws://:8765"),
    ],
)
def test_what_is_no_address_is_told_how_to_write_one(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"write :8765, localhost:8765 or ws://127\.0\.0\.1:8765"):
        read_address(wrong)


def test_a_secret_before_the_host_is_pointed_to_token_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="--token") as raised:
        read_address("ws://ann:hush@lab.example")
    assert "hush" not in str(raised.value)


@given(st.text("abz019.:-_[]/?#@%&= \\\t\n\x00éws", max_size=20), st.text(min_size=1))
@example("[::1%eth0]", "%")
def test_whatever_is_written_is_refused_or_is_read_the_same_again(text: str, token: str) -> None:
    try:
        url = read_address(text, token=token)
    except UsageError:
        return
    assert read_address(url) == url
    parts = urlsplit(url)
    assert parts.scheme in ("ws", "wss")
    assert parts.hostname
    assert 1 <= (parts.port or 0) <= 65535
    plain = read_address(text, token="s")
    assert shown(url) == plain.removesuffix("/?token=s")
    for page in (chat_url(url, "ann & bob"), stats_url(url, 0.5)):
        asked = parse_qs(urlsplit(page).query)
        assert asked["token"] == [token]
        assert shown(page) == shown(url)
    assert asked["interval_s"] == ["0.5"]


def test_an_option_comes_before_the_address_and_the_address_before_the_default() -> None:
    both = ":1?token=typed"
    assert read_address(both, default_token="old").endswith("/?token=typed")
    assert read_address(both, token="new", default_token="old").endswith("/?token=new")
    assert read_address(":1", default_token="old").endswith("/?token=old")


@pytest.mark.parametrize(
    ("address", "cure"),
    [
        ("localhost", "start it with `chatlab serve`"),
        (":9000", "start it with `chatlab serve --port 9000`, or check"),
        ("lab.example:9000", "`chatlab serve --host 0.0.0.0 --port 9000`"),
        ("https://lab.example", "needs a proxy"),
    ],
)
def test_the_cure_names_the_port(address: str, cure: str) -> None:
    assert cure in how_to_start(read_address(address))
