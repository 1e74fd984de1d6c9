"""Watching another process until it ends: the host, which may die without closing our stdin.

Owns how each system reports an end: Linux by a descriptor of the process, macOS by an event queue (untested there);
where neither is available, it is polled.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import select
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import anyio
import anyio.to_thread

from sidecar.host import process_facts

logger = logging.getLogger(__name__)

WATCH_INTERVAL_SECONDS = 2.0
"""Between two scans, where the system does not report an end. The host's closed pipe is noticed immediately anyway."""


async def until_gone(pid: int) -> None:
    """Return when a process has ended. If another process has its pid, it counts as ended."""
    try:
        try:
            with _end_of(pid) as fd:
                await _until_readable(fd)
        except OSError as error:
            if isinstance(error, ProcessLookupError):
                raise
            logger.info("the end of process %d is not reported by the system (%s); it is polled", pid, error)
            await _poll_until_gone(pid)
    except ProcessLookupError:
        # A host in another container or in a sandbox: without this line our end would be hard to explain.
        logger.error("there is no process %d visible to us, so it counts as ended", pid)


@contextmanager
def _end_of(pid: int) -> Iterator[int]:
    """A descriptor that can be read from once a process has ended.

    Raises:
        ProcessLookupError: there is no such process.
        OSError: the system has no such descriptors, or not for this process.
    """
    if not 0 < pid < 2**31:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    if sys.platform == "darwin":
        with closing(select.kqueue()) as queue:
            flags = select.KQ_EV_ADD | select.KQ_EV_ONESHOT
            queue.control([select.kevent(pid, select.KQ_FILTER_PROC, flags, select.KQ_NOTE_EXIT)], 0)
            yield queue.fileno()
    elif sys.platform == "linux":
        fd = os.pidfd_open(pid)
        try:
            yield fd
        finally:
            os.close(fd)
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


async def _until_readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    readable = anyio.Event()
    loop.add_reader(fd, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)


async def _poll_until_gone(pid: int) -> None:
    born = await anyio.to_thread.run_sync(process_facts.birth, pid)
    if born is None:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    while await anyio.to_thread.run_sync(process_facts.birth, pid) == born:  # noqa: ASYNC110 - no event for it
        await anyio.sleep(WATCH_INTERVAL_SECONDS)
