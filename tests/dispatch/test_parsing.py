"""JSON, read strictly."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.errors import ParseError
from sidecar.dispatch import envelope
from sidecar.dispatch.envelope import MAX_DEPTH, MAX_VALUES, RepeatedKey

# Few different strings, some of them the same to a reader, so that repeated keys and colons in strings are frequent.
STRINGS = [
    '"a"',
    r'"\u0061"',
    '"id"',
    r'"i\u0064"',
    '":"',
    r'"\u003a"',
    r'"\u003A"',
    r'"\\u003a"',
    '"a:b"',
    r'"\":\""',
    '""',
]
strings = st.sampled_from(STRINGS)
blanks = st.sampled_from(["", "", " ", "\t "])
json_texts = st.recursive(
    strings | st.sampled_from(["1", "null", "-0.5e3"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(strings, blanks, inner), max_size=4).map(
            lambda members: "{" + ",".join(f"{key}{blank}:{value}" for key, blank, value in members) + "}"
        ),
    ),
    max_leaves=12,
)


class Repeats(Exception):
    pass


def by_definition(text: str) -> Any:
    """What the standard library makes of a text, told of every pair in it."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise Repeats
        return dict(pairs)

    return json.loads(text, object_pairs_hook=members)


@given(text=json_texts)
def test_a_repeated_key_is_found_wherever_it_is_and_nothing_else_is_taken_for_one(text: str) -> None:
    try:
        expected = by_definition(text)
    except Repeats:
        with pytest.raises(RepeatedKey):
            envelope.parse(text.encode())
    else:
        assert envelope.parse(text.encode()) == expected


@given(line=st.binary(max_size=30))
def test_any_bytes_are_a_value_or_a_parse_error(line: bytes) -> None:
    try:
        value = envelope.parse(line)
    except ParseError:
        return
    assert orjson.loads(orjson.dumps(value)) == value


@pytest.mark.case(1, 6, 7, 8, 10, 11)
@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b'{"a":1}}',
        b"1 2",
        b"nul",
        b"NaN",
        b"Infinity",
        b"1e999",
        b"1" * 5000,
        b"\xff\xfe",
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'{"a":"\\ud800","a":1}',
        b'"a\0b"',
        b"\xef\xbb\xbf{}",
        b"'a'",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_is_a_parse_error(line: bytes) -> None:
    with pytest.raises(ParseError):
        envelope.parse(line)


@pytest.mark.case(13)
@pytest.mark.parametrize(
    ("line", "key", "in_id"),
    [
        (b'{"a":1,"a":1}', "a", False),
        (b'{"a":1,"b":{"c":[{"d":1,"d":2}]}}', "d", False),
        (b'[1,{"id":1,"id":2}]', "id", False),
        (b'{"id":1,"id":2}', "id", True),
        (b'{"a":1,"a":2,"id":1,"i\\u0064":2}', "a", True),
        (b'{"id":1,"a":{"id":1,"id":2}}', "id", False),
        (b'{"a":1,"\\u0061":2}', "a", False),
        (b'{"a":1,"a":"\\u003a"}', "a", False),
        (b'{"a":":","a":"\\u003A:"}', "a", False),
        (b'{"":1,"":2}', "", False),
        (b'{"\\"":1,"\\u0022":2}', '"', False),
        ('{"ä":1,"\\u00e4":2}'.encode(), "ä", False),
        (b'{"x":"' + b"\\n" * 100_000 + b'","a":1,"a":2}', "a", False),
        (b'{"a":1,"x":' + b'{"x":' * 200 + b"1" + b"}" * 200 + b',"a":2}', "a", False),
    ],
)
def test_a_repeated_key_is_named(line: bytes, key: str, in_id: bool) -> None:
    with pytest.raises(RepeatedKey) as caught:
        envelope.parse(line)
    assert (caught.value.key, caught.value.in_id) == (key, in_id)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":{"a":1},"b":[{"a":1},{"a":1}]}',
        b'{"a":"{\\"a\\":1,\\"a\\":2}"}',
        b'{"a:":":","b":"\\u003a","c":"\\\\u003a"}',
        b'{"a":1,"A":2,"\\u0062":3}',
    ],
)
def test_the_same_key_in_different_objects_is_none(line: bytes) -> None:
    assert envelope.parse(line) == json.loads(line)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_taken_to_its_bound_and_not_beyond(opening: bytes, closing: bytes) -> None:
    line = opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH
    assert orjson.dumps(envelope.parse(line)) == line
    for beyond in (MAX_DEPTH + 1, 1000, 1024):
        with pytest.raises(ParseError):
            envelope.parse(opening * beyond + b"1" + closing * beyond)


@pytest.mark.parametrize(
    ("first", "another"),
    [(b"1", b",1"), (b"[]", b",0"), (b'"a"', b',"\\\\\\","'), (b"{}", b',{"a":1}'), (b'","', b',""')],
)
def test_values_are_taken_to_their_bound_and_not_beyond(first: bytes, another: bytes) -> None:
    marks = another.count(b",", 0, 1) + another.count(b"{")
    fitting = (MAX_VALUES - 1 - first.count(b"{") - first.count(b"[")) // marks
    assert len(envelope.parse(b"[" + first + another * fitting + b"]")) == fitting + 1
    with pytest.raises(ParseError):
        envelope.parse(b"[" + first + another * (fitting + 1) + b"]")


def test_commas_and_brackets_in_a_text_are_no_values() -> None:
    for text in (",[{" * MAX_VALUES, '",' * MAX_VALUES, "\\" * MAX_VALUES + "," * 2 * MAX_VALUES):
        line = orjson.dumps({"a": text, "b": [1, text]})
        assert envelope.parse(line) == {"a": text, "b": [1, text]}


def test_a_whole_number_beyond_64_bits_is_no_integer_any_more() -> None:
    assert envelope.parse(b"[18446744073709551615,-9223372036854775808]") == [2**64 - 1, -(2**63)]
    assert [type(number) for number in envelope.parse(b"[18446744073709551616,-9223372036854775809]")] == [float] * 2
