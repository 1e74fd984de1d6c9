"""Who has signed the certificate that a server presents.

Owns reading the issuer out of a certificate (X.509, RFC 5280) that is not trusted, so that an error can name it: a
company's own authority, a virus scanner, a captive portal. Nothing is sent over such a connection.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from sidecar.host.proxy_policy import Proxy

LOOK_SECONDS = 5.0
"""Timeout of the second connection, which only improves a message."""

MAX_NAME_CHARACTERS = 100

_SEQUENCE, _EXPLICIT_VERSION = 0x30, 0xA0
_ISSUER_INDEX = 2
"""Of the members of a certificate's body, without the version: serial number, algorithm, issuer."""

_NAMES = (bytes.fromhex("550403"), bytes.fromhex("55040a"), bytes.fromhex("55040b"))
"""Object identifiers of the common name, the organization and its unit (2.5.4.3, .10, .11)."""


def presented_issuer(host: str, port: int, *, address: str | None = None, proxy: Proxy | None = None) -> str | None:
    """The issuer of the certificate that a server presents now; `None` if it cannot be found out. Blocks.

    Args:
        host: its name.
        port: its port.
        address: where to connect to, if not through a proxy.
        proxy: the proxy to connect through.
    """
    import http.client  # late, as a start needs no network
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        if proxy is None:
            with (
                socket.create_connection((address or host, port), LOOK_SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=host) as secure,
            ):
                return issuer_of(secure.getpeercert(binary_form=True) or b"")
        if urlsplit(proxy.url).scheme != "http":
            return None
        connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=LOOK_SECONDS, context=context)
        connection.set_tunnel(host, port, headers=_login(proxy))
        try:
            connection.connect()
            return issuer_of(connection.sock.getpeercert(binary_form=True) or b"")
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return None


def issuer_of(certificate: bytes) -> str | None:
    """The name of the issuer of a certificate in DER form; `None` if it has none. Pure."""
    try:
        body = next(_members(next(_members(certificate))[1]))[1]
        members = [member for member in _members(body) if member[0] != _EXPLICIT_VERSION]
        names: dict[bytes, str] = {}
        for _, relative in _members(members[_ISSUER_INDEX][1]):
            for kind, attribute in _members(relative):
                if kind == _SEQUENCE:
                    (_, identifier), (form, value) = list(_members(attribute))[:2]
                    names.setdefault(identifier, value.decode("utf-16-be" if form == 0x1E else "utf-8", "replace"))
    except (StopIteration, IndexError, ValueError):
        return None
    found = [names[identifier] for identifier in _NAMES[:2] if names.get(identifier)]
    found = found or [name for name in names.values() if name]
    return ", ".join(dict.fromkeys(found))[:MAX_NAME_CHARACTERS] or None


def _members(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The members of a DER value: tag and content. Raises IndexError, ValueError."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise ValueError("cut off")
        yield tag, data[at : at + length]
        at += length


def _login(proxy: Proxy) -> dict[str, str]:
    parts = urlsplit(proxy.url)
    if parts.username is None:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
