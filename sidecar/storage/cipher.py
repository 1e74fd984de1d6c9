"""How a record is encrypted: AES-256-GCM, so that it can neither be read nor changed without the key.

Owns the form of an encrypted record. Knows neither where the key is kept nor what a record holds: its place goes in as
associated data, and only with the same can it be decrypted, so that no record can be moved into another's place.
"""

from __future__ import annotations

import binascii
import os

from sidecar.contract.errors import StorageError

KEY_BYTES = 32
NONCE_BYTES = 12
"""Random for each record. Two alike would betray both, so a key encrypts 2^32 records at the most (NIST SP 800-38D);
that is fifty messages a second for two years."""

PREFIX = "sealed:"
"""How a record begins where it stands as text; the name of its key and base64 follow. On disk, so it stays."""

_VERSION = b"\x01"


class Cipher:
    """Encrypts and decrypts records; from any thread, in a few microseconds."""

    def __init__(self, key: bytes, name: str) -> None:
        # Needed only where something is encrypted: 30 ms.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._invalid = InvalidTag
        self._beginning = f"{PREFIX}{name}:"
        self._aes = AESGCM(key)

    def encrypt(self, plain: bytes, associated_data: str) -> bytes:
        """A record that only this key decrypts, and only with the same associated data."""
        nonce = os.urandom(NONCE_BYTES)
        return _VERSION + nonce + self._aes.encrypt(nonce, plain, _VERSION + associated_data.encode())

    def decrypt(self, record: bytes, associated_data: str) -> bytes:
        """What `encrypt` was given.

        Raises:
            StorageError: it was changed, cut or moved, or encrypted with another key.
        """
        nonce = record[1 : 1 + NONCE_BYTES]
        try:
            if record[:1] == _VERSION and len(nonce) == NONCE_BYTES:
                return self._aes.decrypt(nonce, record[1 + NONCE_BYTES :], _VERSION + associated_data.encode())
        except self._invalid:
            raise _tampered(associated_data) from None
        raise _tampered(associated_data)

    def encrypt_text(self, text: str, associated_data: str) -> str:
        """A text encrypted, as text. An empty one stays empty: there is nothing to hide in it."""
        if not text:
            return ""
        return (
            self._beginning + binascii.b2a_base64(self.encrypt(text.encode(), associated_data), newline=False).decode()
        )

    def decrypt_text(self, text: str, associated_data: str) -> str:
        """What `encrypt_text` was given.

        Raises:
            StorageError: as `decrypt`; also for plain text, which somebody else must have put there.
        """
        if not text:
            return ""
        if not text.startswith(self._beginning):
            raise _tampered(associated_data)
        try:
            record = binascii.a2b_base64(text[len(self._beginning) :], strict_mode=True)
        except ValueError:
            raise _tampered(associated_data) from None
        return self.decrypt(record, associated_data).decode()


def key_of(text: str) -> str | None:
    """The name of the key that a text is encrypted with; `None` where it is in plain text."""
    return text[len(PREFIX) :].partition(":")[0] if text.startswith(PREFIX) else None


def _tampered(associated_data: str) -> StorageError:
    return StorageError(
        f"An encrypted record of the history is not what was written there ({associated_data}).",
        hint="It was changed or moved by another program, or the file is damaged: restore history.db from a backup.",
    )
