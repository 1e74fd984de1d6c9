"""The schema of the history file, and the way there from older ones."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from sidecar.contract.errors import DiskFull, StorageError
from sidecar.storage import migrations
from sidecar.storage.database import Database
from sidecar.storage.migrations import STEPS, migrate

pytestmark = pytest.mark.anyio

FIRST = STEPS[:1]
"""What these tests add steps to, however many the program has."""

SECOND = "ALTER TABLE facts ADD COLUMN note TEXT; UPDATE facts SET note = 'second';"
THIRD = "CREATE TABLE more (a INTEGER) STRICT; INSERT INTO more SELECT count(*) FROM facts;"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def database_of_version_1(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "STEPS", FIRST)
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
    monkeypatch.setattr(migrations, "STEPS", (*FIRST, SECOND, THIRD))
    await use(path)
    assert (version_of(path), facts(path)) == (3, [("kept", "1", "second")])
    backup = path.with_name("history-before-schema-3.db")
    assert (version_of(backup), facts(backup)) == (1, [("kept", "1")])
    assert sorted(p.name for p in path.parent.iterdir()) == ["history-before-schema-3.db", "history.db"]


@pytest.mark.case(34)
@pytest.mark.usefixtures("database_of_version_1")
@pytest.mark.parametrize(
    "broken", ["SELECT * FROM nothing;", "INSERT INTO facts VALUES ('kept', 'twice');", "nonsense"]
)
async def test_a_step_that_fails_leaves_the_old_schema_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", (*FIRST, SECOND, THIRD, broken))
        for _ in range(2):
            with pytest.raises(StorageError):
                await use(path)
        assert (version_of(path), facts(path)) == (1, [("kept", "1")])
        assert "more" not in tables(path)
    monkeypatch.setattr(migrations, "STEPS", (*FIRST, SECOND))
    await use(path)
    assert facts(path) == [("kept", "1", "second")]


@pytest.mark.case(29)
@pytest.mark.usefixtures("database_of_version_1")
async def test_without_room_for_the_copy_no_step_is_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(connection: sqlite3.Connection, copy: Path) -> None:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("CREATE TABLE t AS SELECT randomblob(1000000)")

    monkeypatch.setattr(migrations, "STEPS", (*FIRST, SECOND))
    monkeypatch.setattr(migrations, "_back_up", full)
    with pytest.raises(DiskFull):
        await use(path)
    assert (version_of(path), facts(path)) == (1, [("kept", "1")])


@pytest.mark.case(33)
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


KILLED_MIGRATIONS = """
import os, signal, shutil, sys
from pathlib import Path
from sidecar.storage import migrations
from sidecar.storage.database import Database

old, step, point_count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
migrations.STEPS = (*migrations.STEPS[:1], step)
migrate = migrations.migrate


def open_and_be_killed(path, last):
    seen = 0

    def one_more(event="", *_):
        nonlocal seen
        if event in ("", "os.rename", "os.remove"):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    def watched(db, path):
        sys.addaudithook(one_more)
        db.set_progress_handler(one_more, 500)
        migrate(db, path)

    migrations.migrate = watched
    Database(path)._open().close()
    return seen


def in_a_child(number, last):
    path = old.parent / str(number) / "history.db"
    path.parent.mkdir()
    shutil.copy(old, path)
    read_fd, write_fd = os.pipe()
    if not (pid := os.fork()):
        os.write(write_fd, b"%d" % open_and_be_killed(path, last))
        os._exit(0)
    os.close(write_fd)
    _, status = os.waitpid(pid, 0)
    return int(os.read(read_fd, 20) or 0), os.waitstatus_to_exitcode(status)


total, _ = in_a_child("whole", -1)
points = sorted({max(1, total * n // point_count) for n in range(1, point_count + 1)})
print(total, *(in_a_child(point, point)[1] for point in points))
"""
"""Migrates copies of a file, each killed at another moment: 500 steps of SQLite later, or where files get names."""


@pytest.mark.case(34)
async def test_a_migration_that_is_killed_leaves_the_old_schema_or_the_new_and_a_whole_copy_of_the_old(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = (
        "ALTER TABLE facts ADD COLUMN note TEXT; UPDATE facts SET note = name || value;"
        " CREATE TABLE more (a TEXT) STRICT; INSERT INTO more SELECT name FROM facts; DROP INDEX messages_by_parent;"
    )
    monkeypatch.setattr(migrations, "STEPS", FIRST)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path)
        db.execute("BEGIN")
        db.executemany("INSERT INTO facts VALUES (?, ?)", ((str(n), "x" * 50) for n in range(1000)))
        db.execute("COMMIT")
    command = [sys.executable, "-c", KILLED_MIGRATIONS, str(path), step, "14"]
    printed = await anyio.run_process(command, stderr=None)
    total, *codes = map(int, printed.stdout.split())
    assert total > 50
    assert set(codes) == {-signal.SIGKILL}
    found: set[int] = set()
    for folder in (p for p in path.parent.iterdir() if p.name.isdigit()):
        killed = folder / "history.db"
        shutil.copytree(folder, folder / "copy")
        found.add(version := version_of(folder / "copy" / "history.db"))
        assert len(facts(folder / "copy" / "history.db")[0]) == version + 1
        assert ("more" in tables(folder / "copy" / "history.db")) == (version == 2)
        shutil.rmtree(folder / "copy")
        with monkeypatch.context() as patch:
            patch.setattr(migrations, "STEPS", (*FIRST, step))
            await use(killed)
        assert (version_of(killed), len(facts(killed)), facts(killed)[0][2]) == (2, 1000, "0" + "x" * 50)
        copy = folder / "history-before-schema-2.db"
        assert (version_of(copy), len(facts(copy)), len(facts(copy)[0])) == (1, 1000, 2)
        assert sorted(p.name for p in folder.iterdir()) == [copy.name, "history.db"]
        for file in (killed, copy):
            with closing(sqlite3.connect(file)) as db:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert 1 in found


def test_every_released_step_is_as_it_was() -> None:
    """A step is never changed once it was released: whoever has had it would not get the change."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path("unused.db"))
        assert len(STEPS) == 5, "add a step here with what it makes"
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
