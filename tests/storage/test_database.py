"""The history database: one connection, one thread."""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract.errors import DiskFull, InvalidParams, PermissionDenied, SidecarError, StorageError
from sidecar.storage import connection
from sidecar.storage.database import Database, KeyValueStore
from tests.chat.scripted import BOUND_SECONDS
from tests.storage.histories import opened

pytestmark = pytest.mark.anyio


def put(name: str) -> Any:
    return lambda db: db.execute("INSERT INTO facts VALUES (?, '1')", (name,)) and name


def everything(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM facts ORDER BY rowid")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


async def test_nothing_is_opened_before_there_is_work(path: Path) -> None:
    async with opened(path):
        assert not path.exists()


async def test_work_is_done_in_order_on_one_thread_and_kept(path: Path) -> None:
    threads: set[int] = set()

    def work(name: str) -> Any:
        def job(db: sqlite3.Connection) -> str:
            threads.add(threading.get_ident())
            put(name)(db)
            return name

        return job

    async with opened(path) as database:
        names = [str(i) for i in range(50)]
        assert await asyncio.gather(*(database.run(work(name)) for name in names)) == names
        assert await database.run(everything) == names
        assert len(threads) == 1
        assert threading.get_ident() not in threads
    async with opened(path) as database:
        assert await database.run(everything) == names


async def test_the_file_is_private_and_durable(path: Path) -> None:
    async with opened(path) as database:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "locking_mode")
        found = await database.run(lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas])
        assert found == ["wal", 2, 1, "exclusive"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["history.db"]  # WAL and all are put away


async def test_work_that_raises_changes_nothing_and_its_error_comes_out(path: Path) -> None:
    def half(db: sqlite3.Connection) -> None:
        put("half")(db)
        raise InvalidParams("no", path="$")

    async with opened(path) as database:
        with pytest.raises(InvalidParams):
            await database.run(half)
        await database.run(put("whole"))
        assert await database.run(everything) == ["whole"]


@pytest.mark.parametrize("exception", [ValueError("x"), StopIteration("x"), SystemExit(1), asyncio.CancelledError()])
async def test_whatever_work_raises_nobody_waits_for_ever_and_the_next_work_is_done(
    path: Path, exception: BaseException
) -> None:
    def work(db: sqlite3.Connection) -> None:
        put("half")(db)
        raise exception

    async with opened(path) as database:
        with pytest.raises((ValueError, RuntimeError)):
            await database.run(work)
        assert await database.run(everything) == []


def write_to_a_file_that_is_read_only(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA query_only = 1")
    put("a")(db)


def write_more_than_there_is_room_for(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA max_page_count = 1")
    for number in range(99):
        put("x" * 9000 + str(number))(db)


@pytest.mark.case(29, 30)
@pytest.mark.parametrize(
    ("work", "error"),
    [
        (lambda db: db.execute("SELECT * FROM nothing"), StorageError),
        (lambda db: db.execute("INSERT INTO facts VALUES ('a', 1), ('a', 2)"), StorageError),
        (write_to_a_file_that_is_read_only, PermissionDenied),
        (write_more_than_there_is_room_for, DiskFull),
        (lambda db: _raise(FileNotFoundError(errno.ENOENT, "no such folder")), StorageError),
        (lambda db: _raise(OSError(errno.ENOSPC, "full")), DiskFull),
        (lambda db: _raise(PermissionError(errno.EACCES, "no")), PermissionDenied),
        (lambda db: _raise(OverflowError("int too large")), OverflowError),
    ],
)
async def test_errors_have_the_names_of_the_contract(path: Path, work: Any, error: type[Exception]) -> None:
    async with opened(path) as database:
        await database.run(put("before"))
        with pytest.raises(error):
            await database.run(work)
        await database.run(lambda db: db.execute("PRAGMA query_only = 0"))
        assert await database.run(everything) == ["before"]


def _raise(error: Exception) -> None:
    raise error


async def test_work_that_was_handed_in_is_done_although_the_waiter_is_cancelled(path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(BOUND_SECONDS)
        put("slow")(db)

    async with opened(path) as database:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.run, slow)
            tasks.start_soon(database.run, put("waiting behind"))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        go_on.set()
        assert await database.run(everything) == ["slow", "waiting behind"]
    assert begun.is_set()


async def test_work_that_fails_when_nobody_waits_any_more_is_in_the_log(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()

    def fail(db: sqlite3.Connection) -> None:
        go_on.wait(BOUND_SECONDS)
        raise InvalidParams("what went wrong", path="$")

    async with opened(path) as database:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.run, fail)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        go_on.set()
        await database.run(everything)
    assert [record.levelno for record in caplog.records if "what went wrong" in record.getMessage()] == [logging.ERROR]


async def test_closing_finishes_what_was_handed_in_and_can_be_done_twice(path: Path) -> None:
    database = Database(path)
    futures = [database.submit(put(str(i))) for i in range(20)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.close)
        tasks.start_soon(database.close)
    assert [future.result() for future in futures] == [str(i) for i in range(20)]
    await database.close()
    with sqlite3.connect(path) as db:
        assert len(everything(db)) == 20
    db.close()


async def test_after_closing_nothing_is_taken(path: Path) -> None:
    async with opened(path) as database:
        await database.run(put("a"))
    with pytest.raises(RuntimeError):
        await database.run(put("b"))


async def test_closing_what_was_never_opened_returns(path: Path) -> None:
    database = Database(path)
    await database.close()
    await database.close()
    assert not path.exists()


async def test_closing_returns_although_the_file_cannot_be_closed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Stuck:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self._connection = connection

        def close(self) -> None:
            self._connection.close()
            raise sqlite3.OperationalError("disk I/O error")

    async with opened(path) as database:
        await database.run(put("a"))
        assert database._connection is not None
        database._connection = Stuck(database._connection)  # type: ignore[assignment]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_file_that_cannot_be_opened_is_told_each_time_until_it_can(path: Path) -> None:
    path.mkdir()
    async with opened(path) as database:
        for _ in range(2):
            with pytest.raises(SidecarError):
                await database.run(everything)
        path.rmdir()
        assert await database.run(everything) == []


@pytest.mark.case(31)
async def test_a_second_program_cannot_write_meanwhile(path: Path) -> None:
    async with opened(path) as database:
        await database.run(put("a"))
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError):
            other.execute("INSERT INTO facts VALUES ('b', '1')")
        other.close()


@pytest.mark.case(31)
async def test_a_history_that_another_program_has_open_is_refused_and_used_once_it_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    async with opened(path) as database:
        await database.run(put("a"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    before = path.read_bytes()
    async with opened(path) as database:
        with pytest.raises(StorageError, match="Another program"):
            await database.run(put("b"))
        assert path.read_bytes() == before
        other.close()
        await database.run(put("b"))
        assert await database.run(everything) == ["a", "b"]


async def test_facts_are_remembered(path: Path) -> None:
    async with opened(path) as database:
        facts = KeyValueStore(database)
        assert await facts.get("a") is None
        for value in ({"x": [1, "ä\u2028\0"]}, None, 5):
            await facts.set("a", value)
            await facts.set("b", "other")
            assert await facts.get("a") == value
    async with opened(path) as database:
        assert (await KeyValueStore(database).get("a"), await KeyValueStore(database).get("b")) == (5, "other")


@settings(max_examples=25)
@given(steps=st.lists(st.sampled_from(["ok", "raise", "cancelled", "sql error"]), max_size=12))
def test_what_was_done_is_exactly_what_did_not_fail(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    path = tmp_path_factory.mktemp("db") / "history.db"

    async def run() -> list[str]:
        async with opened(path) as database:
            for number, step in enumerate(steps):
                if step == "cancelled":
                    with anyio.CancelScope() as scope:
                        scope.cancel()
                        await database.run(put(str(number)))
                    continue

                def work(db: sqlite3.Connection, step: str = step, number: int = number) -> None:
                    put(str(number))(db)
                    if step == "raise":
                        raise ValueError
                    if step == "sql error":
                        db.execute("nonsense")

                try:
                    await database.run(work)
                except (ValueError, StorageError):
                    continue
            return await database.run(everything)

    assert anyio.run(run) == [str(n) for n, step in enumerate(steps) if step in ("ok", "cancelled")]
