"""A file seen through a window of a few bytes that moves forward.

Owns every bound on places: nothing is read, skipped or believed past the header's bound or the file's end. Knows how
GGUF writes numbers and texts, not what they mean.
"""

from __future__ import annotations

from io import FileIO
from struct import Struct
from struct import error as StructError  # noqa: N812 - `struct.error` says too little at its uses
from typing import Any, NoReturn

MAX_HEADER_BYTES = 64 * 1024 * 1024
"""The largest known headers (vocabularies of 262,144 tokens) have 16 MB. Bounds the time, too: 1 s of the worst."""
FIRST_READ_BYTES = 16 * 1024
"""Holds everything up to the vocabulary, which is all that a quick reading wants."""
NEXT_READ_BYTES = 1024 * 1024
"""Few calls, little memory."""

_U64 = Struct("<Q")


class Damaged(Exception):
    """What is wrong with the file, as the second half of a sentence."""

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem)
        self.hint = hint


class Window:
    """The window. A place outside of the file, or of MAX_HEADER_BYTES, is `Damaged`."""

    def __init__(self, file: FileIO, file_bytes: int) -> None:
        self._file = file
        self.file_bytes = file_bytes
        self._limit = min(file_bytes, MAX_HEADER_BYTES)
        self._base = 0
        self.buffer = b""
        self.position = 0
        """In `buffer`; it may lie past its end after a skip."""

    def tell(self) -> int:
        return self._base + self.position

    def ends_early(self) -> NoReturn:
        if self._limit < self.file_bytes:
            raise Damaged(f"its header is longer than {MAX_HEADER_BYTES:,} bytes, which no known model's is")
        raise Damaged(f"the file is cut short: the header does not end within its {self.file_bytes:,} bytes")

    def room_for(self, count: int) -> None:
        """Refuse what would end past the header's bound or the file's end."""
        if self.tell() + count > self._limit:
            self.ends_early()

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.position + count
        if end > len(self.buffer):
            self.room_for(count)
            self.move(count)
            end = count
        data = self.buffer[self.position : end]
        self.position = end
        return data

    def number(self, form: Struct) -> Any:
        """The next number."""
        return form.unpack(self.take(form.size))[0]

    def move(self, count: int) -> None:
        """Let the window start here, and hold `count` bytes at least."""
        start = self.tell()
        wanted = min(max(count, NEXT_READ_BYTES if start else FIRST_READ_BYTES), self._limit - start)
        parts: list[bytes] = []
        got = 0
        self._file.seek(start)
        while got < wanted and (part := self._file.read(wanted - got)):
            parts.append(part)
            got += len(part)
        if got < count:  # the file has shrunk since its size was taken
            self.ends_early()
        self._base, self.position, self.buffer = start, 0, b"".join(parts)

    def skip(self, count: int) -> None:
        self.room_for(count)
        self.position += count

    def skip_texts(self, count: int) -> None:
        """Step over texts, each a length and so many bytes."""
        self.room_for(count * 8)
        length_at = _U64.unpack_from
        while count:
            self.room_for(8)
            if self.position + 8 > len(self.buffer):
                self.move(8)
            buffer, position, done = self.buffer, self.position, 0
            try:
                for done in range(count):  # noqa: B007 - counts those before the one that lies past the window
                    position += length_at(buffer, position)[0] + 8
            except (StructError, OverflowError):
                count -= done
            else:
                count = 0
            self.position = position
        self.room_for(0)

    def name(self, limit: int, what: str) -> str:
        """The next text, which is a name: not empty, and of `limit` bytes at most."""
        length = self.number(_U64)
        if not 0 < length <= limit:
            raise Damaged(f"a {what} claims {length:,} bytes; 1 to {limit:,} are possible")
        return decoded(self.take(length), f"a {what}")


def decoded(data: bytes, what: str) -> str:
    """A text of the file; `what` names it for people."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Damaged(f"{what} is not UTF-8") from None


def shown(value: object) -> str:
    """A value from the file for a message: quoted, short."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
