"""Whether an engine will be able to listen on a port."""

from __future__ import annotations

import errno
import ipaddress
import socket

from sidecar.contract.errors import InvalidParams, PermissionDenied, PortInUse
from sidecar.host import sockets


def check_port(host: str, port: int) -> bool:
    """See that a port is free; 0 is any. Blocks: a name may have to be looked up.

    Returns:
        Whether it is on this machine only: others can not reach it.

    Raises:
        PortInUse: it is not.
        PermissionDenied: it may not be listened on.
        InvalidParams: the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            sockets.reuse_address(probe)
            probe.bind((host, port))
            return ipaddress.ip_address(probe.getsockname()[0]).is_loopback
    except PermissionError as error:
        raise PermissionDenied(
            f"{host}:{port} can not be listened on: {error.strerror}.",
            hint="Name a port from 1024 on, or leave port out.",
        ) from None
    except (OSError, UnicodeError, TypeError) as error:  # TypeError: a NUL or half a character in it
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PortInUse(f"Another program listens on {host}:{port}.", port=port) from None
        reason = error.strerror if isinstance(error, OSError) else "it is no host name"
        raise InvalidParams(
            f"{host}:{port} can not be listened on: {reason}.",
            path="$.host",
            hint="Give an address of this machine, or leave host and port out.",
        ) from None
