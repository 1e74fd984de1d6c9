"""Descriptors of pipes and terminals: the wire's, and what systems report of one without blocking.

Ensures that no stray byte reaches the host: after `take_wire`, all prints go to stderr, natively or from Python,
and stdin is empty for all readers. Owns the differences between systems, too: Windows has no poll for pipes, so there
a thread has to wait for them. Untested on Windows and macOS. Imports almost nothing, since it is needed first.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable

STDIN, STDOUT, STDERR = 0, 1, 2

if sys.platform == "linux":
    _HANG_UP = select.POLLRDHUP
else:  # macOS has no such event: a closed other end is reported as POLLHUP anyway
    _HANG_UP = 0


def take_wire() -> tuple[int, int]:
    """Private descriptors of the original stdin and stdout; children do not inherit them."""
    for fd in (STDIN, STDOUT, STDERR):
        if not _is_open(fd):
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    read_fd, write_fd = os.dup(STDIN), os.dup(STDOUT)
    if sys.platform == "win32":  # else every \n would become \r\n
        import msvcrt

        msvcrt.setmode(read_fd, os.O_BINARY)
        msvcrt.setmode(write_fd, os.O_BINARY)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, STDIN)
    os.dup2(STDERR, STDOUT)
    os.close(null)
    return read_fd, write_fd


def make_blocking(fd: int) -> None:
    """Make reads and writes block, whatever another program has set; on Windows they always do."""
    if sys.platform != "win32":
        os.set_blocking(fd, True)


def is_watchable(fd: int) -> bool:
    """Whether the event loop can report that there is something to read: never for files, on Windows not for pipes."""
    mode = os.fstat(fd).st_mode
    return sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd))


def is_in_foreground(fd: int) -> bool:
    """Whether what is typed on this terminal is meant for us; True for what is no terminal, such as a pipe."""
    if sys.platform == "win32" or not os.isatty(fd):
        return True
    else:
        try:
            return os.tcgetpgrp(fd) == os.getpgrp()
        except OSError:  # it controls another session, or is gone
            return False


def has_hung_up(fd: int) -> bool:
    """Whether the other end of a pipe is closed; False where the system does not report it."""
    if sys.platform == "win32":
        return False
    else:
        poll = select.poll()
        poll.register(fd, _HANG_UP)
        return any(events & ~select.POLLIN for _, events in poll.poll(0))


def writable_poll(fd: int) -> Callable[[int], object] | None:
    """A function of milliseconds: whether a write of PIPE_BUF bytes would succeed in that time; `None` if unsupported.

    A pipe whose reader is gone counts as writable: the write then fails.
    """
    if sys.platform == "win32":
        return None
    else:
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        return poll.poll


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
