"""What is done about a damaged history: it is put aside whole, and what can be read of it is saved into a new one.

Owns what is looked at, the names of what is put aside, and the order in which it is done; `rescue` saves the
rows. Nothing damaged is ever deleted or written to.

A note beside the history (`history.db-damaged`) says that it is damaged and, once it is to be moved, where to. With
it each step can be broken off: the next start goes on where this one was.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import msgspec

from sidecar.contract.life import Notice
from sidecar.storage import migrations
from sidecar.storage.atomic_files import put_in_place, write_atomically
from sidecar.storage.integrity import beside, is_database, note_of, size_of

logger = logging.getLogger(__name__)

NAME = "HISTORY_DAMAGED"

EXAMINE_SECONDS = 1.5
"""How long a file is looked at before it is used: some 500,000 messages. Nobody shall wait longer for the first answer
after a kill, which hardly ever does any harm to the file; damage further on is found when it is met (`mark`)."""

_WITH_IT = ("-wal", "-journal", "-shm")
"""Endings of the files that belong to a database."""


class Damaged(Exception):
    """The file cannot be used as it is; the words say what was found."""


class _Note(msgspec.Struct):
    """What stands in the note: what was found, and the name under which the file is put aside."""

    found: str
    aside: str | None = None


# --- finding out -------------------------------------------------------------------------------------------------


def examine(path: Path) -> None:
    """Look at the whole file, or as much of it as there is time for, and change nothing, not even its log.

    Takes 0.2 s for 100,000 messages (115 MB, in the system's cache).

    Raises:
        Damaged: it is.
        StorageError: a newer llama-sidecar has written it.
        OSError, sqlite3.Error: it cannot be opened.
    """
    if note_of(path).exists():
        raise Damaged(_read_note(path).found)
    if not size_of(path):  # SQLite would begin a new file and delete the log
        raise Damaged("the file is empty, and its log is not")
    if not is_database(path):  # SQLite would take a few bytes for an empty file, and another kind for read-only
        raise Damaged("file is not a database")
    index = beside(path, "-shm")
    had_index = index.exists()
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            require_schema(db)
            migrations.check_version(db)
            if (found := _quick_check(db)) != "ok":
                raise Damaged(" ".join(found.split()))
    except sqlite3.DatabaseError as error:
        if damage := damage_in(error):
            raise Damaged(damage) from error
        raise
    finally:
        if not had_index:  # reading made it
            index.unlink(missing_ok=True)


def _quick_check(db: sqlite3.Connection) -> str:
    """What is wrong with a file, or "ok": also where time was up before all of it was seen."""
    time_is_up = threading.Timer(EXAMINE_SECONDS, db.interrupt)  # a progress handler is not asked
    time_is_up.start()
    try:
        return str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_INTERRUPT":
            raise
        logger.info("history: it is too large to be looked at whole; damage is told of when it is met")
        return "ok"
    finally:
        time_is_up.cancel()
        time_is_up.join()


def require_schema(db: sqlite3.Connection) -> None:
    """See that the names of the tables can be read.

    Raises:
        Damaged: they cannot.
    """
    try:
        tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        # "unsupported file format" is but an error.
        if damage_in(error) or error.sqlite_errorname == "SQLITE_ERROR":
            raise Damaged(str(error)) from error
        raise
    if tables and version < 1:
        raise Damaged("the number of its schema is lost")


def damage_in(error: BaseException) -> str | None:
    """What is damaged, where SQLite says so with this or nobody can make sense of a row; never a word of the row."""
    if isinstance(error, msgspec.DecodeError):
        return f"a row does not make sense: {error}"
    if isinstance(error, UnicodeDecodeError):  # of a text that has become a BLOB
        return "a text is not UTF-8"
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", None) or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return str(error)
        if str(error).startswith("Could not decode to UTF-8"):  # Python's own; the text follows
            return "a text is not UTF-8"
    return None


def mark(path: Path, found: str) -> None:
    """Note that damage was met in use, so that the next start does something about it."""
    if not note_of(path).exists():
        logger.error("history: damaged (%s); what can be read is saved at the next start", found)
        try:
            _write_note(path, _Note(found))
        except OSError as error:
            logger.error("history: the damage cannot be noted: %s", error)


# --- doing something about it ------------------------------------------------------------------------------------


def recover(path: Path, found: str) -> Notice:
    """Put the file aside and save what can be read of it; returns what the person should know.

    Raises:
        StorageError: a newer llama-sidecar has written it; it is left as it is.
        OSError, sqlite3.Error: something could not be written; the next call goes on.
    """
    from sidecar.storage.salvage import rescue  # only who needs it pays for it

    note = _read_note(path) if note_of(path).exists() else _Note(found)
    if note.aside is None:
        path.touch()  # where there is nothing but a log
        migrations.require_known(rescue.version_of(path, beside(path, "-wal")))
        note.aside = _free_name(path)
        _write_note(path, note)
    logger.error("history: damaged (%s); it is put aside as %s, and what can be read is saved", found, note.aside)
    aside = path.with_name(note.aside)
    if not aside.exists():
        for ending in (*_WITH_IT, ""):  # the file itself last: it says that everything is moved
            if (source := beside(path, ending)).exists():
                source.rename(beside(aside, ending))
    if not path.exists():
        new = path.with_name(f"{path.name}.saving")
        new.unlink(missing_ok=True)
        rescue.save(aside, beside(aside, "-wal"), new)
        put_in_place(new, path)
    notice = _told(path, aside, note.found)
    note_of(path).unlink()
    logger.warning("history: %s", notice.message)
    return notice


def under_way() -> Notice:
    """What to tell while the history is looked at or saved."""
    return Notice(
        name=NAME,
        message="The history may be damaged. It is looked at, and what can be read is saved.",
        hint="Wait; requests for it are answered then. The log of source 'sidecar' says what became of it.",
    )


def _told(path: Path, aside: Path, found: str) -> Notice:
    with closing(sqlite3.connect(path)) as db:
        messages, sessions = db.execute(
            "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM sessions)"
        ).fetchone()
    if sessions:
        saved = f"What could be read is in a new one: {messages} messages in {sessions} sessions."
        hint = "Look whether something is missing, and keep the damaged file until you are sure."
    else:
        saved = "No conversation in it could be read; the history is empty now."
        hint = "Keep the damaged file: another program may find more in it."
    message = f"The history was damaged ({found}). {saved} The damaged file is {aside}."
    return Notice(name=NAME, message=message, hint=hint)


# --- names and notes ---------------------------------------------------------------------------------------------


def _free_name(path: Path) -> str:
    def names() -> Iterator[str]:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        yield f"{path.stem}-damaged-{stamp}{path.suffix}"
        yield from (f"{path.stem}-damaged-{stamp}-{number}{path.suffix}" for number in count(2))

    return next(
        name for name in names() if not any(path.with_name(name + ending).exists() for ending in ("", *_WITH_IT))
    )


def _read_note(path: Path) -> _Note:
    try:
        return msgspec.json.decode(note_of(path).read_bytes(), type=_Note)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Note("it was found damaged in use")


def _write_note(path: Path, note: _Note) -> None:
    write_atomically(note_of(path), msgspec.json.encode(note))
