"""The wire protocol: what goes out comes back, and whatever comes in is answered politely."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatlab.chat.protocol import (
    Ack,
    CreateRoom,
    ErrorFrame,
    GetHistory,
    HistoryFrame,
    Invite,
    JoinRoom,
    LeaveRoom,
    MessageFrame,
    MessagesFrame,
    Outgoing,
    Request,
    RoomInfo,
    SendMessage,
    Welcome,
    decode_outgoing,
    decode_request,
    encode,
    encode_message,
    ref_of,
)
from chatlab.data.records import Message
from chatlab.errors import Refusal

# Unicode that UTF-8 can carry; lone surrogates are refused, see below.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
REFS = st.one_of(st.none(), st.integers(), TEXT)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no others
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXT, inner)),
    max_leaves=10,
)


def code_of(frame: str | bytes) -> str:
    with pytest.raises(Refusal) as caught:
        decode_request(frame)
    assert caught.value.message
    return caught.value.code


# There and back.

REQUESTS = st.one_of(
    st.builds(JoinRoom, room_id=TEXT, ref=REFS),
    st.builds(LeaveRoom, room_id=TEXT, ref=REFS),
    st.builds(CreateRoom, room_id=TEXT, name=TEXT, private=st.booleans(), ref=REFS),
    st.builds(Invite, room_id=TEXT, user=TEXT, ref=REFS),
    st.builds(SendMessage, room_id=TEXT, content=TEXT, ref=REFS),
    st.builds(GetHistory, room_id=TEXT, limit=st.integers(), ref=REFS),
)
MESSAGES = st.builds(Message, TEXT, TEXT, TEXT, TEXT, TEXT)
LEVELS = st.sampled_from(["queued", "written", "synced"])
ROOM_INFOS = st.lists(st.builds(RoomInfo, TEXT, TEXT, st.booleans(), st.booleans()), max_size=3)
OUTGOING = st.one_of(
    st.builds(Welcome, TEXT, TEXT, TEXT, LEVELS, ROOM_INFOS),
    st.builds(Ack, ref=REFS, means=LEVELS),
    st.builds(Ack, up_to=st.integers(0, 2**53), means=LEVELS),
    st.builds(MessageFrame, TEXT, TEXT, TEXT, TEXT, TEXT),
    st.builds(HistoryFrame, ref=REFS, room_id=TEXT, messages=st.lists(MESSAGES, max_size=3)),
    st.builds(MessagesFrame, TEXT, st.lists(MESSAGES, max_size=3)),
    st.builds(ErrorFrame, TEXT, TEXT, REFS),
)


@given(REQUESTS)
def test_every_request_survives_the_wire_and_its_ref_can_be_read_alone(request_: Request) -> None:
    assert decode_request(encode(request_).decode()) == request_
    assert ref_of(encode(request_).decode()) == request_.ref


@given(OUTGOING)
def test_every_answer_survives_the_wire(frame: Outgoing) -> None:
    assert decode_outgoing(encode(frame)) == frame


@given(MESSAGES)
def test_a_message_goes_out_as_a_message_frame(message: Message) -> None:
    sent = decode_outgoing(encode_message(message))

    assert isinstance(sent, MessageFrame)
    assert msgspec.structs.astuple(sent) == msgspec.structs.astuple(message)


def test_the_kinds_of_frames_are_all_tested_here() -> None:
    assert len(get_args(Request)) == 6
    assert len(get_args(Outgoing)) == 6


def test_names_on_the_wire_are_those_of_the_origin() -> None:
    frame = SendMessage(room_id="general", content="hi", ref=7)

    assert json.loads(encode(frame)) == {
        "type": "send_message",
        "roomId": "general",
        "content": "hi",
        "ref": 7,
    }


def test_fields_may_be_left_out_and_unknown_ones_are_ignored_so_that_clients_may_be_newer() -> None:
    assert decode_request('{"type": "history", "roomId": "general"}').limit == 50  # type: ignore[union-attr]
    room = decode_request('{"type": "create_room", "roomId": "general", "colour": "red"}')
    assert room == CreateRoom(room_id="general", name="", private=False, ref=None)


# Refusals: one code for each kind of bad frame.

JOIN = '"type": "join_room", "roomId": "general"'


NOT_JSON = [
    "",
    " ",
    "{",
    "hello",
    "{]",
    "{" + JOIN,
    "{" + JOIN + "} and more",
    '{"type": "join_room", "roomId": "gen',
    "NaN",
    '{"type": "join_room", "roomId": "\\ud800"}',
    '{"type": "join_room", "roomId": "\ud800"}',
    '"' + "[" * 50_000,
]
BREAKS_SEVERAL_RULES = [
    "[",
    "[1",
    "[" * 50_000,
    '{"type": "join_room", "roomId": [NaN]}',
    "[" * 50_000 + "]" * 50_000,
    '{"type": "nope"',
    '{"type": "nope"} and more',
    '{"type": "nope", "x": ' + "[" * 50_000,
    '{"type": "nope", "x": "\\ud800"}',
    '{"type": "join_room"} and more',
    '{"type": "join_room", "roomId": 1',
    "{" + JOIN + ', "ref": ' + "9" * 5_000 + "}",
    "{" + JOIN + ', "ref": 1e400}',
    '{"type": "history", "roomId": "general", "limit": ' + "9" * 5_000 + "}",
    '{"type": "nope", "x": 1e999}',
]
NO_OBJECT = ["null", "true", "1", '"join_room"', "[]", '[{"type": 1}]']
BINARY = [b"", b"{}", b"\xff\x00", ("{" + JOIN + "}").encode()]


@pytest.mark.parametrize(
    ("frame", "codes"),
    [
        *((frame, ["bad_json"]) for frame in NOT_JSON),
        *((f, ["bad_json", "unknown_type", "invalid_field"]) for f in BREAKS_SEVERAL_RULES),
        *((frame, ["invalid_field"]) for frame in NO_OBJECT),
        *((frame, ["binary_frame"]) for frame in BINARY),
        *((frame, ["unknown_type"]) for frame in ("{}", '{"roomId": "general"}')),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_a_bad_frame_is_refused_by_its_code(frame: str | bytes, codes: list[str]) -> None:
    assert code_of(frame) in codes


@pytest.mark.parametrize(
    "kind",
    ["nope", "", "JOIN_ROOM", "message", "welcome", 1, 1.5, None, True, [], ["join_room"], {}],
    ids=repr,
)
def test_an_unknown_type_is_refused_and_the_known_ones_are_named(kind: Any) -> None:
    with pytest.raises(Refusal, match="known are: create_room, history, invite, join_room") as bad:
        decode_request(json.dumps({"type": kind, "roomId": "general"}))

    assert bad.value.code == "unknown_type"


def test_a_long_type_is_not_sent_back_whole() -> None:
    with pytest.raises(Refusal) as caught:
        decode_request(json.dumps({"type": "x" * 60_000}))
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"type": "join_room"}, "roomId"),
        ({"type": "join_room", "room_id": "general"}, "roomId"),
        ({"type": "join_room", "roomId": 1}, "roomId"),
        ({"type": "join_room", "roomId": None}, "roomId"),
        ({"type": "join_room", "roomId": ["general"]}, "roomId"),
        ({"type": "join_room", "roomId": "general", "ref": 1.5}, "ref"),
        ({"type": "join_room", "roomId": "general", "ref": {"a": 1}}, "ref"),
        ({"type": "send_message", "roomId": "general"}, "content"),
        ({"type": "send_message", "roomId": "general", "content": 5}, "content"),
        ({"type": "history", "roomId": "general", "limit": "5"}, "limit"),
        ({"type": "history", "roomId": "general", "limit": 1.5}, "limit"),
        ({"type": "create_room", "roomId": "a", "private": "yes"}, "private"),
        ({"type": "invite", "roomId": "a"}, "user"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_field_is_refused_by_name(frame: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal, match=field) as caught:
        decode_request(json.dumps(frame))

    assert caught.value.code == "invalid_field"


@pytest.mark.parametrize(
    ("frame", "ref"),
    [
        ('{"type": "nope", "ref": 7}', 7),
        ('{"type": "join_room", "ref": "a"}', "a"),
        ('{"ref": 7, "roomId": 1, "type": "join_room"}', 7),
        (b'{"type": "join_room", "roomId": "a", "ref": 7}', 7),
        ('{"type": "nope"}', None),
        ('{"type": "nope", "ref": [7]}', None),
        ('{"type": "nope", "ref": 7', None),
        ("[7]", None),
        (b"\xff", None),
        ("[" * 50_000, None),
        ('{"ref": "\ud800"}', None),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_the_ref_of_a_refused_frame_is_found_if_there_is_one(frame: str | bytes, ref: Any) -> None:
    assert ref_of(frame) == ref


KINDS = ("join_room", "leave_room", "create_room", "invite", "send_message", "history", "nope")
FIELDS = ("roomId", "content", "ref", "limit", "user", "name", "private")
ANY_VALUES = st.builds(
    lambda kind, fields: json.dumps({"type": kind, **fields}),
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(FIELDS), JSON),
)
CUT_OFF = st.builds(
    lambda kind, length: json.dumps({"type": kind, "roomId": 5, "content": "a", "ref": 1})[:length],
    st.sampled_from(KINDS),
    st.integers(0, 60),
)


@example("[1")
@settings(max_examples=300)
@given(st.one_of(st.text(), st.binary(), JSON.map(json.dumps), ANY_VALUES, CUT_OFF))
def test_arbitrary_frames_raise_nothing_but_refusals(frame: str | bytes) -> None:
    try:
        decode_request(frame)
    except Refusal as refusal:
        encode(ErrorFrame(refusal.code, refusal.message, ref_of(frame)))
