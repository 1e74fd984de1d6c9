"""The user's token for the hub.

Owns where it is searched for: the system's keyring, HF_TOKEN, the file of huggingface_hub. It is never written from
here, and messages reveal only whether there is one. Everything here blocks.
"""

from __future__ import annotations

import logging
import os
import threading
import time

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


class TokenSource:
    """Finds the token. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: str | None = None
        self._until = 0.0
        self._call: KeyringCall[str | None] | None = None
        self._kept: str | None = None

    def token(self) -> str | None:
        """The token; `None` if there is none. Waits for a keyring, KEYRING_SECONDS at most."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._known = self._find()
                self._until = time.monotonic() + FRESH_SECONDS
            return self._known

    @property
    def last(self) -> str | None:
        """The token that was found last; does not search."""
        return self._known

    def _find(self) -> str | None:
        for found in (self._from_keyring, _from_environment, _from_file):
            token = (found() or "").strip()
            # Other characters would break the header in which it is sent, or inject another one.
            if token and len(token) <= MAX_TOKEN_BYTES and token.isascii() and token.isprintable():
                return token
        return None

    def _from_keyring(self) -> str | None:
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


def _from_environment() -> str | None:
    return os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")


def _from_file() -> str | None:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    try:
        with file_io.open_ordinary(path_policy.from_here(os.environ.get("HF_TOKEN_PATH") or f"{home}/token")) as file:
            return file.read(MAX_TOKEN_BYTES + 1).decode("ascii")
    except (SidecarError, OSError, ValueError):  # no home folder, no such file, or not ASCII
        return None
