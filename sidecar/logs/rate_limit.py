"""Bounds how many log lines come from one place, so that no error a stranger can repeat pushes the rest out of the log.

Owns what counts as one place, and what is written in place of the lines that are left out. Pure, but for the handler.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

import msgspec

MOST_LINES = 60
"""Of one place in WINDOW_SECONDS: one a second says all there is to say."""

WINDOW_SECONDS = 60.0

MOST_PLACES = 1_000
"""Places that are remembered; the least recently used is forgotten first. The program has fewer."""

Place = tuple[str, str, int, str]


class _Window(msgspec.Struct):
    """The lines of one place since a moment."""

    began: float
    lines: int = 0
    suppressed: int = 0


class RateLimit:
    """Which records are written.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[Place, _Window] = OrderedDict()

    def passed(self, record: logging.LogRecord) -> Iterator[logging.LogRecord]:
        """The records to write for this one: itself, a line about those that were suppressed before it, or none."""
        now, place = self._clock(), place_of(record)
        window = self._windows.get(place)
        if window is None or now - window.began >= WINDOW_SECONDS:
            if window is not None and window.suppressed:
                yield _about(record, f"… suppressed {window.suppressed} more lines like the next one")
            window = self._windows[place] = _Window(now)
        self._windows.move_to_end(place)
        while len(self._windows) > MOST_PLACES:
            self._windows.popitem(last=False)
        if window.lines < MOST_LINES:
            window.lines += 1
            yield record
            return
        if not window.suppressed:
            yield _about(record, f"… more lines like the last one are suppressed for up to {WINDOW_SECONDS:.0f} s")
        window.suppressed += 1


class LimitedHandler(logging.Handler):
    """Passes records on to other handlers, within the limit.

    Args:
        handlers: what writes them.
    """

    def __init__(self, handlers: list[logging.Handler]) -> None:
        super().__init__()
        self.handlers = handlers
        self._limit = RateLimit()

    def emit(self, record: logging.LogRecord) -> None:
        for passed in self._limit.passed(record):
            for handler in self.handlers:
                handler.handle(passed)


def place_of(record: logging.LogRecord) -> Place:
    """Where a record comes from: one line of the program, for one kind of exception."""
    error = record.exc_info[0] if record.exc_info else None
    return record.name, record.pathname, record.lineno, error.__qualname__ if error else ""


def _about(record: logging.LogRecord, text: str) -> logging.LogRecord:
    return logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, text, None, None)
