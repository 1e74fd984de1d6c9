"""One HTTP/1.1 request and its response, on a connection of its own.

Owns what a request looks like, how bytes become a status and a body, and the connection: an engine closes idle ones
after some seconds, and a request that is sent at that very moment would be lost; connecting takes a tenth of a
millisecond. The parser is httptools (README.md has the figures and the reason). Strict about what says where a body
ends: a response that is cut wrongly is another response. Knows nothing of JSON or events.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from sidecar.contract.errors import EngineUnresponsive
from sidecar.engines.client.connection import REMOTE_SECONDS, Address, tls_context

MAX_HEAD_BYTES = 16 * 1024
"""Of a response, and of all else between two parts of its body: ten times what engines send."""

READ_BYTES = 16 * 1024
"""Read at a time of one connection, fifty tokens of a flood: the others, and a ping, have their turn in between."""

MAX_UNREAD_BYTES = 256 * 1024
"""That wait for whoever reads the body; more are left to the kernel, and so to the engine, until these are taken."""


class NotHttp(Exception):
    """What came is no response, or none whose end can be found."""


class EngineGone(Exception):
    """The connection failed or broke: the engine ended or hung up, or there is none.

    Attributes:
        client: whose it was; a restarted engine has another one.
    """

    def __init__(self, message: str, client: object = None) -> None:
        super().__init__(message)
        self.client = client


def request(verb: str, target: str, fields: Sequence[str], body: bytes | None) -> bytes:
    """A request on a connection of its own.

    Args:
        target: quoted as it has to be.
        fields: of its head, besides those that every request here has.
        body: JSON, where there is one.
    """
    lines = [f"{verb} {target} HTTP/1.1", *fields, "Accept: */*", "Connection: close"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


class Response:
    """Reads one response, however its bytes are cut.

    Attributes:
        status: HTTP's; `None` until the head is complete.
        done: the body is complete.
        has_news: there is a part of the body to be taken.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.done = False
        self._parts: list[bytes] = []
        self._lengths = 0
        self._codings: list[bytes] = []
        self._bytes_between = 0
        self.on_body = self._parts.append  # httptools calls it for each chunk: no function of Python's in between
        self._parser = HttpResponseParser(self)

    @property
    def has_news(self) -> bool:
        return bool(self._parts)

    def take(self) -> bytes:
        """The part of the body that has come since the last time."""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        return data

    def feed(self, data: bytes | memoryview) -> None:
        """Read more bytes.

        Raises:
            NotHttp: this is no response. Nothing more may be fed.
        """
        parts = len(self._parts)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.done:  # what follows a response says nothing of it
                raise NotHttp(str(error.__context__ or error)) from None
        if len(self._parts) > parts:
            self._bytes_between = 0
            return
        self._bytes_between += len(data)
        if self._bytes_between > MAX_HEAD_BYTES and not self.done:
            raise NotHttp(f"there are more than {MAX_HEAD_BYTES} bytes of head in it")

    def end(self) -> bool:
        """Take the connection's end; whether the response is complete with it."""
        self.done = self.done or (self.status is not None and not self._lengths and not self._codings)
        return self.done

    # --- what httptools calls ---------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.done:
            raise NotHttp("a second response")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status is not None:  # one behind the last chunk
            return
        if name.lower() == b"content-length":
            self._lengths += 1
        elif name.lower() == b"transfer-encoding":
            self._codings.append(value.strip().lower())

    def on_headers_complete(self) -> None:
        if self._codings not in ([], [b"chunked"]) or (self._codings and self._lengths):
            raise NotHttp("it is encoded in an unknown way")
        status = self._parser.get_status_code()
        if not 100 <= status < 600:
            raise NotHttp("it has no status")
        if status >= 200:  # the others announce the response
            self.status = status

    def on_message_complete(self) -> None:
        self.done = self.status is not None


class Exchange(asyncio.BufferedProtocol):
    """One request and its response.

    Args:
        request: what is sent.
        idle_seconds: the longest time without a byte, at least; at most twice that. No limit where it is left out.

    Attributes:
        response: as far as it has come.
        received: grows with whatever comes.
        ended: the connection is over; what came of the body can still be read.
    """

    def __init__(self, request: bytes, *, idle_seconds: float | None = None) -> None:
        self.response = Response()
        self.received = 0
        self.ended = asyncio.Event()
        self._outcome: Exception | None = None
        self._unsent = request
        self._idle_seconds = idle_seconds
        self._idle_timer: asyncio.TimerHandle | None = None
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._unread = 0
        self._news: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    async def open(self, address: Address) -> None:
        """Connect, and send the request. Returns when it is on its way; what fails before is raised by `read`."""
        self._check_idle(-1)
        try:
            await self._begin(await address.connect(), address)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            self.close(EngineGone(str(error)))

    async def read(self) -> bytes:
        """What has come of the body since the last time: at least a byte, or nothing at its end.

        Raises:
            EngineGone: the connection failed or broke, or what came over it is no response.
            EngineUnresponsive: nothing came for too long.
            Exception: what `close` was given.
        """
        while not self.response.has_news:
            if self.ended.is_set():
                if self._outcome is not None:
                    raise self._outcome
                return b""
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        if self._unread > MAX_UNREAD_BYTES and self._transport is not None and not self.ended.is_set():
            self._transport.resume_reading()
        self._unread = 0
        return self.response.take()

    def close(self, reason: Exception | None = None) -> None:
        """Hang up; `read` ends with the reason, if the connection has not ended yet. Safe to call twice."""
        if not self.ended.is_set():
            self.ended.set()
            self._outcome = reason
            self._wake()
            if self._idle_timer is not None:
                self._idle_timer.cancel()
        if self._transport is not None:
            self._transport.abort()  # an engine stops when its client is gone

    async def _begin(self, connected: socket.socket, address: Address) -> None:
        """Give the loop a connected socket. Raises OSError, ValueError."""
        if self.ended.is_set():  # closed while the socket had no room
            connected.close()
            return
        if not address.secure:  # an engine has the request before the loop gets its next turn
            try:
                self._unsent = self._unsent[connected.send(self._unsent) :]
            except OSError:
                connected.close()
                raise
        await asyncio.get_running_loop().create_connection(
            lambda: self,
            sock=connected,
            ssl=tls_context() if address.secure else None,
            server_hostname=address.host if address.secure else None,
            ssl_handshake_timeout=REMOTE_SECONDS if address.secure else None,
        )

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _check_idle(self, received: int) -> None:
        """End the exchange where nothing has come since the last check. Reading that is paused waits for us."""
        if self._idle_seconds is None or self.ended.is_set():
            return
        if self.received == received and self._unread <= MAX_UNREAD_BYTES:
            self.close(EngineUnresponsive(f"The engine has been silent for {self._idle_seconds:.0f} s."))
            return
        loop = asyncio.get_running_loop()
        self._idle_timer = loop.call_later(self._idle_seconds, self._check_idle, self.received)

    # --- asyncio.BufferedProtocol ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's promise
        self._transport = transport
        if self.ended.is_set():
            transport.abort()
        else:
            transport.write(self._unsent)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.ended.is_set():
            return
        self.received += 1
        try:
            self.response.feed(self._view[:nbytes])
        except NotHttp as error:
            self.close(EngineGone(f"this is no response: {error}"))
            return
        if self.response.done:
            self.close()
            return
        self._wake()
        self._unread += nbytes
        if self._unread > MAX_UNREAD_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self.close(None if self.response.end() else EngineGone("the answer broke off"))

    def connection_lost(self, error: Exception | None) -> None:
        self.close(EngineGone(str(error) if error else "the connection was closed"))
