"""Starting and ending processes so that none is left behind.

Owns what differs between operating systems here. Each child leads a process group of its own, and on Linux the
kernel kills it when we die, however we die. Windows and macOS have neither; there the engine's own watch on its
stdin ends it. Untested there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

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


def descendants(pid: int) -> list[Any]:
    """The processes below a child, as psutil sees them now; none if it is gone."""
    import psutil

    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def kill_tree(pid: int, others: list[Any]) -> None:
    """End a child, its group and these descendants at once. What is gone already is left alone."""
    import psutil

    for process in [*others, *descendants(pid)]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    if os.name == "nt":
        try:
            psutil.Process(pid).kill()
        except psutil.NoSuchProcess:
            return
    else:
        _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    if pid <= 1:
        raise ValueError(f"refusing to signal process group {pid}")
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _die_with_parent() -> Callable[[], None]:
    """What a child does before it becomes the program: bind its life to ours.

    The parent's pid is taken before the fork and compared afterwards, since it may have died in between; comparing
    with 1 instead would kill every child in a container, where the parent may well be process 1.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def bind() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind
