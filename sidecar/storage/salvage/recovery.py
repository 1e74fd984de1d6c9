"""Recovery of a damaged history: the file is put aside whole, and its readable rows are saved into a new one.

Owns the names of the files put aside, the order of the steps, and the notice to the person; `rescue` saves rows. A
damaged file is never deleted or written to. The note beside the file (`integrity`) lets each step be interrupted: the
next start continues from there.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

from sidecar.contract.life import Notice
from sidecar.storage import migrations
from sidecar.storage.atomic_files import put_in_place
from sidecar.storage.integrity import Note, beside, note_path, read_note, write_note

logger = logging.getLogger(__name__)

NAME = "HISTORY_DAMAGED"

_WITH_IT = ("-wal", "-journal", "-shm")
"""Suffixes of the files that belong to a database."""


def recover(path: Path, found: str) -> Notice:
    """Put the file aside and save its readable rows; returns what the person should know.

    Raises:
        StorageError: a newer llama-sidecar has written it; it is left as it is.
        OSError, sqlite3.Error: a file could not be written; the next call continues.
    """
    from sidecar.storage.salvage import rescue  # needed only for a damaged file

    note = read_note(path) if note_path(path).exists() else Note(found)
    if note.aside is None:
        path.touch()  # where there is nothing but a log
        migrations.require_known(rescue.version_of(path, beside(path, "-wal")))
        note.aside = _free_name(path)
        write_note(path, note)
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
    notice = _notice(path, aside, note.found)
    note_path(path).unlink()
    logger.warning("history: %s", notice.message)
    return notice


def under_way() -> Notice:
    """The notice while the history is examined or salvaged."""
    return Notice(
        name=NAME,
        message="The history may be damaged. It is examined, and what can be read is saved.",
        hint="Wait; requests for it are answered afterwards. The log of source 'sidecar' has the outcome.",
    )


def _notice(path: Path, aside: Path, found: str) -> Notice:
    with closing(sqlite3.connect(path)) as db:
        messages, sessions = db.execute(
            "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM sessions)"
        ).fetchone()
    if sessions:
        saved = f"What could be read is in a new one: {messages} messages in {sessions} sessions."
        hint = "Check whether something is missing, and keep the damaged file until you are sure."
    else:
        saved = "No conversation in it could be read; the history is empty now."
        hint = "Keep the damaged file: another program may find more in it."
    message = f"The history was damaged ({found}). {saved} The damaged file is {aside}."
    return Notice(name=NAME, message=message, hint=hint)


def _free_name(path: Path) -> str:
    def names() -> Iterator[str]:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        yield f"{path.stem}-damaged-{stamp}{path.suffix}"
        yield from (f"{path.stem}-damaged-{stamp}-{number}{path.suffix}" for number in count(2))

    return next(
        name for name in names() if not any(path.with_name(name + ending).exists() for ending in ("", *_WITH_IT))
    )
