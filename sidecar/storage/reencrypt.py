"""Encrypting and decrypting all text of a history file.

Owns which columns hold text, what the file says about its encryption (the value `encryption`), that no plain text is
left beside encrypted text (in a column, in the search index or in free pages), and which copies are plain. Knows
neither whether a history is to be encrypted (`encryption`) nor where its key is.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from sidecar.contract.errors import StorageError
from sidecar.storage.cipher import PREFIX, Cipher, key_of
from sidecar.storage.search_index import ALL_TRIGGERS, INDEXES

logger = logging.getLogger(__name__)

TEXT_COLUMNS = {
    "messages": ("content", "parts", "reasoning", "tool_calls", "request"),
    "sessions": ("title", "system", "config"),
}
"""The columns of each table that hold text of people and models, or a hash of it, which would confirm a guess."""

_IDS = {"messages": ("session_id", "id"), "sessions": ("id",)}

_GUARDS = {
    f"{table}_sealed_{event.lower()}": (table, event) for table in TEXT_COLUMNS for event in ("INSERT", "UPDATE")
}
"""Triggers of an encrypted file that refuse plain text, from a defect of ours or from an older llama-sidecar. Files
hold their names, so these must not change."""


def associated_data(table: str, column: str, *ids: str) -> str:
    """The place of an encrypted value, which binds the value to it."""
    return "/".join((f"{table}.{column}", *ids))


class State(msgspec.Struct):
    """What the file says about its encryption.

    Attributes:
        key: the name of its key in the keyring; it stays when the text is decrypted again, for earlier copies.
        encrypted: whether the text is encrypted.
        check: the key's name, encrypted, to recognise the right key.
        clean: whether the earlier plain text is gone from the free pages.
    """

    key: str = ""
    encrypted: bool = msgspec.field(name="sealed", default=False)
    check: str = ""
    clean: bool = True


def read_state(db: sqlite3.Connection) -> State:
    """What the file says about its encryption.

    Where the value is lost or contradicts the records, as in a file salvaged from a damaged one, the records decide.
    """
    row = db.execute("SELECT value FROM facts WHERE name = 'encryption'").fetchone()
    try:
        state = msgspec.json.decode(row[0], type=State) if row else State()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        state = State()
    _, text = _sample_record(db)
    key = key_of(text)
    if key is not None and (key, True) != (state.key, state.encrypted):
        logger.warning("the history does not say that it is encrypted, but it is")
        return State(key=key, encrypted=True, clean=False)
    return state


def _sample_record(db: sqlite3.Connection) -> tuple[str, str]:
    """The associated data of a record, and the record; empty where there is none.

    The config of a session is preferred, since no host can choose how it begins. It is empty only in a session that was
    restored from an encrypted session's messages; then a message is used.
    """
    row = db.execute("SELECT id, config FROM sessions WHERE config <> '' LIMIT 1").fetchone()
    if row:
        return associated_data("sessions", "config", row[0]), row[1]
    row = db.execute("SELECT session_id, id, content FROM messages WHERE content <> '' LIMIT 1").fetchone()
    return (associated_data("messages", "content", row[0], row[1]), row[2]) if row else ("", "")


def write_state(db: sqlite3.Connection, state: State) -> None:
    """Write what the file says about its encryption."""
    db.execute(
        "INSERT INTO facts (name, value) VALUES ('encryption', ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (msgspec.json.encode(state).decode(),),
    )


def require_right_key(db: sqlite3.Connection, state: State, cipher: Cipher) -> None:
    """Require that a key is the one that an encrypted file needs.

    Raises:
        StorageError: it is a different key.
    """
    place, check = (
        (associated_data("encryption", "check", state.key), state.check) if state.check else _sample_record(db)
    )
    try:
        cipher.decrypt_text(check, place)
    except StorageError:
        raise StorageError(
            "The key in the system's keyring is not the one that this history is encrypted with.",
            hint="Bring the keyring back as it was, or log in as the user who wrote the history.",
        ) from None
    if not state.check:
        state.check = _new_check(state, cipher)
        write_state(db, state)


def _check_place(state: State) -> str:
    return associated_data("encryption", "check", state.key)


def _new_check(state: State, cipher: Cipher) -> str:
    return cipher.encrypt_text(state.key, _check_place(state))


def encrypt_all(db: sqlite3.Connection, state: State, cipher: Cipher) -> None:
    """Encrypt all text in one transaction; `clean` has to follow.

    Raises:
        sqlite3.Error: the file could not be rewritten; nothing is changed.
    """
    began = time.monotonic()
    db.execute("PRAGMA temp_store = MEMORY")  # no plain text in temporary files meanwhile
    db.execute("PRAGMA secure_delete = ON")
    try:
        with _transaction(db):
            _rewrite(db, cipher.encrypt_text, encrypted=True)
            state.encrypted, state.check, state.clean = True, _new_check(state, cipher), False
            write_state(db, state)
    finally:
        db.execute("PRAGMA temp_store = DEFAULT")
    logger.info("the history is encrypted now; it took %.1f s", time.monotonic() - began)


def decrypt_all(db: sqlite3.Connection, state: State, cipher: Cipher) -> None:
    """Convert all text to plain text again, in one transaction.

    Raises:
        StorageError: a record cannot be decrypted; nothing is changed.
        sqlite3.Error: the file could not be rewritten; nothing is changed.
    """
    began = time.monotonic()
    with _transaction(db):
        _rewrite(db, cipher.decrypt_text, encrypted=False)
        write_state(db, State(key=state.key))
    logger.info("the history is in plain text again; it took %.1f s", time.monotonic() - began)


def _rewrite(db: sqlite3.Connection, convert: Callable[[str, str], str], *, encrypted: bool) -> None:
    for name in (*ALL_TRIGGERS, *_GUARDS):
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    for table, columns in TEXT_COLUMNS.items():
        ids = _IDS[table]
        read = f"SELECT {', '.join((*ids, *columns))} FROM {table} WHERE rowid = ?"  # noqa: S608 - constants
        write = f"UPDATE {table} SET {', '.join(f'{column} = ?' for column in columns)} WHERE rowid = ?"  # noqa: S608
        # One row at a time: a message may hold images of many megabytes.
        for (rowid,) in db.execute(f"SELECT rowid FROM {table}").fetchall():  # noqa: S608
            row = db.execute(read, (rowid,)).fetchone()
            of = row[: len(ids)]
            values = zip(columns, row[len(ids) :], strict=True)
            new = [value and convert(value, associated_data(table, column, *of)) for column, value in values]
            db.execute(write, (*new, rowid))
    _set_triggers(db, encrypted=encrypted)


def _set_triggers(db: sqlite3.Connection, *, encrypted: bool) -> None:
    """Set the triggers that index text or, in an encrypted file, refuse plain text."""
    for name in (*ALL_TRIGGERS, *_GUARDS):
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    if not encrypted:
        for name, body in ALL_TRIGGERS.items():
            db.execute(f"CREATE TRIGGER {name} {body}")
        for index in INDEXES:
            db.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")  # noqa: S608 - a constant
        return
    for index in INDEXES:
        db.execute(f"INSERT INTO {index} ({index}) VALUES ('delete-all')")  # noqa: S608 - a constant
    for name, (table, event) in _GUARDS.items():
        plain = " OR ".join(
            f"(new.{column} <> '' AND new.{column} NOT GLOB '{PREFIX}*')" for column in TEXT_COLUMNS[table]
        )
        db.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {plain}"
            " BEGIN SELECT RAISE(ABORT, 'plain text in an encrypted history'); END"
        )


def keep_out_of_index(db: sqlite3.Connection) -> None:
    """Remove the index of an encrypted file, which has one only where it was salvaged from a damaged file."""
    marks = ", ".join("?" * len(ALL_TRIGGERS))
    query = f"SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name IN ({marks})"  # noqa: S608 - question marks
    if db.execute(query, tuple(ALL_TRIGGERS)).fetchone():
        with _transaction(db):
            _set_triggers(db, encrypted=True)


def clean(db: sqlite3.Connection, state: State) -> None:
    """Remove deleted content from the file's pages and its WAL.

    Raises:
        sqlite3.Error: the file could not be rewritten; it is intact and unchanged.
    """
    for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        row = db.execute(statement).fetchone()
        if row and row[0]:
            raise sqlite3.OperationalError("the write-ahead log is in use")
    state.clean = True
    write_state(db, state)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def plain_copies(path: Path) -> list[str]:
    """Names of copies beside the file that are not encrypted, or are damaged so that this cannot be known."""
    copies = [copy.name for copy in sorted(path.parent.glob(f"{path.stem}-*{path.suffix}*"))]
    encrypted = tuple(name for name in copies if _is_encrypted(path.with_name(name)))
    return [name for name in copies if not name.startswith(encrypted)]  # with what belongs to them, such as a WAL


def _is_encrypted(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            return read_state(db).encrypted
    except sqlite3.Error:
        return False
