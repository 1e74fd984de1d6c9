"""The schema of the history file, and the way there from older ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from sidecar.contract.errors import DiskFull, StorageError
from sidecar.storage import migrations
from sidecar.storage.database import Database
from sidecar.storage.migrations import STEPS, migrate

pytestmark = pytest.mark.anyio

SECOND = "ALTER TABLE facts ADD COLUMN note TEXT; UPDATE facts SET note = 'second';"
THIRD = "CREATE TABLE more (a INTEGER) STRICT; INSERT INTO more SELECT count(*) FROM facts;"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def database_of_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path)
        db.execute("INSERT INTO facts VALUES ('kept', '1')")


async def use(path: Path) -> None:
    """Open the file as the sidecar does."""
    database = Database(path)
    try:
        await database.run(lambda db: None)
    finally:
        with anyio.CancelScope(shield=True):
            await database.close()


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def facts(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT * FROM facts").fetchall()


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


async def test_a_new_file_gets_the_newest_schema_and_no_backup(path: Path) -> None:
    await use(path)
    assert version_of(path) == len(STEPS)
    assert {"sessions", "messages", "messages_text", "facts"} <= tables(path)
    assert [p.name for p in path.parent.iterdir()] == ["history.db"]


@pytest.mark.usefixtures("database_of_version_1")
async def test_a_file_of_the_newest_version_is_left_as_it_is(path: Path) -> None:
    await use(path)
    assert (version_of(path), facts(path)) == (1, [("kept", "1")])
    assert [p.name for p in path.parent.iterdir()] == ["history.db"]


@pytest.mark.usefixtures("database_of_version_1")
async def test_an_older_file_goes_all_steps_and_is_copied_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, SECOND, THIRD))
    await use(path)
    assert (version_of(path), facts(path)) == (3, [("kept", "1", "second")])
    backup = path.with_name("history-before-schema-3.db")
    assert (version_of(backup), facts(backup)) == (1, [("kept", "1")])
    assert sorted(p.name for p in path.parent.iterdir()) == ["history-before-schema-3.db", "history.db"]


@pytest.mark.usefixtures("database_of_version_1")
@pytest.mark.parametrize(
    "broken", ["SELECT * FROM nothing;", "INSERT INTO facts VALUES ('kept', 'twice');", "nonsense"]
)
async def test_a_step_that_fails_leaves_the_old_schema_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", (*STEPS, SECOND, THIRD, broken))
        for _ in range(2):
            with pytest.raises(StorageError):
                await use(path)
        assert (version_of(path), facts(path)) == (1, [("kept", "1")])
        assert "more" not in tables(path)
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, SECOND))
    await use(path)
    assert facts(path) == [("kept", "1", "second")]


@pytest.mark.usefixtures("database_of_version_1")
async def test_without_room_for_the_copy_no_step_is_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(connection: sqlite3.Connection, copy: Path) -> None:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("CREATE TABLE t AS SELECT randomblob(1000000)")

    monkeypatch.setattr(migrations, "STEPS", (*STEPS, SECOND))
    monkeypatch.setattr(migrations, "_back_up", full)
    with pytest.raises(DiskFull):
        await use(path)
    assert (version_of(path), facts(path)) == (1, [("kept", "1")])


@pytest.mark.usefixtures("database_of_version_1")
@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_a_file_of_a_newer_version_is_refused_and_left_byte_for_byte(path: Path, journal_mode: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA journal_mode = {journal_mode}")
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StorageError):
            await use(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["history.db"]


def test_every_released_step_is_as_it_was() -> None:
    """A step is never changed once it was released: whoever has had it would not get the change."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path("unused.db"))
        assert len(STEPS) == 1, "add a step here with what it makes"
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.usefixtures("database_of_version_1")
def test_a_search_finds_what_was_said_changed_and_not_what_was_removed(path: Path) -> None:
    def found(word: str) -> int:
        return int(db.execute("SELECT count(*) FROM messages_text WHERE messages_text MATCH ?", (word,)).fetchone()[0])

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        columns = "id, title, title_is_own, config, created_at, updated_at"
        db.execute(f"INSERT INTO sessions ({columns}) VALUES ('s', '', 0, '{{}}', 0, 0)")
        columns = "id, session_id, role, content, state, created_at"
        for number, text in enumerate(("Größe", "other", "third")):
            row = (str(number), "s", "user", text, "complete", 0.0)
            db.execute(f"INSERT INTO messages ({columns}) VALUES (?, ?, ?, ?, ?, ?)", row)
        db.execute("UPDATE messages SET content = 'changed' WHERE id = '1'")
        db.execute("DELETE FROM messages WHERE id = '2'")
        assert [found(word) for word in ("grosse", "große", "GRÖSSE", "other", "changed", "third")] == [
            0,
            1,
            0,
            0,
            1,
            0,
        ]
        db.execute("DELETE FROM sessions")
        assert [found(word) for word in ("große", "changed")] == [0, 0]
