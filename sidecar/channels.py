"""What a host's channels show: events in order, kept until they have been read.

Owns how events wait for a reader that is slower than their source. Readers pull, so nothing queues up in
between: text that nobody has read yet grows in place, progress that nobody has read is replaced, and memory is
bounded by what the events say rather than by how often they came. Knows nothing of JSON, transports or methods.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Literal, Protocol

from sidecar.contract import Event
from sidecar.contract.events import (
    DownloadStateEvent,
    EnginesEvent,
    LogsEvent,
    ModelEvent,
    ModelRemovedEvent,
    ResourcesEvent,
    ServerEvent,
    ServerRemovedEvent,
    SessionDeletedEvent,
    SessionEvent,
)
from sidecar.contract.logs import LogEntry

TERMINAL = frozenset({"done", "error", "cancelled"})
"""The `status` of a channel's last event."""

LIVE_LOG_LINES = 2_000
"""Log lines kept for a subscriber that does not read: about 400 KB, some seconds of a chatty engine."""

LOG_LINES_AN_EVENT = 250
"""Lines told at once: some 50 KB, 2 MB at worst, so that no host meets a line that is longer than it reads."""

StateEvent = (
    ServerEvent
    | ServerRemovedEvent
    | SessionEvent
    | SessionDeletedEvent
    | ModelEvent
    | ModelRemovedEvent
    | DownloadStateEvent
    | EnginesEvent
    | ResourcesEvent
)
"""What shows how something is now, so that a newer one makes it worthless."""

TextStatus = Literal["token", "reasoning"]


class Text:
    """A piece of streamed text; thousands a second pass through, so no contract struct.

    A piece that nobody reads grows in place, as UTF-8: a byte for most letters.
    """

    __slots__ = ("_first", "_grown", "status")

    def __init__(self, status: TextStatus, text: str) -> None:
        self.status = status
        self._first = text
        self._grown: bytearray | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return self._first if self._grown is None else decoded(self._grown)

    def add(self, text: str) -> None:
        """Let it grow."""
        if self._grown is None:
            self._grown = bytearray(encoded(self._first))
        self._grown += encoded(text)

    def behind(self, known: int) -> tuple[str, int]:
        """What stands behind so many bytes that are known, and how many there are in all."""
        if self._grown is None:
            return ("", known) if known else (self._first, len(encoded(self._first)))
        return decoded(self._grown[known:]), len(self._grown)


def encoded(text: str) -> bytes:
    """A text as UTF-8; halves of characters, which an engine may send one after the other, are kept as they are."""
    return text.encode("utf-8", "surrogatepass")


def decoded(data: bytes | bytearray) -> str:
    """The text that was encoded."""
    return data.decode("utf-8", "surrogatepass")


Entry = Text | Event
Wake = Callable[[], None]


def status_of(entry: Entry) -> str:
    """The `status` member of an event on the wire."""
    if isinstance(entry, Text):
        return entry.status
    return str(entry.__struct_config__.tag)


class EventSource(Protocol):
    """Something a channel reads from."""

    def read(self, after_seq: int) -> Sequence[tuple[int, Entry]]:
        """The events after a sequence number, each with its own. What has been read no longer changes."""
        ...

    def follow(self, wake: Wake) -> None:
        """Call `wake` whenever there is something new to read. It must not block."""
        ...

    def unfollow(self, wake: Wake) -> None:
        """Undo `follow`."""
        ...


class EventLog:
    """The events of one piece of work, such as an answer or a start; kept for readers that come later or again.

    Events are numbered from 1, or from after `after_seq`. The last one closes the log.

    Attributes:
        last_seq: sequence number of the newest event; 0 before the first.
        read_seq: of the newest event that somebody has read; up to it nothing changes any more.
        before_read: called before somebody gets events for the first time.
    """

    def __init__(self, *, after_seq: int = 0) -> None:
        self.last_seq = self.read_seq = after_seq
        self.before_read: Callable[[], None] | None = None
        self.closed = False
        self._entries: list[Entry] = []
        self._forgotten = after_seq
        self._followers: list[Wake] = []

    @classmethod
    def restored(cls, entries: Sequence[Entry], *, after_seq: int) -> EventLog:
        """A log as it was told to somebody before, with these events after `after_seq`."""
        log = cls(after_seq=after_seq)
        log._entries = list(entries)
        log.last_seq = log.read_seq = after_seq + len(entries)
        log.closed = bool(entries) and status_of(entries[-1]) in TERMINAL
        return log

    @property
    def kept(self) -> int:
        """Events that can still be read again."""
        return len(self._entries)

    def append(self, event: Event, *, replaces: bool = False) -> None:
        """Add an event. With `replaces` it takes the place of an unread one of the same status (progress)."""
        if self.closed:
            raise ValueError("the event log is closed")
        status = status_of(event)
        if replaces and self.last_seq > self.read_seq and status_of(self._entries[-1]) == status:
            self._entries[-1] = event
        else:
            self._entries.append(event)
            self.last_seq += 1
        self.closed = status in TERMINAL
        self._wake()

    def append_text(self, status: TextStatus, text: str) -> None:
        """Add text; it joins an unread piece of the same kind."""
        if self.closed:
            raise ValueError("the event log is closed")
        if self.last_seq > self.read_seq:
            tail = self._entries[-1]
            if isinstance(tail, Text) and tail.status == status:
                tail.add(text)
                return
        self._entries.append(Text(status, text))
        self.last_seq += 1
        for wake in tuple(self._followers):
            wake()

    def read(self, after_seq: int) -> Sequence[tuple[int, Entry]]:
        if after_seq >= self.last_seq:
            return ()
        if self.last_seq > self.read_seq:
            if self.before_read is not None:
                self.before_read()
            self.read_seq = self.last_seq
        return self.peek(after_seq)

    def peek(self, after_seq: int) -> Sequence[tuple[int, Entry]]:
        """The events after a sequence number as they are now; the last one may still change."""
        start = max(after_seq - self._forgotten, 0)
        return list(enumerate(self._entries[start:], self._forgotten + start + 1))

    def resume_point(self, after_seq: int) -> int:
        """Where a reader goes on that has the events up to `after_seq`: the last event is always shown to it."""
        return min(after_seq, self.last_seq - 1 if self.closed else self.last_seq)

    def forget(self, up_to_seq: int | None = None) -> None:
        """Let go of events that a host has acknowledged, all read ones by default; never of the one that closes."""
        last = self.read_seq if up_to_seq is None else min(up_to_seq, self.read_seq)
        count = min(last, self.last_seq - 1 if self.closed else last) - self._forgotten
        if count > 0:
            del self._entries[:count]
            self._forgotten += count

    def follow(self, wake: Wake) -> None:
        self._followers.append(wake)
        if self._entries:
            wake()

    def unfollow(self, wake: Wake) -> None:
        if wake in self._followers:
            self._followers.remove(wake)

    def _wake(self) -> None:
        for wake in tuple(self._followers):  # who reads the last event at once unfollows
            wake()


class LiveFeed:
    """What a subscription shows: the newest state, for one reader, nothing kept once it was read.

    An unread event is replaced by a newer one of the same key, so that at most one event a key waits.
    """

    def __init__(self) -> None:
        self._unread: dict[Hashable, StateEvent] = {}
        self._log_entries: list[LogEntry] = []
        self._log_dropped = 0
        self._final: Event | None = None
        self._next_seq = 1
        self._wake: Wake | None = None

    def put(self, key: Hashable, event: StateEvent) -> None:
        """Show an event in the place of an unread one of its key, which is counted in the new one's `dropped`."""
        if (replaced := self._unread.pop(key, None)) is not None:
            event.dropped = replaced.dropped + 1
        self._unread[key] = event
        self._notify()

    def add_log_entries(self, entries: Sequence[LogEntry], *, dropped: int = 0) -> None:
        """Show log lines; the oldest unread ones are dropped and counted when there are too many.

        Args:
            entries: the lines, oldest first.
            dropped: how many before them were left out already.
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
        del after_seq  # one reader, and nothing is kept to be read again
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
