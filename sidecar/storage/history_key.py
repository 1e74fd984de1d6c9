"""The key of the history, in the system's keyring.

Owns how the key is made, found and checked, and how long the history waits for it. Knows nothing of what is encrypted.
"""

from __future__ import annotations

import base64
import binascii
import logging
import secrets
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from sidecar.contract.errors import NotSupported, SidecarError, StorageError
from sidecar.host.extras import how_to_get
from sidecar.storage.cipher import KEY_BYTES
from sidecar.storage.system_keyring import SERVICE, KeyringCall, NoKeyring, backend

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 15.0
"""How long a keyring may hold up the history. An unlocked keyring answers in milliseconds; one that asks for a password
takes as long as the person who types it, so a late answer is used by the next call."""


class HistoryKey:
    """Gets keys from the keyring. For one thread, except `cancel`."""

    def __init__(self) -> None:
        self._asked: tuple[str, bool] | None = None
        self._call: KeyringCall[bytes] | None = None
        self._cancelled = False

    def get(self, name: str, *, make: bool) -> bytes:
        """The key of a name; with `make`, a new one where there is none.

        A call that the keyring has not answered in time is neither repeated nor waited for again: one dialog is enough,
        and the next call takes its answer.

        Raises:
            NotSupported: there is no keyring for it, or the packages for it are not installed.
            StorageError: the key is not there, or the keyring refuses or has not answered yet.
        """
        timeout = 0.0
        if self._call is None or self._asked != (name, make):
            timeout = ANSWER_SECONDS
            self._asked, self._call = (name, make), KeyringCall(lambda: _find_or_make(name, make=make))
        if self._cancelled:
            self._call.cancel()
        try:
            key = self._call.result(timeout)
        except TimeoutError:
            raise StorageError(
                "The system's keyring has not answered yet; perhaps it waits for its password.",
                hint="Unlock the keyring, and try again.",
            ) from None
        except CancelledError:
            raise StorageError("The sidecar is stopping; the system's keyring has not answered.") from None
        except SidecarError:
            self._call = None
            raise
        except Exception as error:  # noqa: BLE001 - backends are other people's code and raise anything
            self._call = None
            logger.warning("the system's keyring failed: %s: %s", type(error).__name__, error)
            raise StorageError(
                f"The system's keyring did not give the key of the history ({type(error).__name__}).",
                hint="Unlock the keyring, and try again; the log of source 'sidecar' has its message.",
            ) from None
        self._call = None
        return key

    def cancel(self) -> None:
        """Stop waiting for an answer. From any thread."""
        self._cancelled = True
        if (call := self._call) is not None:
            call.cancel()


def _find_or_make(name: str, *, make: bool) -> bytes:
    keyring = _usable_keyring(instead=" Or leave storage.encrypt off." if make else "")
    kept = keyring.get_password(SERVICE, name)
    if kept is None and make:
        made = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        keyring.set_password(SERVICE, name, made)
        kept = keyring.get_password(SERVICE, name)
        if kept != made:  # checked before anything is encrypted with it
            raise StorageError("The system's keyring did not keep the key that it was given; nothing was encrypted.")
    if kept is None:
        raise StorageError(
            f"The key of the history is not in the system's keyring ({SERVICE}, {name}). Without it the history"
            " cannot be read.",
            hint="Bring the keyring back, or log in as the user who had it; for a new history, use another --data-dir.",
        )
    try:
        key = base64.b64decode(kept, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise StorageError(
            f"What the system's keyring has as the key of the history ({SERVICE}, {name}) is not a key.",
            hint="Bring the keyring back as it was.",
        )
    return key


def _usable_keyring(*, instead: str) -> KeyringBackend:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: F401 - a key is useless without it

        return backend()
    except ImportError as error:
        raise NotSupported(
            f"Encryption of the history needs packages that are not installed: {error}.",
            hint=f"{how_to_get('encrypt')}{instead}",
        ) from None
    except NoKeyring as found:
        raise NotSupported(
            f"This system has no keyring that can keep the key of the history safe (found: {found}).",
            hint="On Linux, run a Secret Service such as GNOME Keyring, KWallet or KeePassXC in this user's session;"
            f" plain-text keyrings are not accepted.{instead}",
        ) from None
