"""What a request is."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.errors import InvalidParams, InvalidRequest, ParseError
from sidecar.dispatch import envelope
from sidecar.dispatch.envelope import MAX_SAFE_INTEGER, NO_ID, Rejected, Request

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
members = st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error"])
almost_requests = st.dictionaries(members, json_values | st.just("2.0") | st.just("ping"), max_size=5)


@given(value=json_values | almost_requests)
def test_every_value_is_a_request_or_rejected_or_dropped(value: Any) -> None:
    checked = envelope.check(value)
    if isinstance(checked, Rejected):
        assert checked.error.to_wire()["code"] in (InvalidRequest.code, InvalidParams.code)
    elif checked is None:
        assert "id" not in value
    else:
        assert isinstance(checked, Request)
        assert checked.id is NO_ID or checked.id == value["id"]


@given(line=st.binary(max_size=30))
def test_any_bytes_are_a_value_or_a_parse_error(line: bytes) -> None:
    try:
        value = envelope.parse(line)
    except ParseError:
        return
    assert orjson.loads(orjson.dumps(value)) == value


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
        b"\xff\xfe",
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
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


@pytest.mark.parametrize("id_", ["", "a", " ", "1", 0, -1, 1, MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER, None, "ä\u2028\0"])
def test_strings_whole_numbers_and_null_are_ids(id_: Any) -> None:
    assert envelope.check({"jsonrpc": "2.0", "id": id_, "method": "ping"}) == Request(id_, "ping", {})


@pytest.mark.parametrize("id_", [1.0, 1.5, True, False, [], {}, [1], MAX_SAFE_INTEGER + 1, -MAX_SAFE_INTEGER - 1, 1e30])
def test_nothing_else_is_an_id(id_: Any) -> None:
    rejected = envelope.check({"jsonrpc": "2.0", "id": id_, "method": "ping"})
    assert isinstance(rejected, Rejected)
    assert (rejected.id, rejected.error.name) == (None, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("value", "id_", "name"),
    [
        (1, None, "INVALID_REQUEST"),
        (None, None, "INVALID_REQUEST"),
        ("ping", None, "INVALID_REQUEST"),
        ([], None, "INVALID_REQUEST"),
        ({}, None, "INVALID_REQUEST"),
        ({"id": 7, "method": "ping"}, 7, "INVALID_REQUEST"),
        ({"jsonrpc": "1.0", "id": 7, "method": "ping"}, 7, "INVALID_REQUEST"),
        ({"jsonrpc": 2.0, "id": 7, "method": "ping"}, 7, "INVALID_REQUEST"),
        ({"jsonrpc": "2.0", "id": 7}, 7, "INVALID_REQUEST"),
        ({"jsonrpc": "2.0", "id": 7, "method": 1}, 7, "INVALID_REQUEST"),
        ({"jsonrpc": "2.0", "method": 1}, None, "INVALID_REQUEST"),
        ({"jsonrpc": "2.0", "id": 7, "method": "ping", "params": "x"}, 7, "INVALID_REQUEST"),
        ({"jsonrpc": "2.0", "id": 7, "method": "ping", "params": 0}, 7, "INVALID_REQUEST"),
        ({"jsonrpc": "2.0", "method": "ping", "params": 0}, None, "INVALID_REQUEST"),
        ({"jsonrpc": "2.0", "id": 7, "method": "ping", "params": []}, 7, "INVALID_PARAMS"),
        ({"jsonrpc": "2.0", "id": 7, "method": "ping", "params": [1]}, 7, "INVALID_PARAMS"),
        ({"jsonrpc": "2.0", "id": 7, "result": 1}, 7, "INVALID_REQUEST"),
    ],
)
def test_what_is_no_request_is_rejected_under_its_id(value: Any, id_: Any, name: str) -> None:
    rejected = envelope.check(value)
    assert isinstance(rejected, Rejected)
    assert (rejected.id, rejected.error.name) == (id_, name)


def test_a_request_without_an_id_is_a_notification() -> None:
    assert envelope.check({"jsonrpc": "2.0", "method": "ping", "params": {"a": 1}}) == Request(NO_ID, "ping", {"a": 1})


def test_a_notification_by_position_is_dropped() -> None:
    assert envelope.check({"jsonrpc": "2.0", "method": "ping", "params": [1]}) is None


@pytest.mark.parametrize("extra", [{}, {"params": None}, {"params": {}}, {"comment": "unknown members are ignored"}])
def test_no_params_are_empty_params(extra: dict[str, Any]) -> None:
    assert envelope.check({"jsonrpc": "2.0", "id": 1, "method": "ping", **extra}) == Request(1, "ping", {})
