"""`chatlab data`: it tells the truth, changes nothing that it should not, and explains mistakes."""

from __future__ import annotations

import asyncio
import functools
import io
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatlab.chat.interchange import PART, export_messages, import_messages
from chatlab.chat.modes import PARTS
from chatlab.data import journal_format as form
from chatlab.data.folder import LOCK_NAME, DataFolder
from chatlab.data.inspection import Contents, StoreContents, inspect, read_lines
from chatlab.data.journal_format import FILLING
from chatlab.data.readers import StoreKind, read_saved
from chatlab.data.records import ALL_FILES, MESSAGES, Message
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.disk.counted import Disk
from chatlab.errors import ChatlabError, CorruptFile
from chatlab.view.data import render_lines
from tests.support.command_line import run_here, serving
from tests.support.parts import fill, message
from tests.support.served_store import ServedStore, quick_folder

SEGMENT = form.segment_name(0)
KINDS: list[StoreKind] = ["json", "journal", "sqlite"]
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
SOME = [message(n, ("general", "other")[n % 3 == 0]) for n in range(40)]

Run = Callable[..., str]


@pytest.fixture
def chatlab_data(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `chatlab data`, checks its exit code; gives what it said, in one line unless `raw`."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: object, code: int = 0, raw: bool = False) -> str:
        done = run_here("data", *map(str, words))
        assert done.code == code, done
        return done.out + done.err if raw else " ".join((done.out + done.err).split())

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file to import."""
    path = tmp_path / "in.json"
    path.write_bytes(MESSAGES.encode(SOME))
    return path


def served(folder: Path, kind: StoreKind) -> ServedStore:
    return ServedStore(PARTS["store"][PART[kind]], folder, segment_bytes_max=1_000)


def kept(folder: Path, kind: StoreKind, messages: list[Message] = SOME) -> Path:
    """A folder with a store of this kind, and no other, filled in batches of five."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files_of(kind, tuple(messages)).items():
        (folder / name).write_bytes(content)
    return folder


@functools.cache
def files_of(kind: StoreKind, messages: tuple[Message, ...]) -> dict[str, bytes]:
    """What a store leaves; made once, because of all its syncs."""

    async def save() -> dict[str, bytes]:
        async with served(folder, kind) as one:
            for n in range(0, len(messages), 5):
                await one.store.save(messages[n : n + 5])
        return one.content

    with quick_folder() as place:
        folder = fill(Path(place))
        if kind != "json":
            (folder / MESSAGES.name).unlink()
        return asyncio.run(save())


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob(form.PATTERN))


def journal_of(folder: Path) -> StoreContents:
    return next(store for store in inspect(folder).stores if store.kind == "journal")


def exported(folder: Path, kind: StoreKind | None = None) -> list[Message]:
    with quick_folder() as elsewhere:
        target = Path(elsewhere) / "out.json"
        export_messages(folder, target, kind)
        return MESSAGES.decode(target.read_bytes())


# Inspect.


@EACH_KIND
def test_inspect_tells_what_there_is_and_changes_nothing(chatlab_data, tmp_path, kind) -> None:
    before = state(kept(tmp_path, kind))
    said = chatlab_data("inspect", tmp_path)

    assert "40 messages, from 2026-01-01 00:00:00 to 2026-01-01 00:00:00" in said
    assert "Nothing is damaged" in said
    assert "chatrooms.json: 3 rooms" in said
    assert state(tmp_path) == before
    (store,) = inspect(tmp_path).stores
    assert store.kind == kind
    assert store.rooms == {"general": 26, "other": 14}


def test_inspect_tells_of_each_segment_and_reads_on_after_damage(tmp_path: Path) -> None:
    store = journal_of(kept(tmp_path, "journal"))
    sizes = [path.stat().st_size for path in segments(tmp_path)]

    assert len(sizes) > 3
    assert [one.bytes for one in store.segments] == sizes
    assert [one.position for one in store.segments] == [sum(sizes[:n]) for n in range(len(sizes))]
    assert sum(one.messages for one in store.segments) == 40
    assert sum(one.batches for one in store.segments) == 8
    assert store.bytes == sum(sizes)

    path = segments(tmp_path)[1]
    begin = sum(map(len, path.read_bytes().splitlines(keepends=True)[:2]))  # of its second message
    overwrite(path, begin + 20, b"X")
    store = journal_of(tmp_path)
    assert [one.damaged_at for one in store.segments if one.damage] == [begin]
    assert [one.messages for one in store.segments] == [10, 1, 10, 10]


@pytest.mark.parametrize("kind", KINDS[1:])
async def test_inspect_sees_what_a_server_saved_a_moment_ago(tmp_path, kind) -> None:
    async with served(fill(tmp_path), kind) as one:
        await one.store.save(SOME)
        before = state(tmp_path)
        contents = inspect(tmp_path)
        assert state(tmp_path) == before
        await one.save(99)
    found = contents.store(kind)
    assert found is not None
    assert (found.messages, contents.damage) == (40, {})
    assert len(exported(tmp_path, kind)) == 41


@pytest.mark.real
@EACH_KIND
async def test_beside_a_real_server_and_after_it(chatlab_data, tmp_path, source, kind) -> None:
    folder, mode = tmp_path / "data", "naive" if kind == "json" else kind
    async with serving(folder, "--mode", mode, "--history", "50"):
        before = state(folder)
        assert "53 messages" in chatlab_data("inspect", folder)
        words = ("import", folder, "--into", kind, "--from")
        chatlab_data(*words, folder / "users.json", code=2)
        said = chatlab_data(*words, source, code=2)
        assert "another chatlab server uses the data folder" in said
        assert state(folder) == before
    assert "53 messages" in chatlab_data("inspect", folder)


def test_a_torn_tail_is_no_damage_to_inspect_and_left_out_by_export(chatlab_data, tmp_path) -> None:
    folder = kept(tmp_path / "data", "journal")
    last = segments(folder)[-1]
    last.write_bytes(last.read_bytes()[:-7])
    before = state(folder)
    said = chatlab_data("inspect", folder)

    (torn,) = [one.torn_bytes for one in journal_of(folder).segments if one.torn_bytes]
    assert f"torn tail of {torn} bytes" in said
    assert "The next start cuts it off" in said
    assert read_saved(folder).damaged == 1  # the audit of a server that stopped in good order
    said = chatlab_data("export", folder, "--to", tmp_path / "out.json")
    assert f"left out {torn} bytes of an unfinished save" in said
    assert (tmp_path / "out.json").read_bytes() == MESSAGES.encode(SOME[:-1])
    assert state(folder) == before


def overwrite(path: Path, begin: int, by: bytes) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:begin] + by + data[begin + len(by) :])


def change_index(path: Path, **changes: object) -> None:
    index, _, rest = path.read_bytes().partition(b"\n")
    right = form.decode_header(path.name, index + b"\n")
    path.write_bytes(form.encode_header(msgspec.structs.replace(right, **changes)) + rest)


def break_the_chain(path: Path) -> None:
    data = form.encode_header(form.Header(form.VERSION, 0, 0, {}))
    for one in SOME[:2]:  # each as if it were the first of its room
        data += form.encode_batch([msgspec.structs.replace(one, room_id="r")], len(data), {})[0]
    path.write_bytes(data)


def give_to_another_application(path: Path) -> None:
    other = apsw.Connection(str(path))
    other.pragma("application_id", 42)
    other.close()


def scribble(path: Path) -> None:
    overwrite(path, 4_097, b"\xff" * 5_000)


@pytest.mark.parametrize(
    ("kind", "which", "harm", "words"),
    [
        ("journal", 1, lambda path: overwrite(path, 300, b"X"), "damaged at byte"),
        ("journal", 1, Path.unlink, "but what is before it ends at"),
        ("journal", 1, lambda path: path.write_bytes(b"rubbish\n"), "first line is damaged"),
        ("journal", 1, lambda path: path.write_bytes(b""), "first line is damaged"),
        ("journal", 0, lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged at byte"),
        ("journal", 1, lambda path: change_index(path, messages=1), "says that 1 messages came"),
        ("journal", 1, lambda path: change_index(path, rooms={}), "leads to other places"),
        ("journal", 0, break_the_chain, "breaks the chain of its room"),
        ("journal", -1, lambda path: overwrite(path, 0, b"?"), "first line is damaged"),
        ("sqlite", DATABASE, give_to_another_application, "not a database of chatlab"),
        ("sqlite", DATABASE, scribble, "messages.sqlite: "),
        *(("json", file.name, scribble, f"{file.name}: ") for file in ALL_FILES),
    ],
)
def test_damage_is_named_and_not_exported(chatlab_data, tmp_path, kind, which, harm, words) -> None:
    folder, target = kept(tmp_path / "data", kind), tmp_path / "out.json"
    path = segments(folder)[which] if isinstance(which, int) else folder / which
    harm(path)
    before = state(folder)
    assert words in chatlab_data("inspect", folder, code=1)
    if path.name not in ("users.json", "chatrooms.json"):
        target.write_text("mine")
        said = chatlab_data("export", folder, "--to", target, "--force", code=2)
        assert path.name in said or not path.exists()
        assert target.read_text() == "mine"
        assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "out.json"]
    assert state(folder) == before


def test_inspect_looks_again_at_a_file_that_is_just_being_rewritten(tmp_path: Path) -> None:
    path = kept(tmp_path, "json") / MESSAGES.name
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    contents = inspect(tmp_path, pause=lambda _: path.write_bytes(whole))  # type: ignore[arg-type,return-value]

    assert contents.damage == {}
    assert contents.stores[0].messages == 40


def test_inspect_of_an_unfinished_journal_and_of_nothing(chatlab_data: Run, tmp_path: Path) -> None:
    (kept(tmp_path / "begun", "journal") / FILLING).touch()
    assert "The first start was interrupted" in chatlab_data("inspect", tmp_path / "begun")
    (tmp_path / "empty").mkdir()
    assert "No messages" in chatlab_data("inspect", tmp_path / "empty")
    nowhere = tmp_path / "nowhere"
    said = chatlab_data("inspect", nowhere, code=2, raw=True)
    assert said == f"chatlab: there is no data folder {nowhere}; `chatlab serve` makes one\n"


def test_everything_fits_into_80_columns(chatlab_data: Run, tmp_path: Path) -> None:
    rooms = [f"room-{'x' * 70}-{n}\n\x1b[31m" for n in range(12)]
    kept(tmp_path, "journal", [message(n, rooms[n % 12], "\U0001f386" * 90) for n in range(90)])
    last = segments(tmp_path)[-1]
    last.write_bytes(last.read_bytes() + b"\x1b[2Jrubbish" * 20)
    helps = [(command, "--help") for command in ("inspect", "export", "import", "prune")]
    shown = [("inspect", tmp_path, *more) for more in ((), ("--tail", "4"), ("--segment", "1"))]
    for words in shown + helps:
        said = chatlab_data(*words, raw=True, code=int(words in shown))  # no names of rooms
        assert max(map(len, said.splitlines())) <= 80
        assert "\x1b" not in said


def test_tail_and_segment_explain_lines_as_what_they_are(chatlab_data: Run, tmp_path: Path) -> None:
    path = segments(kept(tmp_path, "journal"))[-1]
    records = list(form.Scan(path.name, path.read_bytes()).records())
    said = chatlab_data("inspect", tmp_path, "--tail", "2")
    assert path.name in said
    for record in records[-2:]:
        assert f"at position {record.position:x}, " in said
        assert f" {record.previous:x} where the message before it in " in said
    assert said.count("right") == 2

    said = chatlab_data("inspect", tmp_path, "--segment", "1", "--tail", "999")
    assert "the index, a segment's first line" in said
    assert "the first message of the room general" in said
    assert said.count("the first of its batch") == 2

    path.write_bytes(path.read_bytes().replace(b"text 39", b"text 93") + b"rubbish\nhalf a line")
    said = chatlab_data("inspect", tmp_path, "--tail", "3")
    assert "damaged: it says " in said
    assert "not a line of a journal" in said
    assert "not finished: it has no line feed" in said
    said = chatlab_data("inspect", tmp_path, "--segment", "9", code=2)
    assert "there is no segment 9: the journal has 4" in said
    for path in segments(tmp_path):
        path.unlink()
    assert "has no journal" in chatlab_data("inspect", tmp_path, "--tail", "1", code=2)


def test_json_has_it_all(chatlab_data: Run, tmp_path: Path) -> None:
    kept(tmp_path / "data", "journal")
    words = ("inspect", tmp_path / "data", "--tail", "1", "--json")
    printed = run_here("data", *map(str, words), "-").out
    chatlab_data(*words, tmp_path / "out.json")

    assert printed == (tmp_path / "out.json").read_text("utf-8")
    assert msgspec.json.decode(printed, type=Contents) == inspect(tmp_path / "data")
    found = msgspec.json.decode(printed)
    assert found["schema"] == "chatlab.data/1"
    assert found["lines"]["last"][0]["mark"] == "="


@settings(max_examples=100, deadline=None)
@given(cut=st.none() | st.integers(0, 2_000), at=st.integers(0, 2_000), byte=st.integers(0, 255))
def test_whatever_happened_to_a_segment_inspect_and_tail_have_words_for_it(cut, at, byte) -> None:
    with quick_folder() as place:
        path = segments(kept(Path(place), "journal"))[0]
        harmed = bytearray(path.read_bytes()[:cut])
        if at < len(harmed):
            harmed[at] = byte
        for other in segments(Path(place))[1:]:
            other.unlink()
        path.write_bytes(harmed)
        store = journal_of(Path(place))

        render_lines(read_lines(Path(place), 99), 80)
        try:
            found = form.scan(path.name, bytes(harmed))
        except CorruptFile:
            assert store.damage
        else:
            assert not store.damage
            assert (store.segments[0].torn_bytes, store.messages) == (found.torn, found.messages)


# Export.


@EACH_KIND
def test_export_writes_what_messages_json_would_hold(chatlab_data, tmp_path, kind) -> None:
    before = state(kept(tmp_path / "data", kind))
    target = tmp_path / "out.json"
    words = ("export", tmp_path / "data", "--to", target)
    assert chatlab_data(*words).startswith("wrote 40 messages from ")
    assert target.read_bytes() == MESSAGES.encode(SOME)
    target.write_text("mine")
    said = chatlab_data(*words, code=2)
    assert "exists already: choose another name, or add --force" in said
    assert target.read_text() == "mine"
    chatlab_data(*words, "--force")
    assert target.read_bytes() == MESSAGES.encode(SOME)
    assert state(tmp_path / "data") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out.json"]


@pytest.mark.parametrize(
    ("to", "words"),
    [("deep/down.json", "there is no folder"), (".", "is a folder")]
    + [(f"data/{name}", "of the data folder itself") for name in ("users.json", DATABASE, SEGMENT)],
)
def test_export_to_a_wrong_place_is_explained(chatlab_data, tmp_path, to, words) -> None:
    folder = kept(tmp_path / "data", "journal")
    before = state(folder)

    assert words in chatlab_data("export", folder, "--to", tmp_path / to, "--force", code=2)
    assert state(folder) == before


def test_of_several_stores_export_asks_which_is_meant(chatlab_data: Run, tmp_path: Path) -> None:
    folder, new = kept(tmp_path / "data", "json"), fill(tmp_path / "new")
    to = ("--to", tmp_path / "out.json", "--force")
    said = chatlab_data("export", folder, *to, "--from", "sqlite", code=2)
    assert "does not have the database" in said
    for kind in KINDS[1:]:
        import_messages(folder, folder / MESSAGES.name, kind)
    said = chatlab_data("inspect", folder)
    assert said.count("40 messages, from") == 3
    assert "used by --mode journal" in said
    assert "used by --mode racy, naive" in said
    assert "choose one with --from" in chatlab_data("export", folder, *to, code=2)
    chatlab_data("export", folder, *to, "--from", "sqlite")
    (folder / FILLING).touch()
    said = chatlab_data("export", folder, *to, "--from", "journal", code=2)
    assert "is not filled yet" in said
    chatlab_data("export", new, *to)
    (new / MESSAGES.name).unlink()
    assert "has no messages" in chatlab_data("export", new, *to, code=2)


async def test_export_into_the_folder_of_a_running_server_is_refused(tmp_path: Path) -> None:
    async with DataFolder(tmp_path / "data", kept_in=form.PATTERN) as folder:
        async with served(folder, "journal"):
            pass
        with pytest.raises(ChatlabError, match="another chatlab server"):
            export_messages(folder, folder / MESSAGES.name, force=True)
        export_messages(folder, tmp_path / "elsewhere.json")


# Import.


@EACH_KIND
@pytest.mark.parametrize("before", ["none", "empty"])
def test_a_server_uses_what_was_imported(chatlab_data, tmp_path, source, kind, before) -> None:
    folder = tmp_path / "deep" / "data"
    if before == "empty":
        assert exported(kept(folder, kind, [])) == []
    said = chatlab_data("import", folder, "--from", source, "--into", kind)
    assert said.startswith("imported 40 messages")
    assert exported(folder) == SOME
    assert inspect(folder).damage == {}
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []

    async def serve() -> None:
        one = served(folder, kind)
        await one.start([message(999)])
        assert one.notes == []
        await one.holds(*(n for n in range(40) if n % 3))
        await one.save(50)
        await one.store.close()

    asyncio.run(serve())
    assert exported(folder) == [*SOME, message(50)]


IN_TWO_ROOMS = st.builds(
    Message,
    id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,9}", fullmatch=True),
    room_id=st.sampled_from(["general", "other"]),
    sender=st.sampled_from(["alice", "x" * 64]),
    content=st.text(min_size=1).filter(str.strip),
    timestamp=st.just("2026-01-01T00:00:00.000Z"),
)
ANY_MESSAGES = st.lists(IN_TWO_ROOMS, max_size=12, unique_by=lambda one: one.id)


@EACH_KIND
@settings(max_examples=8, deadline=None)
@given(messages=ANY_MESSAGES)
def test_there_and_back_is_the_same(kind: StoreKind, messages: list[Message]) -> None:
    with quick_folder() as place:
        source, target = Path(place) / "in.json", Path(place) / "out.json"
        source.write_bytes(MESSAGES.encode(messages))
        import_messages(Path(place) / "data", source, kind)
        export_messages(Path(place) / "data", target)
        assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        (MESSAGES.encode(SOME), 0, "imported 40 messages from standard input"),
        (b"[{}", 2, "standard input is not a list of messages"),
        (None, 2, "reads a pipe, and there is none"),
    ],
)
def test_import_reads_a_pipe(chatlab_data, tmp_path, monkeypatch, typed, code, said) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed or b"")))
    monkeypatch.setattr("sys.stdin.isatty", lambda: typed is None, raising=False)
    words = ("import", tmp_path / "d", "--from", "-", "--into", "journal")
    assert said in chatlab_data(*words, code=code)
    assert code or exported(tmp_path / "d") == SOME


def test_import_into_the_journal_leaves_messages_json_out_of_it(tmp_path, source) -> None:
    """A journal that a server begins takes it over; an import holds what was imported."""
    folder = fill(tmp_path / "data", [message(777)])
    import_messages(folder, source, "journal")

    assert exported(folder, "journal") == SOME
    assert exported(folder, "json") == [message(777)]


@EACH_KIND
@pytest.mark.parametrize(
    ("damaged", "words"),
    [(False, "has 40 messages already, and an import does not mix"), (True, "is damaged")],
)
def test_import_never_mixes(chatlab_data, tmp_path, source, kind, damaged, words) -> None:
    folder = kept(tmp_path / "data", kind, [] if damaged else SOME)
    if damaged:
        names = ("messages.", "journal-")
        path = next(one for one in folder.iterdir() if one.name.startswith(names))
        path.write_bytes(b"rubbish")
    before = state(folder)

    assert words in chatlab_data("import", folder, "--from", source, "--into", kind, code=2)
    assert {n: s for n, s in state(folder).items() if n != LOCK_NAME} == before


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no file"), *((bad, "not a list of messages") for bad in (b"[{}", b"[1]"))],
)
def test_a_file_that_is_no_import_is_explained(chatlab_data, tmp_path, content, words) -> None:
    source = tmp_path / "bad.json"
    if content is not None:
        source.write_bytes(content)
    said = chatlab_data("import", tmp_path / "d", "--from", source, "--into", "journal", code=2)

    assert (words in said, "Traceback" in said) == (True, False)
    assert not (tmp_path / "d").exists()


# The rule of messages: each store, at each door.

BROKEN = {
    "an id that comes twice": (message(3), "its id was there before"),
    "no time": (replace(message(77), timestamp="yesterday"), "is no time like 2026-01-01T"),
    "a sender that is no name": (replace(message(77), sender="a\x1b[2Jb"), "is not a name"),
    "too long": (replace(message(77), content="x" * 4_001), "4,000 are allowed"),
}
EACH_BREACH = pytest.mark.parametrize("breach", BROKEN)


@EACH_KIND
@EACH_BREACH
def test_an_import_refuses_what_is_no_message(chatlab_data, tmp_path, kind, breach) -> None:
    wrong, words = BROKEN[breach]
    source = tmp_path / "in.json"
    source.write_bytes(MESSAGES.encode([*SOME, wrong]))
    said = chatlab_data("import", tmp_path / "d", "--from", source, "--into", kind, code=2)

    assert "message 41, " in said
    assert words in said
    assert "mend the file" in said
    assert "\x1b" not in said
    assert not (tmp_path / "d").exists()


@EACH_KIND
@EACH_BREACH
def test_what_is_no_message_is_found_by_inspect_and_told_by_export_and_still_served(
    chatlab_data, tmp_path, kind, breach
) -> None:
    wrong, words = BROKEN[breach]
    if kind == "sqlite" and wrong.id == SOME[3].id:
        pytest.skip("a database keeps an id once")
    folder = kept(tmp_path / "data", kind, [*SOME, wrong])
    said = chatlab_data("inspect", folder, code=1)
    assert "Nothing is damaged" not in said
    assert words in said
    assert "1 of 41 break the rule" in said

    target = tmp_path / "out.json"
    assert words in chatlab_data("export", folder, "--to", target, "--from", kind, code=1)
    assert MESSAGES.decode(target.read_bytes()) == [*SOME, wrong]

    async def serve() -> list[Message]:
        async with served(folder, kind) as one:
            return await one.store.history(wrong.room_id, 100)

    assert wrong in asyncio.run(serve())


@pytest.mark.parametrize("kind", KINDS[1:])
@EACH_BREACH
def test_a_new_store_takes_over_old_messages_once_each_and_notes_what_breaks_the_rule(
    tmp_path, kind, breach
) -> None:
    wrong, words = BROKEN[breach]
    folder = fill(tmp_path, [*SOME, wrong])

    async def start() -> list[str]:
        async with served(folder, kind) as one:
            return one.notes

    notes = asyncio.run(start())
    assert words in notes[-1]
    again = wrong.id == SOME[3].id
    assert ("left out 1 of messages.json" in " ".join(notes)) == again
    assert exported(folder, kind) == [*SOME, *([] if again else [wrong])]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_an_interrupted_import_can_be_done_again(tmp_path, source, kind, monkeypatch) -> None:
    """Each operation that moves the files in fails once, and nothing after it is done."""
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
        except ChatlabError:
            left = 0
            found = inspect(folder)
            assert found.damage == {}
            store = found.store(kind)
            # When only the last sync fails, all of it is there, and an import does not mix.
            if store is None or store.unfinished or not store.messages:
                import_messages(folder, source, kind)
        else:
            break
        assert exported(folder) == SOME
        assert inspect(folder).damage == {}
        assert not (folder / FILLING).exists()
    assert 3 < nth < 98
