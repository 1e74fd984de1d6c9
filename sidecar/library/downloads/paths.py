"""Where the files of a download go, and how they get there.

Owns every path that a download writes to. Names come from servers: each goes through `given_paths`, and nothing that
is there is ever written over. Everything here blocks on the disk, in a worker thread of anyio's.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import anyio.from_thread

from sidecar.contract.errors import PathNotAllowed
from sidecar.host import disk_space, path_policy
from sidecar.library.downloads.partial import PartialFile
from sidecar.library.downloads.record import DownloadRecord, FileRecord
from sidecar.storage.atomic_files import put_where_nothing_is

HIDDEN = ".partial-downloads"
"""Beside the models, so that they get their names without being copied; a name that the library passes over."""

READ_BYTES = 4 * 1024 * 1024


class DownloadPaths:
    """The folders of one download."""

    def __init__(self, record: DownloadRecord) -> None:
        self._record = record
        self.root = Path(record.root)

    @property
    def folder(self) -> Path:
        """Where its files will be."""
        return self.root / self._record.place if self._record.place else self.root

    def target(self, file: FileRecord) -> Path:
        """Where a file will be.

        Raises:
            PathNotAllowed: its name leads elsewhere, or there is something in the way.
        """
        return path_policy.place_in(self.root, f"{self._record.place}{file.name}")

    def partial(self, index: int) -> PartialFile:
        """What has come of a file.

        Raises:
            PathNotAllowed: there is something in the way.
        """
        folder = path_policy.place_in(self.root, f"{HIDDEN}/{self._record.download_id}")
        return PartialFile(folder, str(index), self._record.files[index].size)

    def missing(self) -> list[int]:
        """The files that are not in their place yet.

        Raises:
            PathNotAllowed: there is another file in a place.
            OSError: the disk refuses.
        """
        return [i for i, file in enumerate(self._record.files) if not _is_there(self.target(file), file)]

    def look(self, missing: Iterable[int]) -> list[int]:
        """How many bytes of each file are here."""
        here = [file.size or 0 for file in self._record.files]
        for index in missing:
            here[index] = self.partial(index).look()
        return here

    def reserve(self, indices: list[int]) -> None:
        """Take the room for these files, as far as it is not taken.

        Raises:
            DiskFull: there is not enough.
            PathNotAllowed: there is something in the way.
            OSError: the disk refuses.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        partials = [self.partial(index) for index in indices]
        sizes = [self._record.files[index].size or 0 for index in indices]
        new = sum(size for one, size in zip(partials, sizes, strict=True) if not one.data.exists())
        disk_space.check_room(self.root, new)
        for one in partials:
            try:
                one.open()
            finally:
                one.close()

    def put(self, index: int) -> None:
        """Give a file that is whole its place.

        Raises:
            PathNotAllowed: another file has taken it meanwhile.
            OSError: the disk refuses.
        """
        file, partial = self._record.files[index], self.partial(index)
        target = self.target(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        target = self.target(file)
        try:
            put_where_nothing_is(partial.data, target)
        except FileExistsError:
            if not _is_there(target, file):
                raise
        partial.remove()

    def clear(self) -> None:
        """Remove what has come and is in no place; what can not be removed stays."""
        hidden = self.root / HIDDEN
        if not hidden.is_symlink():
            shutil.rmtree(hidden / self._record.download_id, ignore_errors=True)
            try:
                hidden.rmdir()
            except OSError:
                return  # of other downloads there is something in it, or it is not there


def _is_there(target: Path, file: FileRecord) -> bool:
    """Whether a file is in its place already.

    Raises:
        PathNotAllowed: there is another one.
        OSError: it can not be read.
    """
    if not target.exists():  # `target` is no link, as it comes from `place_in`
        return False
    if file.sha256 is not None and target.is_file() and target.stat().st_size == (file.size or target.stat().st_size):
        digest = hashlib.sha256()
        with target.open("rb") as data:
            while piece := data.read(READ_BYTES):
                digest.update(piece)
                anyio.from_thread.check_cancelled()  # nobody waits for this any more
        if digest.hexdigest() == file.sha256:
            return True
    raise PathNotAllowed(
        f"There is another file in its place: {target}.",
        hint="Remove or rename that one, or give another target_dir.",
    )
