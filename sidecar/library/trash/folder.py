"""The folder of deleted models: hidden in the models folder, so that files get there and back by a rename.

Owns that a crash neither loses files nor leaves work half done: each deletion is a folder with an entry, which is
written first and contains the intended state of the files, so that the next start continues. Does not know which files
may be deleted.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from sidecar.host import file_io
from sidecar.library import file_copy
from sidecar.storage.atomic_files import write_atomically

logger = logging.getLogger(__name__)

NAME = ".trash"

_ENTRY = "entry.json"

MAX_ENTRY_BYTES = 8 * 1024 * 1024
"""The largest entry that is read; that of a model of 999 files is smaller."""

State = Literal["deleting", "deleted", "restoring", "destroying", "purging"]
"""The intended state of the files; all but "deleted" are under way:
deleting: move them here; restoring: move them back; destroying: move them here, then purge; purging: remove them."""


class TrashedFile(msgspec.Struct):
    """A file: its path below the models folder, its name here, and its inode before it was moved."""

    origin: str
    name: str
    size_bytes: int
    number: int


class Entry(msgspec.Struct):
    """A deletion."""

    trash_id: str
    model: str
    deleted_at: float
    state: State
    files: list[TrashedFile]


class TrashFolder:
    """The trash of a models folder."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._root = models / NAME

    def add(self, model: str, files: Sequence[Path], *, at: float, keep: bool) -> Entry | None:
        """Move files out of the models folder; without `keep` they are deleted permanently. Raises OSError."""
        entry = Entry(secrets.token_hex(6), model, at, "deleting" if keep else "destroying", [])
        for number, path in enumerate(files):
            info = path.lstat()
            size = path.stat().st_size
            origin = path.relative_to(self._models).as_posix()
            entry.files.append(TrashedFile(origin, str(number), size, info.st_ino))
        self._of(entry).mkdir(parents=True)
        self._write(entry)
        self._finish(entry)
        return entry if keep else None

    def entries(self) -> list[Entry]:
        """The deletions that can be restored, the newest first."""
        entries = [entry for entry in self._all() if entry.state in ("deleted", "restoring") and entry.files]
        return sorted(entries, key=lambda entry: -entry.deleted_at)

    def restore(self, entry: Entry) -> None:
        """Move files back to their place.

        Raises:
            FileExistsError: another file is there; nothing was done.
            OSError: they cannot be moved.
        """
        for file in entry.files:
            if os.path.lexists(self._of(entry) / file.name) and os.path.lexists(place := self._models / file.origin):
                raise FileExistsError(0, "", str(place))
        self._set(entry, "restoring")
        self._finish(entry)

    def purge(self, entry: Entry) -> int:
        """Delete permanently; returns the freed bytes. Raises OSError."""
        freed = sum(_freed(self._of(entry) / file.name) for file in entry.files)
        self._set(entry, "purging")
        self._finish(entry)
        return freed

    def recover(self) -> None:
        """Complete the entries that a crash has interrupted."""
        for entry in self._all():
            if entry.state == "deleted":
                continue
            logger.info("%s: %s it was interrupted and continues", entry.model, entry.state)
            try:
                self._finish(entry)
            except OSError as error:
                logger.warning("%s: %s it cannot be continued: %s", entry.model, entry.state, error)

    def _finish(self, entry: Entry) -> None:
        """Complete an entry from any state. Raises OSError."""
        folder = self._of(entry)
        if entry.state in ("deleting", "destroying"):
            for file in entry.files:
                self._take(self._models / file.origin, folder / file.name, file.number)
            entry.files = [file for file in entry.files if os.path.lexists(folder / file.name)]
            # From here on, files in these places are new ones and must not be moved.
            self._set(entry, "deleted" if entry.state == "deleting" else "purging")
        elif entry.state == "restoring":
            for file in entry.files:
                place = self._models / file.origin
                place.parent.mkdir(parents=True, exist_ok=True)
                _carry(folder / file.name, place)
            self._set(entry, "purging")
        if entry.state == "purging":
            for file in entry.files:  # before their entry: without it they would never be removed
                (folder / file.name).unlink(missing_ok=True)
            shutil.rmtree(folder)

    def _take(self, place: Path, here: Path, number: int) -> None:
        try:
            if place.lstat().st_ino != number:  # after a crash, another file may be there
                return
        except (FileNotFoundError, NotADirectoryError):  # it was already moved here
            return
        _carry(place, here)
        for folder in place.parents:
            if folder == self._models:
                break
            try:
                folder.rmdir()
            except OSError:  # it contains other files
                break

    def _all(self) -> list[Entry]:
        found = []
        for path in self._root.glob(f"*/{_ENTRY}"):
            try:
                with file_io.open_ordinary(path) as file:
                    entry = msgspec.json.decode(file.read(MAX_ENTRY_BYTES), type=Entry)
            except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
                logger.warning("%s cannot be read, and is skipped: %s", path, error)
                continue
            if entry.trash_id == path.parent.name and all(map(_is_sound, entry.files)):
                found.append(entry)
        return found

    def _set(self, entry: Entry, state: State) -> None:
        entry.state = state
        self._write(entry)

    def _write(self, entry: Entry) -> None:
        write_atomically(self._of(entry) / _ENTRY, msgspec.json.encode(entry))

    def _of(self, entry: Entry) -> Path:
        return self._root / entry.trash_id


def _carry(source: Path, target: Path) -> None:
    """Move a file, unless it was moved before."""
    if os.path.lexists(target) and not os.path.lexists(source):
        return
    try:
        file_copy.move(source, target)
    except FileExistsError:
        if not os.path.samestat(source.lstat(), target.lstat()):
            raise
        source.unlink()  # the crash came between the two steps of a move


def _is_sound(file: TrashedFile) -> bool:
    """Whether an entry's file is valid: its origin is below the models folder, and its name is one of ours."""
    origin = PurePosixPath(file.origin)
    return file.name.isdecimal() and not origin.is_absolute() and ".." not in origin.parts


def _freed(path: Path) -> int:
    try:
        info = path.lstat()
    except FileNotFoundError:
        return 0
    return info.st_size if stat.S_ISREG(info.st_mode) and info.st_nlink == 1 else 0
