"""The processes that we own, on disk, so that the next start ends the ones that were left behind.

Owns the file and the decision which living processes are orphans of its writer. The file exists as long as there are
processes. It is not synced: a power cut that it does not survive ends the processes, too. Its users hold the data
folder's lock.
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

from sidecar.host import file_io, process_facts
from sidecar.processes import tags

logger = logging.getLogger(__name__)

MAX_BYTES = 1024 * 1024
"""Largest file that is accepted; thousands of processes fit."""

SWEEP_SECONDS = 5.0
"""How long to try to end orphans; one that hangs in the kernel stays."""

Pid = Annotated[int, Meta(gt=1, lt=2**31)]


class Entry(msgspec.Struct, frozen=True):
    """A process that was started.

    Attributes:
        birth: its start, as `process_facts.birth` reports it.
        program: the file that it ran then; `None` where that was not reported. A script may have become another program
            since, and is not ended by this alone.
        tag: the tag of it and its descendants.
    """

    pid: Pid
    birth: str
    program: str | None
    tag: str = msgspec.field(name="mark")  # the field name in version 1 of the file


class Record(msgspec.Struct, frozen=True):
    """The file.

    Attributes:
        system: where the pids and births are valid.
        pid, birth, token: the owner.
        processes: those it had started that had not ended yet.
    """

    version: Literal[1]
    system: str
    pid: Pid
    birth: str
    token: Annotated[str, Meta(pattern=tags.TOKEN_PATTERN)]
    processes: list[Entry]


class Living(msgspec.Struct, frozen=True):
    """A living process.

    Attributes:
        program: the file that it runs; `None` where that is not reported.
        tag: empty if it has none, `None` where its environment is not reported.
    """

    birth: str
    program: str | None
    tag: str | None


def owner_has_ended(record: Record, living: Mapping[int, Living], system: str) -> bool:
    """Whether a record's owner has ended; False for one of another boot or PID namespace, where that is unknown."""
    owner = living.get(record.pid)
    return record.system == system and (owner is None or owner.birth != record.birth)


def orphans(record: Record, living: Mapping[int, Living], system: str) -> list[int]:
    """Which of these living processes are orphans of an owner that has ended.

    None while the owner lives, and none where the record is of another boot or PID namespace. Where a process
    reports its environment the tag decides: no other process has it, whatever its pid. Otherwise it must be the
    recorded process: the same pid, birth and program.
    """
    if not owner_has_ended(record, living, system):
        return []
    known = {(entry.pid, entry.birth, entry.program) for entry in record.processes if entry.program is not None}
    run = tags.run_of(record.token)

    def is_orphan(pid: int, process: Living) -> bool:
        if process.tag is not None:
            return process.tag.startswith(run)
        return (pid, process.birth, process.program) in known

    return [pid for pid, process in living.items() if pid > 1 and is_orphan(pid, process)]


class ProcessRegistry:
    """The file of this run. All methods block, and may be called on any thread."""

    def __init__(self, path: Path, token: str) -> None:
        self._path = path
        self._new = path.with_name(f".{path.name}.new")
        self._token = token
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._is_swept = False
        self._is_open = False
        self._has_warned = False
        self._system = ""
        self._birth = ""

    def sweep(self) -> None:
        """End the orphans of an earlier run, once; the file is ours only afterwards."""
        with self._lock:
            self._sweep()

    def open(self) -> None:
        """Record the owner, before the first process is started. Safe to call twice."""
        with self._lock:
            if not self._is_open:
                self._sweep()
                self._system, self._birth = process_facts.system(), process_facts.birth(os.getpid()) or ""
                self._is_open = True
                self._write()

    def add(self, pid: int, tag: str) -> None:
        """Record a process that was started."""
        birth = process_facts.birth(pid)
        if birth is None:
            return  # it has ended already
        with self._lock:
            self._entries[tag] = Entry(pid, birth, process_facts.program(pid), tag)
            self._write()

    def remove(self, tag: str) -> None:
        """Remove the record of a process that has ended with all its descendants."""
        with self._lock:
            if self._entries.pop(tag, None) is not None:
                self._write()

    def close(self) -> None:
        """Remove the file: all processes have ended. One that is not ours is kept: its processes may still live."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._remove()

    def _sweep(self) -> None:
        if self._is_swept:
            return
        self._is_swept = True
        try:
            record = _read(self._path)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            logger.warning("%s is not valid, and removed: %s", self._path.name, error)
            self._remove()
            return
        if ended := _end_orphans(record):
            words = ", ".join(map(str, sorted(ended)))
            logger.warning("ended what an earlier sidecar (process %d) had left behind: %s", record.pid, words)

    def _remove(self) -> None:
        try:
            self._new.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
        except OSError as error:  # a folder
            logger.warning("%s cannot be removed: %s", self._path.name, error)

    def _write(self) -> None:
        record = Record(1, self._system, os.getpid(), self._birth, self._token, list(self._entries.values()))
        try:
            self._new.unlink(missing_ok=True)
            with os.fdopen(os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.json.encode(record))
            self._new.replace(self._path)
        except OSError as error:
            # The file now lacks some processes; they are still found by their tags.
            if not self._has_warned:
                logger.warning("the registry of our processes cannot be written: %s", error)
                self._has_warned = True


def _end_orphans(record: Record) -> set[int]:
    """End the orphans of a run and remove its folder for sockets; returns the pids that were ended."""
    deadline = time.monotonic() + SWEEP_SECONDS
    ended: set[int] = set()
    system = process_facts.system()
    while time.monotonic() < deadline:
        pids = {record.pid, *(entry.pid for entry in record.processes)}
        facts = process_facts.facts_of(pids, tags.VARIABLE, also=tags.run_of(record.token))
        living = {pid: Living(*found) for pid, found in facts.items()}
        killed = {pid for pid in orphans(record, living, system) if process_facts.kill(pid, born=living[pid].birth)}
        if not killed:
            if owner_has_ended(record, living, system):
                tags.remove_sockets_folder(tags.sockets_folder(record.token))
            break
        ended |= killed
        time.sleep(tags.KILLED_INTERVAL_SECONDS)
    return ended


def _read(path: Path) -> Record:
    # There may be a link in its place, or a pipe without a writer.
    fd = os.open(path, os.O_RDONLY | file_io.BINARY | file_io.NOFOLLOW | file_io.NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("it is not a file")
        return msgspec.json.decode(os.read(fd, MAX_BYTES), type=Record)
    finally:
        os.close(fd)
