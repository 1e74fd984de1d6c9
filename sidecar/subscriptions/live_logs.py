"""New log lines for a subscription, at a pace that can be followed.

Owns how many are shown at a time. What waits stays where it is, in the log store, unread: an engine can write far more
than anybody looks at, and to make a line ready costs ten times as much as to take it in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice

from sidecar.contract.logs import Level
from sidecar.events.live_feed import LIVE_LOG_LINES, LiveFeed
from sidecar.logs.lines import LEVELS
from sidecar.logs.store import LogStore, Source

INTERVAL_SECONDS = 0.02
"""Between two times that lines are shown; the first after a pause are shown at once."""

LINES_AT_A_TIME = 500
"""Shown at a time, which keeps the loop for 2 ms: 25,000 a second."""


def show(logs: LogStore, feed: LiveFeed, source: str | None, min_level: Level) -> Callable[[], None]:
    """Put new lines of a source, or of all, into a feed; returns what ends it, with what still waits."""
    return _LiveLogs(logs, feed, source, min_level).stop


class _LiveLogs:
    def __init__(self, logs: LogStore, feed: LiveFeed, source: str | None, min_level: Level) -> None:
        self._logs = logs
        self._feed = feed
        self._source = source
        self._least = LEVELS[min_level]
        self._loop = asyncio.get_running_loop()
        self._shown_seq = logs.last_seq
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = self._loop.time()
        self._leave = logs.listen(self._on_news)

    def stop(self) -> None:
        self._leave()
        if self._timer is not None:
            self._timer.cancel()
        self._show(LIVE_LOG_LINES)

    def _on_news(self, source: Source, count: int) -> None:
        if self._source in (None, source.name):
            self._waiting += count
            if self._timer is None:
                self._show_when_it_is_time()

    def _show_when_it_is_time(self) -> None:
        if self._loop.time() >= self._next_at:
            self._show_some()
        else:
            self._timer = self._loop.call_at(self._next_at, self._show_some)

    def _show_some(self) -> None:
        self._timer = None
        self._next_at = self._loop.time() + INTERVAL_SECONDS
        self._show(LINES_AT_A_TIME)
        if self._waiting:  # however late it is: others have their turn in between
            self._timer = self._loop.call_at(self._next_at, self._show_some)

    def _show(self, most: int) -> None:
        count, lines = self._logs.after(self._shown_seq, source=self._source)
        shown = list(islice(lines, most))
        dropped, self._waiting = self._waiting - count, count - len(shown)
        if shown:
            self._shown_seq = shown[-1].seq
        entries = [line.entry() for line in shown if not self._least or LEVELS[line.known_level] >= self._least]
        self._feed.add_log_entries(entries, dropped=dropped)
