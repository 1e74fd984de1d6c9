"""The web transport: an HTTP server on loopback with the page's files and, at /rpc, the pages' WebSockets.

Owns which answer a request gets, and the open connections. `acceptor` decides who may connect, `admission` and
`handshake` which page is admitted, and `connection` carries the messages. The files need no key: they are the same for
everybody.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sidecar.dispatch.hosts import Hosts
from sidecar.host.peers import Peers
from sidecar.transport.web import responses
from sidecar.transport.web.acceptor import Acceptor, listen
from sidecar.transport.web.admission import SUBPROTOCOL, Admission
from sidecar.transport.web.connection import Connection
from sidecar.transport.web.files import File, PageFiles
from sidecar.transport.web.guest import Guest
from sidecar.transport.web.handshake import NOT_ADMITTED, handshake

__all__ = ("WebTransport", "listen")

MAX_PAGES = 32
"""Open connections. A person has a few tabs; each may have waiting requests and events."""

UNFINISHED_SECONDS = 0.1
"""For a file that is being sent at shutdown."""

TRY_LATER = 1013


class WebTransport:
    """Serves pages.

    Args:
        listener: the listening socket, which this object owns from now on.
        files: the page.
        max_message_bytes: the longest message that is read.

    Attributes:
        page_address: the page, for tabs that are admitted, or that a connected one admits.
    """

    has_single_host = False

    def __init__(
        self,
        listener: socket.socket,
        files: PageFiles,
        *,
        max_message_bytes: int,
    ) -> None:
        port = int(listener.getsockname()[1])
        self._files = files
        self._max_message_bytes = max_message_bytes
        self._acceptor = Acceptor(listener, Peers(listener))
        self._admission = Admission(port)
        self.page_address: str | None = f"http://{self._admission.host}/"
        self._headers = responses.headers(self._admission.host)
        self._connections: set[Connection] = set()
        self._ended = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._hosts: Hosts

    def new_link(self) -> str:
        """An address to open, which admits one tab, once. Connections before `serve` have to wait for it."""
        return self._admission.new_link()

    async def serve(self, hosts: Hosts) -> None:
        """Serve pages until `stop_reading`."""
        self._hosts = hosts
        application = web.Application(middlewares=[_under_our_name(self._admission)])
        application.on_response_prepare.append(self._add_headers)
        application.router.add_get("/", self._open)
        application.router.add_get("/rpc", self._connect)
        application.router.add_get("/{path:.*}", self._send_file)
        # Nothing is read after a request: one that is longer than its header is not ours.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=UNFINISHED_SECONDS, lingering_time=0)
        self._runner = runner
        await runner.setup()
        make_protocol = cast("web.Server", runner.server)  # it is there after `setup`
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._acceptor.run, make_protocol)
            await self._ended.wait()
            tasks.cancel_scope.cancel()

    def stop_reading(self) -> None:
        """Read nothing more and make `serve` return."""
        self._ended.set()
        for connection in self._connections:
            connection.stop_reading()

    async def drain(self) -> None:
        """Write the waiting lines of each page, and close the connections."""
        await asyncio.gather(*(connection.close() for connection in self._connections))
        self._acceptor.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- requests ----------------------------------------------------------------------------------------------

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._headers)
        response.headers.setdefault("Cache-Control", "no-store")
        if not isinstance(response, web.WebSocketResponse):
            response.force_close()  # an idle connection would count as one that is not admitted

    async def _open(self, request: web.Request) -> web.StreamResponse:
        return self._page()

    async def _send_file(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.path)
        return _words(responses.NOT_FOUND, 404) if file is None else _file(file)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if not self._admission.is_our_page(request.headers.get("Origin")):
            return web.Response(status=403, text="Only our own page may connect.")
        if SUBPROTOCOL not in _protocols(request):
            return web.Response(status=400, text=f"This sidecar speaks {SUBPROTOCOL}.")
        connection = Connection(max_message_bytes=self._max_message_bytes)
        opened = await connection.open(request)
        guest = await self._guest_of(request)
        if guest is None:
            await opened.close(code=NOT_ADMITTED)
            return opened
        if await handshake(opened, self._admission) is None:
            return opened
        if self._ended.is_set() or len(self._connections) >= MAX_PAGES:
            await opened.close(code=TRY_LATER, message=b"Too many pages are open, or llama-sidecar ends.")
            return opened
        guest.admit()
        self._connections.add(connection)
        try:
            return await connection.serve(request, self._hosts)
        finally:
            self._connections.discard(connection)

    async def _guest_of(self, request: web.Request) -> Guest | None:
        """The request's connection, if it is still there and still our own user's."""
        transport = request.transport
        if transport is None or transport.is_closing():
            return None
        guest = transport.get_protocol()
        ours, peer = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        is_ours = isinstance(guest, Guest) and bool(ours and peer) and await self._acceptor.is_ours(ours, peer)
        return guest if is_ours and isinstance(guest, Guest) else None

    def _page(self) -> web.StreamResponse:
        index = self._files.index()
        return _words(responses.NOT_BUILT, 503) if index is None else _file(index)


def _under_our_name(admission: Admission) -> Middleware:
    """Refuses every request with a foreign `Host` name."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not admission.is_ours(request.headers.get("Host")):
            return _words(responses.NOT_OUR_NAME, 403)
        return await handler(request)

    return guard


def _protocols(request: web.Request) -> list[str]:
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    return [protocol.strip() for protocol in offered.split(",")]


def _file(file: File) -> web.FileResponse:
    headers = {"Content-Type": file.content_type, "Cache-Control": file.caching}
    return web.FileResponse(file.path, headers=headers)


def _words(words: tuple[str, ...], status: int) -> web.Response:
    return web.Response(status=status, text=responses.page(words), content_type="text/html")
