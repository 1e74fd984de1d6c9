"""The rows of a damaged history, saved into a new one.

Owns how rows are assigned to tables and repaired. `pages` finds them, `migrations` has the tables.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import msgspec

from sidecar.contract.chat import ContextUse
from sidecar.contract.sessions import SessionConfig, Timings, ToolCall, Usage
from sidecar.contract.warnings import ResultWarning
from sidecar.storage import migrations, search_index
from sidecar.storage.cipher import PREFIX
from sidecar.storage.salvage.pages import DamagedFile, Row, Value

_CHOICES: dict[str, tuple[Any, str]] = {
    "role": (Literal["user", "assistant", "tool"], "assistant"),
    "state": (Literal["running", "complete", "cancelled", "interrupted", "error"], "interrupted"),
}
_JSON: dict[str, tuple[Any, str | None]] = {
    "config": (SessionConfig, "{}"),
    "parts": (list[dict[str, Any]], None),
    "tool_calls": (list[ToolCall], None),
    "usage": (Usage, None),
    "timings": (Timings, None),
    "context": (ContextUse, None),
    "warnings": (list[ResultWarning], None),
}
"""Columns whose wrong value makes a whole session unreadable: the required type, and the substitute."""

_KINDS: dict[str, tuple[type, ...]] = {"TEXT": (str,), "INTEGER": (int,), "REAL": (int, float), "BLOB": (bytes,)}
"""The types in a column of a strict table; a column of floats may hold whole numbers."""

_PUT_TOGETHER = (
    # Messages whose session is lost get a new one. In an encrypted history its text is left out: it cannot be encrypted
    # without the key, and plain text is refused there.
    f"""
    INSERT INTO sessions (id, title, title_is_own, config, created_at, updated_at)
    SELECT session_id,
        CASE WHEN content GLOB '{PREFIX}*' THEN '' ELSE substr(replace(trim(content), char(10), ' '), 1, 60) END, 0,
        CASE WHEN content GLOB '{PREFIX}*' THEN '' ELSE '{{}}' END, created_at, written_at
    FROM (SELECT session_id, content, created_at, max(created_at) OVER of_session AS written_at,
            row_number() OVER (PARTITION BY session_id ORDER BY role <> 'user', rowid) AS place
        FROM messages WHERE session_id NOT IN (SELECT id FROM sessions)
        WINDOW of_session AS (PARTITION BY session_id))
    WHERE place = 1
    """,  # noqa: S608 - a constant
    # Messages whose parent is lost follow the message written before them. Parents are older, so no cycle can form.
    """
    UPDATE messages SET parent_id = (
        SELECT earlier.id FROM messages AS earlier
        WHERE earlier.session_id = messages.session_id AND earlier.rowid < messages.rowid
        ORDER BY earlier.rowid DESC LIMIT 1)
    WHERE parent_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM messages AS parent WHERE parent.id = messages.parent_id
        AND parent.session_id = messages.session_id AND parent.rowid < messages.rowid)
    """,
    """
    UPDATE sessions SET head = (
        SELECT id FROM messages WHERE session_id = sessions.id ORDER BY messages.rowid DESC LIMIT 1)
    WHERE head IS NULL OR NOT EXISTS (SELECT 1 FROM messages WHERE id = head AND session_id = sessions.id)
    """,
    "UPDATE sessions SET message_count = (SELECT count(*) FROM messages WHERE session_id = sessions.id)",
)


def version_of(old: Path, log: Path) -> int:
    """The version of a damaged file's schema; 0 where it cannot be read."""
    with DamagedFile(old, log) as damaged:
        return damaged.user_version


def save(old: Path, log: Path, new: Path) -> None:
    """Make a new database with every readable row of an old one.

    Raises:
        OSError, sqlite3.Error: the new database could not be written; discard what there is of it.
    """
    with DamagedFile(old, log) as damaged, closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")  # an interrupted salvage starts again
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -65536")  # 64 MiB
        migrations.take_steps(db, to=damaged.user_version)
        triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        tables = [Table(db, name) for name in table_names(db)]
        db.execute("BEGIN")
        for name, _ in triggers:  # building the search index in one go at the end takes a quarter of the time
            db.execute(f"DROP TRIGGER {name}")
        for row in damaged.rows():
            for table in tables:
                if table.takes(row):
                    table.insert(row)
                    break
        for statement in _PUT_TOGETHER:
            db.execute(statement)
        for _, trigger in triggers:
            db.execute(trigger)
        for index in search_index.indexes_of(db):
            db.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")  # noqa: S608 - a constant
        db.execute("COMMIT")


def table_names(db: sqlite3.Connection) -> list[str]:
    """The tables whose rows are saved: all but the search index, which is rebuilt."""
    query = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
    return [name for (name,) in db.execute(query)]


class Table:
    """A table of the new database. A row belongs to it if every value has the type of its column."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        self._db = db
        self._name = name
        query = 'SELECT name, type, "notnull" OR pk, dflt_value NOT NULL, pk FROM pragma_table_info(?)'
        self._columns = [_Column(*row) for row in db.execute(query, (name,))]
        self._kinds = [column.kinds for column in self._columns]
        needed = [place for place, column in enumerate(self._columns, 1) if not column.may_be_missing]
        self._fewest = max(needed, default=1)

    def takes(self, row: Row) -> bool:
        """Whether a row may belong to this table."""
        if not self._fewest <= len(row.values) <= len(self._columns):
            return False
        return all(map(isinstance, row.values, self._kinds))

    def insert(self, row: Row) -> None:
        """Add a row of this table; a row that exists already is kept."""
        columns = self._columns[: len(row.values)]
        names = ", ".join(column.name for column in columns)
        marks = ", ".join("?" * len(columns))
        pairs = zip(columns, row.values, strict=True)
        values = [row.rowid if column.is_rowid else column.readable(value) for column, value in pairs]
        self._db.execute(f"INSERT OR IGNORE INTO {self._name} ({names}) VALUES ({marks})", values)  # noqa: S608


class _Column:
    def __init__(self, name: str, kind: str, required: int, has_default: int, primary_key: int) -> None:
        self.name = name
        self.is_rowid = bool(primary_key) and kind == "INTEGER"
        self.may_be_missing = bool(has_default) or not required
        self.kinds = (type(None),) if self.is_rowid else _KINDS.get(kind, (object,))
        if not required:
            self.kinds += (type(None),)

    def readable(self, value: Value) -> Value:
        """The value, or its substitute where it cannot be read."""
        if self.name in _CHOICES:
            kind, instead = _CHOICES[self.name]
            return value if _is(value, kind) else instead
        # An encrypted value may be right; it cannot be checked without the key.
        if self.name in _JSON and isinstance(value, str) and not value.startswith(PREFIX):
            kind, nothing = _JSON[self.name]
            return value if _decodes(value, kind) else nothing
        return value


def _is(value: Value, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _decodes(text: str, kind: Any) -> bool:
    try:
        msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        return False
    return True
