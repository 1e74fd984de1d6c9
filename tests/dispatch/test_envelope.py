"""What a request is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.errors import InvalidParams, InvalidRequest
from sidecar.dispatch import envelope
from sidecar.dispatch.envelope import MAX_SAFE_INTEGER, NO_ID, Rejected, RepeatedKey, Request

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


@pytest.mark.case(12)
@pytest.mark.parametrize("id_", ["", "a", " ", "1", 0, -1, 1, MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER, None, "ä\u2028\0"])
def test_strings_whole_numbers_and_null_are_ids(id_: Any) -> None:
    assert envelope.check({"jsonrpc": "2.0", "id": id_, "method": "ping"}) == Request(id_, "ping", {})


@pytest.mark.case(12)
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


@pytest.mark.case(13)
@pytest.mark.parametrize(
    ("line", "id_"),
    [
        (b'{"id":7,"a":1,"a":2}', 7),
        (b'{"id":"x","params":{"a":1,"a":2}}', "x"),
        (b'{"id":null,"a":1,"a":2}', None),
        (b'{"id":7,"id":7}', None),
        (b'{"id":1.5,"a":1,"a":2}', None),
        (b'{"id":9007199254740993,"a":1,"a":2}', None),
        (b'{"a":1,"a":2}', None),
        (b'[{"id":7,"a":1,"a":2}]', None),
        (b'[{"id":7},{"id":8,"id":9}]', None),
    ],
)
def test_a_repeated_key_is_told_under_the_id_if_there_is_no_doubt_about_it(line: bytes, id_: Any) -> None:
    with pytest.raises(RepeatedKey) as caught:
        envelope.parse(line)
    rejected = envelope.rejected(caught.value)
    assert (rejected.id, rejected.error.name) == (id_, "INVALID_REQUEST")


def test_an_error_quotes_little_of_a_key_and_nothing_that_moves_a_cursor() -> None:
    message = envelope.rejected(RepeatedKey("\x1b[31m" + "k" * 10_000_000, {}, in_id=False)).error.message
    assert len(message) < 300
    assert message.isprintable()
