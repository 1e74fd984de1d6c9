"""What went wrong before a server answered: the proxy, the certificate, the address, or the network.

Owns the errors for whatever an HTTP library raises before it has an answer, so that the search and the downloads name
the same cause in the same words. Pure but for `Route.explain`, which may connect once more to learn who has signed a
certificate. Knows nothing of the libraries.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

import msgspec

from sidecar.contract.errors import DownloadFailed, NetworkCause
from sidecar.contract.remedies import RETRY, open_settings
from sidecar.host.proxy_policy import DEFAULT_PORTS, Proxy, ProxyInvalid
from sidecar.library.network.certificates import presented_issuer
from sidecar.library.network.trust import CA_SETTING

PROXY_NEEDS_LOGIN = 407

_UNTRUSTED = (2, 18, 19, 20, 21, 27)
"""OpenSSL's codes of verification for an issuer that is not known or not trusted (X509_V_ERR_…)."""

_NOT_YET, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64

_MAX_CAUSES = 10
"""Of exceptions that name each other as their cause."""


class Failure(msgspec.Struct, frozen=True):
    """A failed request.

    Attributes:
        error: for the host.
        temporary: whether the same request may succeed soon without a change.
    """

    error: DownloadFailed
    temporary: bool


class Route(msgspec.Struct, frozen=True):
    """The way of a request.

    Attributes:
        host: the server's name.
        port: its port.
        proxy: the proxy that it goes through.
        address: the IP address that was connected to, if it is known.
    """

    host: str
    port: int
    proxy: Proxy | None = None
    address: str | None = None

    @property
    def _shown(self) -> str:
        return self.host if self.port in DEFAULT_PORTS.values() else f"{self.host}:{self.port}"

    def explain(self, error: BaseException, *, proxy_status: int | None = None) -> Failure:
        """The meaning of an exception. Blocks, for up to LOOK_SECONDS, if a certificate is not trusted.

        Args:
            error: what the HTTP library has raised.
            proxy_status: the HTTP status with which the proxy has refused, if it has.
        """
        if self.proxy is not None and proxy_status is not None:
            return refused_by_proxy(self.proxy, self.host, proxy_status)
        import ssl  # loaded by now: the library has raised

        causes = list(_causes(error))
        for cause in causes:
            # aiohttp's class is a subclass of OpenSSL's, and lacks the members.
            if isinstance(cause, ssl.SSLCertVerificationError) and hasattr(cause, "verify_code"):
                issuer = None
                if cause.verify_code in _UNTRUSTED:
                    issuer = presented_issuer(self.host, self.port, address=self.address, proxy=self.proxy)
                return Failure(certificate_failure(self.host, cause.verify_code, cause.verify_message, issuer), False)
        for cause in causes:
            if isinstance(cause, UnicodeError):
                return Failure(address_failure(f"{self.host!r} is not the name of a host", "Check the address."), False)
        reason = _reason(causes)
        if self.proxy is not None and not any(isinstance(cause, ssl.SSLError) for cause in causes):
            return unreachable_proxy(self.proxy, reason)
        return Failure(DownloadFailed(f"{self._shown} cannot be reached: {reason}."), True)


def certificate_failure(host: str, code: int, words: str, issuer: str | None = None) -> DownloadFailed:
    """The error of a certificate that was refused.

    Args:
        host: the server.
        code: OpenSSL's code of verification.
        words: OpenSSL's words for it.
        issuer: who has signed it.
    """
    if code in _UNTRUSTED:
        signed = f"is signed by {issuer}" if issuer else "has no signature of an authority"
        message = f"The certificate of {host} {signed}, which this machine does not trust."
        hint = (
            f"If this is your company's or your virus scanner's: set {CA_SETTING} or SSL_CERT_FILE to the file of its "
            "root certificate (PEM). Else somebody intercepts the connection."
        )
    elif code in (_NOT_YET, _EXPIRED):
        message = f"The certificate of {host} {'has expired' if code == _EXPIRED else 'is not valid yet'}."
        hint = "Check the clock of this machine, and whether a network login page intercepts the connection."
    elif code in (_OTHER_HOST, _OTHER_ADDRESS):
        message = f"The certificate that {host} shows is that of another server."
        hint = "Check the address, and whether a network login page or a proxy intercepts the connection."
    else:
        message = f"The certificate of {host} is not valid: {words}."
        hint = "Check the clock of this machine, and whether a proxy intercepts the connection."
    return _failed(message, "certificate", hint, open_settings(CA_SETTING))


def unreachable_proxy(proxy: Proxy, reason: str) -> Failure:
    """The failure of a proxy that does not answer."""
    return Failure(
        _failed(
            f"The proxy {proxy.shown} cannot be reached: {reason}.",
            "proxy",
            f"Check that the proxy runs, or correct or unset {proxy.source}; NO_PROXY excludes hosts from it.",
            RETRY,
        ),
        True,
    )


def refused_by_proxy(proxy: Proxy, host: str, status: int) -> Failure:
    """The failure of a proxy that answers with an error of its own."""
    if status == PROXY_NEEDS_LOGIN:
        message = f"The proxy {proxy.shown} needs a name and a password, or does not accept those it was given."
        hint = f"Put them into {proxy.source}: http://name:password@{proxy.host}:{proxy.port}."
    else:
        message = f"The proxy {proxy.shown} does not connect to {host}: HTTP status {status}."
        hint = f"Ask for {host} to be allowed, or exclude it from the proxy with NO_PROXY."
    return Failure(_failed(message, "proxy", hint, RETRY, http_status=status), status >= 500)


def invalid_proxy(problem: ProxyInvalid) -> DownloadFailed:
    """The error of a setting that names no usable proxy."""
    return _failed(f"The proxy of {problem.source} cannot be used: {problem.reason}.", "proxy", problem.hint, RETRY)


def is_address_text(text: str) -> bool:
    """Whether a text has only characters that may stand in an address (RFC 3986): no blanks, nothing unencoded."""
    return text.isascii() and text.isprintable() and not set(' "<>\\^`{|}') & set(text)


def address_failure(what: str, hint: str) -> DownloadFailed:
    """The error of a setting that is no usable address."""
    return _failed(f"{what}.", "address", hint, open_settings("downloads.hub_endpoint"))


def _failed(message: str, cause: NetworkCause, hint: str, *remedies: Any, **data: Any) -> DownloadFailed:
    return DownloadFailed(message, hint=hint, remedies=remedies, network_cause=cause, **data)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what has caused it: libraries wrap those of the system."""
    found: list[BaseException] = []
    rest: list[BaseException | None] = [error]
    while rest and len(found) < _MAX_CAUSES:
        one = rest.pop(0)
        if one is None or one in found:
            continue
        found.append(one)
        yield one
        wrapped = [getattr(one, name, None) for name in ("certificate_error", "os_error")]
        rest += [each for each in (*wrapped, one.__cause__, one.__context__) if isinstance(each, BaseException)]


def _reason(causes: list[BaseException]) -> str:
    """Why there is no connection, in words."""
    import ssl

    for cause in causes:
        if isinstance(cause, socket.gaierror) or "DNSError" in type(cause).__name__:
            return "its name is not known; this machine may be offline"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS there, or not a version that is allowed"
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return "no answer in time"
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in errno.errorcode:
            return os.strerror(cause.errno or 0).lower()
    return "the connection was closed before there was an answer"
