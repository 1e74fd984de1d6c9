"""Whether the history is encrypted: what the config says, what the file is, and what to do where they differ.

Owns when the key is fetched, and that text is refused where it cannot be had: nothing is read then, and nothing is
written in plain text instead. `reencrypt` rewrites a file, `history_key` gets the key.

A history that is encrypted stays so until somebody says otherwise, also when the config is lost.
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
"""Between two tries to get the key, so that the many requests of one moment do not ask a person many times."""

KEY_NAME_BYTES = 6
"""Random: no two histories in one keyring have the same. Each encrypted text carries it, too."""


class Encryption:
    """Brings a history file into the state that the config asks for. For the history's thread, but for `cancel`.

    Args:
        path: the file.
        config: says whether text is to be encrypted; without one, the file stays as it is.
    """

    def __init__(self, path: Path, config: ConfigFile | None) -> None:
        self._path = path
        self._config = config
        self._key = HistoryKey()
        self.notices: list[Notice] = []

    def settle(self, db: HistoryConnection) -> None:
        """Bring a file that refuses text into the state that it should have, or say why that cannot be.

        Called before each piece of work until it succeeds: what was missing may be there meanwhile.

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
        """Encrypt all text of a file, or write it as plain text again; where that fails, all is as before.

        Raises:
            NotSupported: there is nothing that could keep the key.
            StorageError: the key cannot be had, or a record cannot be decrypted.
            sqlite3.Error: the file cannot be written.
        """
        db.use(self._convert(db, encrypt, or_keep=False))

    def cancel(self) -> None:
        """Wait for no key any more. From any thread."""
        self._key.cancel()

    def _convert(self, db: sqlite3.Connection, encrypt: bool | None, *, or_keep: bool) -> Cipher | None:
        self.notices = []
        state = reencrypt.read_state(db)
        if not (encrypt or state.encrypted):
            return None
        if not state.key:  # kept before the key itself is made, which would belong to no file after a crash
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
        """Remove the plain text beside the encrypted columns as far as it is ours to remove, and report the rest."""
        reencrypt.keep_out_of_index(db)
        if not state.clean:
            try:
                reencrypt.clean(db, state)
            except sqlite3.Error as problem:  # such as a full disk; it is tried again at the next start
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
