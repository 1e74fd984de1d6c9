"""One page's WebSocket: a message a text frame, both ways.

Owns that no requests are read from a page that does not read, and that it is closed after a timeout. Knows nothing of
JSON, of who the page is or what becomes of its requests when it is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import anyio
from aiohttp import WSMsgType, web

from sidecar.dispatch.hosts import Hosts
from sidecar.events.outbox import Outbox
from sidecar.transport.reading import LINES_AT_ONCE, MAX_WAITING_BYTES
from sidecar.transport.web.admission import SUBPROTOCOL
from sidecar.transport.writing import WRITE_BYTES

logger = logging.getLogger(__name__)

PING_SECONDS = 20.0
"""A page that has sent nothing for so long is pinged, and has half of that time to answer. Its browser answers, however
busy the page is."""

STALL_SECONDS = 30.0
"""How long a page may read nothing while answers wait for it. It may come back and resume; on stdio a host may take any
time, but there is only one, and its end is noticed."""

CLOSE_SECONDS = 1.0
"""For a page to confirm the close."""

GOING_AWAY = 1001
NO_TEXT = 1003
TOO_LONG = 1009

READ_FACTOR = 2
"""A message up to so many times too long is read to its end, since a browser that is still sending never reads why the
socket was closed. After a longer message the reason is lost."""


class Connection:
    """The WebSocket of an admitted page.

    Args:
        max_message_bytes: the longest message that is read. After a longer one the socket is closed with code 1009: the
            page could not learn which of its requests that was.
    """

    def __init__(
        self, *, max_message_bytes: int, ping_seconds: float = PING_SECONDS, stall_seconds: float = STALL_SECONDS
    ) -> None:
        self._socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            heartbeat=ping_seconds,
            timeout=CLOSE_SECONDS,
            max_msg_size=READ_FACTOR * max_message_bytes,
            compress=False,  # all connections are local
        )
        self._max_message_bytes = max_message_bytes
        self._stall_seconds = stall_seconds
        self._outbox = Outbox()
        self._room = asyncio.Event()
        self._reading = anyio.CancelScope()
        self._ending = self._finishing = False
        self._drained = asyncio.Event()
        self._closed = asyncio.Event()

    async def open(self, request: web.Request) -> web.WebSocketResponse:
        """Make the request a WebSocket; nothing is read from it before `serve`."""
        await self._socket.prepare(request)
        return self._socket

    async def serve(self, request: web.Request, hosts: Hosts) -> web.WebSocketResponse:
        """Serve the page until it is gone, or until `close`."""
        host = hosts.join(self._outbox)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write)
                with self._reading:
                    await self._read(host.handle)
                if self._ending:
                    await self._closed.wait()
                tasks.cancel_scope.cancel()
        finally:
            self._drained.set()
            hosts.leave(host)
            if request.transport is not None:
                request.transport.abort()  # a close would wait for a page that no longer reads
        return self._socket

    def stop_reading(self) -> None:
        """Read nothing more; waiting lines are still written."""
        self._ending = True
        self._reading.cancel()

    async def close(self) -> None:
        """Write the waiting lines and close the WebSocket. Call it after `stop_reading`, when no lines will follow."""
        if not self._socket.prepared:
            return
        self._finishing = True
        self._outbox.news.set()
        await self._drained.wait()
        await self._socket.close(code=GOING_AWAY, message=b"llama-sidecar has ended.")
        self._closed.set()

    async def _read(self, handle: Callable[[bytes], None]) -> None:
        taken = 0
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                await self._socket.close(code=NO_TEXT, message=b"Messages are text.")
            if message.type is not WSMsgType.TEXT:
                return
            line = message.data.encode()
            if len(line) > self._max_message_bytes:
                await self._socket.close(code=TOO_LONG, message=b"The message is too long.")
                return
            handle(line)
            taken += 1
            if taken % LINES_AT_ONCE == 0:  # what has come already is read without a turn of the loop
                await asyncio.sleep(0)
            if not await self._has_room():
                logger.info("a page has read nothing for %g s; it may come back", self._stall_seconds)
                return

    async def _has_room(self) -> bool:
        """Wait while the page does not read; False where that takes too long."""
        while self._outbox.waiting_bytes > MAX_WAITING_BYTES:
            self._room.clear()
            try:
                await asyncio.wait_for(self._room.wait(), self._stall_seconds)
            except TimeoutError:
                return False
        return True

    async def _write(self) -> None:
        try:
            while True:
                self._outbox.news.clear()
                while self._outbox.queue:
                    for line in self._outbox.take(WRITE_BYTES):
                        await self._socket.send_frame(line, WSMsgType.TEXT)
                    self._room.set()
                if self._finishing:
                    self._drained.set()
                await self._outbox.news.wait()
        except ConnectionError:  # the page is gone
            self._drained.set()
            self._reading.cancel()
