"""JSON-RPC 2.0's envelope: a line's JSON value, read strictly, and the request in it, checked without a schema library.

Owns what is refused although other parsers accept it, and why:

- An object that names a key twice, at any depth. Parsers differ in which value they take, and a value that one program
  has checked must not be read differently by another. (orjson 3.13 never frees a repeated key of more than 64 bytes; no
  remedy here would be cheap.) The line is refused as a whole with one INVALID_REQUEST, under the request's id where
  that is unambiguous, else null.
- More values than `MAX_VALUES`: 16 MiB of brackets would take half a gigabyte of memory.
- Nesting deeper than `MAX_DEPTH`, which could not be written again.
- Numbers that no double can hold, and half surrogate pairs: orjson refuses both.

A whole number beyond 64 bits becomes the nearest double, as in JavaScript, so it is no integer where the contract
requires one. Pure; knows no method.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

import msgspec
import orjson

from sidecar.contract.errors import InvalidParams, InvalidRequest, ParseError, SidecarError, legible

MAX_VALUES = 250_000
"""Values in one line. A value takes up to a hundred bytes of memory, however short it is written."""

MAX_DEPTH = 250
"""Depth of objects and arrays. orjson writes 254 levels, and a received value may be sent on to an engine."""

_MARKS = b",[{"
"""One of them precedes each value but the first, or the key of a value that is an object's member."""

_ALL_BUT_MARKS_AND_QUOTES = bytes(set(range(256)) - set(_MARKS + b'"'))

_STRING = re.compile(rb'"[^"]*+"')

_TOKEN = re.compile(rb'(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")(?P<colon>\s*+:)?|(?P<mark>[{}])', re.DOTALL)
"""A string, and whether it is a key; or the start or end of an object. For lines that are valid JSON."""

MAX_SAFE_INTEGER = 2**53
"""The largest integer that JavaScript hosts keep exactly."""


MAX_NAME_CHARACTERS = 200
"""Shown of a key or a method in an error's message: a host may have sent one of 16 MiB."""

_BY_NAME_HINT = 'Send them as an object: "params": {"name": value}.'

_REPEATED_HINT = "Name each key of an object once, at any depth; nothing of the line was executed."


class NoId(Enum):
    """The absent id of a notification."""

    NO_ID = "no id"


NO_ID = NoId.NO_ID
RequestId = str | int | None


class Request(msgspec.Struct, frozen=True):
    """A well-formed request or notification."""

    id: RequestId | NoId
    method: str
    params: dict[str, Any]


class Rejected(msgspec.Struct, frozen=True):
    """A value that is no request; it is answered with this error."""

    id: RequestId
    error: SidecarError


class RepeatedKey(Exception):
    """An object names a key twice.

    Attributes:
        key: the first such key.
        value: the parsed line, with the last value of each key.
        in_id: whether the outermost object's `id` is such a key.
    """

    def __init__(self, key: str, value: Any, *, in_id: bool) -> None:
        super().__init__(key)
        self.key = key
        self.value = value
        self.in_id = in_id


def parse(line: bytes) -> Any:
    """The JSON value of a line.

    Raises:
        ParseError: the line is not exactly one JSON value in UTF-8, or the value is too large.
        RepeatedKey: an object in it names a key twice.
    """
    if len(line) > MAX_VALUES and _has_too_many_values(line):
        raise ParseError(
            f"The line holds more than {MAX_VALUES:,} values.", hint="Send large data as one text, or by file path."
        )
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"The line is not valid JSON: {error.msg} (byte {error.pos}).") from None
    # Every key has a colon. If the keys of the parsed value and the colons in its strings are as many as the colons of
    # the line, no key was repeated: nearly always so, and known without reading the line again.
    colons = line.count(b":")
    if type(value) is dict and len(value) == colons and b"[" not in line:
        return value
    if _keys_and_colons(value) != colons or b"\\u003" in line:  # an escaped colon is not in the line
        _refuse_repeated(line, value)
    return value


def _has_too_many_values(line: bytes) -> bool:
    if sum(map(line.count, (b",", b"[", b"{"))) <= MAX_VALUES:
        return False
    # Text may have any number of commas: only those between the strings count.
    bare = line.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _ALL_BUT_MARKS_AND_QUOTES)
    inside = 0
    for number, string in enumerate(_STRING.finditer(bare)):
        if string.start() - inside > MAX_VALUES or number > 2 * MAX_VALUES:  # a member is two strings
            return True
        inside += len(string[0])
    return len(bare) - inside > MAX_VALUES


def _keys_and_colons(value: Any) -> int:
    """The number of keys in a value, and of colons in its strings. Descends level by level, without recursion."""
    found = depth = 0
    level = [value]
    while level:
        below: list[Any] = []
        for one in level:
            if isinstance(one, str):
                found += one.count(":")
            elif isinstance(one, dict):
                found += len(one)
                below += one
                below += one.values()
            elif isinstance(one, list):
                below += one
        level = below
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise ParseError(f"The line is nested deeper than {MAX_DEPTH} levels.", hint="Send flatter data.")
    return found


def _refuse_repeated(line: bytes, value: Any) -> None:
    first: str | None = None
    in_id = False
    open_objects: list[set[str]] = []
    for token in _TOKEN.finditer(line):
        if token["mark"] == b"{":
            open_objects.append(set())
        elif token["mark"]:
            open_objects.pop()
        elif token["colon"]:
            key: str = orjson.loads(token["string"])
            if key in open_objects[-1]:
                first = key if first is None else first
                in_id |= key == "id" and len(open_objects) == 1 and isinstance(value, dict)
            open_objects[-1].add(key)
    if first is not None:
        raise RepeatedKey(first, value, in_id=in_id)


def rejected(repeated: RepeatedKey) -> Rejected:
    """The answer to a line in which an object names a key twice."""
    id_ = repeated.value.get("id") if isinstance(repeated.value, dict) and not repeated.in_id else None
    key = legible(repeated.key, max_characters=MAX_NAME_CHARACTERS)
    error = InvalidRequest(f'An object names the key "{key}" twice.', hint=_REPEATED_HINT)
    return Rejected(id_ if _is_id(id_) else None, error)


def check(value: Any) -> Request | Rejected | None:
    """The request in a JSON value, or its refusal; `None` for an invalid notification, which gets no answer."""
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
    if params is None or params == []:  # by position and by name, these are no parameters
        params = {}
    if isinstance(params, list):
        if id_ is NO_ID:
            return None
        return Rejected(reply_to, InvalidParams("Parameters are taken by name only.", path="$", hint=_BY_NAME_HINT))
    if not isinstance(params, dict):
        return Rejected(reply_to, InvalidRequest("params must be an object."))
    return Request(id_, method, params)


def _is_id(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) <= MAX_SAFE_INTEGER
    return value is None or isinstance(value, str)


def success(id_: RequestId | NoId, result: Any) -> dict[str, Any]:
    """A response with a result."""
    return {"jsonrpc": "2.0", "id": id_, "result": result}


def failure(id_: RequestId | NoId, error: dict[str, Any]) -> dict[str, Any]:
    """A response with an error."""
    return {"jsonrpc": "2.0", "id": id_, "error": error}
