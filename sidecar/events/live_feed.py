"""The events of a subscription: the newest state, for one reader. Events that were read are not kept."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from sidecar.contract import Event
from sidecar.contract.logs import LogEntry
from sidecar.contract.topics import (
    LogsEvent,
    StateEvent,
)
from sidecar.events.event_log import Entry, Wake

LIVE_LOG_LINES = LogsEvent.merge.limit
"""Log lines kept for a subscriber that does not read: about 400 KB, some seconds of a chatty engine."""

LOG_LINES_AN_EVENT = 250
"""Lines in one event: some 50 KB, 2 MB at worst, so that no host gets a line that is longer than it reads."""


class LiveFeed:
    """The newest state of each key, for one reader.

    An unread event is replaced by a newer one of the same key, so that at most one event a key waits.
    """

    def __init__(self) -> None:
        self._unread: dict[Hashable, StateEvent] = {}
        self._log_entries: list[LogEntry] = []
        self._log_dropped = 0
        self._final: Event | None = None
        self._next_seq = 1
        self._wake: Wake | None = None

    def put(self, event: StateEvent) -> None:
        """Add an event. It replaces an unread one of its key, which is counted in the new one's `dropped`."""
        key = event.merge.key_of(event)
        if (replaced := self._unread.pop(key, None)) is not None:
            event.dropped = replaced.dropped + 1
        self._unread[key] = event
        self._notify()

    def add_log_entries(self, entries: Sequence[LogEntry], *, dropped: int = 0) -> None:
        """Add log lines; the oldest unread ones are dropped and counted when there are too many.

        Args:
            entries: the lines, oldest first.
            dropped: how many lines before them were already left out.
        """
        self._log_dropped += dropped
        if not entries:
            return
        self._log_entries.extend(entries)
        excess = len(self._log_entries) - LIVE_LOG_LINES
        if excess > 0:
            del self._log_entries[:excess]
            self._log_dropped += excess
        self._notify()

    def close(self, final: Event) -> None:
        """End the subscription with this event."""
        self._final = final
        self._notify()

    def read(self, after_seq: int) -> Sequence[tuple[int, Entry]]:
        del after_seq  # one reader, and nothing is kept for a second reading
        return list(self._drain())

    def follow(self, wake: Wake) -> None:
        self._wake = wake
        if self._unread or self._log_entries or self._final is not None:
            wake()

    def unfollow(self, wake: Wake) -> None:
        if self._wake is wake:
            self._wake = None

    def _drain(self) -> Iterator[tuple[int, Entry]]:
        events: list[Event] = list(self._unread.values())
        self._unread.clear()
        for first in range(0, len(self._log_entries), LOG_LINES_AN_EVENT):
            entries = self._log_entries[first : first + LOG_LINES_AN_EVENT]
            events.append(LogsEvent(entries=entries, dropped=self._log_dropped))
            self._log_dropped = 0
        self._log_entries = []
        if self._final is not None:
            events.append(self._final)
            self._final = None
        for event in events:
            yield self._next_seq, event
            self._next_seq += 1

    def _notify(self) -> None:
        if self._wake is not None:
            self._wake()
