"""One request and its answer, on a connection of its own.

Owns the connection: an engine closes idle ones after some seconds, and a message that is sent at that very moment
would be lost; to connect takes a tenth of a millisecond. What comes is handed on in the turn of the loop in which it
comes, without a task in between. What an answer means is `link`'s business.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import anyio

from sidecar.engines.client.http1 import HttpAnswer, NotHttp
from sidecar.host import sockets

CONNECT_SECONDS = 5.0
"""An engine on this machine accepts at once or not at all."""

BACKLOG_PAUSES = (0.01, 0.05, 0.2, 1.0)
"""Seconds before the next tries where more wait to be accepted at a UNIX socket than it has room for: the engine is
there, and takes them as soon as it gets round to it."""

READ_BYTES = 16 * 1024
"""Read at a time of one connection, fifty tokens of a flood: the others, and a ping, have their turn in between."""

UNIX_SCHEME = "unix://"

Take = Callable[[bytes], bool]
"""Takes a part of a body; whether that is enough of it."""


class Broken(Exception):
    """The connection failed, or what came over it is no answer."""


class Address(NamedTuple):
    """Where an engine is.

    Attributes:
        socket_path: of a UNIX socket; then `port` does not count.
        host: a name or a number, and what is said of it in requests.
        secure: whether to talk TLS.
        path: what stands before the paths of the API.
    """

    socket_path: str | None = None
    host: str = "engine"
    port: int = 0
    secure: bool = False
    path: str = ""

    @classmethod
    def parse(cls, address: str) -> Address:
        """An address given as `unix://…`, `http://…` or `https://…`.

        Raises:
            ValueError: it is none.
        """
        if address.startswith(UNIX_SCHEME):
            return cls(address.removeprefix(UNIX_SCHEME))
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("this is no address of an engine")
        secure = parts.scheme == "https"
        path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
        return cls(None, parts.hostname, parts.port or (443 if secure else 80), secure, path)

    @property
    def host_field(self) -> str:
        """The host as requests name it.

        Raises:
            ValueError: it can not be a host's name.
        """
        name = f"[{self.host}]" if ":" in self.host else self.host
        if not name.isascii():
            name = name.encode("idna").decode("ascii")
        return f"{name}:{self.port}" if self.port else name

    async def connect(self, exchange: Exchange) -> None:
        """Begin an exchange.

        Raises:
            OSError, ValueError: there is no connection to be had.
        """
        loop = asyncio.get_running_loop()
        if self.socket_path is None:
            with anyio.fail_after(CONNECT_SECONDS):
                await loop.create_connection(lambda: exchange, self.host, self.port, ssl=self.secure or None)
            return
        # An engine on a socket has the request before the loop gets its next turn.
        connected = sockets.unix_socket()
        try:
            connected.setblocking(False)
            await _reach(connected, self.socket_path)
            exchange.send_at_once(connected)
            await loop.create_unix_connection(lambda: exchange, sock=connected)
        except BaseException:
            connected.close()
            raise


async def _reach(connected: socket.socket, path: str) -> None:
    """Connect to a UNIX socket. Raises OSError."""
    for pause in BACKLOG_PAUSES:
        try:
            connected.connect(path)
        except BlockingIOError:
            await anyio.sleep(pause)
        else:
            return
    connected.connect(path)


class Exchange(asyncio.BufferedProtocol):
    """One request and its answer.

    Args:
        request: what is sent.
        take: called with each part of the answer's body; what it raises is raised by `run`.
        sent: called once, when the request is on its way or turns out not to get there.

    Attributes:
        answer: as far as it has come.
        received: grows with whatever comes.
    """

    def __init__(self, request: bytes, take: Take, sent: Callable[[], None] = lambda: None) -> None:
        self.answer = HttpAnswer()
        self.received = 0
        self._unsent = request
        self._take = take
        self._sent: Callable[[], None] | None = sent
        self._buffer = bytearray(READ_BYTES)
        self._received = memoryview(self._buffer)
        self._transport: asyncio.WriteTransport | None = None
        self._over: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    async def run(self, address: Address) -> None:
        """Connect, send, and see the answer through to its end, or until enough of it was taken.

        Raises:
            Broken: the connection failed, or what came is no answer.
            Exception: what `break_off` was given, or `take` has raised.
        """
        try:
            try:
                await address.connect(self)
            except (OSError, ValueError) as error:  # TimeoutError is an OSError
                self._tell_sent()
                raise Broken(str(error) or f"nobody has accepted within {CONNECT_SECONDS:.0f} s") from error
            outcome = await self._over
            if outcome is not None:
                raise outcome
        finally:
            self._finish(None)

    def send_at_once(self, connected: socket.socket) -> None:
        """Send what a socket takes now; the rest follows once the loop has it."""
        if self._over.done():  # broken off while the socket had no room
            return
        self._unsent = self._unsent[connected.send(self._unsent) :]
        self._tell_sent()

    def break_off(self, reason: Exception) -> None:
        """Hang up; `run` ends with this, if it has not ended yet."""
        self._finish(reason)

    def _tell_sent(self) -> None:
        sent, self._sent = self._sent, None
        if sent is not None:
            sent()

    def _finish(self, outcome: Exception | None) -> None:
        if not self._over.done():
            self._over.set_result(outcome)
        if self._transport is not None:
            self._transport.abort()  # an engine stops when its client is gone

    # --- asyncio.BufferedProtocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - asyncio's promise
        self._transport = transport
        if self._over.done():
            transport.abort()
        else:
            transport.write(self._unsent)
            try:
                self._tell_sent()
            except Exception as error:  # noqa: BLE001 - carried over to `run`
                self._finish(error)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._over.done():
            return
        self.received += 1
        try:
            body = self.answer.feed(bytes(self._received[:nbytes]))
            if (body and self._take(body)) or self.answer.done:
                self._finish(None)
        except NotHttp as error:
            self._finish(Broken(f"this is no answer: {error}"))
        except Exception as error:  # noqa: BLE001 - carried over to `run`
            self._finish(error)

    def eof_received(self) -> None:
        self._finish(None if self.answer.end() else Broken("the answer broke off"))

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(Broken(str(error) if error else "the connection was closed"))
