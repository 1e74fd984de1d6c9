"""Who is let in. Pure.

Owns the token in the address, the cookie that it becomes, and which names and origins are ours. Whoever may speak here
may start programs, so each of these stands alone:

- The token is in the address that a person is shown, works once, and becomes a cookie that no script can read and no
  other site's page sends along. Should another person have used it first, the person notices.
- A browser is made to send a request by any page it shows, and by name: only our own names in `Host` are answered (a
  foreign name that points to 127.0.0.1 is not ours), and a WebSocket is opened for our own page only.

Cookies know no ports: another person's server on this machine is sent ours, if the person opens its page in the
same browser. That is why, where the system knows it, only programs of the same user are let in (`host.sockets`).
"""

from __future__ import annotations

import secrets
from hmac import compare_digest

TOKEN_BYTES = 32
"""Beyond guessing."""

HTTP_PORT = 80
"""Left out of names and origins."""


class Admission:
    """Lets the browser in that comes first with the token.

    Args:
        port: where we listen on loopback.
    """

    def __init__(self, port: int) -> None:
        names = ("127.0.0.1", "localhost")
        self.hosts = frozenset(names if port == HTTP_PORT else (f"{name}:{port}" for name in names))
        self.cookie_name = f"llama-sidecar-{port}"
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self._cookie = secrets.token_urlsafe(TOKEN_BYTES)
        self._used = False

    def exchange(self, token: str) -> str | None:
        """The cookie for the token; `None` if it is another one, or has been used."""
        if self._used or not _same(token, self.token):
            return None
        self._used = True
        return self._cookie

    def knows(self, cookie: str | None) -> bool:
        """Whether a browser has been let in."""
        return cookie is not None and _same(cookie, self._cookie)

    def is_ours(self, host: str | None) -> bool:
        """Whether a `Host` header names us."""
        return host is not None and host.lower() in self.hosts

    def is_our_page(self, origin: str | None, host: str | None) -> bool:
        """Whether an `Origin` header names the page that was served under this `Host`."""
        return origin is not None and self.is_ours(host) and origin.lower() == f"http://{host}".lower()


def _same(given: str, expected: str) -> bool:
    """Compared in a time that gives nothing away."""
    return compare_digest(given.encode("utf-8", "replace"), expected.encode())
