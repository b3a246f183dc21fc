"""The wire protocol: what goes out comes back, and whatever comes in is answered politely."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatlab.chat.bad_frames import ref_of
from chatlab.chat.protocol import (
    CreateRoom,
    ErrorFrame,
    MessageFrame,
    Outgoing,
    Request,
    SendMessage,
    decode_outgoing,
    decode_request,
    encode,
    encode_message,
)
from chatlab.data.records import Message
from chatlab.errors import Refusal

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))  # as JSON is


def frames_of(kinds: Any) -> st.SearchStrategy[Any]:
    """Frames of each of these kinds, with any value in each of their fields."""
    fields = {kind: msgspec.structs.fields(kind) for kind in get_args(kinds)}
    return st.one_of(
        st.builds(kind, **{field.name: st.from_type(field.type) for field in each})
        for kind, each in fields.items()
    )


# There and back.


@given(frames_of(Request))
def test_every_request_survives_the_wire_and_its_ref_can_be_read_alone(request_: Request) -> None:
    assert decode_request(encode(request_).decode()) == request_
    assert ref_of(encode(request_).decode()) == request_.ref


@given(frames_of(Outgoing))
def test_every_answer_survives_the_wire(frame: Outgoing) -> None:
    assert decode_outgoing(encode(frame)) == frame


@given(st.from_type(Message))
def test_a_message_goes_out_as_a_message_frame(message: Message) -> None:
    frame = MessageFrame(*msgspec.structs.astuple(message))
    assert decode_outgoing(encode_message(message)) == frame


def test_names_on_the_wire_are_those_of_the_origin() -> None:
    frame = SendMessage(room_id="general", content="hi", ref=7)
    names = {"type": "send_message", "roomId": "general", "content": "hi", "ref": 7}
    assert json.loads(encode(frame)) == names


def test_fields_may_be_left_out_and_unknown_ones_are_ignored_so_that_clients_may_be_newer() -> None:
    assert decode_request('{"type": "history", "roomId": "general"}').limit == 50  # type: ignore[union-attr]
    room = decode_request('{"type": "create_room", "roomId": "general", "colour": "red"}')
    assert room == CreateRoom(room_id="general", name="", private=False, ref=None)


# Refusals: one code for each kind of bad frame.

JOIN = '"type": "join_room", "roomId": "general"'
NOT_JSON = [
    *("", " ", "{", "hello", "{]", "NaN"),
    "{" + JOIN,
    "{" + JOIN + "} and more",
    '{"type": "join_room", "roomId": "gen',
    '{"type": "join_room", "roomId": "\\ud800"}',
    '{"type": "join_room", "roomId": "\ud800"}',
    '"' + "[" * 50_000,
]
BREAKS_SEVERAL_RULES = [
    *("[", "[1", "[" * 50_000, "[" * 50_000 + "]" * 50_000),
    '{"type": "join_room", "roomId": [NaN]}',
    *('{"type": "nope"', '{"type": "nope"} and more'),
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
    with pytest.raises(Refusal) as caught:
        decode_request(frame)
    assert caught.value.code in codes
    assert caught.value.message


TYPES = ["nope", "", "JOIN_ROOM", "message", "welcome", 1, 1.5, None, True, [], ["join_room"], {}]


@pytest.mark.parametrize("kind", [*TYPES, "x" * 60_000], ids=lambda kind: repr(kind)[:40])
def test_an_unknown_type_is_not_sent_back_whole_and_the_known_ones_are_named(kind: Any) -> None:
    with pytest.raises(Refusal, match="known are: create_room, history, invite, join_room") as bad:
        decode_request(json.dumps({"type": kind, "roomId": "general"}))
    assert bad.value.code == "unknown_type"
    assert len(bad.value.message) < 300


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


JSON = st.recursive(
    st.from_type(None | bool | int | str) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
KINDS = (*(str(kind.__struct_config__.tag) for kind in get_args(Request)), "nope")
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
