"""The user's token for the hub.

Owns where it is searched for (the system's keyring, HF_TOKEN, the file of huggingface_hub), which hosts receive it, and
which tokens a hub has refused: these are left out, since a public model needs none. It is never written from here, and
messages reveal only where it was found.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from sidecar.contract.errors import SidecarError
from sidecar.host import file_io, path_policy
from sidecar.storage.system_keyring import SERVICE, KeyringCall, NoKeyring, backend

logger = logging.getLogger(__name__)

NAME = "huggingface"
"""Its name in the keyring: `keyring set llama-sidecar huggingface`."""

KEYRING_SECONDS = 3.0
"""Timeout of the keyring. An unlocked one answers in milliseconds, and public models should not need an unlock."""

FRESH_SECONDS = 60.0
"""How long the result of a search is used, so that a new token is found after that."""

MAX_TOKEN_BYTES = 1000

REFUSED_SECONDS = 600.0
"""How long a token that the hub has refused is left out. Then it is tried again: the fault may have been the hub's."""

HUB_DOMAINS = ("huggingface.co", "hf.co")
"""The hub that the tokens belong to: these hosts, and those below them."""

_ABOUT_THE_TOKEN = ("credential", "token", "password", "expired")
"""Words of the hub's X-Error-Message when it refuses a token, rather than a repository."""


def may_receive(address: str, hosts: Collection[str]) -> bool:
    """Whether a hub receives the token: the one it belongs to, this machine, and those that the config names. Pure.

    Args:
        address: of the hub.
        hosts: the config's `downloads.token_hosts`.
    """
    parts = urlsplit(address)
    host = (parts.hostname or "").rstrip(".")
    if _is_this_machine(host):
        return True
    named = {one.strip().lower().rstrip(".") for one in hosts}
    is_hub = any(host == domain or host.endswith(f".{domain}") for domain in HUB_DOMAINS)
    return parts.scheme == "https" and (is_hub or host in named)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def blames_token(headers: Mapping[str, str]) -> bool:
    """Whether the hub's response with status 401 is about the token, and not about what was requested. Pure."""
    message = next((value for name, value in headers.items() if name.lower() == "x-error-message"), "").lower()
    return any(word in message for word in _ABOUT_THE_TOKEN)


class Refused(NamedTuple):
    """A token that the hub has refused.

    Attributes:
        source: where it was found.
        until: when it is tried again (monotonic).
    """

    source: str
    until: float


class TokenSource:
    """Finds the token. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: str | None = None
        self._until = 0.0
        self._call: KeyringCall[str | None] | None = None
        self._kept: str | None = None
        self._source = "the settings"
        self._refused: dict[str, Refused] = {}

    def token(self) -> str | None:
        """The token; `None` if there is none. Waits for a keyring, KEYRING_SECONDS at most."""
        with self._lock:
            if time.monotonic() >= self._until:
                found = self._find()
                self._known = None if found is None or self._is_refused(found) else found
                self._until = time.monotonic() + FRESH_SECONDS
            return self._known

    @property
    def last(self) -> str | None:
        """The token that was found last; does not search."""
        return self._known

    @property
    def source(self) -> str:
        """Where the token that was found last comes from, for messages."""
        return self._source

    def refuse(self, token: str) -> None:
        """Leave out a token that the hub refuses, and use the one of the next place. The log says so once."""
        with self._lock:
            if token not in self._refused:
                logger.warning("the hub refuses the token of %s; it is left out", self._source)
            self._refused[token] = Refused(self._source, time.monotonic() + REFUSED_SECONDS)
            self._known, self._until = None, 0.0

    def refusals(self) -> list[str]:
        """Where the tokens come from that the hub has refused, and which are left out now."""
        return [one.source for one in tuple(self._refused.values()) if time.monotonic() < one.until]

    def _is_refused(self, token: str) -> bool:
        refused = self._refused.get(token)
        return refused is not None and time.monotonic() < refused.until

    def _find(self) -> str | None:
        for found in (self._from_keyring, _from_environment, _from_file):
            text, source = found()
            token = (text or "").strip()
            if self._is_refused(token):
                continue
            # Other characters would break the header in which it is sent, or inject another one.
            if token and len(token) <= MAX_TOKEN_BYTES and token.isascii() and token.isprintable():
                self._source = source
                return token
        return None

    def _from_keyring(self) -> tuple[str | None, str]:
        return self._kept_in_keyring(), f"the system's keyring ({SERVICE}, {NAME})"

    def _kept_in_keyring(self) -> str | None:
        if self._call is None:
            self._call = KeyringCall(lambda: backend().get_password(SERVICE, NAME))
        try:
            self._kept = self._call.result(KEYRING_SECONDS)
        except TimeoutError:
            return self._kept  # the next attempt uses the result of this call, so that there is only one dialog
        except Exception as error:  # noqa: BLE001 - third-party backends may raise anything
            if not isinstance(error, ImportError | NoKeyring):
                logger.info("the system's keyring did not return the hub's token: %s", type(error).__name__)
            self._kept = None
        self._call = None
        return self._kept


def _from_environment() -> tuple[str | None, str]:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if token := os.environ.get(name):
            return token, name
    return None, ""


def _from_file() -> tuple[str | None, str]:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    try:
        path = path_policy.from_here(os.environ.get("HF_TOKEN_PATH") or f"{home}/token")
        with file_io.open_ordinary(path) as file:
            return file.read(MAX_TOKEN_BYTES + 1).decode("ascii"), f"the file {path}"
    except (SidecarError, OSError, ValueError):  # no home folder, no such file, or not ASCII
        return None, ""
