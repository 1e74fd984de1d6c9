"""The processes that we own, on disk, for the next start: it ends what could not be ended otherwise.

Owns the file and the decision what in it is a leftover. The file is there as long as there are processes. It is not
synced: a power cut that it does not survive ends the processes, too. Whoever uses it holds the data folder's lock.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sidecar.host import process_facts
from sidecar.processes import socket_dir, tags

logger = logging.getLogger(__name__)

MAX_BYTES = 1024 * 1024
"""Of a file that is believed; thousands of processes fit."""

SWEEP_SECONDS = 5.0
"""How long to try to end leftovers; one that hangs in the kernel stays for as long as that hangs."""

Pid = Annotated[int, Meta(gt=1, lt=2**31)]


class Entry(msgspec.Struct, frozen=True):
    """A process that was started.

    Attributes:
        birth: when, as `process_facts.birth` tells it.
        program: the file that it ran then; `None` where that was not told. A script may have become another program
            since, and is not ended by this alone.
        mark: what it and all below it carry.
    """

    pid: Pid
    birth: str
    program: str | None
    mark: str


class Book(msgspec.Struct, frozen=True):
    """The file.

    Attributes:
        system: where the pids and births are valid.
        pid, birth, token: the owner.
        processes: what it had started, and had not seen end.
    """

    version: Literal[1]
    system: str
    pid: Pid
    birth: str
    token: Annotated[str, Meta(pattern=tags.TOKEN_PATTERN)]
    processes: list[Entry]


class Seen(msgspec.Struct, frozen=True):
    """A living process.

    Attributes:
        mark: its mark; empty if it has none, `None` where its environment is not told.
    """

    birth: str
    program: str | None
    mark: str | None


def is_of_the_dead(book: Book, seen: Mapping[int, Seen], system: str) -> bool:
    """Whether the owner lives no more. Of another boot or PID namespace nobody knows."""
    owner = seen.get(book.pid)
    return book.system == system and (owner is None or owner.birth != book.birth)


def leftovers(book: Book, seen: Mapping[int, Seen], system: str) -> list[int]:
    """Which of these living processes a dead owner has left behind.

    None at all while the owner lives, and none where the book tells of another boot or PID namespace. Where a process
    tells its environment the mark decides: no other process has it, whatever its pid. Else it must be the process
    that was written down: the same pid, birth and program.
    """
    if not is_of_the_dead(book, seen, system):
        return []
    known = {(entry.pid, entry.birth, entry.program) for entry in book.processes if entry.program is not None}
    belongs = tags.is_of(book.token)

    def is_left(pid: int, process: Seen) -> bool:
        if process.mark is not None:
            return belongs(process.mark)
        return (pid, process.birth, process.program) in known

    return [pid for pid, process in seen.items() if pid > 1 and is_left(pid, process)]


class ProcessRegistry:
    """The file of this run. All methods block, and may be called on any thread."""

    def __init__(self, path: Path, token: str) -> None:
        self._path = path
        self._fresh = path.with_name(f".{path.name}.new")
        self._token = token
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._is_swept = False
        self._is_open = False
        self._complained = False

    def sweep(self) -> None:
        """End what an earlier run has left behind, once; the file is ours only afterwards."""
        with self._lock:
            self._sweep()

    def open(self) -> None:
        """Write down who we are, before the first process is started. Safe to call twice."""
        with self._lock:
            if not self._is_open:
                self._sweep()
                self._is_open = True
                self._write()

    def add(self, pid: int, mark: str) -> None:
        """Write down a process that was started."""
        birth = process_facts.birth(pid)
        if birth is None:
            return  # it has ended already
        with self._lock:
            self._entries[mark] = Entry(pid, birth, process_facts.program(pid), mark)
            self._write()

    def remove(self, mark: str) -> None:
        """Strike out a process that has ended, and everything below it."""
        with self._lock:
            if self._entries.pop(mark, None) is not None:
                self._write()

    def close(self) -> None:
        """Remove the file: all have ended. One that is not ours is kept: what it tells of may be there still."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._remove()

    def _sweep(self) -> None:
        if self._is_swept:
            return
        self._is_swept = True
        try:
            book = _read(self._path)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            logger.warning("%s is not believed, and removed: %s", self._path.name, error)
            self._remove()
            return
        deadline = time.monotonic() + SWEEP_SECONDS
        ended: set[int] = set()
        system = process_facts.system()
        while time.monotonic() < deadline:
            seen = _look(book)
            found = {pid for pid in leftovers(book, seen, system) if _end(pid, seen[pid])}
            if not found:
                if is_of_the_dead(book, seen, system):
                    socket_dir.remove(socket_dir.folder_of(book.token))
                break
            ended |= found
            time.sleep(tags.LOOK_AGAIN_SECONDS)
        if ended:
            words = ", ".join(map(str, sorted(ended)))
            logger.warning("ended what an earlier sidecar (process %d) had left behind: %s", book.pid, words)

    def _remove(self) -> None:
        try:
            self._fresh.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
        except OSError as error:  # a folder
            logger.warning("%s can not be removed: %s", self._path.name, error)

    def _write(self) -> None:
        me = os.getpid()
        birth = process_facts.birth(me) or ""
        book = Book(1, process_facts.system(), me, birth, self._token, list(self._entries.values()))
        try:
            self._fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.json.encode(book))
            self._fresh.replace(self._path)
        except OSError as error:
            # Whatever is there now is true of fewer processes than there are: the marks make up for that.
            if not self._complained:
                logger.warning("it can not be written down which processes are ours: %s", error)
                self._complained = True


def _end(pid: int, seen: Seen) -> bool:
    return process_facts.end(pid, lambda: process_facts.birth(pid) == seen.birth)


def _look(book: Book) -> dict[int, Seen]:
    """What there is of the processes that a book is about."""
    found: dict[int, Seen] = {}
    for pid in {book.pid, *(entry.pid for entry in book.processes), *tags.carriers(tags.is_of(book.token))}:
        birth = process_facts.birth(pid)
        if birth is not None:
            mark = process_facts.variable(pid, tags.VARIABLE)
            found[pid] = Seen(birth, process_facts.program(pid), mark)
    return found


def _read(path: Path) -> Book:
    # What stands in its place may be a link, or a pipe that nobody writes to.
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("it is no file")
        return msgspec.json.decode(os.read(fd, MAX_BYTES), type=Book)
    finally:
        os.close(fd)
