"""Sockets, where systems differ: UNIX sockets, and listening on a port again. Untested on Windows and macOS."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import sys

_LOCAL_NAME = re.compile(r"(?:.*\.)?localhost\.?", re.IGNORECASE)
"""RFC 6761: these names never leave the machine."""

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


def address_of(name: str) -> str:
    """The address that a name stands for on this machine; a name without one stays as it is. Blocks.

    `localhost` is 127.0.0.1: two programs can listen on a port of 127.0.0.1 and of ::1, and which of them the name
    means would change with whoever asks. Of several addresses the first IPv4 one is taken: most programs listen there.
    """
    if _LOCAL_NAME.fullmatch(name):
        return "127.0.0.1"
    try:
        ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        return name
    try:
        found = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):  # a NUL or a lone surrogate in it
        return name  # who listens on it reports the reason
    found.sort(key=lambda one: one[0] != socket.AF_INET)
    return str(found[0][4][0])


def reuse_address(listener: socket.socket) -> None:
    """Allow a listener to reuse the port of one that has just ended. Not on Windows, where two could share a port."""
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
