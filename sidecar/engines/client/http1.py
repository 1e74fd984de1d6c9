"""HTTP/1.1 as far as talking to an engine needs it, without I/O.

Owns what a request looks like, and how the bytes of an answer become a status and a body. Strict in what says where a
body ends: an answer that is cut wrongly is another answer. Knows nothing of JSON or events.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_HEAD_BYTES = 16 * 1024
"""Of an answer: ten times what engines send."""

MAX_CHUNK_BYTES = 64 * 1024 * 1024
"""llama-server makes a chunk of each token; token lists of the longest texts have some MB."""

MAX_SIZE_LINE_BYTES = 256
"""Of the line before a chunk, with an extension that nobody uses."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: .*)?", re.DOTALL)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?", re.DOTALL)


class NotHttp(Exception):
    """What came is no answer, or none whose end can be found."""


def request(verb: str, target: str, *, host: str, key: str | None, body: bytes | None) -> bytes:
    """A request on a connection of its own.

    Args:
        target: the path, quoted as it has to be.
        host: for the Host field.
        key: for the Authorization field, where there is one.
        body: JSON, where there is one.
    """
    lines = [f"{verb} {target} HTTP/1.1", f"Host: {host}", "Accept: */*", "Connection: close"]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


class HttpAnswer:
    """Reads one answer, however its bytes are cut.

    Attributes:
        status: HTTP's; `None` until the head is there.
        done: the body is complete.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.done = False
        self._read = self._read_head
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._wanted_bytes = 0
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """The part of the body that these bytes complete.

        Raises:
            NotHttp: the answer can not be read; it is not to be fed any more.
        """
        if self._held:
            self._held.append(data)
            self._held_bytes += len(data)
            if self._held_bytes < self._wanted_bytes:
                return b""
            data = b"".join(self._held)
            self._held = []
        return self._read(data)

    def end(self) -> bool:
        """Take the connection's end; whether the answer is complete with it."""
        self.done = self.done or self._read == self._read_to_the_end
        return self.done

    def _hold(self, data: bytes, wanted_bytes: int) -> None:
        """Read on when there is so much; each piece is joined to others once, however small they are."""
        self._held, self._held_bytes, self._wanted_bytes = [data], len(data), wanted_bytes

    def _read_head(self, data: bytes) -> bytes:
        end = data.find(b"\r\n\r\n")
        if max(end, len(data) if end < 0 else 0) > MAX_HEAD_BYTES:
            raise NotHttp(f"its head is longer than {MAX_HEAD_BYTES} bytes")
        if end < 0:
            self._hold(data, len(data) + 1)
            return b""
        status, fields = _parse_head(data[:end])
        rest = data[end + 4 :]
        if status >= 200:  # the others announce the answer
            self.status = status
            self._choose_body(fields)
        return self.feed(rest) if rest else b""

    def _choose_body(self, fields: dict[bytes, list[bytes]]) -> None:
        codings, lengths = fields.get(b"transfer-encoding", []), fields.get(b"content-length", [])
        if codings:
            if [coding.lower() for coding in codings] != [b"chunked"] or lengths:
                raise NotHttp("it is encoded in an unknown way")
            self._read = self._read_chunks
        elif self.status in (204, 304):
            self._expect(0)
        elif lengths:
            if len(set(lengths)) != 1 or not _LENGTH.fullmatch(lengths[0]):
                raise NotHttp("its length is no number")
            self._expect(int(lengths[0]))
        else:
            self._read = self._read_to_the_end

    def _expect(self, length: int) -> None:
        self._left, self.done, self._read = length, length == 0, self._read_counted

    def _read_to_the_end(self, data: bytes) -> bytes:
        return data

    def _read_nothing(self, data: bytes) -> bytes:
        """What may follow the last chunk says nothing of the body."""
        return b""

    def _read_counted(self, data: bytes) -> bytes:
        body = data[: self._left]
        self._left -= len(body)
        self.done = self._left == 0
        return body

    def _read_chunks(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        at = 0
        while at < len(data):
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                self._hold_size_line(data[at:])
                break
            size = _chunk_size(data[at:line_end])
            if not size:
                self.done, self._read = True, self._read_nothing
                break
            start = line_end + 2
            end = start + size
            mark = data[end : end + 2]
            if mark != b"\r\n":
                if mark not in (b"", b"\r"):
                    raise NotHttp("a chunk is longer than it says")
                self._hold(data[at:], end + 2 - at)
                break
            pieces.append(data[start:end])
            at = end + 2
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _hold_size_line(self, line: bytes) -> None:
        if len(line) > MAX_SIZE_LINE_BYTES:
            raise NotHttp("a chunk does not say its size")
        self._hold(line, len(line) + 1)


def _parse_head(head: bytes) -> tuple[int, dict[bytes, list[bytes]]]:
    """The status, and the values of each field by its name in small letters."""
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise NotHttp("it does not begin as HTTP does")
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise NotHttp("its head has a line that is no field")
        fields.setdefault(field[1].lower(), []).append(field[2])
    return int(status[1]), fields


@lru_cache(maxsize=1024)
def _chunk_size(line: bytes) -> int:
    """Bytes of a chunk. Kept, since those of tokens are of a few lengths only."""
    size = _CHUNK_SIZE.fullmatch(line)
    if size is None or int(size[1], 16) > MAX_CHUNK_BYTES:
        raise NotHttp("a chunk does not say its size")
    return int(size[1], 16)
