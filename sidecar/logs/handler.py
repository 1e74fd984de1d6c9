"""Python's logging into the log store and onto stderr.

Owns the root logger's configuration. No prompt, answer, key or parameter value is ever logged: messages name what
happened.
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
from sidecar.logs.rate_limit import LimitedHandler
from sidecar.logs.store import Source

_LEVELS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

PIECE_BYTES = 512
"""The minimum PIPE_BUF of POSIX: a write of at most this many bytes to a pipe is atomic."""


class StoreHandler(logging.Handler):
    """Writes records to a log source, from any thread."""

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

    Otherwise a host that does not read our stderr would block us as soon as the pipe is full: lines that cannot be
    written immediately are dropped, since the log file has them, too.
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
        except OSError:  # the pipe has no reader any more
            return
        except Exception:  # noqa: BLE001 - as every handler: what cannot be logged must not stop what logs it
            self.handleError(record)

    def _takes_a_piece(self) -> bool:
        """Whether PIECE_BYTES can be written without waiting; True where the system does not report it."""
        return self._poll is None or bool(self._poll(0))


def _lines(record: logging.LogRecord) -> Iterator[str]:
    """One line for the record, then its traceback, indented so that no line of it can pass for another record."""
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
    handlers: list[logging.Handler] = [StderrHandler()]
    if source is not None and loop is not None:
        handler = StoreHandler(source, loop)
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        handlers.append(handler)
    root.addHandler(LimitedHandler(handlers))
    logging.getLogger("asyncio").setLevel(logging.WARNING)  # it logs each event loop at INFO


def _level(record: logging.LogRecord) -> Level:
    if record.levelno >= logging.ERROR:
        return "error"
    if record.levelno >= logging.WARNING:
        return "warning"
    return "info" if record.levelno >= logging.INFO else "debug"
