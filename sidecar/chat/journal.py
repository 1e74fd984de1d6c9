"""The events of one turn on disk, ahead of every host.

Owns the format: JSON lines that are only added to. An event is in the file before anybody can have seen it, so a turn
goes on under the same numbers after a kill of the sidecar. Nothing is synced here: what has to survive a power cut is
the history's business. Knows nothing of engines or of what a turn does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sidecar.events.event_log import Entry, EventLog, Text
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
        self.path = path
        self._message_id = message_id
        self._events = events
        self._cipher_now = cipher
        self._fd: int | None = None
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            self._fd = os.open(path, flags, 0o600)
        except OSError as error:
            self._give_up(error)
        self._begin()
        events.before_read = self.flush

    @property
    def is_open(self) -> bool:
        """Whether it is being written: the turn is not over, and nothing was in the way."""
        return self._fd is not None

    def flush(self) -> None:
        """Write what is new; all of it, where the history has been encrypted since, or decrypted."""
        if self._fd is None:
            return
        if (self._cipher is None) != (self._cipher_now() is None):
            try:
                os.ftruncate(self._fd, 0)
            except OSError as error:
                self._give_up(error)
            else:
                self._begin()
        if news := self._news():
            self._write(news)

    @contextmanager
    def flushed_now_and_then(self) -> Iterator[None]:
        """Meanwhile, write every FLUSH_SECONDS what is new. Hosts that follow have it written at once, by reading."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def flush_later() -> None:
            nonlocal timer
            timer = loop.call_later(FLUSH_SECONDS, flush)

        def flush() -> None:
            self.flush()
            flush_later()

        flush_later()
        try:
            yield
        finally:
            timer.cancel()

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

    def _news(self) -> list[str]:
        """What has changed since the last time; the last event then, too, unless somebody has read it."""
        known, events, news = self._seq, self._events, []
        for seq, entry in events.peek(known if known <= events.read_seq else known - 1):
            if isinstance(entry, Text):
                text, self._length = entry.behind(self._length if seq == known else 0)
                if seq != known or text:
                    news.append(f'{{"seq":{seq},"{entry.status}":{_quoted(text)}}}')
            elif seq != known or entry is not self._entry:
                news.append(json.dumps({"seq": seq, "event": msgspec.to_builtins(entry)}))
            self._seq, self._entry = seq, entry
        return news

    def _write(self, records: list[str]) -> None:
        if self._fd is None:
            return
        if self._cipher is None:
            data = "\n".join([*records, ""]).encode()
        else:
            data = b"".join(self._sealed(self._cipher, record) for record in records)
        try:
            os.write(self._fd, data)
        except OSError as error:
            self._give_up(error)

    def _sealed(self, cipher: Cipher, record: str) -> bytes:
        sealed = cipher.seal(record.encode(), about(self.path, self._message_id, self._records))
        self._records += 1
        return base64.b64encode(sealed) + b"\n"

    def _give_up(self, error: OSError) -> None:
        """Go on without: the answer itself matters more than its replay."""
        logger.warning("a turn can not be resumed after a restart, its journal is not written: %s", error.strerror)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self.path.unlink(missing_ok=True)


def about(path: Path, message_id: str, number: int) -> str:
    """What a sealed record is, so that none can stand in another's place. The first one says which message it is."""
    return f"turn {path.stem} {message_id if number else ''} {number}"
