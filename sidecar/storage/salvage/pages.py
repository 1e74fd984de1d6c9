"""What is left in the pages of a damaged SQLite file, read without SQLite.

Owns as much of the file format as it takes to find rows: the header, the write-ahead log, the leaf pages of tables and
the overflow pages of long rows (sqlite.org/fileformat2.html). Knows no table: the reader finds out which table a row
belongs to. SQLite reaches a row only through the pages above it and gives up at the first damaged one; here each page
is read by itself, so only what was in the damaged pages is lost.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from sidecar.storage.integrity import MAGIC

DEFAULT_PAGE_BYTES = 4096
"""SQLite's default page size since 2016, for a file whose header cannot be read."""

_PAGE_SIZES = tuple(2**n for n in range(9, 17))
_TABLE_LEAF = 0x0D
_LOG_MAGIC = (0x377F0682, 0x377F0683)
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24

_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)
"""Bytes of a value of each kind below 12: nothing, integers, a float, the numbers 0 and 1."""

Value = None | int | float | str | bytes


class Unreadable(Exception):
    """There is no row here, or not a complete one."""


class Row(NamedTuple):
    """A row as stored in the file, where the column that is its rowid is stored as `None`."""

    rowid: int
    values: tuple[Value, ...]


class DamagedFile:
    """A database and its log, whose content is never trusted. Only reads; a context manager."""

    def __init__(self, path: Path, log: Path) -> None:
        self._paths = (path, log)
        self._open = ExitStack()
        self._log: BinaryIO | None = None
        self._in_log: dict[int, int] = {}

    def __enter__(self) -> Self:
        path, log = self._paths
        with self._open:
            self._file: BinaryIO = self._open.enter_context(path.open("rb"))
            self._log = self._open.enter_context(log.open("rb")) if log.exists() else None
            self._open = self._open.pop_all()
        self._page_bytes = self._find_page_bytes()
        self._in_log = self._read_log()
        in_file = -(-path.stat().st_size // self._page_bytes)
        self._page_count = max([in_file, *self._in_log])
        # An extension may reserve the end of each page.
        header = self.page(1)
        self._usable = self._page_bytes - (header[20] if header.startswith(MAGIC) else 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def user_version(self) -> int:
        """The version of the schema; 0 where the header cannot be read."""
        header = self.page(1)
        return int.from_bytes(header[60:64], "big", signed=True) if header.startswith(MAGIC) else 0

    def rows(self) -> Iterator[Row]:
        """Every readable row of every table, without deleted ones, in the order of their pages."""
        free = self._free_pages()
        for number in range(1, self._page_count + 1):
            if number not in free:
                yield from self._rows_of(self.page(number), 100 if number == 1 else 0)

    def page(self, number: int) -> bytes:
        """A page as last committed; missing bytes are zero."""
        if number in self._in_log:
            data = _read(self._log, self._in_log[number], self._page_bytes)
        else:
            data = _read(self._file, (number - 1) * self._page_bytes, self._page_bytes)
        return data.ljust(self._page_bytes, b"\0")

    def _find_page_bytes(self) -> int:
        header = _read(self._file, 0, 18)
        if header.startswith(MAGIC):
            declared = int.from_bytes(header[16:], "big")
        else:
            declared = int.from_bytes(_read(self._log, 8, 4), "big")
        declared = 65536 if declared == 1 else declared
        return declared if declared in _PAGE_SIZES else DEFAULT_PAGE_BYTES

    def _read_log(self) -> dict[int, int]:
        """Where in the log the last committed state of a page is.

        Checksums are not verified: SQLite ends the log at the first wrong one, while the rows behind it are saved here,
        too.
        """
        header = _read(self._log, 0, _LOG_HEADER_BYTES)
        if len(header) < _LOG_HEADER_BYTES or int.from_bytes(header[:4], "big") not in _LOG_MAGIC:
            return {}
        committed: dict[int, int] = {}
        pending: dict[int, int] = {}
        at = _LOG_HEADER_BYTES
        while len(frame := _read(self._log, at, _FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES:
            number, size_after_commit = struct.unpack(">II", frame[:8])
            if frame[8:16] != header[16:24]:  # left over from before the log was restarted
                break
            pending[number] = at + _FRAME_HEADER_BYTES
            at += _FRAME_HEADER_BYTES + self._page_bytes
            if size_after_commit:
                committed |= pending
                pending.clear()
        return committed

    def _free_pages(self) -> set[int]:
        """Unused pages, whose content was deleted, as far as the list of them can be read."""
        free: set[int] = set()
        trunk = int.from_bytes(self.page(1)[32:36], "big")
        while 1 < trunk <= self._page_count and trunk not in free:
            data = self.page(trunk)
            following, count = struct.unpack(">II", data[:8])
            if following > self._page_count or count > self._usable // 4 - 2:
                break
            leaves = struct.unpack(f">{count}I", data[8 : 8 + 4 * count])
            if not all(1 < leaf <= self._page_count for leaf in leaves):
                break
            free |= {trunk, *leaves}
            trunk = following
        return free

    def _rows_of(self, data: bytes, start: int) -> Iterator[Row]:
        if data[start] != _TABLE_LEAF:
            return
        count = int.from_bytes(data[start + 3 : start + 5], "big")
        pointers = data[start + 8 : start + 8 + 2 * count]
        for at in range(0, len(pointers) - 1, 2):
            try:
                yield self._row(data, int.from_bytes(pointers[at : at + 2], "big"))
            except Unreadable:
                continue

    def _row(self, data: bytes, at: int) -> Row:
        size, at = _varint(data, at)
        rowid, at = _varint(data, at)
        longest = self._usable - 35
        if size <= longest:
            payload = data[at : at + size]
        else:
            least = (self._usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (self._usable - 4)
            local = local if local <= longest else least
            payload = data[at : at + local] + self._overflow(data[at + local : at + local + 4], size - local)
        if len(payload) != size:
            raise Unreadable
        return Row(rowid - 2**64 if rowid >= 2**63 else rowid, _record(payload))

    def _overflow(self, pointer: bytes, size: int) -> bytes:
        """The rest of a long row, from its chain of overflow pages."""
        if size > self._page_count * self._usable:
            raise Unreadable
        pieces = []
        while size > 0:
            number = int.from_bytes(pointer, "big")
            data = self.page(number) if 1 < number <= self._page_count else b""
            if not any(data):
                raise Unreadable
            pointer, piece = data[:4], data[4 : min(self._usable, 4 + size)]
            pieces.append(piece)
            size -= len(piece)
        if any(pointer):  # the chain should end here
            raise Unreadable
        return b"".join(pieces)


def _read(file: BinaryIO | None, at: int, size: int) -> bytes:
    """Bytes of a file: fewer at its end, none where there is no file or its disk cannot be read."""
    if file is None:
        return b""
    try:
        file.seek(at)
        return file.read(size)
    except OSError:
        return b""


def _record(payload: bytes) -> tuple[Value, ...]:
    header_bytes, at = _varint(payload, 0)
    if header_bytes > len(payload):
        raise Unreadable
    types: list[int] = []
    while at < header_bytes:
        if (kind := payload[at]) < 0x80:  # most kinds take one byte
            at += 1
        else:
            kind, at = _varint(payload, at)
        types.append(kind)
    sizes = [(kind - 12) // 2 if kind >= 12 else _SIZES[kind] for kind in types]
    if at + sum(sizes) != len(payload):
        raise Unreadable
    values = []
    for kind, size in zip(types, sizes, strict=True):
        values.append(_value(kind, payload[at : at + size]))
        at += size
    return tuple(values)


def _value(kind: int, data: bytes) -> Value:
    if kind >= 12:
        return data.decode("utf-8", "replace") if kind % 2 else data
    if kind == 0:
        return None
    if kind == 7:
        number: float = struct.unpack(">d", data)[0]
        return number
    if kind in (10, 11):  # reserved
        raise Unreadable
    return int.from_bytes(data, "big", signed=True) if kind < 7 else kind - 8


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of 1 to 9 bytes, and the offset after it."""
    value = 0
    for length in range(9):
        if at + length >= len(data):
            raise Unreadable
        byte = data[at + length]
        if length == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + length + 1
    raise AssertionError("unreachable")
