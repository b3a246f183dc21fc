"""The journal's format: what is written can be read, and damage is told from a torn tail."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.data import journal_format as form
from chatlab.data.records import Message
from chatlab.errors import CorruptFile
from tests.support.parts import message

NAME = form.segment_name(0)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MESSAGES = st.builds(Message, TEXT, st.sampled_from(["general", "\U0001f386", ""]), *[TEXT] * 3)
BATCHES = st.lists(st.lists(MESSAGES, min_size=1, max_size=4), max_size=6)


def a_segment(batches: list[list[Message]], base: int = 0, **header: object) -> bytes:
    """The bytes of a segment with these batches."""
    fields = {"journal": form.VERSION, "base": base, "messages": 0, "rooms": {}} | header
    data, rooms = form.encode_header(form.Header(**fields)), dict(fields["rooms"])
    for batch in batches:
        lines, latest = form.encode_batch(batch, base + len(data), rooms)
        data += lines
        rooms |= latest
    return data


def batches_of(*sizes: int) -> list[list[Message]]:
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    return [
        [message(n, ("general", "other")[n % 2]) for n in range(end - size, end)]
        for size, end in zip(sizes, ends, strict=True)
    ]


def line_of(rest: bytes) -> bytes:
    """A line with a right checksum, whatever stands in it."""
    return b"%08x %b" % (zlib.crc32(rest), rest)


# There and back.


@given(
    batches=BATCHES,
    header=st.builds(
        form.Header,
        journal=st.just(form.VERSION),
        base=st.integers(0, 2**60),
        messages=st.integers(0, 2**40),
        rooms=st.dictionaries(TEXT | st.just("general"), st.integers(0, 2**60), max_size=5),
    ),
)
def test_what_was_written_is_read_and_leads_to_the_message_before(batches, header) -> None:
    base, name = header.base, form.segment_name(header.base)
    data = a_segment(batches, base, messages=header.messages, rooms=header.rooms)
    records = list(form.Scan(name, data).records())
    assert [one.message for one in records] == [one for batch in batches for one in batch]
    assert [one.first for one in records] == [
        n == 0 for batch in batches for n in range(len(batch))
    ]
    latest = dict(header.rooms)  # which lead back to the segments before
    for record in records:
        begin = record.position - base
        line = data[begin : data.find(b"\n", begin) + 1]
        assert form.decode_record(line, record.position) == record
        assert record.previous == latest.get(record.message.room_id, form.NOWHERE)
        latest[record.message.room_id] = record.position

    found = form.scan(name, data)
    assert found.header == form.decode_header(name, form.encode_header(header)) == header
    assert (found.rooms, found.size, found.torn) == (latest, len(data), 0)
    assert (found.messages, found.batches) == (len(records), len(batches))


def test_encoding_a_batch_leaves_the_rooms_as_they_were() -> None:
    rooms = {"general": 5}
    _, latest = form.encode_batch([message(1), message(2, "other")], 100, rooms)

    assert rooms == {"general": 5}
    assert latest.keys() == {"general", "other"}


def test_the_example_in_the_documentation_is_the_format() -> None:
    """But for the checksums and the dots, which stand for what there is no room for."""
    data = a_segment([[message(1), message(2)]])
    shown = [line[9:13] for line in data.decode().splitlines()]
    documented = [
        line.strip()[9:13] for line in (form.__doc__ or "").splitlines() if line[4:12].isalnum()
    ]

    assert [text[:2] for text in shown] == [text[:2] for text in documented] == ["# ", "+ ", "= "]


@given(bases=st.lists(st.integers(0, 2**63)))
def test_a_name_tells_where_its_segment_begins_and_sorts_so(bases: list[int]) -> None:
    names = list(map(form.segment_name, bases))

    assert list(map(form.base_of, names)) == bases
    assert all(map(form.is_segment, names))
    assert sorted(names) == list(map(form.segment_name, sorted(bases)))


OTHER_NAMES = [
    "journal-0.log",
    "journal-.log",
    "journal-000000000000000A.log",
    "journal-0000_00000000000.log",
    "journal-0x00000000000000.log",
    "journal-0000000000000000.log.tmp",
    "journal.filling",
    "messages.json",
]


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names_are_no_segments(name: str) -> None:
    assert not form.is_segment(name)


# A torn tail: what a crash leaves.


def test_a_tail_torn_anywhere_in_the_last_batch_can_be_cut() -> None:
    before, last = a_segment(batches_of(2, 3)), a_segment(batches_of(2, 3, 3))
    ends = [len(before)] + [at + 1 for at in range(len(before), len(last)) if last[at] == 0x0A]
    for size in range(len(before), len(last) + 1):
        found = form.scan(NAME, last[:size])
        whole = max(end for end in ends if end <= size)
        assert (found.size, found.torn) == (whole, size - whole)
        assert found.messages == 5 + ends.index(whole)


@pytest.mark.parametrize("garbage", [b"\0" * 700, b"\n" * 9, b"x", b"\xff\n" * 50], ids=repr)
def test_what_a_crash_may_leave_instead_of_a_batch_can_be_cut(garbage: bytes) -> None:
    good, more = a_segment(batches_of(2, 3)), a_segment(batches_of(2, 3, 4))
    first_line = more.find(b"\n", len(good)) + 1
    for tail in (garbage, b"\0" * (first_line - len(good)) + more[first_line:]):
        found = form.scan(NAME, good + tail)
        assert (found.size, found.torn, found.messages) == (len(good), len(tail), 5)


def test_any_flipped_bit_in_the_last_batch_is_a_torn_tail() -> None:
    good, data = a_segment(batches_of(2, 2)), a_segment(batches_of(2, 2, 2))
    for bit in range(len(good) * 8, len(data) * 8):
        found = form.scan(NAME, flipped(data, bit))
        assert len(good) <= found.size < len(data)
        assert found.size + found.torn == len(data)


# Decay: what was on the disk once.


def flipped(data: bytes, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3, 2)])
def test_any_flipped_bit_before_the_last_batch_is_refused(sizes: tuple[int, ...]) -> None:
    safe, data = a_segment(batches_of(*sizes[:-1])), a_segment(batches_of(*sizes))
    for bit in range(len(safe) * 8):
        with pytest.raises(CorruptFile, match=r"damaged|index|format|begins"):
            form.scan(NAME, flipped(data, bit))


def test_a_line_that_somebody_took_out_is_refused() -> None:
    lines = a_segment([[message(n)] for n in range(4)]).splitlines(keepends=True)
    for n in (1, 2):
        with pytest.raises(CorruptFile, match="breaks the chain"):
            form.scan(NAME, b"".join(lines[:n] + lines[n + 1 :]))


def test_the_damage_is_named_by_its_byte() -> None:
    data = a_segment(batches_of(1, 1, 1))
    begin = len(a_segment(batches_of(1)))

    with pytest.raises(CorruptFile, match=f"the line at byte {begin} is damaged"):
        form.scan(NAME, flipped(data, (begin + 30) * 8))


@pytest.mark.parametrize(
    "text",
    [
        "5b1c2a90 + - {}",
        "\n5b1c2a90 + - {}\n",
        line_of(b"+ - " + msgspec.json.encode(message(9)) + b"\n").decode(),
    ],
)
def test_a_message_that_looks_like_a_batch_does_not_make_decay_of_a_torn_tail(text: str) -> None:
    good = a_segment(batches_of(1))
    cheat = Message("m", "general", "alice", text, "now")
    data = a_segment([*batches_of(1), [cheat, cheat]])
    torn = flipped(data, (len(good) + 2) * 8)

    assert form.scan(NAME, torn).size == len(good)


# The index.


def test_an_index_cut_short_is_damaged() -> None:
    line = a_segment([])
    for size in range(len(line)):
        with pytest.raises(CorruptFile, match="first line is damaged"):
            form.decode_header(NAME, line[:size])


LATER = r"it has format 2; this chatlab reads format 1"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (line_of(b'# {"journal":2,"places":[]}\n'), LATER),
        (line_of(b'# {"journal":2,"base":0,"messages":0,"rooms":{}}\n'), LATER),
        (a_segment([], 5), "begins at 5"),
        *(
            (line_of(b"# " + index + b"\n"), "no index")
            for index in (b"{}", b"[]", b'{"journal":1}', b'{"journal":"1"}', b"\xff")
        ),
        (a_segment(batches_of(1)).split(b"\n", 1)[1], "first line"),
    ],
)
def test_what_is_no_index_of_this_version_and_place_is_refused(line: bytes, why: str) -> None:
    with pytest.raises(CorruptFile, match=why):
        form.scan(NAME, line)
    with pytest.raises(CorruptFile, match=why):
        form.decode_header(NAME, line)


@pytest.mark.parametrize(
    "rest",
    [b"# - {}\n", b"? - {}\n", b"+ - {}\n", b"+ zz {}\n", b'+ - {"id":1}\n', b"+\n", b"\n", b""],
)
def test_a_line_with_a_right_checksum_that_is_no_message_is_damaged(rest: bytes) -> None:
    assert form.decode_record(line_of(rest), 0) is None


# The row of segments.


def named(*spans: tuple[int, int]) -> list[tuple[str, int]]:
    return [(form.segment_name(begin), size) for begin, size in spans]


@pytest.mark.parametrize(
    "row", [[(100, 7)], [(0, 100), (107, 3)], [(0, 99), (100, 7)], [(0, 101), (100, 7)]]
)
def test_a_gap_or_an_overlap_in_the_row_is_refused(row: list[tuple[int, int]]) -> None:
    for right in ([], named((0, 100), (100, 7), (107, 3))):
        form.check_row(right)
    with pytest.raises(CorruptFile, match="but what is before it"):
        form.check_row(named(*row))
