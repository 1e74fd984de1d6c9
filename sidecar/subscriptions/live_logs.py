"""New log lines for a subscription, at a pace that can be followed.

Owns how many lines are shown at a time. Lines wait unread in the log store: an engine can write far more than anyone
reads, and preparing a line costs ten times as much as storing it.
"""

from __future__ import annotations

from itertools import islice

import anyio

from sidecar.contract.logs import Level
from sidecar.events.live_feed import LIVE_LOG_LINES, LiveFeed
from sidecar.logs.lines import LEVELS
from sidecar.logs.store import LogStore

INTERVAL_SECONDS = 0.02
"""Between two batches of lines; the first batch after a pause is shown immediately."""

LINES_AT_A_TIME = 500
"""Lines in a batch, which take the loop 2 ms: 25,000 a second."""


class LiveLogs:
    """Puts new lines of one source, or of all, into a feed.

    Args:
        logs: the store that the lines come from.
        feed: the feed that shows them.
        source: the name of the source; `None` for all.
        min_level: lines below it are left out.
    """

    def __init__(self, logs: LogStore, feed: LiveFeed, source: str | None, min_level: Level) -> None:
        self._logs = logs
        self._feed = feed
        self._source = source
        self._least = LEVELS[min_level]
        self._shown_seq = logs.last_seq
        self._passed = logs.taken_in(source)

    async def run(self) -> None:
        """Show lines until cancelled."""
        with self._logs.followed() as news:
            while True:
                news.clear()
                if self._show(LINES_AT_A_TIME):
                    news.set()  # there may be more; other tasks have their turn first
                    await anyio.sleep(INTERVAL_SECONDS)
                await news.wait()

    def flush(self) -> None:
        """Show the lines that still wait."""
        self._show(LIVE_LOG_LINES)

    def _show(self, most: int) -> bool:
        """Show some lines; whether there were any."""
        waiting = self._logs.taken_in(self._source) - self._passed
        if not waiting:
            return False
        count, lines = self._logs.after(self._shown_seq, source=self._source)
        shown = list(islice(lines, most))
        dropped = waiting - count
        self._passed += dropped + len(shown)
        if shown:
            self._shown_seq = shown[-1].seq
        entries = [line.entry() for line in shown if not self._least or LEVELS[line.known_level] >= self._least]
        self._feed.add_log_entries(entries, dropped=dropped)
        return True
