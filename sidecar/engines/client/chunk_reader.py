"""The bytes of an engine's streamed answer, as chunks.

Owns the framing: server-sent events as in the HTML standard, section 9.2, with what engines make of them. What a chunk
means is `chunk_forms`'.

    what engines send                                   what it means
    ------------------------------------------------    -----------------------------------------------
    lines that end with LF, CRLF or CR                  the same
    `data:` without a blank, a byte order mark          the same
    several data lines before a blank line              one event
    comments, `id:`, `retry:`, names of events          nothing, but for the name `error`
    `[DONE]`                                            the end
    no `[DONE]` after a finish_reason                   the end, once the connection ends or stays silent
    neither                                             the answer broke off
    JSON without `data:`                                the whole response, or an event a line
    another kind of text                                no chat completion
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from sidecar.engines.client.chat_chunk import ChatChunk, decode
from sidecar.engines.client.chunk_forms import NOT_A_CHUNK, chunk_of

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""The largest event; an engine sends none that is longer."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_QUOTED = 60
"""Characters of an answer of another kind that its error quotes."""


class ChunkReader:
    """Splits a byte stream into chunks, in whatever pieces the bytes arrive.

    Attributes:
        over: nothing more is read, for one of these reasons:
        done: the stream ended with its marker.
        error: the engine ended the stream with this error.
        problem: why the data is no chat completion.
        broke_off: the stream ended without its marker and without a finish_reason.
        finished: a finish_reason has arrived.
    """

    def __init__(self) -> None:
        self.over = False
        self.done = False
        self.error: dict[str, Any] | str | None = None
        self.problem: str | None = None
        self.broke_off = False
        self.finished = False
        self._partial = b""
        self._after_cr = False
        self._careful = False  # the next line belongs to an event that has begun
        self._event: list[bytes] = []
        self._is_error = False
        self._is_bare = False
        self._other: bytes | None = None

    def feed(self, data: bytes) -> list[ChatChunk]:
        """The chunks that these bytes complete."""
        if b"\r" in data or self._after_cr:
            data = self._with_lf(data)
        chunks: list[ChatChunk] = []
        *lines, self._partial = (self._partial + data if self._partial else data).split(b"\n")
        for line in lines:
            if not line and not self._careful:  # every second one
                continue
            if self.over:
                break
            try:
                if line.startswith(b"data: {") and not self._careful:
                    chunk: ChatChunk | None = decode(line[6:])
                    if chunk is not None and not chunk.choices:
                        chunk = chunk_of(line[6:])
                else:
                    chunk = self._read_other(line)
            except NOT_A_CHUNK as error:
                chunk = self._read_odd(line, error)
            if chunk is None:
                continue
            if chunk.error:
                self.over, self.error = True, chunk.error
                break
            for choice in chunk.choices:
                if choice.finish_reason is not None:
                    self.finished = True
            chunks.append(chunk)
        if len(self._partial) + sum(map(len, self._event)) > MAX_EVENT_BYTES:
            self._fail(f"an event of more than {MAX_EVENT_BYTES} bytes")
        return chunks

    def end(self) -> list[ChatChunk]:
        """The chunks that the end of the bytes completes."""
        self._is_bare = False
        chunks = self.feed(b"\n\n")
        if not self.over and self._other is not None and not self.finished:
            self.problem = f"it begins with {self._other[:_MAX_QUOTED]!r}"
        self.broke_off = not (self.over or self.finished or self.problem)
        self.over = True
        return chunks

    def _with_lf(self, data: bytes) -> bytes:
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _read_odd(self, line: bytes, error: Exception) -> ChatChunk | None:
        """A line that the typed decoder refuses."""
        try:
            if not self._careful and line.startswith(b"data: {"):
                return self._read_data(line[6:])
        except NOT_A_CHUNK as problem:
            error = problem
        self._fail(str(error))
        return None

    def _read_other(self, line: bytes) -> ChatChunk | None:
        """Any line that does not hold a whole chunk behind `data: `."""
        if self._is_bare:
            return self._read_bare(line)
        if not line:
            return self._dispatch()
        if line.startswith(_BYTE_ORDER_MARK):
            line = line[len(_BYTE_ORDER_MARK) :]
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            return self._read_data(value)
        if field == b"error":  # llama-server before 2025
            return ChatChunk(error=_error(value.strip()))
        if field == b"event":
            if value.strip() == b"error":
                self._is_error = self._careful = True
        elif line.lstrip().startswith(b"{"):
            self._is_bare = self._careful = True
            return self._read_bare(line)
        elif field not in (b"", b"id", b"retry") and self._other is None:
            self._other = line
        return None

    def _read_data(self, payload: bytes) -> ChatChunk | None:
        if self._careful or self._event:
            self._event.append(payload)
            return None
        if payload.strip() == b"[DONE]":
            self.over = self.done = True
            return None
        if not payload.strip():
            return None
        try:
            return chunk_of(payload)
        except msgspec.ValidationError:
            raise
        except NOT_A_CHUNK:  # perhaps its end is on another line
            self._event.append(payload)
            self._careful = True
            return None

    def _read_bare(self, line: bytes) -> ChatChunk | None:
        """A line of JSON without `data:`; it is complete where its braces are, at the latest with the last line."""
        self._event.append(line)
        if not line.rstrip().endswith(b"}") or (len(self._event) > 1 and line != b"}"):
            return None
        try:
            chunk = chunk_of(b"\n".join(self._event))
        except msgspec.ValidationError:
            raise
        except NOT_A_CHUNK:
            return None
        self._event.clear()
        self._is_bare = self._careful = False
        if chunk == ChatChunk():
            self._other = line
            return None
        return chunk

    def _dispatch(self) -> ChatChunk | None:
        """The event that a blank line ends."""
        payload, is_error = b"\n".join(self._event), self._is_error
        self._event.clear()
        self._careful = self._is_error = False
        if is_error and payload:
            return ChatChunk(error=_error(payload))
        return chunk_of(payload) if payload.strip() else None

    def _fail(self, problem: str) -> None:
        self.over, self.problem = True, problem
        self._partial = b""
        self._event.clear()


def _error(payload: bytes) -> dict[str, Any] | str:
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload.decode("utf-8", "replace") or "an error without a message"
    error = value.get("error", value) if isinstance(value, dict) else value
    return error if isinstance(error, dict | str) else payload.decode("utf-8", "replace")
