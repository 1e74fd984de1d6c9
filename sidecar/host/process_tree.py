"""Starting and ending processes so that none is left behind.

Owns what differs between operating systems here. Each child leads a process group of its own, and on Linux the
kernel kills it when we die, however we die. Windows and macOS have neither; there the engine's own watch on its
stdin ends it. Untested there.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1


def spawn_options() -> dict[str, Any]:
    """Keyword arguments for starting a child with `subprocess` or asyncio.

    Call it, and start the child, on the main thread: Linux kills the child when the thread that started it ends.
    """
    if os.name == "nt":
        # Its own group, so that a Ctrl-C meant for somebody else does not end it; no console window flashes up.
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
        return {"creationflags": flags}
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform.startswith("linux"):
        options["preexec_fn"] = _die_with_parent()
    return options


def terminate(pid: int) -> None:
    """Ask a child's group to end."""
    if os.name == "nt":
        return  # there is no such request for a process without a console; closing its stdin was one
    _signal_group(pid, signal.SIGTERM)


def kill_group(pid: int) -> None:
    """End what is left of a child's group at once.

    To be called right after the child's end and never later: once the group is empty its number can become another
    one's.
    """
    if os.name != "nt":
        _signal_group(pid, signal.SIGKILL)


def descendants(pid: int) -> list[Any]:
    """The processes below a child, as psutil sees them now; none if it is gone."""
    import psutil

    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def kill(processes: list[Any]) -> None:
    """End processes at once, those from `descendants`. What is gone already, or is not ours to end, is left alone."""
    import psutil

    for process in processes:
        try:
            process.kill()  # psutil sees to it that the pid is still the same process's
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            logger.warning("process %d is left running: it belongs to another user", process.pid)


def kill_tree(pid: int) -> None:
    """End a living child, its group and everything below it at once."""
    import psutil

    below = descendants(pid)
    if os.name == "nt":
        try:
            below.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            pass  # it has just ended; those below are ended all the same
    else:
        _signal_group(pid, signal.SIGKILL)
    kill(below)


def listening_ports(pid: int) -> set[int] | None:
    """The TCP ports that a process or one below it listens on; `None` where the system does not tell. Blocks."""
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


def _signal_group(pid: int, number: int) -> None:
    if pid <= 1:
        raise ValueError(f"refusing to signal process group {pid}")
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:  # only others' processes are left in it; on macOS also a dead child not reaped yet
        logger.debug("the process group %d may not be signalled", pid)


def _die_with_parent() -> Callable[[], None]:
    """What a child does before it becomes the program: bind its life to ours.

    The parent's pid is taken before the fork and compared afterwards, since it may have died in between; comparing
    with 1 instead would kill every child in a container, where the parent may well be process 1.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind
