"""Watching another process live: the host, which may die without closing our stdin."""

from __future__ import annotations

import anyio
import anyio.to_thread

WATCH_INTERVAL_SECONDS = 2.0
"""A second way to notice the host's end; its closed pipe is noticed at once."""


async def until_gone(pid: int) -> None:
    """Return when a process has ended. Its pid being used by another one counts as its end."""
    born = await anyio.to_thread.run_sync(_born, pid)
    while born is not None and await anyio.to_thread.run_sync(_born, pid) == born:  # noqa: ASYNC110 - no event for it
        await anyio.sleep(WATCH_INTERVAL_SECONDS)


def _born(pid: int) -> float | None:
    """When a process was started, 0 where that is not ours to know; `None` if there is none, or only a zombie."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.AccessDenied:
        return 0.0
    except psutil.Error:
        return None
