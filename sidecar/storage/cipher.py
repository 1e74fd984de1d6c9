"""How a record is encrypted: AES-256-GCM, so that it can neither be read nor changed without the key.

Owns the format of an encrypted record. Knows neither where the key is kept nor what a record holds. A record's place is
its associated data, without which it cannot be decrypted, so no record can be moved into another's place.
"""

from __future__ import annotations

import binascii
import os

from sidecar.contract.errors import StorageError

KEY_BYTES = 32
NONCE_BYTES = 12
"""Random for each record. Two records with one nonce would reveal both, so a key encrypts at most 2^32 records (NIST
SP 800-38D): fifty messages a second for two years."""

PREFIX = "sealed:"
"""The start of a record in text form; the name of its key and base64 follow. Files hold it, so it must not change."""

_VERSION = b"\x01"


class Cipher:
    """Encrypts and decrypts records; from any thread, in a few microseconds."""

    def __init__(self, key: bytes, name: str) -> None:
        # Imported only where something is encrypted: 30 ms.
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
        """The plain bytes of a record.

        Raises:
            StorageError: the record was changed, cut or moved, or encrypted with another key.
        """
        nonce = record[1 : 1 + NONCE_BYTES]
        try:
            if record[:1] == _VERSION and len(nonce) == NONCE_BYTES:
                return self._aes.decrypt(nonce, record[1 + NONCE_BYTES :], _VERSION + associated_data.encode())
        except self._invalid:
            raise _tampered(associated_data) from None
        raise _tampered(associated_data)

    def encrypt_text(self, text: str, associated_data: str) -> str:
        """An encrypted text in text form. An empty text stays empty: it has nothing to hide."""
        if not text:
            return ""
        return (
            self._beginning + binascii.b2a_base64(self.encrypt(text.encode(), associated_data), newline=False).decode()
        )

    def decrypt_text(self, text: str, associated_data: str) -> str:
        """The plain text of a record in text form.

        Raises:
            StorageError: as `decrypt`; also for plain text, which another program must have put there.
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
    """The name of the key that a text is encrypted with; `None` for plain text."""
    return text[len(PREFIX) :].partition(":")[0] if text.startswith(PREFIX) else None


def _tampered(associated_data: str) -> StorageError:
    return StorageError(
        f"An encrypted record of the history is not what was written there ({associated_data}).",
        hint="It was changed or moved by another program, or the file is damaged: restore history.db from a backup.",
    )
