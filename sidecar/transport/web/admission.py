"""Which browsers are admitted. Pure.

Owns the token in the address, the cookie that it becomes, and which names and origins are ours. A page that is admitted
may start programs, so each of these checks has to hold by itself:

- The token is in the address that is shown to the person, works once, and becomes a cookie that no script can read and
  no other site's page sends. If another person uses it first, the person notices.
- Any page can make its browser send a request, to any host name: only our own names in `Host` are answered (a foreign
  name may resolve to 127.0.0.1), and a WebSocket is opened for our own page only.

Cookies are not bound to a port: a browser sends ours to another user's server on this machine, if the person opens its
page. That is why only programs of the same user are admitted, where the system can report that (`host.sockets`).
"""

from __future__ import annotations

import secrets
from hmac import compare_digest

TOKEN_BYTES = 32
"""Too many to guess."""

HTTP_PORT = 80
"""The port that names and origins leave out."""


class Admission:
    """Admits the first browser that presents the token.

    Args:
        port: our port on loopback.
    """

    def __init__(self, port: int) -> None:
        names = ("127.0.0.1", "localhost")
        self.hosts = frozenset(names if port == HTTP_PORT else (f"{name}:{port}" for name in names))
        self.cookie_name = f"llama-sidecar-{port}"
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self._cookie = secrets.token_urlsafe(TOKEN_BYTES)
        self._used = False

    def exchange(self, token: str) -> str | None:
        """The cookie for the token; `None` if the token is wrong or has been used."""
        if self._used or not _same(token, self.token):
            return None
        self._used = True
        return self._cookie

    def knows(self, cookie: str | None) -> bool:
        """Whether a cookie is that of an admitted browser."""
        return cookie is not None and _same(cookie, self._cookie)

    def is_ours(self, host: str | None) -> bool:
        """Whether a `Host` header names us."""
        return host is not None and host.lower() in self.hosts

    def is_our_page(self, origin: str | None, host: str | None) -> bool:
        """Whether an `Origin` header names the page that was served under this `Host`."""
        return origin is not None and self.is_ours(host) and origin.lower() == f"http://{host}".lower()


def _same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return compare_digest(given.encode("utf-8", "replace"), expected.encode())
