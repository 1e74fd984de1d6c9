"""The web transport: an HTTP server on loopback with the page's files and, at /rpc, the pages' WebSockets.

Owns the listening socket, which answer a request gets, and the open connections. `admission` decides who is admitted,
`connection` carries the messages.
"""

from __future__ import annotations

import asyncio
import errno
import socket

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sidecar.contract.errors import PermissionDenied, PortInUse
from sidecar.dispatch.hosts import Hosts
from sidecar.host.sockets import is_other_user
from sidecar.transport.web import responses
from sidecar.transport.web.admission import Admission
from sidecar.transport.web.connection import SUBPROTOCOL, Connection
from sidecar.transport.web.files import File, PageFiles

LOOPBACK = "127.0.0.1"
"""Other machines are never admitted; remote access needs a tunnel."""

MAX_PAGES = 32
"""Open connections. A person has a few tabs; each may have waiting requests and events."""

COOKIE_SECONDS = 30 * 86_400
"""A browser that is closed and opened again is still admitted; the cookie's value is only valid in this process."""

UNFINISHED_SECONDS = 0.1
"""For a file that is being sent at shutdown."""

NOT_ADMITTED = 4401
"""Sent as a close code, since a script cannot see the HTTP status that refuses a WebSocket."""

TRY_LATER = 1013


def listen(port: int | None) -> socket.socket:
    """Take a port on loopback, one that the system chooses by default.

    Raises:
        PortInUse: another program has it.
        PermissionDenied: the system refuses the port.
    """
    try:
        return socket.create_server((LOOPBACK, port or 0))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"Another program listens on port {port}.", port=port) from error
        raise PermissionDenied(f"Port {port} cannot be listened on: {error.strerror}.") from error


class WebTransport:
    """Serves pages.

    Args:
        listener: the listening socket, which this object owns from now on.
        files: the page.
        max_message_bytes: the longest message that is read.

    Attributes:
        page_address: the page, for browsers that were admitted.
    """

    has_single_host = False

    def __init__(
        self,
        listener: socket.socket,
        files: PageFiles,
        *,
        max_message_bytes: int,
    ) -> None:
        self._listener = listener
        self._port = int(listener.getsockname()[1])
        self.page_address: str | None = f"http://{LOOPBACK}:{self._port}/"
        self._files = files
        self._max_message_bytes = max_message_bytes
        self._admission = Admission(self._port)
        self._headers = responses.headers(self._port)
        self._connections: set[Connection] = set()
        self._ended = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._hosts: Hosts

    @property
    def address(self) -> str:
        """The address to open. It admits one browser, and works from `serve` on; earlier connections have to wait."""
        return f"{self.page_address}?token={self._admission.token}"

    async def serve(self, hosts: Hosts) -> None:
        """Serve pages until `stop_reading`."""
        self._hosts = hosts
        application = web.Application(middlewares=[_only_for_us(self._admission)])
        application.on_response_prepare.append(self._add_headers)
        application.router.add_get("/", self._open)
        application.router.add_get("/rpc", self._connect)
        application.router.add_get("/{path:.*}", self._send_file)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=UNFINISHED_SECONDS)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()
        await self._ended.wait()

    def stop_reading(self) -> None:
        """Read nothing more and make `serve` return."""
        self._ended.set()
        for connection in self._connections:
            connection.stop_reading()

    async def drain(self) -> None:
        """Write the waiting lines of each page, and close the connections."""
        await asyncio.gather(*(connection.close() for connection in self._connections))
        if self._runner is not None:
            await self._runner.cleanup()

    # --- requests ----------------------------------------------------------------------------------------------

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._headers)
        response.headers.setdefault("Cache-Control", "no-store")

    async def _open(self, request: web.Request) -> web.StreamResponse:
        """The page; with a token in the address, the browser is admitted first and redirected to one without."""
        token = request.query.get("token")
        if token is None:
            return self._page()
        cookie = self._admission.exchange(token)
        if cookie is None and not self._is_known(request):
            return _words(responses.TOKEN_USED, 403)
        response = web.Response(status=303, headers={"Location": "/"})
        if cookie is not None:
            response.set_cookie(
                self._admission.cookie_name,
                cookie,
                path="/",
                httponly=True,
                samesite="Strict",
                max_age=COOKIE_SECONDS,
            )
        return response

    async def _send_file(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.path)
        return _words(responses.NOT_FOUND, 404) if file is None else _file(file)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if not self._admission.is_our_page(request.headers.get("Origin"), request.headers.get("Host")):
            return web.Response(status=403, text="Only our own page may connect.")
        if SUBPROTOCOL not in _protocols(request):
            return web.Response(status=400, text=f"This sidecar speaks {SUBPROTOCOL}.")
        if not self._is_known(request):
            return await _refuse(request, NOT_ADMITTED, b"This browser has not been let in.")
        if self._ended.is_set() or len(self._connections) >= MAX_PAGES:
            return await _refuse(request, TRY_LATER, b"Too many pages are open, or llama-sidecar ends.")
        connection = Connection(max_message_bytes=self._max_message_bytes)
        self._connections.add(connection)
        try:
            return await connection.serve(request, self._hosts)
        finally:
            self._connections.discard(connection)

    def _page(self) -> web.StreamResponse:
        index = self._files.index()
        return _words(responses.NOT_BUILT, 503) if index is None else _file(index)

    def _is_known(self, request: web.Request) -> bool:
        return self._admission.knows(request.cookies.get(self._admission.cookie_name))


def _only_for_us(admission: Admission) -> Middleware:
    """Refuses every request with a foreign `Host` name or from another user."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not admission.is_ours(request.headers.get("Host")):
            return _words(responses.NOT_OUR_NAME, 403)
        if _from_other_user(request):
            return _words(responses.NOT_OUR_USER, 403)
        return await handler(request)

    return guard


def _from_other_user(request: web.Request) -> bool:
    """Whether the request comes from another user's program; False where the system cannot report that."""
    if request.transport is None:
        return False
    peer, ours = (request.transport.get_extra_info(name) for name in ("peername", "sockname"))
    return bool(peer and ours) and is_other_user(peer, ours)


def _protocols(request: web.Request) -> list[str]:
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    return [protocol.strip() for protocol in offered.split(",")]


async def _refuse(request: web.Request, code: int, reason: bytes) -> web.WebSocketResponse:
    """Open a WebSocket only to close it with the reason."""
    response = web.WebSocketResponse(protocols=(SUBPROTOCOL,), timeout=UNFINISHED_SECONDS, compress=False)
    await response.prepare(request)
    await response.close(code=code, message=reason)
    return response


def _file(file: File) -> web.FileResponse:
    headers = {"Content-Type": file.content_type, "Cache-Control": file.caching}
    return web.FileResponse(file.path, headers=headers)


def _words(words: tuple[str, ...], status: int) -> web.Response:
    return web.Response(status=status, text=responses.page(words), content_type="text/html")
