"""Starting and ending processes so that none is orphaned.

Owns how the kernel binds them to us. Each child leads a process group of its own. When we die, however we die, Linux
kills our children and Windows all that is in our job object, those below the children included; macOS does neither.
What the kernel leaves alive, the watchdog ends (`processes.owner`). Untested outside Linux.

A child of ours has to run a few instructions of its own between fork and exec, which nothing but subprocess's
`preexec_fn` offers: a helper program in between would cost every start its own start, and lose the race against our
end. Python warns of it since another thread may hold a lock at the fork, for which the child then waits forever. Ours
acquires none: it imports, allocates and logs nothing, and makes two system calls, the first of them without releasing
Python's own lock, which Python creates again in the child.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1

OUTLIVES_US = sys.platform != "win32"
"""Whether processes that we start may outlive us: all but those in a job object."""


def bind_to_us() -> None:
    """Make the kernel end our processes when we end, where that is not done for each child. Safe to call twice."""
    if sys.platform == "win32":
        from sidecar.host import job_object

        job_object.join()


def own_group() -> dict[str, Any]:
    """Keyword arguments for starting a program with a process group of its own: no Ctrl-C of a terminal reaches it."""
    if sys.platform == "win32":
        # No console window appears either.
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    else:
        return {"start_new_session": True}


def spawn_options() -> dict[str, Any]:
    """Keyword arguments for starting a child with `subprocess` or asyncio.

    Raises:
        RuntimeError: this is not the main thread. Linux kills a child when the thread that started it ends, so a
            child of any other thread would die at an arbitrary time.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("processes are started on the main thread only")
    if sys.platform == "linux":
        return own_group() | {"preexec_fn": _die_with_parent()}
    else:
        return own_group()


def terminate(pid: int) -> None:
    """Ask a child's group to end; on Windows closing its stdin is the only way to ask."""
    if sys.platform != "win32":
        _signal_group(pid, signal.SIGTERM)


def kill_group(pid: int) -> None:
    """Kill what is left of a child's group.

    To be called right after the child's end and never later: once the group is empty its number can become another
    one's.
    """
    if sys.platform != "win32":
        _signal_group(pid, signal.SIGKILL)


def descendants(pid: int) -> list[Any]:
    """The processes below a child, as psutil sees them now; none if it is gone."""
    import psutil

    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def kill(processes: list[Any]) -> None:
    """Kill processes, those from `descendants`. Those that are gone, or that we may not end, are skipped."""
    import psutil

    for process in processes:
        try:
            process.kill()  # psutil makes sure that the pid is still the same process's
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            logger.warning("process %d is left running: it belongs to another user", process.pid)


def kill_tree(pid: int) -> None:
    """Kill a living child, its group and everything below it."""
    import psutil

    below = descendants(pid)
    if sys.platform == "win32":
        try:
            below.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            pass  # it has just ended; its descendants are ended all the same
    else:
        _signal_group(pid, signal.SIGKILL)
    kill(below)


def listening_ports(pid: int) -> set[int] | None:
    """The TCP ports that a process or one below it listens on; `None` where the system does not report it. Blocks."""
    import psutil

    ports: set[int] = set()
    try:
        for process in [psutil.Process(pid), *descendants(pid)]:
            ports |= {c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    except psutil.NoSuchProcess:
        return ports
    except (psutil.Error, OSError):
        return None
    return ports


if sys.platform != "win32":

    def _signal_group(pid: int, number: int) -> None:
        if pid <= 1:
            raise ValueError(f"refusing to signal process group {pid}")
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        except PermissionError:  # only other users' processes are left in it; on macOS also a dead child not reaped yet
            logger.debug("the process group %d may not be signalled", pid)


if sys.platform == "linux":

    def _die_with_parent() -> Callable[[], None]:
        """What a child runs before it becomes the program: it binds its life to ours.

        The parent's pid is taken before the fork and compared afterwards, since it may have died in between; comparing
        with 1 instead would kill every child in a container, where the parent may well be process 1.
        """
        import ctypes

        prctl = ctypes.PyDLL(None).prctl
        prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
        parent = os.getpid()

        def bind() -> None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        return bind
