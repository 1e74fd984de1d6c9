"""What a handler is, and what it may do besides returning a result.

Owns the words between dispatch and handlers: neither knows the other's insides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from sidecar.events.event_log import EventSource


class Call(Protocol):
    """A running request."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Its parameters as the host sent them, for where null and left out differ. They have been checked."""
        ...

    @property
    def max_line_bytes(self) -> int:
        """The longest line that the host reads, without its LF."""
        ...

    def limit_lines(self, max_line_bytes: int) -> None:
        """The host reads no longer lines than this, from now on."""
        ...

    def follow(self, source: EventSource, *, after_seq: int = 0) -> None:
        """Send a source's events on the request's channel, if it has one. The source writes the last event."""
        ...

    def subscribe(self, channel: str, source: EventSource, stop: Callable[[], object]) -> None:
        """Send a source's events on a channel that outlives the request; `stop` makes the source write its last event.

        Raises:
            InvalidParams: the host has a live channel of this name.
        """
        ...

    def unsubscribe(self, channel: str) -> bool:
        """End a subscription; False where there is none on this channel."""
        ...


Handler = Callable[[Any, Call], Awaitable[Any]]
"""What implements a method: converted parameters and the call in, the result out; failures are raised."""
