"""Whose program is at the other end of a connection within this machine.

Fails closed: what is not known to be the same user's is another's. That holds for root, too, unless we run as root: a
socket that its program has closed is reported as one of root's. Linux is asked for the one socket; where it cannot be,
its table of all connections is read on a thread. Other systems have no such question: there, the open connections of
this user's own programs are searched on a thread, untested on Windows and macOS.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import sys
from pathlib import Path

from sidecar.host.sock_diag import ANYWHERE, ESTABLISHED, LISTENING, Address, SocketDiagnosis, SocketFacts

logger = logging.getLogger(__name__)

TABLE = Path("/proc/net/tcp")

_LOCAL, _REMOTE, _STATE, _USER, _INODE = 1, 2, 3, 7, 9
"""Columns of the table (Documentation/networking/proc_net_tcp.rst)."""


class Peers:
    """Answers for the connections to one listener. Used in the event loop.

    Args:
        listener: an IPv4 socket that listens on loopback, which shows whether the kernel answers about single sockets.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._diagnosis = _diagnosis_for(listener)

    async def is_same_user(self, peer: Address, ours: Address) -> bool:
        """Whether a program of our own user holds the other end of a connection now.

        Args:
            peer: the address of the other end.
            ours: the address of our end.
        """
        if self._diagnosis is None:
            return await asyncio.to_thread(_is_same_user_slowly, peer, ours)
        try:
            return is_ours(self._diagnosis.find(peer, ours))
        except OSError as error:
            logger.warning("the kernel does not report whose a connection is (%s); it is refused", error.strerror)
            return False

    def close(self) -> None:
        """Answer nothing more."""
        if self._diagnosis is not None:
            self._diagnosis.close()


def is_ours(found: SocketFacts | None) -> bool:
    """Whether a socket is in use by a program of our own user; False for a closed one and for none."""
    return found is not None and found.state == ESTABLISHED and found.inode != 0 and found.user == _own_user()


def in_table(table: str, local: Address, remote: Address) -> SocketFacts | None:
    """The socket with these ends in the content of /proc/net/tcp; `None` if it is not there."""
    ends = [_written(local), _written(remote)]
    for row in table.splitlines()[1:]:
        columns = row.split()
        if columns[_LOCAL : _REMOTE + 1] == ends:
            return SocketFacts(int(columns[_STATE], 16), int(columns[_USER]), int(columns[_INODE]))
    return None


def _written(address: Address) -> str:
    """An address in the table's format: the four bytes as a number in this machine's byte order, in hexadecimal."""
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"


def _diagnosis_for(listener: socket.socket) -> SocketDiagnosis | None:
    """A way to ask the kernel; `None` where it does not even find the listener: sandboxes and old kernels."""
    try:
        diagnosis = SocketDiagnosis()
    except OSError:
        return None
    try:
        found = diagnosis.find(listener.getsockname(), ANYWHERE)
    except OSError:
        found = None
    if found is not None and found.state == LISTENING:
        return diagnosis
    diagnosis.close()
    return None


def _own_user() -> int | None:
    if sys.platform == "win32":
        return None
    else:
        return os.geteuid()


def _is_same_user_slowly(peer: Address, ours: Address) -> bool:
    if sys.platform == "linux":
        try:
            return is_ours(in_table(TABLE.read_text(encoding="ascii"), peer, ours))
        except (OSError, ValueError, IndexError) as error:
            logger.warning("%s cannot be read (%s); the connection is refused", TABLE, error)
            return False
    else:
        return _has_own_program(peer, ours)


def _has_own_program(peer: Address, ours: Address) -> bool:
    """Whether one of this user's programs has this connection. Programs that may not be inspected are not ours."""
    import psutil

    user = psutil.Process().username()
    for process in psutil.process_iter():
        try:
            if process.username() == user and any(
                (tuple(one.laddr), tuple(one.raddr), one.status) == (peer, ours, psutil.CONN_ESTABLISHED)
                for one in process.net_connections("tcp4")
            ):
                return True
        except psutil.Error:
            continue
    return False
