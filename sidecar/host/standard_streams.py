"""The wire's descriptors, taken away from everything else in the process.

Owns that no stray byte reaches the host: after `take_wire`, whatever prints goes to stderr, natively or from Python,
and whatever reads stdin finds it empty. Imports next to nothing, since it runs before everything else.
"""

from __future__ import annotations

import os
import sys

STDIN, STDOUT, STDERR = 0, 1, 2


def take_wire() -> tuple[int, int]:
    """Private descriptors of what were stdin and stdout; children do not inherit them."""
    for fd in (STDIN, STDOUT, STDERR):
        if not _is_open(fd):
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    read_fd, write_fd = os.dup(STDIN), os.dup(STDOUT)
    if sys.platform == "win32":  # else every \n would become \r\n; untested
        import msvcrt

        msvcrt.setmode(read_fd, os.O_BINARY)
        msvcrt.setmode(write_fd, os.O_BINARY)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, STDIN)
    os.dup2(STDERR, STDOUT)
    os.close(null)
    return read_fd, write_fd


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
