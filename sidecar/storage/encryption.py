"""Whether the history is encrypted: what is wanted, what the file is, and what to do where they differ.

Owns when the key is asked for, and that words are refused where it cannot be had: nothing is read then, and nothing
is written in plain text instead. How a file is rewritten is `words`' business, asking for the key that of `keys`.

A history that is sealed stays so until somebody says otherwise, also when the config is lost.
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
from sidecar.storage.keys import SystemKeyring

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Between two tries to get at the key, so that the many requests of one moment do not ask a person many times."""

KEY_NAME_BYTES = 6
"""Random: no two histories in one keyring have the same. Each sealed text carries it, too."""


class HistoryConnection(sqlite3.Connection):
    """A connection that knows how words are written in its file."""

    refusal: SidecarError | None = StorageError("The history is not open yet.")
    tried_at = -RETRY_SECONDS
    _cipher: Cipher | None = None

    @property
    def cipher(self) -> Cipher | None:
        """What words are sealed with; `None` where they are in plain text.

        Raises:
            SidecarError: words can be neither read nor written, and why.
        """
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)  # else it would grow with each request
        return self._cipher

    def settle(self, cipher: Cipher | None) -> None:
        """Read and write words in this way from now on."""
        self._cipher, self.refusal = cipher, None

    def refuse(self, problem: SidecarError) -> None:
        """Let words be neither read nor written, for now."""
        self.refusal, self.tried_at = problem, time.monotonic()


def cipher_of(db: sqlite3.Connection) -> Cipher | None:
    """What words are sealed with in this file, `None` for plain text. Raises as `HistoryConnection.cipher` does."""
    return db.cipher if isinstance(db, HistoryConnection) else None


class Encryption:
    """Sees to it that a history file is as it is wanted. For the history's thread, but for `give_up`."""

    def __init__(self, path: Path, config: ConfigFile | None) -> None:
        self._path = path
        self._config = config
        self._keyring = SystemKeyring()
        self.notices: list[Notice] = []

    def settle(self, db: HistoryConnection) -> None:
        """Make a file that was just opened as it is wanted. Where the key cannot be had, its words are refused.

        Called before each piece of work: what was missing may be there meanwhile.

        Raises:
            sqlite3.Error: the file cannot be read or written.
        """
        if db.refusal is None or time.monotonic() - db.tried_at < RETRY_SECONDS:
            return
        try:
            cipher = self._make(db, self._configured(), or_keep=True)
        except SidecarError as problem:
            logger.error("the history cannot be used: %s %s", problem.message, problem.hint)
            db.refuse(problem)
        except BaseException as problem:
            db.refuse(StorageError(f"The history could not be read or rewritten: {problem}."))
            raise
        else:
            db.settle(cipher)

    def switch(self, db: HistoryConnection, sealed: bool) -> None:
        """Seal all words of a file, or write them in plain text again; where that fails, all is as before.

        Raises:
            NotSupported: there is nothing that could keep the key.
            StorageError: the key cannot be had, or a record cannot be opened.
            sqlite3.Error: the file cannot be written.
        """
        db.settle(self._make(db, sealed, or_keep=False))

    def give_up(self) -> None:
        """Wait for no key any more. From any thread."""
        self._keyring.give_up()

    def _configured(self) -> bool | None:
        return None if self._config is None else self._config.config.storage.encrypt

    def _make(self, db: sqlite3.Connection, sealed: bool | None, *, or_keep: bool) -> Cipher | None:
        self.notices = []
        state = reencrypt.read_state(db)
        if not (sealed or state.sealed):
            return None
        if not state.key:  # kept before the key itself is made, which would be nobody's after a crash
            state.key = secrets.token_hex(KEY_NAME_BYTES)
            reencrypt.write_state(db, state)
        cipher = Cipher(self._keyring.key(state.key, make=not state.sealed), state.key)
        if state.sealed:
            reencrypt.require_right_key(db, state, cipher)
        else:
            reencrypt.seal(db, state, cipher)
        if sealed is False:
            try:
                reencrypt.unseal(db, state, cipher)
            except (SidecarError, sqlite3.Error) as problem:
                if not or_keep:
                    raise
                self._tell(
                    "HISTORY_STILL_ENCRYPTED",
                    f"The history could not be decrypted, and stays encrypted: {problem}",
                    "Set storage.encrypt to true, or mend what is said.",
                )
            else:
                return None
        self._leave_nothing_plain(db, state)
        return cipher

    def _leave_nothing_plain(self, db: sqlite3.Connection, state: reencrypt.State) -> None:
        """Remove the plain text beside the sealed columns as far as it is ours to remove, and tell of the rest."""
        reencrypt.keep_out_of_index(db)
        if not state.clean:
            try:
                reencrypt.clean(db, state)
            except sqlite3.Error as problem:  # such as a full disk; it is tried again at the next start
                self._tell(
                    "HISTORY_NOT_CLEANED",
                    f"The history is encrypted, but its file may still hold old text in free pages: {problem}.",
                    "Free as much disk space as history.db takes, and start again.",
                )
        if copies := reencrypt.plain_copies(self._path):
            self._tell(
                "HISTORY_COPIES_NOT_ENCRYPTED",
                f"The history is encrypted. Older copies of it are not, or cannot be read: {', '.join(copies)}.",
                "Remove them from the data folder if you do not need them any more.",
            )

    def _tell(self, name: str, message: str, hint: str) -> None:
        logger.warning("%s %s", message, hint)
        self.notices.append(Notice(name=name, message=message, hint=hint))
