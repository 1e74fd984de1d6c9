"""Who is at the other end of a TCP connection within this machine.

Owns how the system is asked: Linux has a table of all connections and their users. Elsewhere nobody is known.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

TABLE = Path("/proc/net/tcp")

ROOT = 0
"""May do everything anyway. Tunnels and relays run as root, such as that of WSL from Windows."""

_LOCAL, _REMOTE, _USER = 1, 2, 7
"""Columns of the table."""


def is_stranger(peer: tuple[str, int], ours: tuple[str, int]) -> bool:
    """Whether a connection over IPv4 comes from a program of another user; False where that is not known."""
    user = user_of(peer, ours)
    return user is not None and user not in (ROOT, os.geteuid())


def user_of(peer: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """The user id of the program at the other end of a connection; `None` where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        table = TABLE.read_text()
    except OSError:
        return None
    ends = [_in_table(peer), _in_table(ours)]
    for row in table.splitlines()[1:]:
        columns = row.split()
        if columns[_LOCAL : _REMOTE + 1] == ends:  # the other program's row: what is local is its own end
            return int(columns[_USER])
    return None


def _in_table(address: tuple[str, int]) -> str:
    """An address as it stands there: the four bytes as a number of this machine's, in hexadecimal."""
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"
