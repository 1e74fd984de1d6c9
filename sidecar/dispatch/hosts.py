"""The hosts of one sidecar: one on stdio, or any number of pages.

Owns what they share (handlers, tasks, lanes) and which hosts are connected. Each host has a dispatcher of its own, with
ids, channels and subscriptions that no other host can reach. Knows nothing of transports.
"""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.dispatch.dispatcher import Dispatcher
from sidecar.dispatch.requests import Lanes, RequestTasks
from sidecar.events.outbox import Outbox
from sidecar.handlers.call import Handler
from sidecar.services import Lifetime


class Hosts:
    """The hosts that are served.

    Args:
        max_line_bytes: the longest line that a host reads, unless it says another figure.
    """

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        tasks: RequestTasks,
        lifetime: Lifetime,
        max_line_bytes: int,
    ) -> None:
        self._max_line_bytes = max_line_bytes
        self._handlers = handlers
        self._tasks = tasks
        self._lifetime = lifetime
        self._lanes = Lanes()
        self._here: list[Dispatcher] = []

    def join(self, outbox: Outbox) -> Dispatcher:
        """Add a host that is written to from this outbox."""
        dispatcher = Dispatcher(
            handlers=self._handlers,
            outbox=outbox,
            tasks=self._tasks,
            lanes=self._lanes,
            lifetime=self._lifetime,
            max_line_bytes=self._max_line_bytes,
        )
        self._here.append(dispatcher)
        self._lifetime.host_count = len(self._here)
        return dispatcher

    def leave(self, dispatcher: Dispatcher) -> None:
        """Remove a host that has left; the sidecar continues without it. Safe to call twice."""
        if dispatcher in self._here:
            self._here.remove(dispatcher)
            self._lifetime.host_count = len(self._here)
            dispatcher.leave()

    def finish(self) -> None:
        """Send each host the responses kept for the end: the sidecar ends."""
        for dispatcher in self._here:
            dispatcher.finish()
