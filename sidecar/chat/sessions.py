"""The sessions table.

Owns its SQL. Functions take a connection and run inside the caller's transaction (`storage.database`). Where the
history is encrypted they read and write text through the connection's cipher (`storage.encryption`), and raise what it
raises.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import msgspec

from sidecar.chat.titles import UNTITLED, title_of
from sidecar.contract.errors import InvalidParams, SessionNotFound
from sidecar.contract.sessions import (
    DeletedSession,
    ListDeletedSessionsResult,
    ListSessionsResult,
    Session,
    SessionConfig,
)
from sidecar.storage.cipher import Cipher
from sidecar.storage.connection import cipher_of
from sidecar.storage.reencrypt import TEXT_COLUMNS, associated_data
from sidecar.storage.search_index import fold

_CONDEMNED = 0.0
"""The `deleted_at` of a session that is about to be removed permanently."""

_COLUMNS = "id, title, system, server_id, config, archived, created_at, updated_at, message_count, head"


def insert(
    db: sqlite3.Connection,
    *,
    session_id: str,
    title: str | None,
    system: str | None,
    server_id: str | None,
    config: SessionConfig,
    created_at: float | None = None,
) -> None:
    """Insert an empty session.

    Raises:
        InvalidParams: the id is in use.
    """
    now = time.time() if created_at is None else created_at
    values = {
        "id": session_id,
        "title": title or "",
        "title_is_own": title is not None,
        "system": system or None,
        "server_id": server_id,
        "config": config,
        "created_at": now,
        "updated_at": now,
    }
    columns = _columns(db, session_id, values)
    marks = ", ".join("?" * len(columns))
    try:
        db.execute(f"INSERT INTO sessions ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))
    except sqlite3.IntegrityError:
        require_free(db, session_id)
        raise


def require_free(db: sqlite3.Connection, session_id: str) -> None:
    """Check that an id is free for a new session.

    Raises:
        InvalidParams: a session has it, deleted or not.
    """
    row = db.execute("SELECT deleted_at FROM sessions WHERE id = ?", (session_id,)).fetchone()
    if row is None:
        return
    if row[0] is None:
        message, hint = f"The session {session_id} already exists.", "Leave session_id out to get a new one."
    else:
        message, hint = f"The session {session_id} is deleted.", "Restore it with restore_session."
    raise InvalidParams(message, path="$.session_id", hint=hint)


def find(db: sqlite3.Connection, session_id: str) -> Session | None:
    """A session that is not deleted, or `None`."""
    cipher = cipher_of(db)
    row = db.execute(
        f"SELECT {_COLUMNS} FROM sessions WHERE id = ? AND deleted_at IS NULL",
        (session_id,),
    ).fetchone()
    return _session(row, cipher) if row else None


def get(db: sqlite3.Connection, session_id: str) -> Session:
    """A session that is not deleted.

    Raises:
        SessionNotFound: there is none.
    """
    session = find(db, session_id)
    if session is None:
        raise SessionNotFound(f"There is no session {session_id}.")
    return session


def page(
    db: sqlite3.Connection, *, query: str | None, archived: bool, limit: int, cursor: str | None
) -> ListSessionsResult:
    """Sessions, the last used first; with a query, those whose title contains it, both folded.

    Raises:
        InvalidParams: the cursor is invalid.
    """
    cipher = cipher_of(db)
    conditions = ["deleted_at IS NULL", "archived = ?"]
    arguments: list[Any] = [archived]
    if cursor:
        conditions.append("(updated_at, id) < (?, ?)")
        arguments += _read_cursor(cursor)
    rows: Iterator[tuple[Any, ...]] = db.execute(
        f"SELECT {_COLUMNS} FROM sessions WHERE {' AND '.join(conditions)} ORDER BY updated_at DESC, id DESC LIMIT ?",
        (*arguments, -1 if query else limit + 1),
    )
    if query:  # not in SQL, which cannot read encrypted titles
        text = fold(query)
        rows = filter(lambda row: text in fold(_title(row[0], row[1], cipher)), rows)
    sessions = [_session(row, cipher) for row in islice(rows, limit + 1)]
    has_more = len(sessions) > limit
    last = sessions[limit - 1] if has_more else None
    return ListSessionsResult(
        sessions=sessions[:limit], next_cursor=cursor_after(last.updated_at, last.session_id) if last else None
    )


def cursor_after(moment: float, session_id: str) -> str:
    """The cursor of the page after a session, which is listed by this moment."""
    return f"{moment!r} {session_id}"


def deleted_page(
    db: sqlite3.Connection, *, limit: int, cursor: str | None, kept_seconds: float
) -> ListDeletedSessionsResult:
    """Sessions that can be restored, the last deleted first.

    Raises:
        InvalidParams: the cursor is invalid.
    """
    cipher = cipher_of(db)
    before = _read_cursor(cursor, "list_deleted_sessions") if cursor else (math.inf, "")
    rows = db.execute(
        "SELECT id, title, message_count, created_at, updated_at, deleted_at FROM sessions"
        " WHERE deleted_at IS NOT NULL AND deleted_at <> ? AND (deleted_at, id) < (?, ?)"
        " ORDER BY deleted_at DESC, id DESC LIMIT ?",
        (_CONDEMNED, *before, limit + 1),
    ).fetchall()
    found = [
        DeletedSession(
            session_id=id_,
            title=_title(id_, title, cipher),
            message_count=count,
            created_at=created_at,
            updated_at=updated_at,
            deleted_at=deleted_at,
            purge_at=deleted_at + kept_seconds,
        )
        for id_, title, count, created_at, updated_at, deleted_at in rows[:limit]
    ]
    last = found[-1] if len(rows) > limit else None
    return ListDeletedSessionsResult(
        sessions=found, next_cursor=cursor_after(last.deleted_at, last.session_id) if last else None
    )


def update(db: sqlite3.Connection, session_id: str, changes: dict[str, Any]) -> Session:
    """Change columns; `updated_at` follows.

    Raises:
        SessionNotFound: there is none.
    """
    get(db, session_id)
    write(db, session_id, {**changes, "updated_at": time.time()})
    return get(db, session_id)


def write(db: sqlite3.Connection, session_id: str, values: dict[str, Any]) -> None:
    """Change columns and nothing else; does nothing if there is no such session."""
    columns = _columns(db, session_id, values)
    assignments = ", ".join(f"{column} = ?" for column in columns)
    db.execute(f"UPDATE sessions SET {assignments} WHERE id = ?", (*columns.values(), session_id))


def set_head(db: sqlite3.Connection, session_id: str, head: str | None, **columns: Any) -> None:
    """Make a message the last one of the branch in use."""
    write(db, session_id, {"head": head, "updated_at": time.time(), **columns})


def give_title(db: sqlite3.Connection, session_id: str, text: str) -> None:
    """Set the title from a message that has text, if the session has none yet."""
    if text.strip() and db.execute("SELECT 1 FROM sessions WHERE id = ? AND title = ''", (session_id,)).fetchone():
        write(db, session_id, {"title": title_of(text)})


def delete(db: sqlite3.Connection, session_id: str) -> float:
    """Mark a session as deleted; returns when.

    Raises:
        SessionNotFound: there is none.
    """
    get(db, session_id)
    now = time.time()
    db.execute("UPDATE sessions SET deleted_at = ? WHERE id = ?", (now, session_id))
    return now


def restore(db: sqlite3.Connection, session_id: str) -> Session:
    """Undo `delete`; nothing happens to a session that is not deleted.

    Raises:
        SessionNotFound: there is none, or it has been purged.
    """
    db.execute("UPDATE sessions SET deleted_at = NULL WHERE id = ? AND deleted_at <> ?", (session_id, _CONDEMNED))
    return get(db, session_id)


def remove(db: sqlite3.Connection, session_id: str) -> None:
    """Remove a session and its messages permanently."""
    db.execute("DELETE FROM sessions WHERE id = ?", (session_id,))


def mark_for_purge(db: sqlite3.Connection, *, deleted_before: float) -> None:
    """Mark sessions deleted before a time for `purge`; they can no longer be restored."""
    db.execute("UPDATE sessions SET deleted_at = ? WHERE deleted_at < ?", (_CONDEMNED, deleted_before))


def purge(db: sqlite3.Connection) -> bool:
    """Remove a marked session permanently; False where there is none.

    One per call, since each of its messages is removed from the search index, too: 10 ms for a hundred.
    """
    one = "SELECT id FROM sessions WHERE deleted_at = ? LIMIT 1"
    return db.execute(f"DELETE FROM sessions WHERE id = ({one})", (_CONDEMNED,)).rowcount > 0


def merged(config: SessionConfig, changes: SessionConfig, *, removed: Iterable[str] = ()) -> SessionConfig:
    """Settings with these changes; what the changes leave out stays, except what is removed."""
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}
    return msgspec.structs.replace(config, **dict.fromkeys(removed), **given)


def _columns(db: sqlite3.Connection, session_id: str, values: dict[str, Any]) -> dict[str, Any]:
    """Values as stored in the table."""
    columns = dict(values)
    if isinstance(columns.get("config"), SessionConfig):
        columns["config"] = _to_json(columns["config"])
    words = [name for name in TEXT_COLUMNS["sessions"] if columns.get(name)]
    if words and (cipher := cipher_of(db)) is not None:
        for name in words:
            columns[name] = cipher.encrypt_text(columns[name], associated_data("sessions", name, session_id))
    return columns


def _session(row: tuple[Any, ...], cipher: Cipher | None) -> Session:
    id_, title, system, server_id, config, archived, created_at, updated_at, count, head = row
    if cipher is not None:
        system = system and cipher.decrypt_text(system, associated_data("sessions", "system", id_))
        config = cipher.decrypt_text(config, associated_data("sessions", "config", id_))
    return Session(
        session_id=id_,
        title=_title(id_, title, cipher),
        system=system,
        server_id=server_id,
        config=_config(config or "{}"),
        archived=bool(archived),
        created_at=created_at,
        updated_at=updated_at,
        message_count=count,
        head=head,
    )


def _config(text: str) -> SessionConfig:
    """The settings; without those of an earlier version whose values are refused now."""
    try:
        return msgspec.json.decode(text, type=SessionConfig)
    except msgspec.ValidationError:
        kept = SessionConfig()
        for name, value in msgspec.json.decode(text, type=dict[str, Any]).items():
            with suppress(msgspec.ValidationError):
                setattr(kept, name, getattr(msgspec.convert({name: value}, SessionConfig), name))
        return kept


def _title(session_id: str, title: str, cipher: Cipher | None) -> str:
    if cipher is not None:
        title = cipher.decrypt_text(title, associated_data("sessions", "title", session_id))
    return title or UNTITLED


def _to_json(config: SessionConfig) -> str:
    given = {name: value for name, value in msgspec.structs.asdict(config).items() if value is not None}
    return msgspec.json.encode(given).decode()


def _read_cursor(cursor: str, method: str = "list_sessions") -> tuple[float, str]:
    updated_at, _, session_id = cursor.partition(" ")
    try:
        number = float(updated_at)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidParams(f"This cursor is not from {method}.", path="$.cursor")
    return number, session_id
