"""Reading that takes long holds nobody up, and comes to an end."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest

from sidecar.storage.interruptible_query import QueryTimeout
from tests.chat.scripted import BOUND_SECONDS
from tests.storage.histories import opened

pytestmark = pytest.mark.anyio

NO_END = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number) SELECT count(*) FROM number"


def endless(db: sqlite3.Connection) -> Any:
    return db.execute(NO_END).fetchone()


def write(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO facts VALUES ('a', '1') ON CONFLICT (name) DO UPDATE SET value = value + 1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


async def test_a_search_that_has_no_end_holds_no_write_up(path: Path) -> None:
    async with opened(path) as database:
        search = asyncio.create_task(database.read(endless, seconds=BOUND_SECONDS))
        for _ in range(5):
            await asyncio.wait_for(database.run(write), BOUND_SECONDS)
        assert not search.done()
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search
        assert await database.run(lambda db: db.execute("SELECT value FROM facts").fetchall()) == [("5",)]


async def test_a_search_that_gave_way_has_its_answer_all_the_same(path: Path) -> None:
    loop, begun, tries = asyncio.get_running_loop(), asyncio.Event(), 0

    def work(db: sqlite3.Connection) -> Any:
        nonlocal tries
        tries += 1
        loop.call_soon_threadsafe(begun.set)
        return endless(db) if tries == 1 else db.execute("SELECT value FROM facts").fetchone()

    async with opened(path) as database:
        search = asyncio.create_task(database.read(work, seconds=BOUND_SECONDS))
        await begun.wait()
        await database.run(write)
        assert await search == ("1",)
        assert tries == 2


async def test_a_search_is_given_up_in_time_and_changes_nothing(path: Path) -> None:
    async with opened(path) as database:
        await database.run(write)
        with pytest.raises(QueryTimeout):
            await database.read(endless, seconds=0.02)
        assert await database.read(lambda db: db.execute("SELECT value FROM facts").fetchone(), seconds=1) == ("1",)


async def test_an_error_of_a_search_comes_out_and_the_next_one_has_all_its_time(path: Path) -> None:
    def fail(db: sqlite3.Connection) -> None:
        raise ValueError("no")

    async with opened(path) as database:
        with pytest.raises(ValueError, match="no"):
            await database.read(fail, seconds=0)
        longer_than_no_time = "SELECT count(*) FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        longer_than_no_time += " LIMIT 10000) SELECT i FROM n)"
        assert await database.run(lambda db: db.execute(longer_than_no_time).fetchone()) == (10_000,)


async def test_searches_come_one_after_the_other_and_one_that_is_not_wanted_ends(path: Path) -> None:
    async with opened(path) as database:
        first = asyncio.create_task(database.read(endless, seconds=BOUND_SECONDS))
        second = asyncio.create_task(database.read(lambda db: "found", seconds=BOUND_SECONDS))
        await database.run(write)
        assert not second.done()
        first.cancel()
        with anyio.fail_after(BOUND_SECONDS):
            assert await second == "found"
