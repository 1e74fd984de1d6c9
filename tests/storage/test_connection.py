"""How a commit is kept, and that an older SQLite cannot lose one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sidecar.storage import connection
from sidecar.storage.connection import Version, has_wal_reset_bug, journal_mode


@pytest.mark.parametrize(
    ("version", "has_bug"),
    [
        ((3, 37, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 44, 9), False),
        ((3, 45, 3), True),
        ((3, 50, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 51, 10), False),
        ((3, 52, 0), True),
        ((3, 52, 1), False),
        ((3, 53, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_which_sqlite_can_lose_commits_in_wal_mode_with_two_connections(version: Version, has_bug: bool) -> None:
    assert has_wal_reset_bug(version) is has_bug


@pytest.mark.parametrize(
    ("version", "exclusive", "mode"),
    [
        ((3, 40, 1), True, "wal"),
        ((3, 40, 1), False, "delete"),
        ((3, 51, 2), True, "wal"),
        ((3, 51, 2), False, "delete"),
        ((3, 52, 0), False, "delete"),
        ((3, 51, 3), True, "wal"),
        ((3, 51, 3), False, "wal"),
    ],
)
def test_wal_is_for_whoever_is_alone_or_has_a_sqlite_without_the_bug(
    version: Version, exclusive: bool, mode: str
) -> None:
    assert journal_mode(version, exclusive=exclusive) == mode


@pytest.mark.parametrize("before", ["delete", "wal"])
@pytest.mark.parametrize(
    ("version", "exclusive", "mode"),
    [((3, 40, 1), True, "wal"), ((3, 40, 1), False, "delete"), ((3, 51, 3), False, "wal")],
)
def test_the_decision_is_carried_out_whatever_the_file_was_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, version: Version, exclusive: bool, mode: str
) -> None:
    path = tmp_path / "history.db"
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA journal_mode = {before}")
        db.execute("CREATE TABLE t (a)")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        if exclusive:
            assert connection.lock(db)
        connection.set_up(db, exclusive=exclusive)
        db.execute("INSERT INTO t VALUES (1)")
        assert (db.execute("PRAGMA journal_mode").fetchone(), db.execute("PRAGMA synchronous").fetchone()) == (
            (mode,),
            (2,),
        )
        # Alone on the file it needs no shared memory, which folders on the network do not have.
        assert path.with_name("history.db-shm").exists() == (mode == "wal" and not exclusive)


@pytest.mark.parametrize("before", ["delete", "wal"])
def test_a_lock_is_one_before_anything_is_read_or_written(tmp_path: Path, before: str) -> None:
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA journal_mode = {before}")
        db.execute("CREATE TABLE t (a)")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert connection.lock(db)
        with closing(sqlite3.connect(path, timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
            other.execute("SELECT * FROM t")


def test_a_connection_that_cannot_be_alone_is_known_as_such(tmp_path: Path) -> None:
    class Shared(sqlite3.Connection):
        """A file system whose locks SQLite does not use."""

        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
            return super().execute(sql.replace("= EXCLUSIVE", "= NORMAL"), *args)  # type: ignore[arg-type]

    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None, factory=Shared)) as db:
        assert not connection.lock(db)
