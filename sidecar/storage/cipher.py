"""How a record is sealed: AES-256-GCM, so that it can neither be read nor changed without the key.

Owns the form of a sealed record. Knows neither where the key is kept nor what a record holds: whoever seals one says
what it is (`about`), and only who says the same can open it, so that no record can be put in another's place.
"""

from __future__ import annotations

import binascii
import hmac
import os

from sidecar.contract.errors import StorageError

KEY_BYTES = 32
NONCE_BYTES = 12
"""Random for each record. Two alike would betray both, so a key seals 2^32 records at the most (NIST SP 800-38D);
that is fifty messages a second for two years. What seals faster takes a key of its own (`derived`)."""

PREFIX = "sealed:"
"""How a record begins where it stands as text; the name of its key and base64 follow."""

_VERSION = b"\x01"


class Cipher:
    """Seals and opens records; from any thread, in a few microseconds."""

    def __init__(self, key: bytes, name: str) -> None:
        # Needed only where something is encrypted: 30 ms.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._invalid = InvalidTag
        self._key = key
        self._name = name
        self._beginning = f"{PREFIX}{name}:"
        self._aes = AESGCM(key)

    def derived(self, purpose: str) -> Cipher:
        """A cipher with a key of its own, the same one for the same purpose."""
        return Cipher(hmac.digest(self._key, purpose.encode(), "sha256"), self._name)

    def seal(self, plain: bytes, about: str) -> bytes:
        """A record that only this key opens, and only as what it is."""
        nonce = os.urandom(NONCE_BYTES)
        return _VERSION + nonce + self._aes.encrypt(nonce, plain, _VERSION + about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """What `seal` was given.

        Raises:
            StorageError: it was changed, cut or moved, or sealed with another key.
        """
        nonce = sealed[1 : 1 + NONCE_BYTES]
        try:
            if sealed[:1] == _VERSION and len(nonce) == NONCE_BYTES:
                return self._aes.decrypt(nonce, sealed[1 + NONCE_BYTES :], _VERSION + about.encode())
        except self._invalid:
            raise _tampered(about) from None
        raise _tampered(about)

    def seal_text(self, text: str, about: str) -> str:
        """A text sealed, as text. An empty one stays empty: there is nothing to hide in it."""
        if not text:
            return ""
        return self._beginning + binascii.b2a_base64(self.seal(text.encode(), about), newline=False).decode()

    def open_text(self, sealed: str, about: str) -> str:
        """What `seal_text` was given.

        Raises:
            StorageError: as `open`; also for plain text, which somebody else must have put there.
        """
        if not sealed:
            return ""
        if not sealed.startswith(self._beginning):
            raise _tampered(about)
        try:
            record = binascii.a2b_base64(sealed[len(self._beginning) :], strict_mode=True)
        except ValueError:
            raise _tampered(about) from None
        return self.open(record, about).decode()


def key_of(text: str) -> str | None:
    """The name of the key that a text is sealed with; `None` where it is in plain text."""
    return text[len(PREFIX) :].partition(":")[0] if text.startswith(PREFIX) else None


def _tampered(about: str) -> StorageError:
    return StorageError(
        f"An encrypted record of the history is not what was written there ({about}).",
        hint="It was changed or moved by another program, or the file is damaged: restore history.db from a backup.",
    )
