"""JSON-RPC 2.0's envelope, checked without a schema library.

Owns what a request is, and under which id something is refused that is none. A line in which an object names a key
twice is refused as a whole with one INVALID_REQUEST, under the request's id where that is beyond doubt, else null; see
`parsing`. Pure; knows no method.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from sidecar.contract.errors import InvalidParams, InvalidRequest, SidecarError, legible
from sidecar.dispatch.parsing import RepeatedKey

MAX_SAFE_INTEGER = 2**53
"""Ids beyond it do not survive a JavaScript host."""


MAX_NAME_CHARACTERS = 200
"""Of a key or a method in an error's message: a host may have sent one of 16 MiB."""

_REPEATED_HINT = "Name each key of an object once, at any depth; nothing of the line was carried out."


class NoId(Enum):
    """The id of a notification: there is none."""

    NO_ID = "no id"


NO_ID = NoId.NO_ID
RequestId = str | int | None


class Request(msgspec.Struct, frozen=True):
    """A well-formed request or notification."""

    id: RequestId | NoId
    method: str
    params: dict[str, Any]


class Rejected(msgspec.Struct, frozen=True):
    """Something that is no request; answered with this error."""

    id: RequestId
    error: SidecarError


def rejected(repeated: RepeatedKey) -> Rejected:
    """What a line is answered with in which an object names a key twice."""
    id_ = repeated.value.get("id") if isinstance(repeated.value, dict) and not repeated.in_id else None
    key = legible(repeated.key, max_characters=MAX_NAME_CHARACTERS)
    error = InvalidRequest(f'An object names the key "{key}" twice.', hint=_REPEATED_HINT)
    return Rejected(id_ if _is_id(id_) else None, error)


def check(value: Any) -> Request | Rejected | None:
    """Whether a JSON value is a request; `None` for a notification that can not be carried out or answered."""
    if not isinstance(value, dict):
        return Rejected(None, InvalidRequest("A request is a JSON object."))
    id_ = value.get("id", NO_ID)
    if id_ is not NO_ID and not _is_id(id_):
        return Rejected(None, InvalidRequest("id must be a string, an integer up to 2^53, or null."))
    reply_to = None if id_ is NO_ID else id_
    if value.get("jsonrpc") != "2.0":
        return Rejected(reply_to, InvalidRequest('"jsonrpc": "2.0" is missing.'))
    method = value.get("method")
    if not isinstance(method, str):
        return Rejected(reply_to, InvalidRequest("method must be a string."))
    params = value.get("params")
    if params is None:
        params = {}
    if isinstance(params, list):
        if id_ is NO_ID:
            return None
        return Rejected(reply_to, InvalidParams("Parameters are taken by name only.", path="$"))
    if not isinstance(params, dict):
        return Rejected(reply_to, InvalidRequest("params must be an object."))
    return Request(id_, method, params)


def _is_id(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) <= MAX_SAFE_INTEGER
    return value is None or isinstance(value, str)


def success(id_: RequestId, result: Any) -> dict[str, Any]:
    """A response with a result."""
    return {"jsonrpc": "2.0", "id": id_, "result": result}


def failure(id_: RequestId, error: dict[str, Any]) -> dict[str, Any]:
    """A response with an error."""
    return {"jsonrpc": "2.0", "id": id_, "error": error}
