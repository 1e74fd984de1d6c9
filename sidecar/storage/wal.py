"""How SQLite writes the history down so that a commit stays: its lock and its journal.

SQLite 3.7.0 to 3.51.2 can lose commits in WAL mode when two connections write and checkpoint at the same moment
(sqlite.org/wal.html, "The WAL-Reset Bug"). Ours is the only connection, and with `locking_mode=EXCLUSIVE` no other
program can be the second, so the bug has no chance. Where that lock is not to be had, an older SQLite goes without WAL.
The lock has another use: WAL needs no shared memory then, which folders on the network do not have.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import Literal

logger = logging.getLogger(__name__)

Version = tuple[int, int, int]
JournalMode = Literal["wal", "delete"]

BUSY_SECONDS = 1.0
"""How long to wait for another program to let go of the file: somebody who looks at it with a tool."""

FIXED: Version = (3, 51, 3)
WITHDRAWN: Version = (3, 52, 0)
"""Taken back by its makers."""
BACKPORTED: dict[tuple[int, int], int] = {(3, 50): 7, (3, 44): 6}
"""Release lines that got the fix: the first patch with it."""


def has_wal_reset_bug(version: Version) -> bool:
    """Whether a second connection could make this SQLite lose commits in WAL mode."""
    if version == WITHDRAWN:
        return True
    major, minor, patch = version
    first_fixed = BACKPORTED.get((major, minor))
    return version < FIXED and (first_fixed is None or patch < first_fixed)


def choose(version: Version, *, exclusive: bool) -> JournalMode:
    """How to write: WAL where it is safe; the older journal, slower and safe with anybody, where it is not.

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
    wanted = choose(sqlite3.sqlite_version_info, exclusive=exclusive)
    (mode,) = connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()
    # An answered message must survive a power cut (0.4 ms a commit on an SSD); none is made per token.
    connection.execute("PRAGMA synchronous = FULL")
    # What is deleted is overwritten: nobody finds it in the file, and no rescue of a damaged one brings it back.
    connection.execute("PRAGMA secure_delete = ON")
    alone = "locked against others" if exclusive else "not locked against others"
    logger.debug("history: SQLite %s, %s, journal %s", sqlite3.sqlite_version, alone, mode)
