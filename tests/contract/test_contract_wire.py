"""The bundle describes every line that goes over the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sidecar.contract.errors import SidecarError, all_errors

BUNDLE = json.loads((Path(__file__).resolve().parents[2] / "ipc_schema" / "schema.json").read_text(encoding="utf-8"))

RPC = {"jsonrpc": "2.0"}
PING = {**RPC, "id": 1, "method": "ping"}
ERROR = {
    "code": -32700,
    "message": "No JSON.",
    "data": {"name": "PARSE_ERROR", "retryable": False, "hint": "", "remedies": []},
}
EVENT = {"channel": "c1", "seq": 1, "event": {"status": "token", "chunk": "Hi"}}

FROM_THE_HOST: list[Any] = [
    PING,
    {**PING, "params": {}},
    {**PING, "id": "one"},
    {**PING, "id": None},
    {**PING, "id": 2**53},
    {**RPC, "method": "ping"},
    {**RPC, "id": 1, "method": "send_message", "params": {"message": "Hello"}},
    {**RPC, "method": "$/cancel", "params": {"id": 1}},
    [PING, {**RPC, "method": "$/cancel", "params": {"id": 1}}],
]

NOT_FROM_THE_HOST: list[Any] = [
    {"id": 1, "method": "ping"},
    {**PING, "jsonrpc": "1.0"},
    {**PING, "id": 2**53 + 1},
    {**PING, "id": 1.5},
    {**PING, "id": True},
    {**PING, "method": "no_such_method"},
    {**PING, "params": []},
    {**PING, "params": {"loud": True}},
    {**RPC, "id": 1, "method": "send_message"},
    {**RPC, "id": 1, "method": "send_message", "params": {}},
    {**RPC, "method": "$/cancel"},
    {**RPC, "method": "$/cancel", "params": {}},
    [],
    "ping",
]

FROM_THE_SIDECAR: list[Any] = [
    {**RPC, "id": 1, "result": "pong"},
    {**RPC, "id": 1, "result": None},
    {**RPC, "id": None, "error": ERROR},
    {**RPC, "method": "channel", "params": EVENT},
    [{**RPC, "id": 1, "result": "pong"}, {**RPC, "id": None, "error": ERROR}],
]

NOT_FROM_THE_SIDECAR: list[Any] = [
    {**RPC, "id": 1},
    {"id": 1, "result": "pong"},
    {**RPC, "id": 1, "error": {"code": -32700, "message": "No data."}},
    {**RPC, "id": 1, "error": {**ERROR, "code": -32600}},
    {**RPC, "id": 1, "error": {**ERROR, "data": {"name": "PARSE_ERROR"}}},
    {**RPC, "method": "channel", "params": {**EVENT, "seq": 0}},
    {**RPC, "method": "channel", "params": {**EVENT, "event": {"status": "token"}}},
    {**RPC, "method": "channel", "params": {**EVENT, "event": {"status": "no_such_event"}}},
    [],
]


def is_a(name: str, value: Any) -> bool:
    return bool(Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": BUNDLE["$defs"]}).is_valid(value))


@pytest.mark.parametrize("message", FROM_THE_HOST, ids=str)
def test_what_a_host_may_send_is_a_host_message(message: Any) -> None:
    assert is_a("HostMessage", message)


@pytest.mark.parametrize("message", NOT_FROM_THE_HOST, ids=str)
def test_what_a_host_may_not_send_is_none(message: Any) -> None:
    assert not is_a("HostMessage", message)


@pytest.mark.parametrize("message", FROM_THE_SIDECAR, ids=str)
def test_what_the_sidecar_sends_is_a_sidecar_message(message: Any) -> None:
    assert is_a("SidecarMessage", message)


@pytest.mark.parametrize("message", NOT_FROM_THE_SIDECAR, ids=str)
def test_what_the_sidecar_never_sends_is_none(message: Any) -> None:
    assert not is_a("SidecarMessage", message)


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: error.name)
def test_every_error_can_be_sent_with_all_that_it_may_tell(error: type[SidecarError]) -> None:
    more: dict[str, Any] = dict.fromkeys(error.members(), "something")
    assert is_a("ErrorObject", error("It failed.", **more).to_wire())
