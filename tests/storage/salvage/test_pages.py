"""Rows are found in whatever is left of a file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.storage.salvage.pages import DamagedFile, Row

numbers = st.integers(-(2**63), 2**63 - 1)
values = st.none() | numbers | st.floats(allow_nan=False) | st.text(max_size=20) | st.binary(max_size=20)
long_texts = st.integers(0, 30_000).map(lambda size: "ä" * (size // 2) + "x" * (size % 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


def rows_in(path: Path) -> list[Row]:
    with DamagedFile(path, path.with_name(f"{path.name}-wal")) as file:
        return list(file.rows())


@settings(max_examples=20)
@given(
    page_size=st.sampled_from([512, 1024, 4096, 65536]),
    rows=st.dictionaries(numbers, st.tuples(values, values, long_texts), max_size=12),
    in_log=st.booleans(),
)
def test_of_a_whole_file_every_row_is_found_as_sqlite_has_it(
    folder: Path, page_size: int, rows: dict[int, tuple[object, ...]], in_log: bool
) -> None:
    for old in folder.iterdir():
        old.unlink()
    path = folder / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute(f"PRAGMA page_size = {page_size}")
        db.execute(f"PRAGMA journal_mode = {'wal' if in_log else 'delete'}")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a ANY, b ANY, c TEXT) STRICT")
        db.execute("BEGIN")
        db.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(id_, *row) for id_, row in rows.items()])
        db.execute("COMMIT")
        found = {row.rowid: row.values for row in rows_in(path) if len(row.values) == 4 and row.values[0] is None}
        # A float that is whole is kept as an integer where that is shorter.
        expected = {id_: (None, *row) for id_, *row in db.execute("SELECT * FROM t")}
    assert found == expected


def test_what_was_not_committed_is_not_found(folder: Path) -> None:
    path = folder / "b.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("PRAGMA cache_size = 1")
        db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT")
        db.execute("INSERT INTO t VALUES (1, 'committed')")
        db.execute("BEGIN")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, "not " * 500) for n in range(2, 500)])
        assert path.with_name("b.db-wal").stat().st_size > 100_000  # it does stand there
        assert [row for row in rows_in(path) if len(row.values) == 2] == [Row(1, (None, "committed"))]


@settings(max_examples=60)
@given(data=st.binary(max_size=300), log=st.binary(max_size=300), page=st.sampled_from([0, 4096]))
def test_whatever_the_bytes_are_there_is_an_end_and_no_error(folder: Path, data: bytes, log: bytes, page: int) -> None:
    path = folder / "c.db"
    path.write_bytes(bytes(page) + b"\x0d" + data)
    path.with_name("c.db-wal").write_bytes(log)
    rows_in(path)


def test_a_long_row_whose_chain_of_pages_is_a_circle_is_none(folder: Path) -> None:
    path = folder / "d.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE t (a TEXT) STRICT")
        db.execute("INSERT INTO t VALUES (?)", ("x" * 20_000,))
    data = bytearray(path.read_bytes())
    [first, *_] = (n for n in range(3, len(data) // 4096 + 1))
    data[(first - 1) * 4096 : (first - 1) * 4096 + 4] = first.to_bytes(4, "big")
    path.write_bytes(data)
    assert [row for row in rows_in(path) if len(row.values) == 1] == []
