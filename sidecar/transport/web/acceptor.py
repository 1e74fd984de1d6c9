"""Accepts connections, one at a time, so that no number of them takes the sidecar down.

Owns the listening socket, the check of who connects, and how many connections there may be that are not admitted.
Other users' programs are refused before a byte of theirs is read. A lack of descriptors is waited for.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from collections.abc import Callable

from sidecar.contract.errors import PermissionDenied, PortInUse
from sidecar.host import limits
from sidecar.host.peers import Peers
from sidecar.transport.web.admission import LOOPBACK
from sidecar.transport.web.guest import Guest

logger = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections that wait in the kernel, which costs us nothing: the owner's page waits there beside a stranger's."""

MAX_GUESTS = 64
"""Connections that are not admitted. All of them are our own user's; a browser opens six at a time, and each has
seconds. The oldest one makes room for the next."""

RESERVE = 128
"""Descriptors that are left for engines, files and the history. Without so many no page is accepted."""

SHORTAGE_SECONDS = 0.25
"""Between two tries where descriptors are short."""

MAX_REFUSALS = 32
"""Refused in a row without a pause. Then each is followed by one, so that a stranger takes a small part of a core."""

REFUSAL_SECONDS = 0.002
"""The pause. A full backlog is emptied in 2 s all the same."""

_NO_LINGER = struct.pack("ii", 1, 0)
"""A refused connection is reset: it leaves nothing in the kernel (`SO_LINGER`, socket(7))."""


def listen(port: int | None) -> socket.socket:
    """Take a port on loopback, one that the system chooses by default.

    Raises:
        PortInUse: another program has it.
        PermissionDenied: the system refuses the port.
    """
    try:
        return socket.create_server((LOOPBACK, port or 0), backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"Another program listens on port {port}.", port=port) from error
        raise PermissionDenied(f"Port {port} cannot be listened on: {error.strerror}.") from error


class Acceptor:
    """Accepts connections of our own user's programs.

    Args:
        listener: the listening socket, which this object owns from now on.
        peers: reports whose a connection is.
    """

    def __init__(self, listener: socket.socket, peers: Peers, *, max_guests: int = MAX_GUESTS) -> None:
        self._listener = listener
        self._listener.setblocking(False)
        self._peers = peers
        self._max_guests = max_guests
        self._guests: dict[Guest, None] = {}
        self._refusals = 0

    @property
    def guest_count(self) -> int:
        """Connections that are not admitted."""
        return len(self._guests)

    async def run(self, make_server: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections until cancelled; `make_server` makes the HTTP server's protocol for one."""
        loop = asyncio.get_running_loop()
        limit = limits.open_files_limit()
        while True:
            try:
                accepted, peer = await loop.sock_accept(self._listener)
            except OSError as error:
                await self._wait_out(error)
                continue
            try:
                if limits.is_nearly_full(accepted.fileno(), limit, RESERVE):
                    _reset(accepted)
                    await self._wait_out(OSError(errno.EMFILE, "only the reserve is left"))
                elif await self.is_ours(accepted.getsockname(), peer):
                    self._refusals = 0
                    await self._take_in(accepted, make_server)
                else:
                    _reset(accepted)
                    await self._note_refusal()
            except OSError as error:  # it was gone before it could be used
                accepted.close()
                logger.debug("a connection was lost while it was accepted: %s", error)

    async def is_ours(self, ours: tuple[str, int], peer: tuple[str, int]) -> bool:
        """Whether a program of our own user is at the other end now."""
        return await self._peers.is_same_user(peer, ours)

    def close(self) -> None:
        """End every connection that is not admitted, and stop listening."""
        for guest in list(self._guests):
            guest.abort()
        self._listener.close()
        self._peers.close()

    async def _take_in(self, accepted: socket.socket, make_server: Callable[[], asyncio.Protocol]) -> None:
        while len(self._guests) >= self._max_guests:
            oldest = next(iter(self._guests))
            self._forget(oldest)
            oldest.abort()
        guest = Guest(make_server(), self._forget)
        self._guests[guest] = None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: guest, accepted)
        except BaseException:
            self._forget(guest)
            raise

    def _forget(self, guest: Guest) -> None:
        self._guests.pop(guest, None)

    async def _wait_out(self, error: OSError) -> None:
        """Wait until what could not be done now may be done."""
        if error.errno == errno.ECONNABORTED:
            return
        logger.warning("no page can connect now: %s", error.strerror)
        await asyncio.sleep(SHORTAGE_SECONDS)

    async def _note_refusal(self) -> None:
        self._refusals += 1
        logger.warning("a program of another user tried to connect, and was refused")
        if self._refusals > MAX_REFUSALS:
            await asyncio.sleep(REFUSAL_SECONDS)


def _reset(accepted: socket.socket) -> None:
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    accepted.close()
