"""Python's logging into the log store and onto stderr.

Owns the root logger's set-up. No prompt, answer, key or parameter value is ever logged: messages name what happened.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import traceback
from collections.abc import Iterator

from sidecar.contract.logs import Level
from sidecar.host import descriptors
from sidecar.logs.lines import printable
from sidecar.logs.store import Source

_LEVELS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

PIECE_BYTES = 512
"""The PIPE_BUF that every POSIX system has: a write of at most this goes into a pipe whole or not at all."""


class StoreHandler(logging.Handler):
    """Writes records to a log source, from whatever thread they come."""

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._source = source
        self._loop = loop
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = self.format(record)
            if threading.get_ident() == self._thread:
                self._source.write(_level(record), message)
            elif not self._loop.is_closed():  # else stderr still has the record
                self._loop.call_soon_threadsafe(self._source.write, _level(record), message)
        except Exception:  # noqa: BLE001 - as every handler: what cannot be logged must not stop what logs it
            self.handleError(record)


class StderrHandler(logging.Handler):
    """Printable lines on stderr, whatever the record holds. Never waits for their reader.

    A host that does not read our stderr would stop us otherwise, as soon as the pipe is full: what does not go in
    immediately is left out, since the log file has it, too.
    """

    def __init__(self, fd: int = 2) -> None:
        super().__init__()
        self._fd = fd
        self._cut = False
        self._poll = descriptors.writable_poll(fd)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            data = "".join(f"{line}\n" for line in _lines(record)).encode()
            if self._cut:
                data = b"\n" + data
            size = len(data)
            while data and self._takes_a_piece():
                data = data[os.write(self._fd, data[:PIECE_BYTES]) :]
            if len(data) < size:
                self._cut = bool(data)
        except OSError:  # it has no reader any more
            return
        except Exception:  # noqa: BLE001 - as every handler: what cannot be logged must not stop what logs it
            self.handleError(record)

    def _takes_a_piece(self) -> bool:
        """Whether PIECE_BYTES can be written without waiting; taken for granted where the system does not say."""
        return self._poll is None or bool(self._poll(0))


def _lines(record: logging.LogRecord) -> Iterator[str]:
    """One line for the record, and its traceback to the right of it, where nothing can be taken for another record."""
    yield printable(f"{record.levelname} {record.name}: {record.getMessage()}")
    for lines in traceback.format_exception(record.exc_info[1]) if record.exc_info else ():
        yield from (f"    {printable(line)}" for line in lines.splitlines())


def set_up(level: Level, source: Source | None, loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Send records of this level and above to stderr and, where there is one, to a source.

    Safe to call again, with another level or source.
    """
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.setLevel(_LEVELS[level])
    root.addHandler(StderrHandler())
    if source is not None and loop is not None:
        handler = StoreHandler(source, loop)
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        root.addHandler(handler)
    logging.getLogger("asyncio").setLevel(logging.WARNING)  # it says at INFO what each event loop is


def _level(record: logging.LogRecord) -> Level:
    if record.levelno >= logging.ERROR:
        return "error"
    if record.levelno >= logging.WARNING:
        return "warning"
    return "info" if record.levelno >= logging.INFO else "debug"
