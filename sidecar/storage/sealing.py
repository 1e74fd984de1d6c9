"""Whether the words in the history are sealed, and the way from plain text to sealed and back.

Owns which columns hold words, what the file itself says of its encryption (the fact `encryption`), and that there is
no plain text beside sealed text: not in a column, not in the search index, not in pages that are free.

A history that is sealed stays so until somebody says otherwise, also when the config is lost. Whoever reads or writes
words asks the connection for its cipher. Where the key can not be had that is refused: nothing is read then, and
nothing is written in plain text instead.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from sidecar.contract.errors import SidecarError, StorageError
from sidecar.contract.life import Notice
from sidecar.storage.cipher import PREFIX, Cipher, key_of
from sidecar.storage.keys import SystemKeyring
from sidecar.storage.migrations import INDEX_TRIGGERS

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Between two tries to get at the key, so that the many requests of one moment do not ask a person many times."""

KEY_NAME_BYTES = 6
"""Random: no two histories in one keyring have the same. Each sealed text carries it, too."""

WORDS = {"messages": ("content", "parts", "reasoning", "tool_calls"), "sessions": ("title", "system", "config")}
"""The columns of each table that hold what people and models have said."""

_IDS = {"messages": ("session_id", "id"), "sessions": ("id",)}

_GUARDS = {f"{table}_sealed_{event.lower()}": (table, event) for table in WORDS for event in ("INSERT", "UPDATE")}
"""Triggers of a sealed file that refuse plain text, whoever brings it: a defect of ours, or an older llama-sidecar."""


class HistoryConnection(sqlite3.Connection):
    """A connection that knows how words are written in its file."""

    refusal: Exception | None = StorageError("The history is not open yet.")
    tried_at = -RETRY_SECONDS
    _cipher: Cipher | None = None

    @property
    def cipher(self) -> Cipher | None:
        """What words are sealed with; `None` where they are in plain text.

        Raises:
            SidecarError, sqlite3.Error, OSError: words can be neither read nor written, and why.
        """
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)  # else it would grow with each request
        return self._cipher

    def settle(self, cipher: Cipher | None) -> None:
        """Read and write words in this way from now on."""
        self._cipher, self.refusal = cipher, None

    def refuse(self, problem: Exception) -> None:
        """Let words be neither read nor written, for now."""
        self.refusal, self.tried_at = problem, time.monotonic()


def cipher_of(db: sqlite3.Connection) -> Cipher | None:
    """What words are sealed with in this file, `None` for plain text. Raises as `HistoryConnection.cipher` does."""
    return db.cipher if isinstance(db, HistoryConnection) else None


def about(table: str, column: str, *ids: str) -> str:
    """What a sealed value is, so that it can not stand anywhere else."""
    return "/".join((f"{table}.{column}", *ids))


class _State(msgspec.Struct):
    """What the file says of its encryption.

    Attributes:
        key: the name of its key in the keyring; it stays when the words are opened again, for copies made before.
        sealed: whether words are sealed.
        check: the key's name, sealed, to know the right key by.
        clean: whether the plain text from before is gone from pages that are free.
    """

    key: str = ""
    sealed: bool = False
    check: str = ""
    clean: bool = True


class Sealing:
    """Sees to it that a history file is as it is wanted. For the history's thread, but for `give_up`."""

    def __init__(self, path: Path, wanted: Callable[[], bool | None]) -> None:
        self._path = path
        self._wanted = wanted
        self._keyring = SystemKeyring()
        self.notices: list[Notice] = []

    def settle(self, db: HistoryConnection) -> None:
        """Make a file that was just opened as it is wanted. Where the key can not be had, its words are refused.

        Called before each piece of work: what was missing may be there meanwhile.
        """
        if db.refusal is None or time.monotonic() - db.tried_at < RETRY_SECONDS:
            return
        try:
            cipher = self._make(db, self._wanted(), or_keep=True)
        except (SidecarError, sqlite3.Error, OSError) as problem:
            logger.error("the history can not be used: %s", problem)
            db.refuse(problem)
        else:
            db.settle(cipher)

    def switch(self, db: HistoryConnection, sealed: bool) -> None:
        """Seal all words of a file, or write them in plain text again; where that fails, all is as before.

        Raises:
            NotSupported: there is nothing that could keep the key.
            StorageError: the key can not be had, or a record can not be opened.
            sqlite3.Error: the file can not be written.
        """
        db.settle(self._make(db, sealed, or_keep=False))

    def give_up(self) -> None:
        """Wait for no key any more. From any thread."""
        self._keyring.give_up()

    def _make(self, db: sqlite3.Connection, sealed: bool | None, *, or_keep: bool) -> Cipher | None:
        state = _read_state(db)
        if not (sealed or state.sealed):
            return None
        if not state.key:  # kept before the key itself is made, which would be nobody's after a crash
            state.key = secrets.token_hex(KEY_NAME_BYTES)
            _write_state(db, state)
        cipher = Cipher(self._keyring.key(state.key, make=not state.sealed), state.key)
        if state.sealed:
            _require_right_key(db, state, cipher)
        else:
            _seal(db, state, cipher)
        if sealed is False:
            try:
                _unseal(db, state, cipher)
            except (SidecarError, sqlite3.Error) as problem:
                if not or_keep:
                    raise
                self._tell(
                    "HISTORY_STILL_ENCRYPTED",
                    f"The history could not be decrypted, and stays encrypted: {problem}",
                    "Set storage.encrypt to true, or mend what is said.",
                )
            else:
                return None
        self._leave_nothing_plain(db, state)
        return cipher

    def _leave_nothing_plain(self, db: sqlite3.Connection, state: _State) -> None:
        """Remove what plain text there may be beside the sealed columns, as far as it is ours to remove."""
        if _has_index(db):  # a file that was put together anew, from a damaged one
            with _transaction(db):
                _set_triggers(db, sealed=True)
        if not state.clean:
            try:
                _clean(db, state)
            except sqlite3.Error as problem:  # such as a full disk; it is tried again at the next start
                self._tell(
                    "HISTORY_NOT_CLEANED",
                    f"The history is encrypted, but its file may still hold old text in free pages: {problem}.",
                    "Free as much disk space as history.db takes, and start again.",
                )
        if copies := [path.name for path in _copies(self._path) if not _is_sealed(path)]:
            self._tell(
                "HISTORY_COPIES_NOT_ENCRYPTED",
                f"The history is encrypted, but older copies of it are not: {', '.join(copies)}.",
                "Remove them from the data folder if you do not need them any more.",
            )

    def _tell(self, name: str, message: str, hint: str) -> None:
        logger.warning("%s %s", message, hint)
        self.notices = [n for n in self.notices if n.name != name] + [Notice(name=name, message=message, hint=hint)]


# --- the file ------------------------------------------------------------------------------------------------


def _read_state(db: sqlite3.Connection) -> _State:
    row = db.execute("SELECT value FROM facts WHERE name = 'encryption'").fetchone()
    if row:
        try:
            return msgspec.json.decode(row[0], type=_State)
        except msgspec.MsgspecError:
            logger.warning("what the history says of its encryption can not be read; its records tell")
    # A file that was put together anew from a damaged one may have lost it, too. Any session tells: its config is never
    # empty, and no host can choose how it begins.
    row = db.execute("SELECT config FROM sessions LIMIT 1").fetchone()
    key = key_of(row[0]) if row else None
    return _State() if key is None else _State(key=key, sealed=True, clean=False)


def _write_state(db: sqlite3.Connection, state: _State) -> None:
    db.execute(
        "INSERT INTO facts (name, value) VALUES ('encryption', ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (msgspec.json.encode(state).decode(),),
    )


def _require_right_key(db: sqlite3.Connection, state: _State, cipher: Cipher) -> None:
    check, what = state.check, about("encryption", "check", state.key)
    if not check:  # lost; a record does as well
        of, check = db.execute("SELECT id, config FROM sessions LIMIT 1").fetchone()
        what = about("sessions", "config", of)
    try:
        cipher.open_text(check, what)
    except StorageError:
        raise StorageError(
            "The key in the system's keyring is not the one that this history is encrypted with.",
            hint="Bring the keyring back as it was, or log in as the user who wrote the history.",
        ) from None
    if not state.check:
        state.check = _new_check(state, cipher)
        _write_state(db, state)


def _new_check(state: _State, cipher: Cipher) -> str:
    return cipher.seal_text(state.key, about("encryption", "check", state.key))


def _seal(db: sqlite3.Connection, state: _State, cipher: Cipher) -> None:
    began = time.monotonic()
    db.execute("PRAGMA temp_store = MEMORY")  # no plain text in temporary files meanwhile
    db.execute("PRAGMA secure_delete = ON")
    try:
        with _transaction(db):
            _rewrite(db, cipher.seal_text, sealed=True)
            state.sealed, state.check, state.clean = True, _new_check(state, cipher), False
            _write_state(db, state)
    finally:
        db.execute("PRAGMA temp_store = DEFAULT")
    logger.info("the history is encrypted now; it took %.1f s", time.monotonic() - began)


def _unseal(db: sqlite3.Connection, state: _State, cipher: Cipher) -> None:
    began = time.monotonic()
    with _transaction(db):
        _rewrite(db, cipher.open_text, sealed=False)
        _write_state(db, _State(key=state.key))
    logger.info("the history is in plain text again; it took %.1f s", time.monotonic() - began)


def _rewrite(db: sqlite3.Connection, rewritten: Callable[[str, str], str], *, sealed: bool) -> None:
    for name in (*INDEX_TRIGGERS, *_GUARDS):
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    for table, columns in WORDS.items():
        ids = _IDS[table]
        read = f"SELECT {', '.join((*ids, *columns))} FROM {table} WHERE rowid = ?"  # noqa: S608 - constants
        write = f"UPDATE {table} SET {', '.join(f'{column} = ?' for column in columns)} WHERE rowid = ?"  # noqa: S608
        # One at a time: a message may hold images of many megabytes.
        for (rowid,) in db.execute(f"SELECT rowid FROM {table}").fetchall():  # noqa: S608
            row = db.execute(read, (rowid,)).fetchone()
            of = row[: len(ids)]
            values = zip(columns, row[len(ids) :], strict=True)
            new = [value and rewritten(value, about(table, column, *of)) for column, value in values]
            db.execute(write, (*new, rowid))
    _set_triggers(db, sealed=sealed)


def _set_triggers(db: sqlite3.Connection, *, sealed: bool) -> None:
    """Have words indexed, or have plain text refused."""
    for name in (*INDEX_TRIGGERS, *_GUARDS):
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    if not sealed:
        for name, body in INDEX_TRIGGERS.items():
            db.execute(f"CREATE TRIGGER {name} {body}")
        db.execute("INSERT INTO messages_text (messages_text) VALUES ('rebuild')")
        return
    db.execute("INSERT INTO messages_text (messages_text) VALUES ('delete-all')")
    for name, (table, event) in _GUARDS.items():
        plain = " OR ".join(f"(new.{column} <> '' AND new.{column} NOT GLOB '{PREFIX}*')" for column in WORDS[table])
        db.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {plain}"
            " BEGIN SELECT RAISE(ABORT, 'plain text in an encrypted history'); END"
        )


def _has_index(db: sqlite3.Connection) -> bool:
    marks = ", ".join("?" * len(INDEX_TRIGGERS))
    query = f"SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name IN ({marks})"  # noqa: S608 - question marks
    return db.execute(query, tuple(INDEX_TRIGGERS)).fetchone() is not None


def _clean(db: sqlite3.Connection, state: _State) -> None:
    """Have every page of the file, and its WAL, hold only what is in the file now."""
    for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        db.execute(statement).fetchall()
    state.clean = True
    _write_state(db, state)


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


# --- its copies ----------------------------------------------------------------------------------------------


def _copies(path: Path) -> list[Path]:
    """What was copied or put aside beside the file: before a new schema, or because it was damaged."""
    return sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))


def _is_sealed(path: Path) -> bool:
    """Whether a copy is sealed; one that can not be read may be anything, so it is not."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            return _read_state(db).sealed
    except sqlite3.Error:
        return False
