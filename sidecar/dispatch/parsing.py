"""A line's JSON value, read strictly.

Owns what is refused although others would take it, and why:

- An object that names a key twice, at any depth. Parsers differ in which value they take, and what one program has
  checked another must not read differently. (orjson 3.13 never frees a repeated key of more than 64 bytes; nothing
  that can be done here would be cheap.)
- More values than `MAX_VALUES`: in 16 MiB there is room for brackets that take half a gigabyte.
- Nesting deeper than `MAX_DEPTH`, which nobody could write again.
- Numbers that no double can hold, and half surrogate pairs: orjson takes none of them.

A whole number beyond 64 bits is the nearest double, as in JavaScript; where the contract wants an integer, it is none.
Pure; knows nothing of requests.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from sidecar.contract.errors import ParseError

MAX_VALUES = 250_000
"""Values in one line. A value takes up to a hundred bytes of memory, however short it is written."""

MAX_DEPTH = 250
"""Objects and arrays that a value may stand in. orjson writes 254 levels, and what comes in may go on to an engine."""

_MARKS = b",[{"
"""Each value but the first has one of them before it, or is an object's member and its key has."""

_ALL_BUT_MARKS_AND_QUOTES = bytes(set(range(256)) - set(_MARKS + b'"'))

_STRING = re.compile(rb'"[^"]*+"')

_TOKEN = re.compile(rb'(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")(?P<colon>\s*+:)?|(?P<mark>[{}])', re.DOTALL)
"""A string, and whether it is a key; or where an object begins or ends. For lines that are JSON for sure."""


class RepeatedKey(Exception):
    """An object names a key twice.

    Attributes:
        key: the first such key.
        value: what came out of the line, with the last value of each key.
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
        ParseError: it is not exactly one JSON value in UTF-8, or one that is too large.
        RepeatedKey: it is one, but for a key that is there twice.
    """
    if len(line) > MAX_VALUES and _has_too_many_values(line):
        raise ParseError(
            f"The line holds more than {MAX_VALUES:,} values.", hint="Send large data as one text, or by file path."
        )
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"The line is not valid JSON: {error.msg} (byte {error.pos}).") from None
    # Every key has a colon. If the value that came out has as many keys, and colons in its strings, as the line has
    # colons, then nothing was lost: that is nearly always so, and found out without reading the line again.
    colons = line.count(b":")
    if type(value) is dict and len(value) == colons and b"[" not in line:
        return value
    if _keys_and_colons(value) != colons or b"\\u003" in line:  # an escaped colon is one that the line has not
        _refuse_repeated(line, value)
    return value


def _has_too_many_values(line: bytes) -> bool:
    if sum(map(line.count, (b",", b"[", b"{"))) <= MAX_VALUES:
        return False
    # Text may have any number of commas: only what stands between the strings counts.
    bare = line.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _ALL_BUT_MARKS_AND_QUOTES)
    inside = 0
    for number, string in enumerate(_STRING.finditer(bare)):
        if string.start() - inside > MAX_VALUES or number > 2 * MAX_VALUES:  # a member is two strings
            return True
        inside += len(string[0])
    return len(bare) - inside > MAX_VALUES


def _keys_and_colons(value: Any) -> int:
    """How many keys there are in a value, and colons in its strings. Goes down level by level, without recursion."""
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
