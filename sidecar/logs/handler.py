"""Python's logging into the log store and onto stderr.

Owns the root logger's set-up. No prompt, answer, key or parameter value is ever logged: messages name what happened.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading

from sidecar.contract.logs import Level
from sidecar.logs.lines import printable
from sidecar.logs.store import Source

_LEVELS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class StoreHandler(logging.Handler):
    """Writes records to a log source, from whatever thread they come."""

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._source = source
        self._loop = loop
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        message = self.format(record)
        if threading.get_ident() == self._thread:
            self._source.write(_level(record), message)
        else:
            try:
                self._loop.call_soon_threadsafe(self._source.write, _level(record), message)
            except RuntimeError:  # the loop has ended; stderr still has the record
                return


class StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """One printable line a record on stderr, whatever the record holds."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(printable(line) for line in super().format(record).split("\n"))


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
    # These say at INFO what each single event loop or connection does.
    for name in ("asyncio", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _level(record: logging.LogRecord) -> Level:
    if record.levelno >= logging.ERROR:
        return "error"
    if record.levelno >= logging.WARNING:
        return "warning"
    return "info" if record.levelno >= logging.INFO else "debug"
