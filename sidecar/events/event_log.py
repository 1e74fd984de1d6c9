"""The events of one piece of work, in order, kept until they have been read.

Owns how events wait for a reader that is slower than their source. Readers pull, so nothing queues up in between:
unread text grows in place, unread progress is replaced, and memory is bounded by what the events say rather than by how
often they came. Knows nothing of JSON, transports or methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from sidecar.contract.method import PROGRESS, TERMINAL, Event

TextStatus = Literal["token", "reasoning"]


class Text:
    """A piece of streamed text; thousands a second pass through, so it is no contract struct.

    An unread piece grows in place, as UTF-8: one byte for most letters.
    """

    __slots__ = ("_first", "_grown", "status")

    def __init__(self, status: TextStatus, text: str) -> None:
        self.status = status
        self._first = text
        self._grown: bytearray | None = None

    @property
    def text(self) -> str:
        """The whole text."""
        return self._first if self._grown is None else decoded(self._grown)

    def add(self, text: str) -> None:
        """Append text."""
        if self._grown is None:
            self._grown = bytearray(encoded(self._first))
        self._grown += encoded(text)


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
    """What a channel reads from."""

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
        read_seq: sequence number of the newest event that was read; events up to it no longer change.
    """

    def __init__(self, *, after_seq: int = 0) -> None:
        self.last_seq = self.read_seq = after_seq
        self.closed = False
        self._entries: list[Entry] = []
        self._forgotten = after_seq
        self._followers: list[Wake] = []

    @classmethod
    def restored(cls, entries: Sequence[Entry], *, after_seq: int) -> EventLog:
        """A log of events that were read before, with these after `after_seq`."""
        log = cls(after_seq=after_seq)
        log._entries = list(entries)
        log.last_seq = log.read_seq = after_seq + len(entries)
        log.closed = bool(entries) and status_of(entries[-1]) in TERMINAL
        return log

    @property
    def kept(self) -> int:
        """Events that can still be read again."""
        return len(self._entries)

    def next_seq(self, entry: Entry) -> int:
        """The number that an event gets if it is added now: that of an unread event which it joins or replaces."""
        if self.last_seq > self.read_seq and (isinstance(entry, Text) or entry.merge is PROGRESS):
            return self.last_seq + (status_of(self._entries[-1]) != status_of(entry))
        return self.last_seq + 1

    def append(self, event: Event) -> None:
        """Add an event. Progress takes the place of unread progress of the same status."""
        if self.closed:
            raise ValueError("the event log is closed")
        if self.next_seq(event) == self.last_seq:
            self._entries[-1] = event
        else:
            self._entries.append(event)
            self.last_seq += 1
        self.closed = status_of(event) in TERMINAL
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
        self.read_seq = self.last_seq
        return self.peek(after_seq)

    def take(self) -> list[Entry]:
        """Remove and return the unread events: for a log that has one reader."""
        taken = self._entries[self.read_seq - self._forgotten :]
        self._entries.clear()
        self.read_seq = self._forgotten = self.last_seq
        return taken

    def peek(self, after_seq: int) -> Sequence[tuple[int, Entry]]:
        """The events after a sequence number in their current state; the last one may still change."""
        start = max(after_seq - self._forgotten, 0)
        return list(enumerate(self._entries[start:], self._forgotten + start + 1))

    def resume_point(self, after_seq: int) -> int:
        """Where a reader that has the events up to `after_seq` continues; it always gets the last event."""
        return min(after_seq, self.last_seq - 1 if self.closed else self.last_seq)

    def forget(self, up_to_seq: int | None = None) -> None:
        """Drop the events that a host has acknowledged, by default all read ones; never the one that closes the log."""
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
        for wake in tuple(self._followers):  # a follower that reads the last event in `wake` unfollows
            wake()
