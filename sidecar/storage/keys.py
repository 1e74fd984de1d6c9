"""The history's key, in the keyring of the operating system.

Owns asking for it: which keyrings are good enough, and how long one may take. Knows nothing of what is sealed with it.
"""

from __future__ import annotations

import base64
import binascii
import logging
import secrets
import threading
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING

from sidecar.contract.errors import NotSupported, SidecarError, StorageError
from sidecar.host.extras import how_to_get
from sidecar.storage.cipher import KEY_BYTES

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

logger = logging.getLogger(__name__)

SERVICE = "llama-sidecar"
"""Under which the keyring lists our keys."""

ANSWER_SECONDS = 15.0
"""How long a keyring may hold up the history. One that is unlocked answers in milliseconds; one that asks for a
password takes as long as the person who types it, so its answer is also taken later, when it has come."""


class SystemKeyring:
    """Asks for keys. For one thread, but for `give_up`."""

    def __init__(self) -> None:
        self._asked: tuple[str, bool] | None = None
        self._answer: Future[bytes] = Future()
        self._given_up = False

    def key(self, name: str, *, make: bool) -> bytes:
        """The key of a name; with `make`, a new one where there is none.

        A question that has not been answered in time is not asked again, and not waited for again: one dialog is
        enough, and the next call takes its answer.

        Raises:
            NotSupported: there is no keyring that can keep it, or the packages for it are not installed.
            StorageError: it is not there; the keyring refuses, or has not answered yet.
        """
        patience = 0.0
        if self._asked != (name, make):
            patience = ANSWER_SECONDS
            self._asked, self._answer = (name, make), Future()
            # A daemon: nothing ends a call that hangs, and the sidecar's end must not wait for it.
            threading.Thread(target=_ask, args=(name, make, self._answer), name="keyring", daemon=True).start()
        if self._given_up:
            self._answer.cancel()
        try:
            key = self._answer.result(patience)
        except NotYet:
            raise StorageError(
                "The system's keyring has not answered yet; perhaps it waits for its password.",
                hint="Unlock the keyring, and try again.",
            ) from None
        except CancelledError:
            raise StorageError("The sidecar is stopping; the system's keyring has not answered.") from None
        except SidecarError:
            self._asked = None
            raise
        self._asked = None
        return key

    def give_up(self) -> None:
        """Wait for no answer any more. From any thread."""
        self._given_up = True
        self._answer.cancel()


def _ask(name: str, make: bool, answer: Future[bytes]) -> None:
    outcome: bytes | SidecarError
    try:
        outcome = _find_or_make(name, make=make)
    except SidecarError as problem:
        outcome = problem
    except Exception as error:  # noqa: BLE001 - backends are other people's code and raise whatever they like
        logger.warning("the system's keyring failed: %s: %s", type(error).__name__, error)
        outcome = StorageError(
            f"The system's keyring did not give the key of the history ({type(error).__name__}).",
            hint="Unlock the keyring, and try again; the log of source 'sidecar' has its words.",
        )
    try:
        if isinstance(outcome, bytes):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)
    except InvalidStateError:
        logger.info("the system's keyring answered when nobody waited any more")


def _find_or_make(name: str, *, make: bool) -> bytes:
    keyring = _usable_keyring(instead=" Or leave storage.encrypt off." if make else "")
    kept = keyring.get_password(SERVICE, name)
    if kept is None and make:
        made = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        keyring.set_password(SERVICE, name, made)
        kept = keyring.get_password(SERVICE, name)
        if kept != made:  # seen before anything is sealed with it
            raise StorageError("The system's keyring did not keep the key that it was given; nothing was encrypted.")
    if kept is None:
        raise StorageError(
            f"The key of the history is not in the system's keyring ({SERVICE}, {name}). Nobody can read it without.",
            hint="Bring the keyring back, or log in as the user who had it; for a new history, use another --data-dir.",
        )
    try:
        key = base64.b64decode(kept, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise StorageError(
            f"What the system's keyring has as the key of the history ({SERVICE}, {name}) is no such key.",
            hint="Bring the keyring back as it was.",
        )
    return key


def _usable_keyring(*, instead: str) -> KeyringBackend:
    """The keyring that the system, or the user's own choice, names.

    Raises:
        NotSupported: there is none, or one that keeps what it is given where anybody can read it.
    """
    try:
        import keyring
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: F401 - a key is of no use without it
        from keyring.core import init_backend, recommended
    except ImportError as error:
        raise NotSupported(
            f"Encryption of the history needs packages that are not installed: {error}.",
            hint=f"{how_to_get('encrypt')}{instead}",
        ) from None
    try:
        init_backend(limit=recommended)
        backend = keyring.get_keyring()
        usable = recommended(backend)
    except Exception as error:  # noqa: BLE001 - as above; a keyring that is named but is not there
        found, usable = f"{type(error).__name__} when it was looked for", False
    else:
        found = f"{type(backend).__module__}.{type(backend).__qualname__}"
        if usable:
            return backend
    raise NotSupported(
        f"This system has no keyring that can keep the key of the history safe (found: {found}).",
        hint="On Linux, run a Secret Service such as GNOME Keyring, KWallet or KeePassXC in this user's session;"
        f" plain-text keyrings are not accepted.{instead}",
    )
