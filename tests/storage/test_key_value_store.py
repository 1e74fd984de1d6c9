"""What is remembered between runs comes back as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sidecar.storage import migrations
from sidecar.storage.database import Database, KeyValueStore
from sidecar.storage.reencrypt import State, read_state

pytestmark = pytest.mark.anyio

NOT_UTF8 = "/models/d\udcc3t"
"""A path as Python has it where the bytes on the disk are no text."""


@pytest.mark.parametrize("value", ["a name", NOT_UTF8, {"nested": [1, 2.5, None, True]}, ""])
async def test_a_fact_is_there_in_the_next_run(tmp_path: Path, value: Any) -> None:
    database = Database(tmp_path / "history.db")
    await KeyValueStore(database).set("last", "something older")
    await KeyValueStore(database).set("last", value)
    await database.close()
    again = Database(tmp_path / "history.db")
    assert await KeyValueStore(again).get("last") == value
    await again.close()


async def test_what_was_never_set_is_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "history.db")
    assert await KeyValueStore(database).get("last") is None
    await database.close()


async def test_what_is_no_json_is_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "history.db")
    await KeyValueStore(database).set("last", "a name")
    await database.run(lambda db: db.execute("UPDATE facts SET value = '{'"))
    assert await KeyValueStore(database).get("last") is None
    await KeyValueStore(database).set("last", "another")
    assert await KeyValueStore(database).get("last") == "another"
    await database.close()


@pytest.mark.parametrize("value", ["'{'", "x'7b226b6579223a22ff227d'"])
def test_where_it_cannot_be_read_whether_the_history_is_encrypted_its_records_say_it(value: str) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        migrations.take_steps(db, to=0)
        db.executescript(f"""
            DROP TABLE facts; CREATE TABLE facts (name, value);
            INSERT INTO facts VALUES ('encryption', {value});
        """)  # a table that is not strict takes what stands in a damaged one
        assert read_state(db) == State()
