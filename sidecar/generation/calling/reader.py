"""The call, or the answer, in an answer of JSON.

Owns how it is read as it comes, in the form that `call_schema` prescribes. Pure. The text of an answer is passed on
while it is written; a call is known when it has ended. What is neither of them is text, as the model wrote it: not
every engine follows a schema.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec
import orjson

MAX_HEAD = 256
"""Characters by which it is known what an answer is. Grammars of llama.cpp allow 22 of white space at each place."""

_TEXT = re.compile(r'\s*\{\s*"answer"\s*:\s*"')
_VALUE = re.compile(r'\s*\{\s*"answer"\s*:\s*')
_CALL = re.compile(r'\s*\{\s*"name"\s*:\s*(?P<name>"(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\S)', re.DOTALL)
_PART = re.compile(r'[^"\\]+|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}')
_UNFINISHED = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Ended(msgspec.Struct, frozen=True):
    """What an answer was, at its end.

    Attributes:
        text: text that has not been passed on.
        call: the name of a function and its arguments, which are cut where the answer was.
        is_cut: it was cut before it was a call that can be named.
    """

    text: str = ""
    call: tuple[str, str] | None = None
    is_cut: bool = False


class JsonAnswer:
    """Reads one answer."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._state: Literal["start", "held", "answer", "over", "text"] = "start"
        self._half = ""  # of an escape

    @property
    def raw(self) -> str:
        """Everything that was fed."""
        return "".join(self._pieces)

    def feed(self, text: str) -> str:
        """Add the next piece; returns the text to show."""
        self._pieces.append(text)
        if self._state == "text":
            return text
        if self._state == "answer":
            return self._decoded(text)
        if self._state != "start":
            return ""
        head = self.raw
        if match := _TEXT.match(head):
            self._state = "answer"
            return self._decoded(head[match.end() :])
        start = head.lstrip()
        if start and not start.startswith("{"):
            self._state = "text"
            return head
        if len(head) > MAX_HEAD:
            self._state = "held"
        return ""

    def end(self, *, at_limit: bool) -> Ended:
        """What the answer was.

        Args:
            at_limit: whether it ended at a limit.
        """
        if self._state not in ("start", "held"):
            return Ended()
        raw = self.raw
        match, value = _CALL.match(raw), _value_of(raw)
        if isinstance(value, dict) and isinstance(name := value.get("name"), str):
            if match and list(value) == ["name", "arguments"]:
                return Ended(call=(name, _inner(raw, match.end())))
            return Ended(call=(name, orjson.dumps(value.get("arguments", {})).decode()))
        if isinstance(value, dict) and list(value) == ["answer"] and (form := _VALUE.match(raw)):
            return Ended(_inner(raw, form.end()))
        if value is None and match and isinstance(name := _value_of(match["name"]), str):
            return Ended(call=(name, raw[match.end() :]))
        if value is None and at_limit and raw.lstrip().startswith("{") and not _VALUE.match(raw):
            return Ended(is_cut=True)
        return Ended(raw)

    def _decoded(self, text: str) -> str:
        """The next part of a JSON string; halves of characters stay halves."""
        text, self._half = self._half + text, ""
        out: list[str] = []
        position = 0
        while position < len(text):
            if part := _PART.match(text, position):
                out.append(_unescaped(part[0]))
                position = part.end()
            elif text[position] == '"':
                self._state = "over"
                break
            elif _UNFINISHED.match(text, position):
                self._half = text[position:]
                break
            else:  # no JSON: as it was written
                out.append(text[position])
                position += 1
        return "".join(out)


def _unescaped(part: str) -> str:
    if not part.startswith("\\"):
        return part
    if part[1] == "u":
        return chr(int(part[2:], 16))
    return _ESCAPES.get(part[1], part[1])


def _inner(raw: str, start: int) -> str:
    """The last value of an object, as it was written."""
    return raw[start:].rstrip().removesuffix("}").rstrip()


def _value_of(text: str) -> Any:
    """The value of a JSON text; `None` if it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
