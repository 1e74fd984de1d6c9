"""Opening the history file so that a commit lasts: its lock, its journal, and what SQLite's errors mean.

Owns the pragmas. Knows no table; `migrations` has the schema.

SQLite 3.7.0 to 3.51.2 can lose commits in WAL mode when two connections write and checkpoint at the same moment
(sqlite.org/wal.html, "The WAL-Reset Bug"). Ours is the only connection, and with `locking_mode=EXCLUSIVE` no other
program can be the second, so the bug has no chance. Where that lock cannot be had, an older SQLite goes without WAL.
The lock has another use: WAL needs no shared memory then, which folders on the network do not have.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from pathlib import Path
from typing import Literal

from sidecar.contract.errors import DiskFull, PermissionDenied, SidecarError, StorageError
from sidecar.storage import integrity, migrations
from sidecar.storage.atomic_files import refusal
from sidecar.storage.cipher import Cipher

logger = logging.getLogger(__name__)

Version = tuple[int, int, int]
JournalMode = Literal["wal", "delete"]

BUSY_SECONDS = 1.0
"""How long to wait for another program to close the file: somebody who reads it with a tool."""

FIXED: Version = (3, 51, 3)
WITHDRAWN: Version = (3, 52, 0)
"""Taken back by its makers."""
BACKPORTED: dict[tuple[int, int], int] = {(3, 50): 7, (3, 44): 6}
"""Release lines that got the fix: the first patch with it."""


class HistoryConnection(sqlite3.Connection):
    """A connection that knows whether and how text is encrypted in its file. `Encryption` decides it."""

    refusal: SidecarError | None = StorageError("The history is not open yet.")
    tried_at = -math.inf
    _cipher: Cipher | None = None

    @property
    def cipher(self) -> Cipher | None:
        """What text is encrypted with; `None` where it is plain.

        Raises:
            SidecarError: text can be neither read nor written, and why.
        """
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)  # else it would grow with each request
        return self._cipher

    def use(self, cipher: Cipher | None) -> None:
        """Read and write text with this cipher from now on, or as plain text."""
        self._cipher, self.refusal = cipher, None

    def refuse(self, problem: SidecarError) -> None:
        """Let text be neither read nor written, for now."""
        self.refusal, self.tried_at = problem, time.monotonic()


def cipher_of(db: sqlite3.Connection) -> Cipher | None:
    """What text is encrypted with in this file, `None` for plain text. Raises as `HistoryConnection.cipher` does."""
    return db.cipher if isinstance(db, HistoryConnection) else None


def connect(path: Path) -> HistoryConnection:
    """Open the file, locked against all others, with the newest schema.

    Raises:
        Damaged: the names of its tables cannot be read.
        StorageError: a newer llama-sidecar has written it.
        OSError, sqlite3.Error: it cannot be opened, read or written.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=HistoryConnection)
    try:
        path.chmod(0o600)
        exclusive = lock(connection)
        integrity.require_schema(connection)
        migrations.check_version(connection)  # before anything is written
        set_up(connection, exclusive=exclusive)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -8192")  # 8 MiB
        migrations.migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def has_wal_reset_bug(version: Version) -> bool:
    """Whether a second connection could make this SQLite lose commits in WAL mode."""
    if version == WITHDRAWN:
        return True
    major, minor, patch = version
    first_fixed = BACKPORTED.get((major, minor))
    return version < FIXED and (first_fixed is None or patch < first_fixed)


def journal_mode(version: Version, *, exclusive: bool) -> JournalMode:
    """WAL where it is safe; the older journal, slower and safe with anybody, where it is not.

    Args:
        version: SQLite's.
        exclusive: whether the file is locked against every other connection.
    """
    return "wal" if exclusive or not has_wal_reset_bug(version) else "delete"


def lock(connection: sqlite3.Connection) -> bool:
    """Lock the file until the connection is closed; whether that is really so.

    Raises:
        sqlite3.Error: another program uses it.
    """
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
    (mode,) = connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
    connection.execute("BEGIN EXCLUSIVE")  # the mode alone locks nothing yet; from here on the lock stays
    connection.execute("COMMIT")
    return bool(mode == "exclusive")


def set_up(connection: sqlite3.Connection, *, exclusive: bool) -> None:
    """Make commits fast and lasting and deletions thorough, after `lock`."""
    chosen = journal_mode(sqlite3.sqlite_version_info, exclusive=exclusive)
    (mode,) = connection.execute(f"PRAGMA journal_mode = {chosen}").fetchone()
    # An answered message must survive a power cut (0.4 ms a commit on an SSD); none is made per token.
    connection.execute("PRAGMA synchronous = FULL")
    # What is deleted is overwritten: it cannot be found in the file, and no rescue of a damaged one brings it back.
    connection.execute("PRAGMA secure_delete = ON")
    alone = "locked against others" if exclusive else "not locked against others"
    logger.debug("history: SQLite %s, %s, journal %s", sqlite3.sqlite_version, alone, mode)


def as_sidecar_error(error: BaseException) -> BaseException:
    """The error of the contract for what went wrong with the file; other errors as they are."""
    if isinstance(error, OSError):
        return refusal(error, "The history was not changed")
    if damage := integrity.damage_in(error):
        return StorageError(
            f"The history file is damaged: {damage}.",
            hint="Start llama-sidecar again: what can be read is saved into a new history then, and this one is kept.",
        )
    if not isinstance(error, sqlite3.Error):
        return error
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return DiskFull("The disk is full; the history was not changed.")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return PermissionDenied(f"The history file cannot be written: {error}.")
    if name.startswith("SQLITE_BUSY"):
        return StorageError("Another program has the history open.", hint="Close it and try again.")
    logger.error("history: %s (%s)", error, name or type(error).__name__)
    return StorageError(
        f"The history file could not be used: {error}.",
        hint="See the log of source 'sidecar'; keep a copy of history.db before you repair or remove it.",
    )
