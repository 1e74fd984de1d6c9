"""Sockets, where systems differ: UNIX sockets, and listening on a port again. Untested on Windows and macOS."""

from __future__ import annotations

import errno
import os
import socket
import sys

HAS_UNIX_SOCKETS = sys.platform != "win32"
"""Python has none on Windows."""


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
