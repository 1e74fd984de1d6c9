"""Opening the history file so that commits are durable: its lock, its journal, and what SQLite's errors mean.

Owns the pragmas. Knows no table; `migrations` has the schema.

SQLite 3.7.0 to 3.51.2 can lose commits in WAL mode when two connections write and checkpoint at the same moment
(sqlite.org/wal.html, "The WAL-Reset Bug"). Ours is the only connection, and with `locking_mode=EXCLUSIVE` no other
program can be the second, so the bug cannot occur. Where the lock is not available, an older SQLite runs without WAL.
The lock has another use: WAL then needs no shared memory, which network folders do not offer.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from pathlib import Path
from typing import Literal

from sidecar.contract.errors import DiskFull, PermissionDenied, SidecarError, StorageError
from sidecar.host import file_io
from sidecar.storage import integrity, migrations, search_index
from sidecar.storage.atomic_files import refusal
from sidecar.storage.cipher import Cipher

logger = logging.getLogger(__name__)

Version = tuple[int, int, int]
JournalMode = Literal["wal", "delete"]

BUSY_SECONDS = 1.0
"""How long to wait for another program, such as a database browser, to close the file."""

FIXED: Version = (3, 51, 3)
WITHDRAWN: Version = (3, 52, 0)
"""A release that SQLite withdrew."""
BACKPORTED: dict[tuple[int, int], int] = {(3, 50): 7, (3, 44): 6}
"""Older release lines that received the fix: the first patch level that has it."""


class HistoryConnection(sqlite3.Connection):
    """A connection that knows whether and how the text of its file is encrypted. `Encryption` decides it."""

    refusal: SidecarError | None = StorageError("The history is not open yet.")
    tried_at = -math.inf
    _cipher: Cipher | None = None

    @property
    def cipher(self) -> Cipher | None:
        """What text is encrypted with; `None` for plain text.

        Raises:
            SidecarError: why text can be neither read nor written.
        """
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)  # else the traceback would grow with each request
        return self._cipher

    def use(self, cipher: Cipher | None) -> None:
        """Read and write text with this cipher from now on, or as plain text."""
        self._cipher, self.refusal = cipher, None

    def refuse(self, problem: SidecarError) -> None:
        """Refuse to read or write text until `use`."""
        self.refusal, self.tried_at = problem, time.monotonic()


def cipher_of(db: sqlite3.Connection) -> Cipher | None:
    """What text is encrypted with in this file, `None` for plain text. Raises as `HistoryConnection.cipher` does."""
    return db.cipher if isinstance(db, HistoryConnection) else None


def connect(path: Path) -> HistoryConnection:
    """Open the file, locked against all others, with the newest schema.

    Raises:
        Damaged: the names of its tables cannot be read.
        StorageError: a newer llama-sidecar has written the file.
        OSError, sqlite3.Error: the file cannot be opened, read or written.
    """
    for suffix in ("", "-wal", "-journal", "-shm"):
        file_io.require_ordinary(path.with_name(path.name + suffix))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=HistoryConnection)
    try:
        path.chmod(0o600)
        exclusive = lock(connection)
        integrity.require_schema(connection)
        migrations.check_version(connection)  # before anything is written
        set_up(connection, exclusive=exclusive)
        search_index.register(connection)
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
    """WAL where it is safe, else the rollback journal, which is slower and safe with any number of connections.

    Args:
        version: SQLite's.
        exclusive: whether the file is locked against every other connection.
    """
    return "wal" if exclusive or not has_wal_reset_bug(version) else "delete"


def lock(connection: sqlite3.Connection) -> bool:
    """Lock the file until the connection is closed; returns whether the lock holds.

    Raises:
        sqlite3.Error: another program uses it.
    """
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
    (mode,) = connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
    connection.execute("BEGIN EXCLUSIVE")  # the mode alone locks nothing; after a write transaction the lock stays
    connection.execute("COMMIT")
    return bool(mode == "exclusive")


def set_up(connection: sqlite3.Connection, *, exclusive: bool) -> None:
    """Make commits fast and durable and deletions thorough. Call it after `lock`."""
    chosen = journal_mode(sqlite3.sqlite_version_info, exclusive=exclusive)
    (mode,) = connection.execute(f"PRAGMA journal_mode = {chosen}").fetchone()
    # An answered message must survive a power cut (0.4 ms a commit on an SSD); none is made per token.
    connection.execute("PRAGMA synchronous = FULL")
    # Deleted rows are overwritten, so that neither a search of the file nor a salvage brings them back.
    connection.execute("PRAGMA secure_delete = ON")
    alone = "locked against others" if exclusive else "not locked against others"
    logger.debug("history: SQLite %s, %s, journal %s", sqlite3.sqlite_version, alone, mode)


def as_sidecar_error(error: BaseException) -> BaseException:
    """The contract's error for an error of the file; other exceptions unchanged."""
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
