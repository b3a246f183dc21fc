"""`chatlab data`: it tells the truth, changes nothing that it should not, and explains mistakes."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chatlab.cli
from chatlab.chat.interchange import PART, export_messages, import_messages
from chatlab.chat.modes import PARTS
from chatlab.chat.parts.store import Store
from chatlab.chat.settings import Settings
from chatlab.cli import data
from chatlab.data import journal_format as form
from chatlab.data.folder import LOCK_NAME, DataFolder, locked
from chatlab.data.inspection import Contents, inspect, read_lines
from chatlab.data.journal_format import FILLING
from chatlab.data.records import MESSAGES, Message
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.disk.counted import Disk
from chatlab.disk.files import Files
from chatlab.view.data import render_lines
from tests.support.parts import FakeClock, fill, message

KINDS = ["json", "journal", "sqlite"]
SOME = [message(n, ("general", "other")[n % 3 == 0]) for n in range(40)]

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def chatlab_data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `chatlab data ...` as the console script does; gives the exit code and what it said."""
    monkeypatch.setattr(chatlab.cli, "app", data.app)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["chatlab", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            chatlab.cli.main()
            sys.exit(0)
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out + said.err

    return run


def opened(folder: Path, kind: str, segment_bytes_max: int = 1_000) -> Store:
    files, clock = Files(folder), FakeClock()
    knobs = Settings(segment_bytes_max=segment_bytes_max)
    reader = PARTS["reader"]["direct"](files, knobs, clock)
    writer, lock = PARTS["writer"]["atomic"](files), PARTS["lock"]["per-file"]()
    made: Store = PARTS["store"][PART[kind]](files, reader, writer, lock, knobs)  # type: ignore[index]
    return made


def kept(folder: Path, kind: str, messages: list[Message] = SOME) -> Path:
    """A folder with a store of this kind, and no other, filled in batches of five."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files_of(kind, tuple(messages)).items():
        (folder / name).write_bytes(content)
    return folder


@functools.cache
def files_of(kind: str, messages: tuple[Message, ...]) -> dict[str, bytes]:
    """What a store leaves; made once, because of all its syncs."""

    async def save(folder: Path) -> None:
        store = opened(folder, kind)
        await store.start()
        for n in range(0, len(messages), 5):
            await store.save(messages[n : n + 5])
        await store.close()
        store.files.close()

    with tempfile.TemporaryDirectory() as place:
        folder = fill(Path(place))
        if kind != "json":
            (folder / MESSAGES.name).unlink()
        asyncio.run(save(folder))
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob(form.PATTERN))


def exported(folder: Path, kind: str | None = None) -> list[Message]:
    with tempfile.TemporaryDirectory() as elsewhere:
        target = Path(elsewhere) / "out.json"
        export_messages(folder, target, kind)  # type: ignore[arg-type]
        return MESSAGES.decode(target.read_bytes())


# Inspect.


@pytest.mark.parametrize("kind", KINDS)
def test_inspect_tells_what_there_is_and_changes_nothing(
    chatlab_data: Run, tmp_path: Path, kind: str
) -> None:
    before = state(kept(tmp_path, kind))
    code, said = chatlab_data("inspect", tmp_path)

    assert code == 0
    assert "40 messages, from 2026-01-01 00:00:00 to 2026-01-01 00:00:00" in said
    assert "Nothing is damaged" in said
    assert "chatrooms.json: 3 rooms" in said
    assert state(tmp_path) == before
    (store,) = inspect(tmp_path).stores
    assert store.kind == kind
    assert store.rooms == {"general": 26, "other": 14}


def test_inspect_tells_of_each_segment(tmp_path: Path) -> None:
    store = inspect(kept(tmp_path, "journal")).store("journal")
    assert store is not None
    sizes = [path.stat().st_size for path in segments(tmp_path)]

    assert len(sizes) > 3
    assert [one.bytes for one in store.segments] == sizes
    assert [one.position for one in store.segments] == [sum(sizes[:n]) for n in range(len(sizes))]
    assert sum(one.messages for one in store.segments) == 40
    assert sum(one.batches for one in store.segments) == 8
    assert store.bytes == sum(sizes)


def test_inspect_tells_of_several_stores_side_by_side(chatlab_data: Run, tmp_path: Path) -> None:
    kept(tmp_path, "json")
    for kind in ("journal", "sqlite"):
        import_messages(tmp_path, tmp_path / MESSAGES.name, kind)  # type: ignore[arg-type]
    code, said = chatlab_data("inspect", tmp_path)

    assert code == 0
    assert said.count("40 messages, from") == 3
    assert "used by --mode journal" in said
    assert "used by --mode racy, naive" in said


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
async def test_inspect_sees_what_was_saved_while_a_server_has_the_store_open(
    tmp_path: Path, kind: str
) -> None:
    store = opened(fill(tmp_path), kind)
    await store.start()
    await store.save(SOME)
    before = state(tmp_path)
    contents = inspect(tmp_path)
    assert state(tmp_path) == before
    await store.save([message(99)])
    await store.close()
    store.files.close()

    found = contents.store(kind)  # type: ignore[arg-type]
    assert found is not None
    assert (found.messages, contents.damage) == (40, {})
    assert len(exported(tmp_path, kind)) == 41


@pytest.mark.parametrize("mode", ["naive", "journal", "sqlite"])
def test_inspect_and_import_beside_a_real_server_and_after_its_death(
    chatlab_data: Run, tmp_path: Path, mode: str
) -> None:
    folder = tmp_path / "data"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "chatlab", "serve", "--mode", mode, "--history", "50"),
            *("--port", "0", "--no-dashboard", "--stop-with-stdin", "--data", str(folder)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        server.stdout.readline()
        kind = "json" if mode == "naive" else mode
        before = state(folder)
        live = chatlab_data("inspect", folder)
        refused = chatlab_data(
            *("import", folder, "--from", folder / "users.json", "--into", "json"),
        )
        (tmp_path / "in.json").write_bytes(MESSAGES.encode(SOME))
        taken = chatlab_data("import", folder, "--from", tmp_path / "in.json", "--into", kind)
        assert state(folder) == before
    finally:
        server.kill()
        server.wait()
        server.stdin.close()
        server.stdout.close()
    after = chatlab_data("inspect", folder)

    assert live[0] == after[0] == 0
    assert "53 messages" in live[1]
    assert "53 messages" in after[1]
    assert refused[0] == taken[0] == 2
    assert "another chatlab server uses the data folder" in taken[1]


def test_inspect_says_where_a_tail_is_torn_and_that_this_is_no_damage(
    chatlab_data: Run, tmp_path: Path
) -> None:
    kept(tmp_path, "journal")
    last = segments(tmp_path)[-1]
    last.write_bytes(last.read_bytes()[:-7])
    before = state(tmp_path)
    code, said = chatlab_data("inspect", tmp_path)

    (torn,) = [one.torn_bytes for one in journal_of(tmp_path).segments if one.torn_bytes]
    assert code == 0
    assert f"torn tail of {torn} bytes" in " ".join(said.split())
    assert "The next start cuts it off" in " ".join(said.split())
    assert state(tmp_path) == before


def journal_of(folder: Path):
    store = inspect(folder).store("journal")
    assert store is not None
    return store


def test_inspect_says_at_which_byte_a_segment_is_damaged(chatlab_data: Run, tmp_path: Path) -> None:
    kept(tmp_path, "journal")
    path = segments(tmp_path)[1]
    whole = path.read_bytes()
    begin = whole.find(b"\n", whole.find(b"\n") + 1) + 1  # of its second message
    path.write_bytes(whole[: begin + 20] + b"X" + whole[begin + 21 :])
    code, said = chatlab_data("inspect", tmp_path)

    store = journal_of(tmp_path)
    assert code == 1
    assert f"damaged at byte {begin}" in said
    assert [one.damaged_at for one in store.segments if one.damage] == [begin]
    assert store.segments[1].messages == 1
    assert 20 < store.messages < 40


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda paths: paths[1].unlink(), "but what is before it ends at"),
        (lambda paths: paths[1].write_bytes(b"rubbish\n"), "first line is damaged"),
        (lambda paths: paths[1].write_bytes(b""), "first line is damaged"),
        (lambda paths: paths[1].write_bytes(paths[1].read_bytes()[:-1]), "damaged at byte"),
    ],
    ids=["missing", "rubbish", "empty", "cut"],
)
def test_inspect_names_other_damage(chatlab_data: Run, tmp_path: Path, harm, words: str) -> None:
    kept(tmp_path, "journal")
    harm(segments(tmp_path))
    code, said = chatlab_data("inspect", tmp_path)

    assert code == 1
    assert words in " ".join(said.split())


@pytest.mark.parametrize(
    ("header", "words"),
    [({"messages": 1}, "its index says that 1 messages came before"), ({"rooms": {}}, "its index")],
)
def test_inspect_checks_an_index_against_the_segments_before(
    tmp_path: Path, header: dict[str, object], words: str
) -> None:
    kept(tmp_path, "journal")
    path = segments(tmp_path)[1]
    index, _, rest = path.read_bytes().partition(b"\n")
    right = form.decode_header(path.name, index + b"\n")
    path.write_bytes(form.encode_header(msgspec.structs.replace(right, **header)) + rest)

    assert words in inspect(tmp_path).damage[path.name]


def test_inspect_follows_the_chain_of_each_room(tmp_path: Path) -> None:
    data = form.encode_header(form.Header(form.VERSION, 0, 0, {}))
    for one in SOME[:2]:  # each as if it were the first of its room
        data += form.encode_batch([msgspec.structs.replace(one, room_id="r")], len(data), {})[0]
    path = tmp_path / form.segment_name(0)
    path.write_bytes(data)

    assert "breaks the chain" in inspect(tmp_path).damage[path.name]


def test_a_database_of_something_else_is_neither_taken_for_ours_nor_exported(
    chatlab_data: Run, tmp_path: Path
) -> None:
    folder = kept(tmp_path / "data", "sqlite")
    other = apsw.Connection(str(folder / DATABASE))
    other.pragma("application_id", 42)
    other.close()
    code, said = chatlab_data("inspect", folder)
    assert (code, "not a database of chatlab" in said) == (1, True)
    code, said = chatlab_data("export", folder, "--to", tmp_path / "out.json")
    assert (code, "not a database of chatlab" in said) == (2, True)


@pytest.mark.parametrize("name", ["users.json", "chatrooms.json", "messages.json", DATABASE])
def test_inspect_finds_a_damaged_file_of_any_kind(
    chatlab_data: Run, tmp_path: Path, name: str
) -> None:
    kept(tmp_path, "sqlite" if name == DATABASE else "json")
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:4097] + b"\xff" * 5_000)
    code, said = chatlab_data("inspect", tmp_path)

    assert code == 1
    assert f"{name}: " in said


def test_inspect_looks_again_at_a_file_that_is_just_being_rewritten(tmp_path: Path) -> None:
    kept(tmp_path, "json")
    whole = (tmp_path / MESSAGES.name).read_bytes()
    (tmp_path / MESSAGES.name).write_bytes(whole[:100])
    contents = inspect(tmp_path, pause=lambda _: (tmp_path / MESSAGES.name).write_bytes(whole))  # type: ignore[arg-type,return-value]

    assert contents.damage == {}
    assert contents.stores[0].messages == 40


def test_inspect_says_when_a_journal_was_not_filled_to_the_end(
    chatlab_data: Run, tmp_path: Path
) -> None:
    kept(tmp_path, "journal")
    (tmp_path / FILLING).touch()
    code, said = chatlab_data("inspect", tmp_path)

    assert code == 0
    assert "The first start was interrupted" in said


def test_inspect_of_an_empty_folder_and_of_none(chatlab_data: Run, tmp_path: Path) -> None:
    code, said = chatlab_data("inspect", tmp_path)
    assert (code, "No messages" in said) == (0, True)
    code, said = chatlab_data("inspect", tmp_path / "nowhere")
    assert (code, said) == (2, f"chatlab: there is no data folder {tmp_path / 'nowhere'}\n")


def test_everything_fits_into_80_columns(chatlab_data: Run, tmp_path: Path) -> None:
    rooms = [f"room-{'x' * 70}-{n}\n\x1b[31m" for n in range(12)]
    kept(tmp_path, "journal", [message(n, rooms[n % 12], "\U0001f386" * 90) for n in range(90)])
    last = segments(tmp_path)[-1]
    last.write_bytes(last.read_bytes() + b"\x1b[2Jrubbish" * 20)
    for words in (["inspect"], ["inspect", "--tail", "4"], ["inspect", "--segment", "1"]):
        code, said = chatlab_data(words[0], tmp_path, *words[1:])
        assert code == 0
        assert max(map(len, said.splitlines())) <= 80
        assert "\x1b" not in said


def test_tail_takes_the_last_lines_apart(chatlab_data: Run, tmp_path: Path) -> None:
    kept(tmp_path, "journal")
    path = segments(tmp_path)[-1]
    records = list(form.Scan(path.name, path.read_bytes()).records())
    code, said = chatlab_data("inspect", tmp_path, "--tail", "2")

    assert code == 0
    assert path.name in said
    for record in records[-2:]:
        assert f"at position {record.position:x}, " in said
        assert f"  {record.previous:<8x}  where the message before it in " in said
    assert said.count("right") == 2


def test_segment_shows_another_one_with_its_index(chatlab_data: Run, tmp_path: Path) -> None:
    kept(tmp_path, "journal")
    code, said = chatlab_data("inspect", tmp_path, "--segment", "1", "--tail", "999")

    assert code == 0
    assert "the index, a segment's first line" in said
    assert "the first message of the room general" in said
    assert said.count("the first of its batch") == 2


def test_tail_shows_damaged_and_unfinished_lines_as_what_they_are(
    chatlab_data: Run, tmp_path: Path
) -> None:
    kept(tmp_path, "journal")
    path = segments(tmp_path)[-1]
    path.write_bytes(path.read_bytes().replace(b"text 39", b"text 93") + b"rubbish\nhalf a line")
    _, said = chatlab_data("inspect", tmp_path, "--tail", "3")

    assert "damaged: it says " in said
    assert "not a line of a journal" in said
    assert "not finished: it has no line feed" in said


def test_a_wrong_segment_or_a_folder_without_a_journal_is_explained(
    chatlab_data: Run, tmp_path: Path
) -> None:
    kept(tmp_path, "json")
    code, said = chatlab_data("inspect", tmp_path, "--tail", "1")
    assert (code, "has no journal" in said) == (2, True)
    import_messages(tmp_path, tmp_path / MESSAGES.name, "journal")
    code, said = chatlab_data("inspect", tmp_path, "--segment", "2")
    assert (code, "there is no segment 2: the journal has 1" in said) == (2, True)


def test_json_has_it_all(chatlab_data: Run, tmp_path: Path) -> None:
    kept(tmp_path / "data", "journal")
    code, printed = chatlab_data("inspect", tmp_path / "data", "--json", "-", "--tail", "1")
    chatlab_data("inspect", tmp_path / "data", "--json", tmp_path / "out.json", "--tail", "1")

    assert code == 0
    assert printed == (tmp_path / "out.json").read_text("utf-8")
    assert msgspec.json.decode(printed, type=Contents) == inspect(tmp_path / "data")
    found = msgspec.json.decode(printed)
    assert found["schema"] == "chatlab.data/1"
    assert found["lines"]["last"][0]["mark"] == "="


@settings(max_examples=100, deadline=None)
@given(cut=st.none() | st.integers(0, 2_000), at=st.integers(0, 2_000), byte=st.integers(0, 255))
def test_whatever_happened_to_a_segment_inspect_and_tail_have_words_for_it(
    cut: int | None, at: int, byte: int
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rooms: dict[str, int] = {}
        whole = form.encode_header(form.Header(form.VERSION, 0, 0, {}))
        for n in range(8):
            lines, latest = form.encode_batch(SOME[n : n + 2], len(whole), rooms)
            whole, rooms = whole + lines, rooms | latest
        harmed = bytearray(whole[:cut])
        if at < len(harmed):
            harmed[at] = byte
        path = folder / form.segment_name(0)
        path.write_bytes(harmed)
        store = journal_of(folder)

        render_lines(read_lines(folder, 99), 80)
        try:
            found = form.scan(path.name, bytes(harmed))
        except form.CorruptFile:
            assert store.damage
        else:
            assert not store.damage
            assert store.segments[0].torn_bytes == found.torn
            assert store.messages == found.messages


# Export.


@pytest.mark.parametrize("kind", KINDS)
def test_export_writes_just_what_messages_json_would_hold(
    chatlab_data: Run, tmp_path: Path, kind: str
) -> None:
    before = state(kept(tmp_path / "data", kind))
    code, said = chatlab_data("export", tmp_path / "data", "--to", tmp_path / "out.json")

    assert code == 0
    assert said.startswith("wrote 40 messages from ")
    assert (tmp_path / "out.json").read_bytes() == MESSAGES.encode(SOME)
    assert state(tmp_path / "data") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out.json"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_store_is_exported_as_an_empty_list(tmp_path: Path, kind: str) -> None:
    kept(tmp_path, kind, [])
    export_messages(tmp_path, tmp_path / "out.json")

    assert (tmp_path / "out.json").read_bytes() == MESSAGES.encode([])


def test_export_replaces_a_file_only_by_force(chatlab_data: Run, tmp_path: Path) -> None:
    kept(tmp_path / "data", "journal")
    target = tmp_path / "out.json"
    target.write_text("mine")
    code, said = chatlab_data("export", tmp_path / "data", "--to", target)
    assert (code, target.read_text()) == (2, "mine")
    assert "exists already: choose another name, or add --force" in said
    assert chatlab_data("export", tmp_path / "data", "--to", target, "--force")[0] == 0
    assert target.read_bytes() == MESSAGES.encode(SOME)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_store_is_not_exported_and_the_target_stays(
    chatlab_data: Run, tmp_path: Path, kind: str
) -> None:
    folder, target = kept(tmp_path / "data", kind), tmp_path / "out.json"
    target.write_text("mine")
    path = {
        "json": folder / MESSAGES.name,
        "sqlite": folder / DATABASE,
    }.get(kind) or segments(folder)[-1]
    path.write_bytes(path.read_bytes()[:200] + b"\xff" * 5_000 + path.read_bytes()[200:])
    code, said = chatlab_data("export", folder, "--to", target, "--force")

    if kind == "journal":  # in its last batch: a torn tail, which is said
        path.write_bytes(b"?" + path.read_bytes()[1:])
        code, said = chatlab_data("export", folder, "--to", target, "--force")
    assert (code, target.read_text()) == (2, "mine")
    assert path.name in said
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "out.json"]


def test_export_leaves_out_a_torn_tail_and_says_so(chatlab_data: Run, tmp_path: Path) -> None:
    folder = kept(tmp_path / "data", "journal")
    with segments(folder)[-1].open("ab") as file:
        file.write(b"half a line")
    code, said = chatlab_data("export", folder, "--to", tmp_path / "out.json")

    assert code == 0
    assert "left out 11 bytes of an unfinished save" in said
    assert (tmp_path / "out.json").read_bytes() == MESSAGES.encode(SOME)


def test_export_stops_at_a_torn_segment_in_the_middle(tmp_path: Path) -> None:
    folder = kept(tmp_path / "data", "journal")
    path = segments(folder)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"X")

    with pytest.raises(form.CorruptFile, match=path.name):
        export_messages(folder, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("deep/down.json", "there is no folder"),
        (".", "is a folder"),
        ("data/users.json", "of the data folder itself"),
        ("data/messages.sqlite", "of the data folder itself"),
        ("data/journal-0000000000000000.log", "of the data folder itself"),
    ],
)
def test_export_to_a_wrong_place_is_explained(
    chatlab_data: Run, tmp_path: Path, to: str, words: str
) -> None:
    before = state(kept(tmp_path / "data", "journal"))
    code, said = chatlab_data(
        *("export", tmp_path / "data", "--to", tmp_path / to, "--force"),
    )

    assert (code, words in said) == (2, True)
    assert state(tmp_path / "data") == before


def test_export_asks_which_store_is_meant(chatlab_data: Run, tmp_path: Path) -> None:
    folder, target = kept(tmp_path / "data", "json"), tmp_path / "out.json"
    code, said = chatlab_data("export", folder, "--from", "sqlite", "--to", target)
    assert (code, "does not have the database" in said) == (2, True)
    for kind in ("journal", "sqlite"):
        import_messages(folder, folder / MESSAGES.name, kind)  # type: ignore[arg-type]
    code, said = chatlab_data("export", folder, "--to", target)
    assert (code, "choose one with --from" in said) == (2, True)
    assert chatlab_data("export", folder, "--to", target, "--from", "sqlite")[0] == 0
    (folder / FILLING).touch()
    code, said = chatlab_data("export", folder, "--to", target, "--from", "journal", "--force")
    assert (code, "is not filled yet" in said) == (2, True)
    code, said = chatlab_data("export", fill(tmp_path / "new"), "--to", target, "--force")
    assert code == 0
    (tmp_path / "new" / MESSAGES.name).unlink()
    code, said = chatlab_data("export", tmp_path / "new", "--to", target, "--force")
    assert (code, "has no messages" in said) == (2, True)


async def test_export_into_the_folder_of_a_running_server_is_refused(tmp_path: Path) -> None:
    async with DataFolder(tmp_path / "data", kept_in=form.PATTERN) as folder:
        kept_there = opened(folder, "journal")
        await kept_there.start()
        await kept_there.close()
        with pytest.raises(chatlab.cli.ChatlabError, match="another chatlab server"):
            export_messages(folder, folder / MESSAGES.name, force=True)
        export_messages(folder, tmp_path / "elsewhere.json")
        kept_there.files.close()


# Import.


@pytest.mark.parametrize("kind", KINDS)
def test_import_fills_a_store_that_a_server_then_uses(
    chatlab_data: Run, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "in.json").write_bytes(MESSAGES.encode(SOME))
    folder = tmp_path / "deep" / "data"
    code, said = chatlab_data("import", folder, "--from", tmp_path / "in.json", "--into", kind)
    assert (code, said.startswith("imported 40 messages")) == (0, True)
    assert exported(folder) == SOME
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []

    async def serve() -> None:
        store = opened(folder, kind)
        assert await store.start([message(999)]) == []
        assert await store.history("general", 99) == [m for m in SOME if m.room_id == "general"]
        await store.save([message(50)])
        await store.close()
        store.files.close()

    asyncio.run(serve())
    assert exported(folder) == [*SOME, message(50)]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ANY_MESSAGES = st.lists(
    st.builds(Message, TEXT, st.sampled_from(["general", "é\n"]), TEXT, TEXT, TEXT),
    max_size=12,
    unique_by=lambda one: one.id,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(messages=ANY_MESSAGES)
def test_there_and_back_is_the_same(kind, messages: list[Message]) -> None:
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place) / "in.json", Path(place) / "out.json"
        source.write_bytes(MESSAGES.encode(messages))
        import_messages(Path(place) / "data", source, kind)
        export_messages(Path(place) / "data", target)
        assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_import_into_a_store_with_messages_is_refused(
    chatlab_data: Run, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "in.json").write_bytes(MESSAGES.encode(SOME))
    before = state(kept(tmp_path / "data", kind))
    code, said = chatlab_data(
        *("import", tmp_path / "data", "--from", tmp_path / "in.json", "--into", kind),
    )

    assert code == 2
    assert "has 40 messages already, and an import does not mix" in said
    assert {n: s for n, s in state(tmp_path / "data").items() if n != LOCK_NAME} == before


@pytest.mark.parametrize("kind", KINDS)
def test_import_takes_the_place_of_an_empty_store(tmp_path: Path, kind) -> None:
    (tmp_path / "in.json").write_bytes(MESSAGES.encode(SOME))
    folder = kept(tmp_path / "data", kind, [])
    import_messages(folder, tmp_path / "in.json", kind)

    assert exported(folder) == SOME
    assert inspect(folder).damage == {}


def test_import_into_the_journal_leaves_messages_json_out_of_it(tmp_path: Path) -> None:
    """A journal that a server begins takes it over; an import holds what was imported."""
    folder = fill(tmp_path / "data", [message(777)])
    (tmp_path / "in.json").write_bytes(MESSAGES.encode(SOME))
    import_messages(folder, tmp_path / "in.json", "journal")

    assert exported(folder, "journal") == SOME
    assert exported(folder, "json") == [message(777)]


@pytest.mark.parametrize("kind", KINDS)
def test_import_refuses_to_guess_whether_a_damaged_store_is_empty(tmp_path: Path, kind) -> None:
    (tmp_path / "in.json").write_bytes(MESSAGES.encode(SOME))
    folder = kept(tmp_path / "data", kind, [])
    path = next(
        path for path in folder.iterdir() if path.name.startswith(("messages.", "journal-"))
    )
    path.write_bytes(b"rubbish")

    with pytest.raises(chatlab.cli.ChatlabError, match="is damaged"):
        import_messages(folder, tmp_path / "in.json", kind)
    assert path.read_bytes() == b"rubbish"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no file"),
        (b"[{}", "not a list of messages"),
        (b"[1]", "not a list of messages"),
    ],
)
def test_a_file_that_cannot_be_imported_is_explained(
    chatlab_data: Run, tmp_path: Path, content: bytes | None, words: str
) -> None:
    source = tmp_path / "in.json"
    if content is not None:
        source.write_bytes(content)
    code, said = chatlab_data("import", tmp_path / "d", "--from", source, "--into", "journal")

    assert (code, words in said, "Traceback" in said) == (2, True, False)
    assert not (tmp_path / "d").exists()


def test_ids_that_come_twice_are_kept_by_the_journal_and_refused_by_the_database(
    chatlab_data: Run, tmp_path: Path
) -> None:
    twice = [message(1), message(1), message(2)]
    (tmp_path / "in.json").write_bytes(MESSAGES.encode(twice))
    words = ("import", tmp_path / "d", "--from", tmp_path / "in.json", "--into")
    code, said = chatlab_data(*words, "sqlite")
    assert (code, "the same id" in said) == (2, True)
    assert chatlab_data(*words, "journal")[0] == 0
    assert exported(tmp_path / "d") == twice


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_an_import_interrupted_anywhere_can_be_done_again(
    tmp_path: Path, kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each operation that moves the files in fails once, and nothing after it is done."""
    source = tmp_path / "in.json"
    source.write_bytes(MESSAGES.encode(SOME))
    left = 0

    class Failing(Disk):
        def asked(self, operation):
            nonlocal left
            if self.folder.name == "data":
                left -= 1
                if left == 0:
                    raise OSError(5, "Input/output error")
            return super().asked(operation)

    monkeypatch.setattr("chatlab.chat.interchange.Disk", Failing)
    for nth in range(1, 99):
        folder = kept(tmp_path / f"{nth}" / "data", kind, [])
        left = nth
        try:
            import_messages(folder, source, kind)
        except chatlab.cli.ChatlabError:
            left = 0
            assert inspect(folder).damage == {}
            found = inspect(folder).store(kind)
            # When only the last sync fails, all of it is there, and an import does not mix.
            if found is None or found.unfinished or not found.messages:
                import_messages(folder, source, kind)
        else:
            break
        assert exported(folder) == SOME
        assert inspect(folder).damage == {}
        assert not (folder / FILLING).exists()
    assert 3 < nth < 98


def test_only_one_may_have_a_folder(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(chatlab.cli.ChatlabError, match="another chatlab server"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


# Help.


@pytest.mark.parametrize("command", ["inspect", "export", "import"])
def test_help_is_there_and_fits(chatlab_data: Run, command: str) -> None:
    code, said = chatlab_data(command, "--help")

    assert code == 0
    assert max(map(len, said.splitlines())) <= 80
    assert "The data folder" in said
