"""The tasks in which requests are carried out.

Owns that none of them outlives the connection. Plain asyncio tasks, since a task group's cost a `ping` a fifth of its
time; the scopes make cancelling them the same as anywhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import anyio

from sidecar.logs.defects import internal_error


class RequestTasks:
    """Requests under way."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], anyio.CancelScope] = {}

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let requests be carried out; on leaving, those under way are cancelled and waited for."""
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                while self._running:  # one may have begun another
                    for scope in self._running.values():
                        scope.cancel()
                    await asyncio.wait(list(self._running))

    def start(self, request: Coroutine[None, None, None], scope: anyio.CancelScope) -> None:
        """Carry out a request in a task of its own; it enters the scope by itself."""
        task = asyncio.get_running_loop().create_task(request)
        self._running[task] = scope
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if not task.cancelled() and (problem := task.exception()) is not None:
            internal_error(problem)
