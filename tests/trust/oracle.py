"""What the contract says must come back for a line, whatever is in it.

Written from the contract and JSON-RPC's specification with the standard library's parser, apart from the dispatcher
that it judges: the two have to be wrong in the same way for an error to go unseen.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_VALUES = 250_000
MAX_DEPTH = 250
MAX_BATCH = 1024
MAX_SAFE_INTEGER = 2**53

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602

Id = str | int | None

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Answer:
    """One response.

    Attributes:
        id: its id.
        code: of its error, where the line alone says so; `None` where the method has its say.
        method: what was asked, where there is a method to ask.
    """

    id: Id
    code: int | None
    method: str | None = None


Answers = Answer | list[Answer] | None
"""One response, a batch of them, or none at all."""


class _Refused(Exception):
    pass


class _Members(list[tuple[str, Any]]):
    """An object as it stands in the text, every key as often as it is there."""


def answers_to_stream(stream: bytes, max_line_bytes: int = MAX_LINE_BYTES) -> list[Answers]:
    """What must come back for bytes that a host writes; what follows the last LF is a line that has not ended yet."""
    *lines, rest = stream.split(b"\n")
    found = [answers_to(line, max_line_bytes) for line in lines]
    if len(rest) > max_line_bytes + 1:  # told before its LF comes
        found.append(Answer(None, PARSE_ERROR))
    return [answers for answers in found if answers is not None]


def answers_to(line: bytes, max_line_bytes: int = MAX_LINE_BYTES) -> Answers:
    """What must come back for a line, given without its LF."""
    line = line.removesuffix(b"\r")
    if len(line) > max_line_bytes:
        return Answer(None, PARSE_ERROR)
    if not line.strip(b" \t"):
        return None
    try:
        value = _parse(line)
        repeats = _look_through(value)
    except (_Refused, ValueError, RecursionError):
        return Answer(None, PARSE_ERROR)
    if repeats:
        return Answer(_only_id(value), INVALID_REQUEST)
    if isinstance(value, list) and not isinstance(value, _Members):
        return _answers_to_batch(value)
    return _answer_to_request(value)


def _answers_to_batch(values: list[Any]) -> Answers:
    if not 1 <= len(values) <= MAX_BATCH:
        return Answer(None, INVALID_REQUEST)
    answers = [answer for value in values if (answer := _answer_to_request(value))]
    return answers or None


def _answer_to_request(value: Any) -> Answer | None:
    if not isinstance(value, _Members):
        return Answer(None, INVALID_REQUEST)
    members = dict(value)
    id_ = members.get("id")
    if not _is_id(id_):
        return Answer(None, INVALID_REQUEST)
    method, params = members.get("method"), members.get("params")
    by_position = isinstance(params, list) and not isinstance(params, _Members)
    named = params is None or isinstance(params, _Members) or params == []  # an empty array is no parameters
    if members.get("jsonrpc") != "2.0" or not isinstance(method, str) or not (named or by_position):
        return Answer(id_, INVALID_REQUEST)
    if "id" not in members:
        return None
    return Answer(id_, None, method) if named else Answer(id_, INVALID_PARAMS)


def _only_id(value: Any) -> Id:
    """The id of a request with repeated keys, where it has one and no second."""
    ids = [member for key, member in value if key == "id"] if isinstance(value, _Members) else []
    return ids[0] if len(ids) == 1 and _is_id(ids[0]) else None


def _is_id(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return value is None or isinstance(value, str) or (isinstance(value, int) and abs(value) <= MAX_SAFE_INTEGER)


def _parse(line: bytes) -> Any:
    return json.loads(
        line.decode("utf-8"),
        object_pairs_hook=_Members,
        parse_constant=_refuse,
        parse_float=_finite,
        parse_int=_integer,
    )


def _refuse(_constant: str) -> Any:
    raise _Refused


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _Refused
    return number


def _integer(text: str) -> int | float:
    number = _finite(text)
    if abs(number) > 2.0**65:  # before `int` is asked, which refuses thousands of digits
        return number
    return int(text) if -(2**63) <= int(text) < 2**64 else number


def _look_through(value: Any) -> bool:
    """Whether an object names a key twice; what is too deep, too large or no text at all is refused."""
    repeats, marks = False, 0
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for one in level:
            if isinstance(one, str):
                if _SURROGATE.search(one):
                    raise _Refused
            elif isinstance(one, list):
                marks += max(1, len(one))
                if isinstance(one, _Members):
                    keys = [key for key, _ in one]
                    repeats |= len(set(keys)) < len(keys)
                    below += keys
                    below += [member for _, member in one]
                else:
                    below += one
        if not below:
            break
        level = below
    else:
        raise _Refused
    if marks > MAX_VALUES:
        raise _Refused
    return repeats
