"""The log lines of all sources.

Owns the lines in memory, their numbers, and who listens. Lines are kept as they came and read only when somebody
asks, since an engine can write a hundred thousand a second.
"""

from __future__ import annotations

import heapq
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, takewhile
from pathlib import Path

import msgspec

from sidecar import given_paths
from sidecar.contract.errors import InvalidParams
from sidecar.contract.logs import Level, LogEntry, LogPage, LogSource
from sidecar.logs.files import RotatingFile
from sidecar.logs.lines import LEVELS, escape_chunk, level_of, printable

LINES_IN_MEMORY = 5_000
"""Lines of one source held for get_logs: about 1 MB."""

BYTES_IN_MEMORY = 4 * 1024 * 1024
"""And no more of them than this, where they are long."""

LINE_BYTES = 8_192
"""A longer line is cut: an engine that writes without an LF must not fill the memory."""

LINES_AT_ONCE = 500
"""Lines taken in before listeners are told: all of them are still in memory then, however many come, and however
long."""

Listener = Callable[["Source", int], None]
"""Called with a source and the number of lines that are new in it. Must not block."""


class Line(msgspec.Struct):
    """A line as it was taken in."""

    seq: int
    at: float
    raw: bytes
    level: Level | None

    @property
    def known_level(self) -> Level:
        """Its level, read from the line where nobody has said it."""
        return self.level or level_of(self.raw)

    def entry(self, source: str) -> LogEntry:
        """The line as hosts see it."""
        return LogEntry(seq=self.seq, at=self.at, source=source, level=self.known_level, message=printable(self.raw))


class Source:
    """The lines of one source, in memory and in a file."""

    def __init__(self, name: str, file: RotatingFile, store: LogStore) -> None:
        self.name = name
        self.file = file
        self.taken_in = 0
        self._store = store
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._partial = b""
        self._forgotten_seq = 0

    def feed(self, chunk: bytes) -> None:
        """Take in bytes of an engine's output, cut anywhere."""
        head, separator, tail = (self._partial + chunk).rpartition(b"\n")
        if not separator:
            if len(tail) > LINE_BYTES:
                self._take_in(tail + b"\n", [tail])
                tail = b""
            self._partial = tail
            return
        self._partial = tail
        self._take_in(head + b"\n", head.split(b"\n"))

    def flush(self) -> None:
        """Take in a last line that had no LF."""
        if self._partial:
            self.feed(b"\n")

    def write(self, level: Level, message: str) -> None:
        """Take in a line of our own."""
        text = printable(message)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        self.file.write(f"{stamp}Z {level.upper():7} {text}\n".encode())
        self._append([text.encode()[:LINE_BYTES]], level)

    def tail(self, count: int) -> list[str]:
        """The last lines, ready to show."""
        return [printable(line.raw) for line in self._last(count)]

    def newest(self, count: int) -> Iterator[LogEntry]:
        """The last `count` lines as entries."""
        return (line.entry(self.name) for line in self._last(count))

    def backwards(self) -> Iterator[tuple[Line, str]]:
        """The lines in memory, each with the name of the source, the newest first."""
        return ((line, self.name) for line in reversed(self._lines))

    def remembers(self, seq: int) -> bool:
        """Whether all lines after a number are still in memory."""
        return self._forgotten_seq <= seq

    def clear(self) -> None:
        """Forget everything."""
        if self._lines:
            self._forgotten_seq = self._lines[-1].seq
        self._lines.clear()
        self._bytes = 0
        self._partial = b""
        self.file.clear()

    def _take_in(self, text: bytes, lines: list[bytes]) -> None:
        self.file.write(escape_chunk(text))
        lines = [line.removesuffix(b"\r")[:LINE_BYTES] for line in lines]
        lines = [line for line in lines if line]
        for first in range(0, len(lines), LINES_AT_ONCE):
            self._append(lines[first : first + LINES_AT_ONCE], None)

    def _append(self, lines: list[bytes], level: Level | None) -> None:
        seq, at = self._store.take_numbers(len(lines)), time.time()
        self._lines.extend(Line(seq + i, at, raw, level) for i, raw in enumerate(lines))
        self._bytes += sum(map(len, lines))
        while len(self._lines) > LINES_IN_MEMORY or self._bytes > BYTES_IN_MEMORY:
            oldest = self._lines.popleft()
            self._bytes -= len(oldest.raw)
            self._forgotten_seq = oldest.seq
        self.taken_in += len(lines)
        self._store.tell(self, len(lines))

    def _last(self, count: int) -> list[Line]:
        """The last lines, oldest first; the others are not so much as passed by."""
        return list(islice(reversed(self._lines), count))[::-1]


class LogStore:
    """All sources."""

    def __init__(self, folder: Path, *, max_file_bytes: int, kept_files: int) -> None:
        self._folder = folder
        self._max_file_bytes = max_file_bytes
        self._kept_files = kept_files
        self._sources: dict[str, Source] = {}
        self._listeners: list[Listener] = []
        self._last_seq = 0

    def source(self, name: str) -> Source:
        """The source of a name; made where there is none yet."""
        if name not in self._sources:
            file_name = given_paths.file_name(re.sub("^server:", "server-", name)) + ".log"
            file = RotatingFile(self._folder / file_name, max_bytes=self._max_file_bytes, kept=self._kept_files)
            self._sources[name] = Source(name, file, self)
        return self._sources[name]

    def get(self, *, source: str | None, since: int | None, limit: int, min_level: Level) -> LogPage:
        """Lines in memory, oldest first; at most `limit`, the newest of them.

        Raises:
            InvalidParams: there is no such source.
        """
        after = since or 0
        chosen = list(self._chosen(source))
        newest_first = heapq.merge(*(one.backwards() for one in chosen), key=lambda pair: pair[0].seq, reverse=True)
        new = takewhile(lambda pair: pair[0].seq > after, newest_first)
        least = LEVELS[min_level]
        wanted = (pair for pair in new if not least or LEVELS[pair[0].known_level] >= least)
        entries = [line.entry(name) for line, name in islice(wanted, limit)]
        complete = all(one.remembers(after) for one in chosen)
        return LogPage(entries=entries[::-1], last_seq=self._last_seq, complete=complete)

    def sources(self) -> list[LogSource]:
        """Every source that has logged."""
        return [
            LogSource(source=s.name, file=str(s.file.path), lines=s.taken_in, file_bytes=s.file.size)
            for s in self._sources.values()
        ]

    def clear(self, source: str | None) -> None:
        """Forget one source's lines, or all.

        Raises:
            InvalidParams: there is no such source.
        """
        for one in self._chosen(source):
            one.clear()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Be told of new lines; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def take_numbers(self, count: int) -> int:
        """The first of `count` new numbers."""
        first = self._last_seq + 1
        self._last_seq += count
        return first

    def tell(self, source: Source, count: int) -> None:
        """Tell the listeners."""
        for listener in self._listeners:
            listener(source, count)

    def close(self) -> None:
        """Close the files."""
        for source in self._sources.values():
            source.flush()
            source.file.close()

    def _chosen(self, name: str | None) -> Iterable[Source]:
        if name is None:
            return self._sources.values()
        if name not in self._sources:
            raise InvalidParams(
                f"There is no log source {name!r}.", path="$.source", hint="Call list_log_sources for those there are."
            )
        return [self._sources[name]]
