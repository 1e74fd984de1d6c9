"""The tasks in which requests are carried out, and the lanes in which some of them wait for each other.

Owns that no task outlives the sidecar's hosts. Plain asyncio tasks, since a task group's cost a `ping` a fifth of its
time; the scopes make cancelling them the same as anywhere else. Lanes are the contract's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import anyio

from sidecar.contract import Lane, Params
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


class Lanes:
    """One first-come-first-served lock a lane and key; a lock that is free is forgotten."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str | None], anyio.Lock] = {}

    def enter(self, lane: Lane | None, params: Params) -> AbstractAsyncContextManager[None]:
        """Wait for one's turn in a lane; immediately where there is none."""
        return nullcontext() if lane is None else self._one_at_a_time(lane, params)

    @asynccontextmanager
    async def _one_at_a_time(self, lane: Lane, params: Params) -> AsyncIterator[None]:
        key = (lane.name, getattr(params, lane.key) if lane.key else None)
        lock = self._locks.setdefault(key, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and not lock.statistics().tasks_waiting:
                self._locks.pop(key, None)
