"""The log lines of all sources.

Owns the lines in memory, their numbers, and their followers. Lines are kept as they were received, those of one read
together, and are split only when they are requested, since an engine can write a hundred thousand a second.
"""

from __future__ import annotations

import asyncio
import heapq
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice, takewhile
from pathlib import Path

import msgspec

from sidecar.contract.errors import InvalidParams
from sidecar.contract.logs import GetLogsResult, Level, LogEntry, LogSource
from sidecar.host import path_policy
from sidecar.logs.files import RotatingFile
from sidecar.logs.lines import LEVELS, escape_chunk, level_of, printable

LINES_IN_MEMORY = 5_000
"""Lines of one source held for get_logs: about 1 MB."""

BYTES_IN_MEMORY = 4 * 1024 * 1024
"""Bytes of one source held, which limits long lines."""

LINE_BYTES = 8_192
"""A longer line is cut: an engine that writes without an LF must not fill the memory."""


class Line(msgspec.Struct):
    """A line as it was received."""

    source: str
    seq: int
    at: float
    raw: bytes
    level: Level | None

    @property
    def known_level(self) -> Level:
        """Its level, parsed from the line if it was not given."""
        return self.level or level_of(self.raw)

    def entry(self) -> LogEntry:
        """The line as hosts receive it."""
        level, message = self.known_level, printable(self.raw)
        return LogEntry(seq=self.seq, at=self.at, source=self.source, level=level, message=message)


class _Batch(msgspec.Struct):
    """Lines received together, and the number of the first."""

    seq: int
    at: float
    level: Level | None
    lines: list[bytes]

    def each(self, source: str) -> Iterator[Line]:
        """The lines one by one."""
        for seq, raw in enumerate(self.lines, self.seq):
            yield Line(source, seq, self.at, raw, self.level)


class Source:
    """The lines of one source, in memory and in a file."""

    def __init__(self, name: str, file: RotatingFile, store: LogStore) -> None:
        self.name = name
        self.file = file
        self.taken_in = 0
        self._store = store
        self._batches: deque[_Batch] = deque()
        self._count = 0
        self._bytes = 0
        self._partial = b""
        self._forgotten_seq = 0

    def feed(self, chunk: bytes) -> None:
        """Add bytes of an engine's output, split anywhere."""
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
        """Add a last line that had no LF."""
        if self._partial:
            self.feed(b"\n")

    def write(self, level: Level, message: str) -> None:
        """Add a line of our own."""
        text = printable(message)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        self.file.write(f"{stamp}Z {level.upper():7} {text}\n".encode())
        self._append([text.encode()[:LINE_BYTES]], level)

    def tail(self, count: int) -> list[str]:
        """The last lines, ready to show."""
        return [printable(line.raw) for line in islice(self.backwards(), count)][::-1]

    def backwards(self) -> Iterator[Line]:
        """The lines in memory, the newest first."""
        for batch in reversed(self._batches):
            yield from reversed(list(batch.each(self.name)))

    def after(self, seq: int) -> tuple[int, Iterator[Line]]:
        """How many lines with greater numbers are in memory, and these lines, oldest first."""
        batches = list(takewhile(lambda batch: batch.seq + len(batch.lines) > seq + 1, reversed(self._batches)))[::-1]
        known = max(seq + 1 - batches[0].seq, 0) if batches else 0
        lines = (line for batch in batches for line in batch.each(self.name))
        return sum(len(batch.lines) for batch in batches) - known, islice(lines, known, None)

    def remembers(self, seq: int) -> bool:
        """Whether all lines after a number are still in memory."""
        return self._forgotten_seq <= seq

    def clear(self) -> None:
        """Clear memory and files."""
        self._forget(self._count)
        self._partial = b""
        self.file.clear()

    def _take_in(self, text: bytes, lines: list[bytes]) -> None:
        self.file.write(escape_chunk(text))
        if b"\r" in text or max(map(len, lines)) > LINE_BYTES:
            lines = [line.removesuffix(b"\r")[:LINE_BYTES] for line in lines]
        self._append(lines if all(lines) else [line for line in lines if line], None)

    def _append(self, lines: list[bytes], level: Level | None) -> None:
        if not lines:
            return
        count = len(lines)
        self._batches.append(_Batch(self._store.take_numbers(count), time.time(), level, lines))
        self._count += count
        self._bytes += sum(map(len, lines))
        self.taken_in += count
        self._forget(self._count - LINES_IN_MEMORY)
        while self._bytes > BYTES_IN_MEMORY:
            self._forget(1)
        self._store.wake_followers()

    def _forget(self, count: int) -> None:
        """Drop the oldest lines."""
        while count > 0:
            oldest = self._batches[0]
            gone = oldest.lines[:count]
            del oldest.lines[:count]
            oldest.seq += len(gone)
            count -= len(gone)
            self._count -= len(gone)
            self._bytes -= sum(map(len, gone))
            self._forgotten_seq = oldest.seq - 1
            if not oldest.lines:
                self._batches.popleft()


class LogStore:
    """All sources.

    Attributes:
        last_seq: the number of the newest line.
    """

    def __init__(self, folder: Path, *, max_file_bytes: int, kept_files: int) -> None:
        self._folder = folder
        self._max_file_bytes = max_file_bytes
        self._kept_files = kept_files
        self._sources: dict[str, Source] = {}
        self._followers: list[asyncio.Event] = []
        self.last_seq = 0

    def source(self, name: str) -> Source:
        """The source of a name; created if it does not exist."""
        if name not in self._sources:
            file_name = path_policy.file_name(re.sub("^server:", "server-", name)) + ".log"
            file = RotatingFile(self._folder / file_name, max_bytes=self._max_file_bytes, kept=self._kept_files)
            self._sources[name] = Source(name, file, self)
        return self._sources[name]

    def get(self, *, source: str | None, since: int | None, limit: int, min_level: Level) -> GetLogsResult:
        """Lines in memory, oldest first; at most `limit`, the newest of them.

        Raises:
            InvalidParams: there is no such source.
        """
        after = since or 0
        chosen = list(self._chosen(source))
        least = LEVELS[min_level]
        newest_first = heapq.merge(*(one.backwards() for one in chosen), key=lambda line: line.seq, reverse=True)
        new = takewhile(lambda line: line.seq > after, newest_first)
        matching = (line for line in new if not least or LEVELS[line.known_level] >= least)
        entries = [line.entry() for line in islice(matching, limit)]
        complete = all(one.remembers(after) for one in chosen)
        return GetLogsResult(entries=entries[::-1], last_seq=self.last_seq, complete=complete)

    def after(self, seq: int, *, source: str | None) -> tuple[int, Iterator[Line]]:
        """How many lines with greater numbers are in memory, of one source or of all, and these lines, oldest first."""
        new = [one.after(seq) for one in self._sources.values() if source in (None, one.name)]
        lines = (one for _, one in new)
        return sum(count for count, _ in new), heapq.merge(*lines, key=lambda line: line.seq)

    def sources(self) -> list[LogSource]:
        """Every source that has logged."""
        return [
            LogSource(source=s.name, file=str(s.file.path), lines=s.taken_in, file_bytes=s.file.size)
            for s in self._sources.values()
        ]

    def clear(self, source: str | None) -> None:
        """Clear one source's lines, or all.

        Raises:
            InvalidParams: there is no such source.
        """
        for one in self._chosen(source):
            one.clear()

    @contextmanager
    def followed(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there are new lines; its waiter clears it before it waits."""
        news = asyncio.Event()
        self._followers.append(news)
        try:
            yield news
        finally:
            self._followers.remove(news)

    def taken_in(self, source: str | None) -> int:
        """How many lines were received from one source or all; the oldest may no longer be in memory."""
        return sum(one.taken_in for one in self._sources.values() if source in (None, one.name))

    def take_numbers(self, count: int) -> int:
        """The first of `count` new numbers."""
        first = self.last_seq + 1
        self.last_seq += count
        return first

    def wake_followers(self) -> None:
        """Wake the followers: there are new lines."""
        for news in self._followers:
            news.set()

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
                f"There is no log source {name!r}.",
                path="$.source",
                hint="Call list_log_sources for the existing sources.",
            )
        return [self._sources[name]]
