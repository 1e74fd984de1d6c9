"""The address of an engine, and how to connect to it: a UNIX socket, TCP, TLS, and proxies.

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
from sidecar.host.proxy_policy import Proxies

if TYPE_CHECKING:
    import ssl

LOCAL_SECONDS = 5.0
"""Connect timeout on this machine, where an engine accepts immediately or not at all."""

REMOTE_SECONDS = 15.0
"""Connect timeout over a network: name resolution, a proxy and TLS take some seconds on a poor network."""

BACKLOG_PAUSES = (0.01, 0.05, 0.2, 1.0)
"""Pauses in seconds before the next attempts while the backlog of a UNIX socket is full: the engine is running, and
accepts as soon as it has time."""

MAX_TUNNEL_BYTES = 16 * 1024
"""The largest head of a proxy's response."""

UNIX_SCHEME = "unix://"

_TUNNEL_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])")


class Proxy(NamedTuple):
    """A proxy that speaks HTTP.

    Attributes:
        authorization: the value of Proxy-Authorization, if it needs a name and a password.
    """

    host: str
    port: int
    authorization: str | None = None

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """A proxy given as `http://…` or `host:port`.

        Raises:
            ValueError: it is no address, or not one of an HTTP proxy.
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
    """The address of an engine.

    Attributes:
        socket_path: of a UNIX socket; then `port` has no meaning.
        host: a name or an IP address; also used in the Host header.
        secure: whether to use TLS.
        path: the prefix of the API's paths.
        proxy: the proxy to connect through.
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

        The proxy of `host.proxy_policy` (HTTPS_PROXY and so on, or the system's settings) is used unless `NO_PROXY`
        excludes the host; never for an engine on this machine.

        Raises:
            ValueError: the address or its proxy is invalid.
        """
        if address.startswith(UNIX_SCHEME):
            return cls(address.removeprefix(UNIX_SCHEME))
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("this is not the address of an engine")
        secure = parts.scheme == "https"
        path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
        return cls(None, parts.hostname, parts.port or (443 if secure else 80), secure, path, _proxy_of(parts))

    @property
    def host_field(self) -> str:
        """The value of the Host header.

        Raises:
            ValueError: the host name is invalid.
        """
        name = f"[{self.host}]" if ":" in self.host else self.host
        if not name.isascii():
            name = name.encode("idna").decode("ascii")
        return f"{name}:{self.port}" if self.port else name

    @property
    def base(self) -> str:
        """The prefix of the API's paths in requests: a proxy without a tunnel needs the whole address."""
        return f"http://{self.host_field}{self.path}" if self.proxy and not self.secure else self.path

    def fields(self) -> list[str]:
        """The headers for this address: Host, and Proxy-Authorization for a proxy without a tunnel.

        Raises:
            ValueError: the host name is invalid.
        """
        fields = [f"Host: {self.host_field}"]
        if self.proxy and self.proxy.authorization and not self.secure:
            fields.append(f"Proxy-Authorization: {self.proxy.authorization}")
        return fields

    async def connect(self) -> socket.socket:
        """A connected socket; the caller starts TLS on it, if it is used.

        Raises:
            OSError, ValueError: no connection was made within LOCAL_SECONDS or REMOTE_SECONDS.
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
    """The context for TLS: the root certificates of this machine, or those of `SSL_CERT_FILE`."""
    import ssl  # takes 10 ms, and only remote engines need it

    return ssl.create_default_context()


def _proxy_of(parts: SplitResult) -> Proxy | None:
    host = parts.hostname or ""
    if _is_loopback(host):
        return None
    found = Proxies.of_this_machine().proxy_for(parts.scheme, host, parts.port)  # ProxyInvalid is a ValueError
    return None if found is None else Proxy.parse(found.url)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _connect_unix(path: str) -> socket.socket:
    """Connect to a UNIX socket; tries again while its backlog is full. Raises OSError."""
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
    """Open a tunnel to a host through a proxy (CONNECT). Raises OSError."""
    loop = asyncio.get_running_loop()
    lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    await loop.sock_sendall(connected, "\r\n".join([*lines, "", ""]).encode("ascii"))
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(connected, 4096)  # the host sends nothing before TLS is started
        head += data
        if not data or len(head) > MAX_TUNNEL_BYTES:
            raise OSError("the proxy sent no valid response")
    status = _TUNNEL_STATUS.match(head)
    if status is None or not status[1].startswith(b"2"):
        raise OSError(f"the proxy refuses: HTTP {status[1].decode() if status else 'nothing'}")
