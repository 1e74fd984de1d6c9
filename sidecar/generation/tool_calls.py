"""Tool calls, put together from the pieces of a stream.

Owns which piece belongs to which call. Pure.

    what engines send                                   what it means
    ------------------------------------------------    -----------------------------------------------
    pieces with one index                               one call
    another id under the same index                     another call
    the same id under another index                     another call; it gets an id of its own
    no index                                            the call of this id, else of this place in the list
    the name once, in pieces, growing, or in each       the name
    another name after arguments, without an id         another call
    a name and whole arguments after whole ones         another call, where neither has an id
    the same whole arguments again                      nothing new
    no id                                               an id of ours: hosts answer calls by it
    no arguments                                        an empty object
    no name                                             no call: nothing can be called

An answer that ended within a call has it with cut arguments (`call_arguments`).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from sidecar.contract.sessions import ToolCall, ToolFunction
from sidecar.engines.client.chat_chunk import FunctionDelta, ToolCallDelta
from sidecar.generation.call_arguments import object_of

_ID_BYTES = 8
"""Random bytes of an id of ours: 64 bits, so that two calls of a conversation never share one."""


class _Call(msgspec.Struct):
    """A call so far."""

    index: int
    id: str = ""
    name: str = ""
    pieces: list[str] = msgspec.field(default_factory=list)

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


class ToolCalls:
    """The calls of one answer so far."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._open: dict[int, _Call] = {}
        self.nameless = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, deltas: Sequence[ToolCallDelta]) -> None:
        """Add the pieces of one chunk."""
        for place, delta in enumerate(deltas):
            self._add(place, delta, delta.function or FunctionDelta())

    def finish(self) -> list[ToolCall]:
        """The calls by index, and of one index in the order in which they began."""
        used: set[str] = set()
        finished: list[ToolCall] = []
        for call in sorted(self._calls, key=lambda call: call.index):
            if not call.name.strip():
                self.nameless += 1
                continue
            id_ = whole_text(call.id)
            if not id_ or id_ in used:
                id_ = f"call_{secrets.token_hex(_ID_BYTES)}"
            used.add(id_)
            function = ToolFunction(name=whole_text(call.name), arguments=whole_text(call.arguments))
            finished.append(ToolCall(id=id_, type="function", function=function))
        return finished

    def _add(self, place: int, delta: ToolCallDelta, function: FunctionDelta) -> None:
        call = self._call_of(place, delta, function)
        if delta.id:
            call.id = delta.id
        if function.name:
            call.name = _longer_name(call.name, function.name)
        if function.arguments and not _is_repeated(call, function):
            call.pieces.append(function.arguments)

    def _call_of(self, place: int, delta: ToolCallDelta, function: FunctionDelta) -> _Call:
        """The call that a piece belongs to; a new one where it begins one."""
        index = delta.index
        if delta.id:
            for known in reversed(self._calls):
                if known.id == delta.id and index in (None, known.index):
                    return known
        if index is None:
            index = place
        call = self._open.get(index)
        if call is None or _begins_another(call, delta, function):
            call = self._open[index] = _Call(index)
            self._calls.append(call)
        return call


def whole_text(text: str) -> str:
    """A text whose halves of characters are joined, and replaced by U+FFFD where their other half is missing."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _begins_another(call: _Call, delta: ToolCallDelta, function: FunctionDelta) -> bool:
    if delta.id and call.id:
        return delta.id != call.id
    if not function.name or not call.pieces or delta.id or call.id:
        return False
    if not function.name.startswith(call.name):
        return True
    is_whole = (function.arguments or "").lstrip().startswith("{") and object_of(call.arguments) is not None
    return is_whole and not _is_repeated(call, function)


def _is_repeated(call: _Call, function: FunctionDelta) -> bool:
    """Whether a piece with its name brings the whole arguments that are there already."""
    arguments = function.arguments or ""
    if not function.name or len(arguments) < len("{}") or arguments != call.arguments:
        return False
    return bool(call.id) and object_of(arguments) is not None


def _longer_name(known: str, piece: str) -> str:
    """A name after another piece of it: engines send it once, in each piece, growing, or in parts."""
    if piece.startswith(known):
        return piece
    return known if known.startswith(piece) else known + piece
