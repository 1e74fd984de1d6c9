"""The events of each session's running or last turn on disk, so that a host that comes back misses nothing.

Owns the files: one a session, JSON lines that are only added to. An event is in the file before any host can have
seen it, so a turn goes on under the same numbers after a kill of the sidecar. Nothing is synced here: what has to
survive a power cut is the history's business. Knows nothing of engines or of what a turn does.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Union

import msgspec

from sidecar.channels import Entry, EventLog, Text, TextStatus
from sidecar.contract.chat import TURN_EVENTS
from sidecar.contract.errors import SidecarError

logger = logging.getLogger(__name__)

KEPT_JOURNALS = 64
"""Sessions whose last turn can be resumed event by event: some 100 KB each for a long answer. What was said in older
ones comes from the history, whole."""

FLUSH_SECONDS = 0.5
"""How much of an answer that nobody follows can be lost to a kill."""

SUFFIX = ".jsonl"

_TEXT: tuple[TextStatus, ...] = ("token", "reasoning")

_AnyEvent: Any = Union[TURN_EVENTS]  # noqa: UP007 - made from a tuple


class Cipher(Protocol):
    """Makes records unreadable for whoever has only the disk (`storage.encryption`)."""

    def seal(self, plain: bytes, about: str) -> bytes: ...

    def open(self, sealed: bytes, about: str) -> bytes: ...


class Journal:
    """The file of one turn, written as its events come."""

    def __init__(self, path: Path, message_id: str, events: EventLog, cipher: Cipher | None) -> None:
        self._path = path
        self._message_id = message_id
        self._events = events
        self._cipher = cipher
        self._records = 0
        self._seq = 0
        self._entry: Entry | None = None
        self._length = 0
        self._flushed_at = time.monotonic()
        self._fd: int | None = None
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
            self._fd = os.open(path, flags, 0o600)
        except OSError as error:
            self._give_up(error)
        self._write([{"message_id": message_id}])
        events.before_read = self.flush

    def flush(self) -> None:
        """Write what is new."""
        self._flushed_at = time.monotonic()
        if self._fd is not None:
            self._write(list(self._news()))

    def flush_now_and_then(self) -> None:
        """Write what is new if that was last done FLUSH_SECONDS ago."""
        if time.monotonic() - self._flushed_at > FLUSH_SECONDS:
            self.flush()

    def close(self) -> None:
        """Write what is new and let the file be. Safe to call twice."""
        self.flush()
        self._events.before_read = None
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _news(self) -> Iterator[dict[str, Any]]:
        """What has changed since the last time: the last event then may have grown or been replaced."""
        for seq, entry in self._events.peek(max(self._seq - 1, 0)):
            known = self._length if seq == self._seq and isinstance(entry, Text) else 0
            if isinstance(entry, Text):
                text = entry.text
                if seq != self._seq or len(text) > known:
                    yield {"seq": seq, entry.status: text[known:]}
                self._length = len(text)
            elif seq != self._seq or entry is not self._entry:
                yield {"seq": seq, "event": msgspec.to_builtins(entry)}
            self._seq, self._entry = seq, entry

    def _write(self, records: list[dict[str, Any]]) -> None:
        if self._fd is None or not records:
            return
        lines = []
        for record in records:
            line = json.dumps(record).encode()  # escapes everything: no character can break a line or be refused
            if self._cipher is not None:
                line = base64.b64encode(self._cipher.seal(line, _about(self._path, self._message_id, self._records)))
            self._records += 1
            lines.append(line + b"\n")
        try:
            os.write(self._fd, b"".join(lines))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Go on without: the answer itself matters more than its replay."""
        logger.warning("a turn can not be resumed after a restart, its journal is not written: %s", error.strerror)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a journal tells of a turn.

    Attributes:
        message_id: the answer's.
        events: as they were told; without the last one where the sidecar was killed before.
    """

    message_id: str
    events: EventLog

    def text(self, status: str) -> str:
        """All text of a kind."""
        entries = [entry for _, entry in self.events.peek(0)]
        return "".join(entry.text for entry in entries if isinstance(entry, Text) and entry.status == status)


class Journals:
    """The journals of the sessions that were used last.

    Args:
        folder: where they are.
        cipher: how records are sealed, once the history is open; `None` where they are not.
    """

    def __init__(self, folder: Path, cipher: Callable[[], Cipher | None] = lambda: None) -> None:
        self._folder = folder
        self._cipher = cipher
        self._used: OrderedDict[Path, None] | None = None

    def begin(self, session_id: str, message_id: str, events: EventLog) -> Journal:
        """Begin to write a session's newest turn, in the place of its last one."""
        path = self._path(session_id)
        used = self._by_use()
        used[path] = None
        used.move_to_end(path)
        while len(used) > KEPT_JOURNALS:
            self._remove(used.popitem(last=False)[0])
        return Journal(path, message_id, events, self._cipher())

    def read(self, session_id: str) -> Kept | None:
        """What is kept of a session's last turn; `None` where nothing is, or nothing that can be used. Blocks."""
        path = self._path(session_id)
        try:
            lines = path.read_bytes().split(b"\n")[:-1]  # behind the last LF: half a record
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("%s can not be read: %s", path.name, error.strerror)
            return None
        return _restored(self._opened(path, lines))

    def said(self, session_id: str, message_id: str) -> tuple[str, str | None]:
        """Content and reasoning of an answer that broke off, as far as they are known. Blocks."""
        kept = self.read(session_id)
        if kept is None or kept.message_id != message_id:
            return "", None
        return kept.text("token"), kept.text("reasoning") or None

    def acknowledge(self, session_id: str, seq: int | None) -> int:
        """Let go of the events of a turn that has ended, but for its last one; returns how many are kept. Blocks."""
        kept = self.read(session_id)
        if kept is None:
            return 0
        kept.events.forget(seq)
        Journal(self._path(session_id), kept.message_id, kept.events, self._cipher()).close()
        return kept.events.kept

    def forget(self, session_id: str) -> None:
        """Remove what is kept of a session's last turn."""
        path = self._path(session_id)
        self._by_use().pop(path, None)
        self._remove(path)

    def _opened(self, path: Path, lines: list[bytes]) -> Iterator[dict[str, Any]]:
        """The records up to the first that can not be used."""
        cipher, message_id = self._cipher(), ""
        for number, line in enumerate(lines):
            try:
                if cipher is not None:
                    line = cipher.open(base64.b64decode(line), _about(path, message_id, number))
                record = json.loads(line)
            except (ValueError, RecursionError, SidecarError):
                return
            if not isinstance(record, dict):
                return
            message_id = message_id or str(record.get("message_id", ""))
            yield record

    def _path(self, session_id: str) -> Path:
        # Hosts may write an id either way, and some file systems do not tell them apart.
        return self._folder / f"{session_id.lower()}{SUFFIX}"

    def _by_use(self) -> OrderedDict[Path, None]:
        if self._used is None:
            found = [(path.stat().st_mtime, path) for path in self._folder.glob(f"*{SUFFIX}")]
            self._used = OrderedDict.fromkeys(path for _, path in sorted(found))
        return self._used

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s can not be removed: %s", path.name, error.strerror)


def _about(path: Path, message_id: str, number: int) -> str:
    """What a sealed record is, so that none can stand in another's place. The first one says which message it is."""
    return f"turn {path.stem} {message_id if number else ''} {number}"


def _restored(records: Iterator[dict[str, Any]]) -> Kept | None:
    """The turn that records tell of, up to the first that does not follow."""
    message_id = next(records, {}).get("message_id")
    if not isinstance(message_id, str):
        return None
    entries: dict[int, Entry] = {}
    for record in records:
        seq = record.get("seq")
        if not isinstance(seq, int) or (entries and seq not in (last := max(entries), last + 1)):
            break
        if not _take_in(entries, seq, record):
            break
    first = min(entries, default=1)
    return Kept(message_id, EventLog.restored(list(entries.values()), after_seq=first - 1))


def _take_in(entries: dict[int, Entry], seq: int, record: dict[str, Any]) -> bool:
    """Add a record to the events of a turn; False where it can not be used."""
    for status in _TEXT:
        if isinstance(text := record.get(status), str):
            if isinstance(known := entries.get(seq), Text) and known.status == status:
                known.add(text)
            else:
                entries[seq] = Text(status, text)
            return True
    try:
        entries[seq] = msgspec.convert(record.get("event"), _AnyEvent)
    except msgspec.ValidationError:
        return False
    return True
