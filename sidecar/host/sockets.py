"""Sockets, where systems differ: UNIX sockets, listening on a port again, and the user at the other end.

Linux has a table of all connections and their users; elsewhere the other end is unknown. Untested on Windows and
macOS.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from pathlib import Path

HAS_UNIX_SOCKETS = sys.platform != "win32"
"""Python has none on Windows."""

TABLE = Path("/proc/net/tcp")

ROOT = 0
"""Root may do everything anyway. Tunnels and relays run as root, such as that of WSL from Windows."""

_LOCAL, _REMOTE, _USER = 1, 2, 7
"""Columns of the table."""


def unix_socket() -> socket.socket:
    """A new stream socket of the UNIX family.

    Raises:
        OSError: the system has none.
    """
    if sys.platform == "win32":
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    else:
        return socket.socket(socket.AF_UNIX)


def reuse_address(listener: socket.socket) -> None:
    """Allow a listener to reuse the port of one that has just ended. Not on Windows, where two could share a port."""
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def is_other_user(peer: tuple[str, int], ours: tuple[str, int]) -> bool:
    """Whether a connection over IPv4 within this machine comes from a program of another user; False where unknown."""
    if sys.platform == "win32":
        return False
    else:
        user = user_of(peer, ours)
        return user is not None and user not in (ROOT, os.geteuid())


def user_of(peer: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """The user id of the program at the other end of such a connection; `None` where the system does not report it."""
    try:
        table = TABLE.read_text()
    except OSError:  # not on Linux
        return None
    ends = [_in_table(peer), _in_table(ours)]
    for row in table.splitlines()[1:]:
        columns = row.split()
        if columns[_LOCAL : _REMOTE + 1] == ends:  # the other program's row: the local address is its own end
            return int(columns[_USER])
    return None


def _in_table(address: tuple[str, int]) -> str:
    """An address in the table's format: the four bytes as a number in this machine's byte order, in hexadecimal."""
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"
