"""The integrity check of a history file: whether it has to be examined before use, and what is wrong with it.

Owns what makes a file suspect, what counts as damage, and the note beside the file (`history.db-damaged`), which says
that it is damaged and, once it is to be moved, where to. Changes nothing else; `salvage.recovery` deals with damage.
 `is_suspect` is called before the first reply, so that SQLite is imported only by the examination.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sidecar.host import file_io
from sidecar.storage.atomic_files import write_atomically

if TYPE_CHECKING:
    import sqlite3

logger = logging.getLogger(__name__)

MAGIC = b"SQLite format 3\0"
"""The first bytes of every SQLite file."""

EXAMINE_SECONDS = 1.5
"""How long a file is examined before use, enough for some 500,000 messages. A kill hardly ever damages the file, so the
first answer after one must not wait longer; damage further on is reported when a query meets it (`mark`)."""


class Damaged(Exception):
    """The file cannot be used as it is; the text says what was found."""


class Note(msgspec.Struct):
    """The note beside a file: the damage, and the name under which the file is put aside."""

    found: str
    aside: str | None = None


def is_suspect(path: Path) -> bool:
    """Whether the file was not closed, or was found damaged, or appears to be. Takes a few system calls."""
    if note_path(path).exists() or size_of(beside(path, "-wal")):
        return True
    try:
        return size_of(path) > 0 and not is_database(path)
    except OSError:  # SQLite will say why
        return False


def examine(path: Path) -> None:
    """Examine the whole file, or as much of it as EXAMINE_SECONDS allow, without changing it or its log.

    Takes 0.2 s for 100,000 messages (115 MB, in the system's cache).

    Raises:
        Damaged: the file is damaged.
        StorageError: a newer llama-sidecar has written it.
        OSError, sqlite3.Error: the file cannot be opened.
    """
    import sqlite3

    from sidecar.storage import migrations

    if note_path(path).exists():
        raise Damaged(read_note(path).found)
    if not size_of(path):  # SQLite would start a new file and delete the log
        raise Damaged("the file is empty, and its log is not")
    if not is_database(path):  # SQLite takes a few bytes for an empty file, and an unknown version for read-only
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
        if not had_index:  # the check created it
            index.unlink(missing_ok=True)


def _quick_check(db: sqlite3.Connection) -> str:
    """What is wrong with a file, or "ok", also where the time was up before all of it was read."""
    import sqlite3

    time_is_up = threading.Timer(EXAMINE_SECONDS, db.interrupt)  # quick_check calls no progress handler
    time_is_up.start()
    try:
        return str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_INTERRUPT":
            raise
        logger.info("history: the file is too large to be examined whole; damage is reported when it is met")
        return "ok"
    finally:
        time_is_up.cancel()
        time_is_up.join()


def require_schema(db: sqlite3.Connection) -> None:
    """Require that the names of the tables can be read.

    Raises:
        Damaged: the names cannot be read.
    """
    import sqlite3

    try:
        tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        # "unsupported file format" is a plain error, not corruption.
        if damage_in(error) or error.sqlite_errorname == "SQLITE_ERROR":
            raise Damaged(str(error)) from error
        raise
    if tables and version < 1:
        raise Damaged("its schema version is lost")


def damage_in(error: BaseException) -> str | None:
    """The damage that an error reports, from SQLite or from an invalid row; never any content of the row."""
    import sqlite3

    if isinstance(error, Damaged):
        return str(error)
    if isinstance(error, msgspec.DecodeError):
        return f"a row is invalid: {error}"
    if isinstance(error, UnicodeDecodeError):  # a text that has become a BLOB
        return "a text is not UTF-8"
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", None) or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return str(error)
        if str(error).startswith("Could not decode to UTF-8"):  # Python's own; the text follows
            return "a text is not UTF-8"
    return None


def mark(path: Path, found: str) -> None:
    """Note that damage was met in use, so that the next start salvages the file."""
    if not note_path(path).exists():
        logger.error("history: damaged (%s); what can be read is saved at the next start", found)
        try:
            write_note(path, Note(found))
        except OSError as error:
            logger.error("history: the damage cannot be noted: %s", error)


def is_database(path: Path) -> bool:
    """Whether a file has the header of one that SQLite would read and write. Raises OSError."""
    header = file_io.read_bytes(path, 20)
    return header.startswith(MAGIC) and len(header) == 20 and max(header[18:]) <= 2


def note_path(path: Path) -> Path:
    """The path of a file's note."""
    return beside(path, "-damaged")


def read_note(path: Path) -> Note:
    """The note of a file; an unreadable note still says that the file is damaged. Raises OSError."""
    try:
        return msgspec.json.decode(file_io.read_bytes(note_path(path)), type=Note)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Note("damage was met in use")


def write_note(path: Path, note: Note) -> None:
    """Write the note of a file. Raises OSError."""
    write_atomically(note_path(path), msgspec.json.encode(note))


def beside(path: Path, ending: str) -> Path:
    """The path of the same name with this suffix appended."""
    return path.with_name(path.name + ending)


def size_of(path: Path) -> int:
    """The size of a file in bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
