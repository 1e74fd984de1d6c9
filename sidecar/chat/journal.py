"""The events of one turn on disk, ahead of every host.

Owns the format: JSON lines that are only added to. An event is in the file before anybody can have seen it, so a turn
goes on under the same numbers after a kill of the sidecar. Nothing is synced here: what has to survive a power cut is
the history's business. Knows nothing of engines or of what a turn does.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from sidecar.channels import Entry, EventLog, Text
from sidecar.storage.cipher import Cipher

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
"""How much of an answer that nobody follows can be lost to a kill."""

_quoted = json.encoder.encode_basestring_ascii
"""A text as JSON that escapes everything: no character can break a line or be refused. One a token."""


class Journal:
    """The file of one turn, written as its events come.

    Args:
        path: the file.
        message_id: the answer's.
        events: what is written.
        cipher: how records are sealed now; `None` where they are not.
    """

    def __init__(self, path: Path, message_id: str, events: EventLog, cipher: Callable[[], Cipher | None]) -> None:
        self._path = path
        self._message_id = message_id
        self._events = events
        self._cipher_now = cipher
        self._flushed_at = time.monotonic()
        self._fd: int | None = None
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
            self._fd = os.open(path, flags, 0o600)
        except OSError as error:
            self._give_up(error)
        self._begin()
        events.before_read = self.flush

    def flush(self) -> None:
        """Write what is new; all of it, where the history has been encrypted since, or decrypted."""
        self._flushed_at = time.monotonic()
        if self._fd is not None and (self._cipher is None) != (self._cipher_now() is None):
            try:
                os.ftruncate(self._fd, 0)
            except OSError as error:
                self._give_up(error)
            else:
                self._begin()
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

    def _begin(self) -> None:
        """Write the first record of an empty file; the events are to follow."""
        self._cipher = self._cipher_now()
        self._records = self._seq = self._length = 0
        self._entry: Entry | None = None
        self._write([json.dumps({"message_id": self._message_id})])

    def _news(self) -> Iterator[str]:
        """What has changed since the last time: the last event then may have grown or been replaced."""
        for seq, entry in self._events.peek(max(self._seq - 1, 0)):
            known = self._length if seq == self._seq and isinstance(entry, Text) else 0
            if isinstance(entry, Text):
                text, self._length = entry.behind(known)
                if seq != self._seq or text:
                    yield f'{{"seq":{seq},"{entry.status}":{_quoted(text)}}}'
            elif seq != self._seq or entry is not self._entry:
                yield json.dumps({"seq": seq, "event": msgspec.to_builtins(entry)})
            self._seq, self._entry = seq, entry

    def _write(self, records: list[str]) -> None:
        if self._fd is None or not records:
            return
        lines = []
        for record in records:
            line = record.encode()
            if self._cipher is not None:
                line = base64.b64encode(self._cipher.seal(line, about(self._path, self._message_id, self._records)))
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


def about(path: Path, message_id: str, number: int) -> str:
    """What a sealed record is, so that none can stand in another's place. The first one says which message it is."""
    return f"turn {path.stem} {message_id if number else ''} {number}"
