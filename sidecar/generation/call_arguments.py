"""The arguments of tool calls: whether they are a JSON object, and what becomes of those that are not.

Owns that judgement, for answers as they end and for calls in the history. Pure. An answer that reaches its limit within
a call leaves cut JSON behind, and engines refuse every later request that holds it (llama.cpp#25510).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from sidecar.contract.sessions import ToolCall

MAX_UNWRAPPED = 2
"""How often arguments may be JSON text within JSON text: some models encode theirs twice."""

MAX_CLOSED = 200_000
"""Characters of cut arguments that are closed. Longer ones stay text: no answer has so many, only an imported file."""

_HALF_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?$")
_HALF_CHARACTER = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}$")
_HALF_VALUE = re.compile(r"[-+0-9.eEa-z]+$")


def object_of(arguments: str) -> dict[str, Any] | None:
    """The arguments as an object; `None` if they are none. No arguments are an empty object."""
    value: Any = arguments
    for _ in range(MAX_UNWRAPPED):
        if not value.strip():
            return {}
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(value, str):
            break
    if value is None:
        return {}
    return value if isinstance(value, dict) else None


def accepted(arguments: str) -> str | None:
    """The text of arguments that every engine takes: as the model wrote it where that is an object."""
    if (found := object_of(arguments)) is None:
        return None
    return arguments if arguments.lstrip().startswith("{") else orjson.dumps(found).decode()


def closed(arguments: str) -> str | None:
    """Cut arguments, closed where they end; `None` if that makes no object of them."""
    if len(arguments) > MAX_CLOSED:
        return None
    scan = _Scan(arguments)
    if scan.closers[:1] != ["}"]:
        return None
    closers = "".join(reversed(scan.closers))
    if scan.in_string:  # or in a name
        whole = _HALF_ESCAPE.sub("", arguments)
        texts = (arguments, whole, _HALF_CHARACTER.sub("", whole))
        candidates = [text + end for text in texts for end in ('"', '":null')]
    else:
        text = arguments.rstrip()
        value = _HALF_VALUE.sub("", text).rstrip()
        candidates = [text, f"{text}null", f"{text}:null", f"{value}null", value.removesuffix(",")]
    for candidate in candidates:
        if object_of(candidate + closers) is not None:
            return candidate + closers
    return None


def marked(calls: Sequence[ToolCall], *, at_limit: bool) -> list[ToolCall]:
    """The calls of an answer that has ended: those without usable arguments are marked as incomplete.

    Args:
        calls: the calls, in their order.
        at_limit: whether the answer ended at a limit. Then a last call without arguments had no time for them.
    """
    out: list[ToolCall] = []
    for call in calls:
        arguments = call.function.arguments
        if object_of(arguments) is None or (at_limit and not arguments.strip() and call is calls[-1]):
            out.append(msgspec.structs.replace(call, incomplete=True))
        elif not arguments.strip():
            function = msgspec.structs.replace(call.function, arguments="{}")
            out.append(msgspec.structs.replace(call, function=function))
        else:
            out.append(call)
    return out


def is_cut(call: ToolCall) -> bool:
    """Whether a marked call ended too early, rather than having nonsense for its arguments."""
    arguments = call.function.arguments
    return call.incomplete is True and (not arguments.strip() or closed(arguments) is not None)


class _Scan:
    """What is open where a JSON text ends.

    Attributes:
        closers: the brackets that would close it, the outermost first.
        in_string: whether it ends within a string.
    """

    def __init__(self, text: str) -> None:
        self.closers: list[str] = []
        self.in_string = escaped = False
        for character in text:
            if self.in_string:
                if escaped:
                    escaped = False
                elif character == "\\":
                    escaped = True
                elif character == '"':
                    self.in_string = False
            elif character == '"':
                self.in_string = True
            elif character in "{[":
                self.closers.append("}" if character == "{" else "]")
            elif character in "}]" and self.closers:
                self.closers.pop()
