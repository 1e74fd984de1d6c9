"""The hosts of one sidecar: one on stdio, or any number of pages.

Owns what they share (handlers, tasks, lanes) and who is here. Each has a dispatcher of its own, and with it ids,
channels and subscriptions that no other host sees. Knows nothing of how they are connected.
"""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.dispatch.dispatcher import Dispatcher
from sidecar.dispatch.requests import Lanes, RequestTasks
from sidecar.events.outbox import Outbox
from sidecar.handlers.call import Handler
from sidecar.services import Lifetime


class Hosts:
    """The hosts that are served."""

    def __init__(self, *, handlers: Mapping[str, Handler], tasks: RequestTasks, lifetime: Lifetime) -> None:
        self._handlers = handlers
        self._tasks = tasks
        self._lifetime = lifetime
        self._lanes = Lanes()
        self._here: list[Dispatcher] = []

    def join(self, outbox: Outbox) -> Dispatcher:
        """A host has come that is written to from this outbox."""
        dispatcher = Dispatcher(
            handlers=self._handlers, outbox=outbox, tasks=self._tasks, lanes=self._lanes, lifetime=self._lifetime
        )
        self._here.append(dispatcher)
        self._lifetime.host_count = len(self._here)
        return dispatcher

    def leave(self, dispatcher: Dispatcher) -> None:
        """A host is gone permanently, and the sidecar continues without it. Safe to call twice."""
        if dispatcher in self._here:
            self._here.remove(dispatcher)
            self._lifetime.host_count = len(self._here)
            dispatcher.leave()

    def finish(self) -> None:
        """The sidecar ends: send each host what was kept for the end."""
        for dispatcher in self._here:
            dispatcher.finish()
