"""One HTTP/1.1 request and its response, on a connection of its own.

Owns the format of requests, the parsing of responses into status and body, and the connection. Connections are not
reused: an engine closes idle ones after some seconds, and a request sent just then would be lost, while connecting
takes only a tenth of a millisecond. The parser is httptools (README.md has the figures and the reason). It is strict
about the framing of bodies, to prevent response smuggling. Knows nothing of JSON or events.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from sidecar.contract.errors import EngineUnresponsive
from sidecar.engines.client.connection import REMOTE_SECONDS, Address, tls_context
from sidecar.host import limits

MAX_HEAD_BYTES = 16 * 1024
"""The largest head of a response, and the most bytes between two parts of its body: ten times what engines send."""

READ_BYTES = 16 * 1024
"""Bytes per read, about fifty tokens of a fast stream, so that other connections have their turn in between."""

MAX_UNREAD_BYTES = 256 * 1024
"""Bytes of the body that may wait here for their reader; beyond that, reading pauses, and backpressure reaches the
engine."""


class NotHttp(Exception):
    """The data is no valid response, or one without a definite end."""


class EngineGone(Exception):
    """The connection failed or broke: the engine ended, closed it, or cannot be reached.

    Attributes:
        client: the client it belonged to; a restarted engine has another one.
    """

    def __init__(self, message: str, client: object = None) -> None:
        super().__init__(message)
        self.client = client


def request(verb: str, target: str, fields: Sequence[str], body: bytes | None) -> bytes:
    """A request on a connection of its own, as bytes.

    Args:
        target: the request target, quoted.
        fields: headers in addition to those of every request.
        body: JSON; `None` for no body.
    """
    lines = [f"{verb} {target} HTTP/1.1", *fields, "Accept: */*", "Connection: close"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


class Response:
    """Parses one response, in whatever pieces its bytes arrive.

    Attributes:
        status: the HTTP status; `None` until the head is complete.
        done: the body is complete.
        has_data: a part of the body can be taken.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.done = False
        self._parts: list[bytes] = []
        self._lengths = 0
        self._codings: list[bytes] = []
        self._bytes_between = 0
        self.on_body = self._parts.append  # httptools calls it for each chunk, without a Python frame in between
        self._parser = HttpResponseParser(self)

    @property
    def has_data(self) -> bool:
        return bool(self._parts)

    def take(self) -> bytes:
        """The part of the body that has arrived since the last call."""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        return data

    def feed(self, data: bytes | memoryview) -> None:
        """Parse more bytes.

        Raises:
            NotHttp: this is no valid response. Nothing more may be fed.
        """
        parts = len(self._parts)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.done:  # bytes after a complete response are ignored
                raise NotHttp(str(error.__context__ or error)) from None
        if len(self._parts) > parts:
            self._bytes_between = 0
            return
        self._bytes_between += len(data)
        if self._bytes_between > MAX_HEAD_BYTES and not self.done:
            raise NotHttp(f"its head has more than {MAX_HEAD_BYTES} bytes")

    def end(self) -> bool:
        """Handle the end of the connection; returns whether the response is complete."""
        self.done = self.done or (self.status is not None and not self._lengths and not self._codings)
        return self.done

    # --- callbacks of httptools -------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.done:
            raise NotHttp("a second response")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status is not None:  # a trailer
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
        if status >= 200:  # 1xx is interim
            self.status = status

    def on_message_complete(self) -> None:
        self.done = self.status is not None


class Exchange(asyncio.BufferedProtocol):
    """One request and its response.

    Args:
        request: the bytes to send.
        idle_seconds: the idle timeout, which expires after one to two times this; `None` for no limit.

    Attributes:
        response: the response as received so far.
        received: a counter that grows with every read.
        events: a counter of the events in the answer, for its reader to count.
        ended: we are done with the connection; the received part of the body can still be read.
        closed: it is closed on both sides, so the other side no longer works on the request.
    """

    def __init__(self, request: bytes, *, idle_seconds: float | None = None) -> None:
        self.response = Response()
        self.received = 0
        self.events = 0
        self.ended = asyncio.Event()
        self.closed = False
        self._outcome: Exception | None = None
        self._unsent = request
        self._idle_seconds = idle_seconds
        self._idle_timer: asyncio.TimerHandle | None = None
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._unread = 0
        self._reader: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    async def open(self, address: Address) -> None:
        """Connect, and send the request. Errors are raised by `read`."""
        self._check_idle(-1)
        try:
            await self._begin(await address.connect(), address)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            self.close(limits.shortage(error) or EngineGone(str(error)))

    async def read(self) -> bytes:
        """The part of the body that has arrived since the last call: at least a byte, or nothing at its end.

        Raises:
            EngineGone: the connection failed or broke, or the response is invalid.
            EngineUnresponsive: the idle timeout has expired.
            Overloaded: there is no descriptor left for the connection.
            Exception: the reason given to `close`.
        """
        while not self.response.has_data:
            if self.ended.is_set():
                if self._outcome is not None:
                    raise self._outcome
                return b""
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if self._unread > MAX_UNREAD_BYTES and self._transport is not None and not self.ended.is_set():
            self._transport.resume_reading()
        self._unread = 0
        return self.response.take()

    def close(self, reason: Exception | None = None) -> None:
        """Close the connection; `read` raises the reason if it had not ended before. Safe to call twice."""
        self._end(reason)
        self.closed = True
        if self._transport is not None:
            self._transport.abort()  # an engine stops when its client disconnects

    def hang_up(self) -> None:
        """Leave the request. Before the response has begun, only our side is closed, which stops an engine as well: it
        closes the other side once nothing works on the request any more. What still arrives is dropped.

        Once it has begun, both sides are closed: the request has a slot, which the engine reports, and it stops with
        the next token that it cannot send. Otherwise it would check its clients once a second. Safe to call twice."""
        if self.ended.is_set():
            return
        transport = self._transport
        if self.response.status is not None or transport is None or not transport.can_write_eof():
            self.close()
            return
        self._end(None)
        transport.write_eof()
        transport.resume_reading()

    def _end(self, reason: Exception | None) -> None:
        if self.ended.is_set():
            return
        self.ended.set()
        self._outcome = reason
        self._wake()
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    async def _begin(self, connected: socket.socket, address: Address) -> None:
        """Hand a connected socket to the event loop. Raises OSError, ValueError."""
        if self.ended.is_set():  # closed while it connected
            connected.close()
            return
        if not address.secure:  # the engine gets the request before the loop's next iteration
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
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _check_idle(self, received: int) -> None:
        """End the exchange if nothing has arrived since the last check, unless reading is paused by us."""
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
            self.close(EngineGone(f"the response is invalid: {error}"))
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
