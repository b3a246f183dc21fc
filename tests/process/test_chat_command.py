"""`chatlab chat` with lines from a pipe: people who talk through two processes."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.chat_client import ENVIRONMENT, WAIT_S, chatlab_command, new_contents, running


@asynccontextmanager
async def chatting(*arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *chatlab_command("chat", *arguments), stdin=PIPE, stdout=PIPE, stderr=PIPE, env=ENVIRONMENT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def finished(process: Process, lines: str | None = "") -> tuple[int, str, str]:
    """Type the lines, if any, and then nothing more; the exit code, output and errors."""
    async with asyncio.timeout(2 * WAIT_S):
        out, err = await process.communicate(lines.encode() if lines is not None else None)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def until_printed(process: Process, text: str) -> str:
    """Everything up to the line that has this text in it."""
    assert process.stdout is not None
    printed = ""
    async with asyncio.timeout(2 * WAIT_S):
        while text not in printed:
            line = (await process.stdout.readline()).decode()
            assert line, f"ended without {text!r}: {printed}"
            printed += line
    return printed


async def test_two_people_hear_each_other(tmp_path: Path) -> None:
    async with (
        running("optimized", tmp_path) as server,
        chatting(server.url, "--user", "alice") as alice,
    ):
        await until_printed(alice, "you are in general")
        async with chatting(server.url, "--user", "bob") as bob:
            await until_printed(bob, "you are in general")
            assert bob.stdin is not None
            bob.stdin.write(b"hello alice\n")
            assert "bob: hello alice\n" in await until_printed(alice, "hello alice")
            assert alice.stdin is not None
            alice.stdin.write("hello bob \N{SPARKLES}\n".encode())
            assert "alice: hello bob \N{SPARKLES}\n" in await until_printed(bob, "hello bob")
            code, _, errors = await finished(bob)
            assert (code, errors) == (0, "")
        code, out, errors = await finished(alice)
        assert (code, errors) == (0, "")
        assert "[queued " in out
        assert " ms, back " in out
    assert new_contents(tmp_path) == ["hello alice", "hello bob \N{SPARKLES}"]


async def test_every_command_does_what_help_says(tmp_path: Path) -> None:
    lines = (
        "/help\n/rooms\n/create den\nsaid in the den\n/invite bob\n/history\n"
        "/join nowhere\n/leave\n/quit\nnot said any more\n"
    )
    async with (
        running("naive", tmp_path) as server,
        chatting(server.url, "--user", "alice") as alice,
    ):
        # Each waits for the one before: a line is for the room that one is in when it is typed.
        await until_printed(alice, "you are in general")
        assert alice.stdin is not None
        for line, answer in zip(
            lines.splitlines(),
            (
                "/quit",
                "(private)",
                "you are in den",
                "alice: said in the den",
                "bob may now join den",
                "alice: said in the den",
                "(no_such_room)",
                "you have left den",
            ),
            strict=False,
        ):
            alice.stdin.write(f"{line}\n".encode())
            await until_printed(alice, answer)
        code, out, errors = await finished(alice, "/quit\nnot said any more\n")
        assert (code, out, errors) == (0, "", "")
    assert new_contents(tmp_path) == ["said in the den"]


async def test_the_last_line_before_the_end_of_the_input_is_said(tmp_path: Path) -> None:
    async with (
        running("optimized", tmp_path) as server,
        chatting(server.url, "--user", "alice") as alice,
    ):
        code, out, errors = await finished(alice, "one\ntwo")
        assert (code, errors) == (0, "")
        assert "alice: one" in out
        assert "alice: two" in out
    assert new_contents(tmp_path) == ["one", "two"]


async def test_no_message_can_command_the_terminal_of_another(tmp_path: Path) -> None:
    async with (
        running("naive", tmp_path) as server,
        chatting(server.url, "--user", "alice") as alice,
    ):
        code, out, _ = await finished(alice, "\x1b[2Jgone\x07\x9b\n")
        assert code == 0
        assert "gone" in out
        assert not set(out) & set("\x1b\x07\x9b")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://127.0.0.1:1", "no server answers at ws://127.0.0.1:1"),
        ("nonsense", "is not a server address"),
    ],
)
async def test_a_server_that_is_not_there_is_one_clear_line_and_exit_code_2(
    url: str, words: str
) -> None:
    async with chatting(url, "--user", "alice") as alice:
        code, out, errors = await finished(alice)
    assert (code, out) == (2, "")
    assert words in errors
    assert errors.count("\n") == 1
    assert errors.startswith("chatlab: ")


async def test_a_server_that_refuses_the_token_is_one_clear_line_and_exit_code_2(
    tmp_path: Path,
) -> None:
    async with running("naive", tmp_path, token="secret") as server:
        async with chatting(f"{server.url}?token=guess", "--user", "alice") as alice:
            code, _, errors = await finished(alice)
        assert code == 2
        assert "token" in errors
        assert "guess" not in errors
        assert errors.count("\n") == 1
        async with chatting(f"{server.url}?token=secret", "--user", "alice") as alice:
            assert (await finished(alice, "hello\n"))[0] == 0
    assert new_contents(tmp_path) == ["hello"]


async def test_a_name_that_is_taken_is_told_with_the_reason(tmp_path: Path) -> None:
    async with (
        running("naive", tmp_path) as server,
        chatting(server.url, "--user", "alice") as first,
    ):
        await until_printed(first, "you are in general")
        async with chatting(server.url, "--user", "alice") as second:
            code, _, errors = await finished(second)
        assert code == 1
        assert "user_taken" in errors
        assert (await finished(first))[0] == 0


async def test_a_server_that_stops_ends_the_chat_with_the_reason_and_exit_code_1(
    tmp_path: Path,
) -> None:
    """At once, and not only when the person types another line."""
    async with (
        running("naive", tmp_path) as server,
        chatting(server.url, "--user", "alice") as alice,
    ):
        await until_printed(alice, "you are in general")
        await server.stop()
        async with asyncio.timeout(WAIT_S / 2):
            code = await alice.wait()
        _, _, errors = await finished(alice, None)
    assert code == 1
    assert "the server is stopping" in errors
