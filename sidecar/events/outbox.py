"""The lines that wait to be written to one host, without I/O.

Owns their order and the form of a channel's notification. Responses are kept as they are; a channel stands in
the queue once and is read only when its turn comes, so that events which come faster than the host reads wait in their
source (see `event_log`) instead of here.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

import msgspec
import orjson

from sidecar.contract.chat import TurnReasoning, TurnToken
from sidecar.contract.method import TERMINAL, Event
from sidecar.events.event_log import Entry, EventSource, Text, status_of

LINE_OVERHEAD_BYTES = 64
"""What a waiting line costs besides its bytes: the Python object around it, and its place in the queue. A host that
floods us with pings has lines of 38 bytes waiting."""

_TEXT_MEMBERS = {
    str(tag): f',"event":{{"status":"{tag}","{event.merge.member}":'.encode()
    for event in (TurnToken, TurnReasoning)
    for tag in [event.__struct_config__.tag]
}
"""The part of a notification between its number and its text."""


def encode(message: object) -> bytes:
    """A message as one line of JSON, without its LF.

    Line and paragraph separators are escaped: some hosts split lines there (contract, Transport). An invalid character,
    such as a byte of a file's name that is not UTF-8, is sent as U+FFFD.

    Raises:
        TypeError: the message holds something that JSON cannot express.
    """
    return b"%b" % _encoded(message)  # an exact copy: orjson's buffer takes at least 4 KB, and lines may wait


def _encoded(message: object) -> bytes:
    try:
        line = orjson.dumps(message, default=msgspec.to_builtins)
    except orjson.JSONEncodeError:
        line = orjson.dumps(_without_surrogates(msgspec.to_builtins(message)))
    if b"\xe2\x80" in line:
        line = line.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    if b"\xc2\x85" in line:
        line = line.replace(b"\xc2\x85", b"\\u0085")
    return line


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


class Channel:
    """A host's named channel onto an event source."""

    def __init__(self, name: str, source: EventSource, after_seq: int, schedule: Callable[[Channel], None]) -> None:
        self.name = name
        self.ended = False
        self._source = source
        self._seq = after_seq
        self._unsent: deque[tuple[int, Entry]] = deque()
        self._schedule = schedule
        self._prefix = b'{"jsonrpc":"2.0","method":"channel","params":{"channel":' + encode(name) + b',"seq":'
        self.scheduled = False

    def open(self) -> None:
        """Begin to follow the source."""
        self._source.follow(self._on_news)

    def end(self, final: Event) -> list[bytes]:
        """The unsent lines, and one with this event if the source has not ended the channel yet."""
        lines = self.take(math.inf)
        if not self.ended:
            self._seq += 1
            lines.append(self._line(self._seq, final))
            self._close()
        return lines

    def take(self, max_bytes: float) -> list[bytes]:
        """Notifications for unsent events: about `max_bytes`; `scheduled` stays set where there are more."""
        lines: list[bytes] = []
        if not self.ended:
            unsent, size = self._unsent, 0
            unsent.extend(self._source.read(unsent[-1][0] if unsent else self._seq))
            while unsent and size < max_bytes:
                self._seq, entry = unsent.popleft()
                line = self._line(self._seq, entry)
                lines.append(line)
                size += len(line)
                if not isinstance(entry, Text) and status_of(entry) in TERMINAL:
                    self._close()
        self.scheduled = bool(self._unsent)
        return lines

    def _line(self, seq: int, entry: Entry) -> bytes:
        if isinstance(entry, Text):
            return b"%b%d%b%b}}}" % (self._prefix, seq, _TEXT_MEMBERS[entry.status], _encoded(entry.text))
        return b'%b%d,"event":%b}}' % (self._prefix, seq, _encoded(entry))

    def _close(self) -> None:
        self.ended = True
        self._unsent.clear()
        self._source.unfollow(self._on_news)

    def _on_news(self) -> None:
        if not self.scheduled:
            self.scheduled = True
            self._schedule(self)


class Outbox:
    """The lines that wait to be written to one host, first in first out. A transport waits for `news`, then takes them.

    Attributes:
        news: set when there is something to take; clear it before taking.
        queue: what waits; others may check whether it is empty.
        waiting_bytes: memory that waiting responses take; events are not counted, since they wait in their sources.
    """

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.waiting_bytes = 0
        self.queue: deque[bytes | Channel] = deque()
        self._last: list[bytes] = []
        self._closed = False

    def send_line(self, line: bytes) -> None:
        """Put a response in the queue. It is dropped only when the host is gone."""
        if self._closed:
            return
        self.queue.append(line)
        self.waiting_bytes += len(line) + LINE_OVERHEAD_BYTES
        self.news.set()

    def send_last(self, line: bytes) -> None:
        """Keep a response until `release_last`."""
        self._last.append(line)

    def release_last(self) -> None:
        """Put the responses of `send_last` in the queue."""
        for line in self._last:
            self.send_line(line)
        self._last.clear()

    def open_channel(self, name: str, source: EventSource, *, after_seq: int = 0) -> Channel:
        """Open a channel onto a source, from the event after `after_seq` on."""
        channel = Channel(name, source, after_seq, self._schedule)
        channel.open()
        return channel

    def end_channel(self, channel: Channel, final: Event) -> None:
        """End a channel with this event, unless its source has ended it; unsent events are sent first."""
        for line in channel.end(final):
            self.send_line(line)

    def close(self) -> None:
        """Drop all lines, now and from now on: the host is gone. Events stay in their sources, to be resumed."""
        self._closed = True
        self.queue.clear()
        self.waiting_bytes = 0

    def take(self, max_bytes: int) -> list[bytes]:
        """Lines to write now: about `max_bytes`, at least one if there is any."""
        lines: list[bytes] = []
        queue = self.queue
        while queue and max_bytes > 0:
            item = queue[0]
            if isinstance(item, Channel):
                new = item.take(max_bytes)
                if not item.scheduled:
                    queue.popleft()
                lines += new
                max_bytes -= sum(map(len, new))
            else:
                queue.popleft()
                lines.append(item)
                self.waiting_bytes -= len(item) + LINE_OVERHEAD_BYTES
                max_bytes -= len(item)
        return lines

    def _schedule(self, channel: Channel) -> None:
        if not self._closed:
            self.queue.append(channel)
            self.news.set()
