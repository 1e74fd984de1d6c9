"""Whether the history is encrypted: what the config says, what the file is, and what to do where they differ.

Owns when the key is fetched, and that text is refused where the key is not available: nothing is read then, and nothing
is written as plain text instead. `reencrypt` rewrites a file, `history_key` gets the key.

An encrypted history stays encrypted until the config says otherwise, also when the config is lost.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from pathlib import Path

from sidecar.contract.errors import SidecarError, StorageError
from sidecar.contract.life import Notice
from sidecar.storage import reencrypt
from sidecar.storage.cipher import Cipher
from sidecar.storage.config import ConfigFile
from sidecar.storage.connection import HistoryConnection
from sidecar.storage.history_key import HistoryKey

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Between two tries to get the key, so that many requests in a row do not ask a person many times."""

KEY_NAME_BYTES = 6
"""Of a key's random name, which is unique among the histories in one keyring. Each encrypted text carries it, too."""


class Encryption:
    """Brings a history file into the state that the config asks for. For the history's thread, except `cancel`.

    Args:
        path: the file.
        config: whether text is to be encrypted; without a config, the file stays as it is.
    """

    def __init__(self, path: Path, config: ConfigFile | None) -> None:
        self._path = path
        self._config = config
        self._key = HistoryKey()
        self.notices: list[Notice] = []

    def settle(self, db: HistoryConnection) -> None:
        """Bring a file that refuses text into the state it should have, or have it refuse text with the reason.

        Called before each piece of work until it succeeds, since what was missing may be there by then.

        Raises:
            sqlite3.Error: the file cannot be read or written.
        """
        if time.monotonic() - db.tried_at < RETRY_SECONDS:
            return
        encrypt = None if self._config is None else self._config.config.storage.encrypt
        try:
            cipher = self._convert(db, encrypt, or_keep=True)
        except SidecarError as problem:
            logger.error("the history cannot be used: %s %s", problem.message, problem.hint)
            db.refuse(problem)
        except BaseException as problem:
            db.refuse(StorageError(f"The history could not be read or rewritten: {problem}."))
            raise
        else:
            db.use(cipher)

    def switch(self, db: HistoryConnection, encrypt: bool) -> None:
        """Encrypt all text of a file, or convert it to plain text again; on failure the file stays as it was.

        Raises:
            NotSupported: there is no keyring for the key.
            StorageError: the key is not available, or a record cannot be decrypted.
            sqlite3.Error: the file cannot be written.
        """
        db.use(self._convert(db, encrypt, or_keep=False))

    def cancel(self) -> None:
        """Stop waiting for a key. From any thread."""
        self._key.cancel()

    def _convert(self, db: sqlite3.Connection, encrypt: bool | None, *, or_keep: bool) -> Cipher | None:
        self.notices = []
        state = reencrypt.read_state(db)
        if not (encrypt or state.encrypted):
            return None
        if not state.key:  # the name is stored before the key is made, so that no crash leaves a key without a file
            state.key = secrets.token_hex(KEY_NAME_BYTES)
            reencrypt.write_state(db, state)
        cipher = Cipher(self._key.get(state.key, make=not state.encrypted), state.key)
        if state.encrypted:
            reencrypt.require_right_key(db, state, cipher)
        else:
            reencrypt.encrypt_all(db, state, cipher)
        if encrypt is False:
            try:
                reencrypt.decrypt_all(db, state, cipher)
            except (SidecarError, sqlite3.Error) as problem:
                if not or_keep:
                    raise
                self._notify(
                    "HISTORY_STILL_ENCRYPTED",
                    f"The history could not be decrypted, and stays encrypted: {problem}",
                    "Set storage.encrypt to true, or repair what the message names.",
                )
            else:
                return None
        self._leave_nothing_plain(db, state)
        return cipher

    def _leave_nothing_plain(self, db: sqlite3.Connection, state: reencrypt.State) -> None:
        """Remove the plain text beside the encrypted columns as far as it is in our file, and report the rest."""
        reencrypt.keep_out_of_index(db)
        if not state.clean:
            try:
                reencrypt.clean(db, state)
            except sqlite3.Error as problem:  # such as a full disk; the next start tries again
                self._notify(
                    "HISTORY_NOT_CLEANED",
                    f"The history is encrypted, but its file may still hold old text in free pages: {problem}.",
                    "Free as much disk space as history.db takes, and start again.",
                )
        if copies := reencrypt.plain_copies(self._path):
            self._notify(
                "HISTORY_COPIES_NOT_ENCRYPTED",
                f"The history is encrypted. Older copies of it are not, or cannot be read: {', '.join(copies)}.",
                "Remove them from the data folder if you do not need them any more.",
            )

    def _notify(self, name: str, message: str, hint: str) -> None:
        logger.warning("%s %s", message, hint)
        self.notices.append(Notice(name=name, message=message, hint=hint))
