"""Which pages are admitted. Pure.

Owns the keys, the proofs that both sides give, and which names and origins are ours. A page that is admitted may start
programs, so each of these checks has to hold by itself:

- A link has a key in the part of its address that browsers keep to themselves (`#token=`). It works once: both sides
  then derive the key of a session from it, which the page keeps in its tab's session storage. That storage is bound to
  the origin with its port, so no page of another port reads it, which a cookie would not prevent.
- No key ever travels. The sidecar proves first that it has the key, so another program on this port, after the
  sidecar's end, learns nothing and is not trusted. Then the page proves the same. Each proof is an HMAC-SHA256
  (RFC 2104) over the names of the protocol and the role, our address, and a fresh nonce of each side.
- Only a valid proof uses a link up. Keys have 256 bits, so guesses need no counting.
- Any page can make its browser send a request, to any host name: only our own name in `Host` is answered (a foreign
  name may resolve to 127.0.0.1), and a WebSocket is opened for our own page only. `localhost` is not our name: it may
  lead to another program on `::1`.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from hashlib import sha256
from typing import Literal

import msgspec

LOOPBACK = "127.0.0.1"
"""Other machines are never admitted; remote access needs a tunnel."""

SUBPROTOCOL = "llama-sidecar.v2"
"""Another number is another way of talking, or of being admitted."""

KEY_BYTES = 32
"""Too many to guess."""

NAME_BYTES = 9
"""A key's public name, which says which of several it is."""

MAX_NONCE_LENGTH = 64
"""Characters; ours have 43."""

MAX_KEYS = 256
"""Links and sessions that are valid; the oldest is forgotten first. A tab has one of each at most."""

HTTP_PORT = 80
"""The port that names and origins leave out."""

Role = Literal["sidecar", "page", "session", "link"]


class Hello(msgspec.Struct, forbid_unknown_fields=True):
    """A page's first message.

    Attributes:
        key: the public name of its key.
        nonce: fresh random characters.
        purpose: to talk, or to make a link for another tab, after which the connection is closed.
    """

    key: str
    nonce: str
    purpose: Literal["session", "link"] = "session"


class Challenge(msgspec.Struct):
    """The sidecar's answer: it has the same key."""

    nonce: str
    proof: str


class Proof(msgspec.Struct, forbid_unknown_fields=True):
    """A page's second message: it has the key, too."""

    proof: str


class Admitted(msgspec.Struct):
    """The sidecar's last message before the first one of JSON-RPC."""

    admitted: bool = True


class Exchange(msgspec.Struct, frozen=True):
    """What both sides say to each other; see `Admission.challenge`.

    Attributes:
        hello: the page's first message.
        nonce: ours.
        key: the key that the page claims to have.
    """

    hello: Hello
    nonce: str
    key: bytes


class Admission:
    """The keys of one sidecar, which end with it.

    Args:
        port: our port on loopback.
    """

    def __init__(self, port: int) -> None:
        self.host = LOOPBACK if port == HTTP_PORT else f"{LOOPBACK}:{port}"
        self._links: OrderedDict[str, bytes] = OrderedDict()
        self._sessions: OrderedDict[str, bytes] = OrderedDict()

    def new_link(self) -> str:
        """The address of the page with a new key in it. It admits one tab, once."""
        name, key = secrets.token_urlsafe(NAME_BYTES), secrets.token_bytes(KEY_BYTES)
        _keep(self._links, name, key)
        return f"http://{self.host}/#token={name}.{encoded(key)}"

    def challenge(self, hello: Hello) -> tuple[Exchange, Challenge] | None:
        """Our proof for a page that says which key it has; `None` if that is none of ours."""
        key = self._links.get(hello.key) or self._sessions.get(hello.key)
        if key is None or not 0 < len(hello.nonce) <= MAX_NONCE_LENGTH:
            return None
        exchange = Exchange(hello, secrets.token_urlsafe(KEY_BYTES), key)
        return exchange, Challenge(exchange.nonce, encoded(self._derived(exchange, "sidecar")))

    def admit(self, exchange: Exchange, proof: Proof) -> bool:
        """Whether a page has proved that it has the key. A link is used up by that, and becomes a session."""
        name = exchange.hello.key
        expected = encoded(self._derived(exchange, "page"))
        if not hmac.compare_digest(proof.proof.encode("utf-8", "replace"), expected.encode()):
            return False
        if self._sessions.get(name) == exchange.key:
            if exchange.hello.purpose == "link":
                key = self._derived(exchange, "link")
                _keep(self._links, name_of(key), key)
            return True
        # Two pages may have begun with the same link; the first to prove it is admitted.
        if self._links.pop(name, None) != exchange.key or exchange.hello.purpose == "link":
            return False
        key = self._derived(exchange, "session")
        _keep(self._sessions, name_of(key), key)
        return True

    def is_ours(self, host: str | None) -> bool:
        """Whether a `Host` header names us."""
        return host is not None and host == self.host

    def is_our_page(self, origin: str | None) -> bool:
        """Whether an `Origin` header names our page."""
        return origin is not None and origin == f"http://{self.host}"

    def _derived(self, exchange: Exchange, role: Role) -> bytes:
        return derive(exchange.key, role, self.host, exchange.hello.nonce, exchange.nonce)


def derive(key: bytes, role: Role, host: str, page_nonce: str, sidecar_nonce: str) -> bytes:
    """A proof, or a new key: the HMAC-SHA256 of what makes this exchange unlike any other."""
    text = "\n".join((SUBPROTOCOL, role, host, page_nonce, sidecar_nonce))
    return hmac.digest(key, text.encode("utf-8", "replace"), sha256)


def name_of(key: bytes) -> str:
    """The public name of a derived key. It says nothing of the key."""
    return encoded(hmac.digest(key, b"name", sha256)[:NAME_BYTES])


def encoded(data: bytes) -> str:
    """Bytes as base64 for addresses, without padding (RFC 4648, section 5)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of such a text.

    Raises:
        ValueError: it is none.
    """
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _keep(keys: OrderedDict[str, bytes], name: str, key: bytes) -> None:
    keys[name] = key
    while len(keys) > MAX_KEYS:
        keys.popitem(last=False)
