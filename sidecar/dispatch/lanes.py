"""Lanes: requests that wait for each other, as the contract's tables say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import anyio

from sidecar.contract import Lane, Params


class Lanes:
    """One first-come-first-served lock a lane and key; a lock that nobody holds is forgotten."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str | None], anyio.Lock] = {}

    def enter(self, lane: Lane | None, params: Params) -> AbstractAsyncContextManager[None]:
        """Wait for one's turn in a lane; at once where there is none."""
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
