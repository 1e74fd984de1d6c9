"""Which addresses may be connected to.

Owns the rules: https for every origin but the hub's own, and no access to this machine or its network, neither by an
address nor by a host name or a redirect that leads to one. The addresses of a host name are checked where the
connection is made, so that they cannot change in between. Knows nothing of HTTP.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.errors import AddressNotAllowed

if TYPE_CHECKING:
    from yarl import URL

RESOLVE_SECONDS = 15.0
"""Timeout of name resolution: systems try several servers, five seconds each."""

_IPV4_INSIDE = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
"""IPv6 networks whose addresses routers translate to IPv4, and how many bits follow the IPv4 address."""

_LOCAL_ENDINGS = (
    ".localhost",
    ".local",
    ".lan",
    ".internal",
    ".home.arpa",
    ".intranet",
    ".private",
    ".corp",
    ".home",
)
"""Names that no public name server has: RFC 6761, 6762 (also its appendix G) and 8375, and ICANN's `.internal`."""

FAKE_ADDRESSES = ipaddress.IPv4Network("198.18.0.0/15")
"""Reserved for measurements of networks (RFC 2544), so no server has one; proxy tools (Clash, mihomo, Surge, sing-box)
answer every name with one ("fake IP") and connect to the name themselves."""

_FAKE_IPV6 = ipaddress.IPv6Network("fc00::/18")
"""What sing-box answers beside an address of FAKE_ADDRESSES. Alone it may be an address of this network."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Origin(msgspec.Struct, frozen=True):
    """An origin: scheme, host and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: URL) -> Origin:
        """The origin of an address."""
        return cls(url.scheme, (url.raw_host or "").lower(), url.port or 0)


class Rules(msgspec.Struct, frozen=True):
    """What may be connected to.

    Attributes:
        hub: the hub's origin, which is trusted as configured.
        private: whether this machine and its network are allowed, also without TLS.
    """

    hub: Origin | None = None
    private: bool = False

    def check(self, url: URL) -> None:
        """Refuse a forbidden address, as far as it can be recognised before its host is resolved.

        Raises:
            AddressNotAllowed: it is refused.
        """
        if url.scheme not in ("http", "https") or not url.raw_host or not url.port:
            raise AddressNotAllowed(f"{shown(url)} is not the https address of a server.")
        if url.raw_user is not None or url.raw_password is not None:
            raise AddressNotAllowed(
                "There is a name or a password in the address.", hint="Leave out the part before the @."
            )
        if Origin.of(url) == self.hub:
            return
        try:
            literal = _literal(url.raw_host)
        except ValueError:
            raise AddressNotAllowed(f"{shown(url)} has a host in a misleading form.") from None
        if url.scheme == "http" and not (self.private and _is_local(literal or url.raw_host)):
            raise AddressNotAllowed(
                f"{shown(url)} is not https: another machine on the network could replace the file.",
                hint="Give an https address.",
            )
        if literal is not None:
            self.check_address(literal, url.raw_host, url.port)

    def check_behind_proxy(self, url: URL) -> None:
        """Refuse a name of this network before a proxy is asked for it.

        The proxy resolves the other names itself: where they lead cannot be known here.

        Raises:
            AddressNotAllowed: it is refused.
        """
        if Origin.of(url) == self.hub or self.private:
            return
        if _is_local((url.raw_host or "").lower().rstrip(".")):
            raise AddressNotAllowed(
                f"{url.raw_host} is a name of this machine or its network, and not of a public server.",
                hint="If this is intended, allow private addresses in the settings.",
            )

    def check_address(self, address: Address, host: str, port: int) -> None:
        """Refuse an address that a host name leads to.

        A fake IP is allowed for a public name, since it leads into a proxy tool of this machine, and since only https
        is left here: the certificate proves that the server has that name.

        Raises:
            AddressNotAllowed: it is inside this machine or network, and these are not allowed.
        """
        if self.hub is not None and (host.lower(), port) == (self.hub.host, self.hub.port):
            return
        if self.private or is_public(address):
            return
        if is_fake(address):
            if not _is_local(host.lower().rstrip(".")) and not _is_literal(host):
                return
            raise AddressNotAllowed(
                f"{host} leads to {address}, a fake IP of a proxy tool (198.18.0.0/15), and is not the name of a "
                "public server.",
                hint="Give the name of the server; or exclude it from the fake IPs in the proxy tool's settings.",
            )
        raise AddressNotAllowed(
            f"{host} leads to {address}, which is in this machine or its network and not a public server.",
            hint="If this is intended, allow private addresses in the settings.",
        )


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet. Pure."""
    if isinstance(address, ipaddress.IPv6Address):
        for network, shift in _IPV4_INSIDE:
            if address in network:
                return is_public(ipaddress.IPv4Address((int(address) >> shift) & 0xFFFF_FFFF))
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def is_fake(address: Address) -> bool:
    """Whether an address is one that proxy tools answer in place of the true one. Pure."""
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return isinstance(address, ipaddress.IPv4Address) and address in FAKE_ADDRESSES


def shown(url: URL) -> str:
    """An address for messages and logs, without the parts that may be secret."""
    return str(url.with_user(None).with_query(None).with_fragment(None)) if url.absolute else "This"


class CheckedResolver:
    """Resolves hosts for aiohttp, which connects only to the addresses that are returned here.

    Args:
        rules: read at each connection.
        trusted: hosts and ports of the proxies of this machine's settings.
    """

    def __init__(self, rules: Callable[[], Rules], trusted: set[tuple[str, int]]) -> None:
        self._rules = rules
        self._trusted = trusted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[dict[str, Any]]:
        """The addresses of a host.

        Raises:
            AddressNotAllowed: one of them may not be connected to.
            OSError: there are none.
        """
        with anyio.fail_after(RESOLVE_SECONDS):
            found = await anyio.to_thread.run_sync(_resolve, host, port, family, abandon_on_cancel=True)
        if (host, port) in self._trusted:
            return found
        rules, addresses = self._rules(), [ipaddress.ip_address(one["host"].partition("%")[0]) for one in found]
        if any(is_fake(address) for address in addresses) and not rules.private:
            kept = [(one, at) for one, at in zip(found, addresses, strict=True) if at not in _FAKE_IPV6]
            found, addresses = [one for one, _ in kept], [at for _, at in kept]
        for address in addresses:
            rules.check_address(address, host, port)
        return found

    async def close(self) -> None:
        """There is nothing to close; aiohttp expects the method."""


def _resolve(host: str, port: int, family: int) -> list[dict[str, Any]]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)
    return [
        {
            "hostname": host,
            "host": str(place[0]),
            "port": int(place[1]),
            "family": kind,
            "proto": protocol,
            "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        }
        for kind, _, protocol, _, place in infos
    ]


def _literal(host: str) -> Address | None:
    """The address that a host is; `None` for a name.

    Raises:
        ValueError: it is neither. Systems accept 127.1 as an address, and some versions of aiohttp do not resolve it.
    """
    if ":" not in host and not host.replace(".", "").isdigit():
        return None
    return ipaddress.ip_address(host.partition("%")[0])


def _is_literal(host: str) -> bool:
    try:
        return _literal(host) is not None
    except ValueError:
        return True


def _is_local(host: Address | str) -> bool:
    """Whether the name of a host is that of this machine or its network."""
    if not isinstance(host, str):
        return not is_public(host)
    return "." not in host or host.endswith(_LOCAL_ENDINGS)
