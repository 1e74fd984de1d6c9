"""Where an engine is, and how to reach it: a UNIX socket, TCP, TLS, and proxies on the way.

Owns addresses and connecting. Knows nothing of requests, except for the one that opens a tunnel through a proxy.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

import anyio

from sidecar.host import sockets

if TYPE_CHECKING:
    import ssl

LOCAL_SECONDS = 5.0
"""For connecting. An engine on this machine accepts immediately or not at all."""

REMOTE_SECONDS = 15.0
"""The same through a network: a name, a proxy and TLS take some seconds where the network is poor."""

BACKLOG_PAUSES = (0.01, 0.05, 0.2, 1.0)
"""Seconds before the next attempts where more connections wait at a UNIX socket than it has room for: the engine is
there, and accepts them as soon as it has time."""

MAX_TUNNEL_BYTES = 16 * 1024
"""Of a proxy's response."""

UNIX_SCHEME = "unix://"

_TUNNEL_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])")


class Proxy(NamedTuple):
    """A proxy that speaks HTTP.

    Attributes:
        authorization: what it is shown, where it needs a name and a password.
    """

    host: str
    port: int
    authorization: str | None = None

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """A proxy given as `http://…` or `host:port`.

        Raises:
            ValueError: it is none, or one that speaks something else.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("only proxies with an address of http:// are supported")
        authorization = None
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(login.encode()).decode()
        return cls(parts.hostname, parts.port or 80, authorization)


class Address(NamedTuple):
    """Where an engine is.

    Attributes:
        socket_path: of a UNIX socket; then `port` has no meaning.
        host: a name or a number, and what requests name it.
        secure: whether to use TLS.
        path: what stands before the paths of the API.
        proxy: what stands in between.
    """

    socket_path: str | None = None
    host: str = "engine"
    port: int = 0
    secure: bool = False
    path: str = ""
    proxy: Proxy | None = None

    @classmethod
    def parse(cls, address: str) -> Address:
        """An address given as `unix://…`, `http://…` or `https://…`.

        The proxy of `HTTP_PROXY` or `HTTPS_PROXY` is used where `NO_PROXY` does not except the host, as this machine
        is set up; never for an engine on this machine.

        Raises:
            ValueError: it is none, or its proxy is none.
        """
        if address.startswith(UNIX_SCHEME):
            return cls(address.removeprefix(UNIX_SCHEME))
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("this is no address of an engine")
        secure = parts.scheme == "https"
        path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
        return cls(None, parts.hostname, parts.port or (443 if secure else 80), secure, path, _proxy_of(parts))

    @property
    def host_field(self) -> str:
        """The host as requests name it.

        Raises:
            ValueError: it cannot be a host's name.
        """
        name = f"[{self.host}]" if ":" in self.host else self.host
        if not name.isascii():
            name = name.encode("idna").decode("ascii")
        return f"{name}:{self.port}" if self.port else name

    @property
    def base(self) -> str:
        """What stands before the paths of the API in requests: a proxy without a tunnel needs the whole address."""
        return f"http://{self.host_field}{self.path}" if self.proxy and not self.secure else self.path

    def fields(self) -> list[str]:
        """What requests say of the way: the host, and what a proxy without a tunnel is shown.

        Raises:
            ValueError: as `host_field`.
        """
        fields = [f"Host: {self.host_field}"]
        if self.proxy and self.proxy.authorization and not self.secure:
            fields.append(f"Proxy-Authorization: {self.proxy.authorization}")
        return fields

    async def connect(self) -> socket.socket:
        """A connected socket; TLS, where it is used, has still to be started on it.

        Raises:
            OSError, ValueError: there is no connection, or not within LOCAL_SECONDS or REMOTE_SECONDS.
        """
        seconds = LOCAL_SECONDS if self.socket_path is not None or _is_loopback(self.host) else REMOTE_SECONDS
        try:
            with anyio.fail_after(seconds):
                return await self._connect()
        except TimeoutError as error:
            raise TimeoutError(str(error) or f"there was no connection within {seconds:.0f} s") from None

    async def _connect(self) -> socket.socket:
        if self.socket_path is not None:
            return await _connect_unix(self.socket_path)
        if self.proxy is None:
            return await _connect_tcp(self.host, self.port)
        connected = await _connect_tcp(self.proxy.host, self.proxy.port)
        if self.secure:
            try:
                await _open_tunnel(connected, self.host_field, self.proxy)
            except BaseException:
                connected.close()
                raise
        return connected


def tls_context() -> ssl.SSLContext:
    """What certificates are checked with: those of this machine. `SSL_CERT_FILE` names others."""
    import ssl  # ten milliseconds that only a remote engine needs

    return ssl.create_default_context()


def _proxy_of(parts: SplitResult) -> Proxy | None:
    from urllib.request import getproxies, proxy_bypass  # for remote engines only: they bring an HTTP client along

    host = parts.hostname or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    url = getproxies().get(parts.scheme)
    return Proxy.parse(url) if url else None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _connect_unix(path: str) -> socket.socket:
    """Connect to a UNIX socket, with more attempts where it has no room. Raises OSError."""
    connected = sockets.unix_socket()
    try:
        connected.setblocking(False)
        for pause in BACKLOG_PAUSES:
            try:
                connected.connect(path)
            except BlockingIOError:
                await anyio.sleep(pause)
            else:
                return connected
        connected.connect(path)
    except BaseException:
        connected.close()
        raise
    return connected


async def _connect_tcp(host: str, port: int) -> socket.socket:
    """Connect to the first address of a host that accepts. Raises OSError, ValueError."""
    loop = asyncio.get_running_loop()
    problem = OSError("the host has no address")
    for family, kind, protocol, _, place in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connected = socket.socket(family, kind, protocol)
        try:
            connected.setblocking(False)
            await loop.sock_connect(connected, place)
        except OSError as error:
            connected.close()
            problem = error
        except BaseException:
            connected.close()
            raise
        else:
            return connected
    raise problem


async def _open_tunnel(connected: socket.socket, host: str, proxy: Proxy) -> None:
    """Have a proxy pass bytes on to a host. Raises OSError."""
    loop = asyncio.get_running_loop()
    lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    await loop.sock_sendall(connected, "\r\n".join([*lines, "", ""]).encode("ascii"))
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(connected, 4096)  # whoever is behind the proxy waits for TLS to be started
        head += data
        if not data or len(head) > MAX_TUNNEL_BYTES:
            raise OSError("the proxy does not answer as one does")
    status = _TUNNEL_STATUS.match(head)
    if status is None or not status[1].startswith(b"2"):
        raise OSError(f"the proxy refuses: HTTP {status[1].decode() if status else 'nothing'}")
