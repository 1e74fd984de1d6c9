"""The files of a download: what is stored of them, where they go, and how they get there.

Owns the record of a download and every path that it writes to. Names come from servers: each goes through
`path_policy`, and no existing file is ever overwritten. The paths block on the disk, in a worker thread of anyio's. How
far a file is stands beside what has come of it (see `blocks`), not in the record.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import anyio.from_thread
import msgspec

from sidecar.contract.errors import PathNotAllowed
from sidecar.host import disk_space, path_policy
from sidecar.jobs.store import JobRecord, new_id
from sidecar.library.downloads.partial import PartialFile
from sidecar.storage.atomic_files import put_where_nothing_is

HIDDEN = ".partial-downloads"
"""Beside the models, so that they get their names without being copied; a name that the library passes over."""

READ_BYTES = 4 * 1024 * 1024


class FileRecord(msgspec.Struct, kw_only=True):
    """A file of a download.

    Attributes:
        url: where it is, permanently.
        name: in the folder.
        validator: what the server knew it by, where there is no hash.
    """

    url: str
    name: str
    size: int | None = None
    sha256: str | None = None
    validator: str | None = None


class DownloadRecord(JobRecord, kw_only=True):
    """What is stored of a download.

    Attributes:
        request: what was requested, in words that are the same for the same.
        root: the folder that everything of it stays in.
        own_folder: whether its files get a folder of their own in there, called as the repository.
        repo, file, tag, revision: what was requested on the hub.
        url: what was requested, where it is on no hub.
        commit: of the repository; what is fetched is of this one.
        files: the model first; empty until the hub was asked.
    """

    job_id: str = msgspec.field(name="download_id", default_factory=new_id)
    request: str = msgspec.field(name="asked")
    root: str
    own_folder: bool = msgspec.field(name="sorted_in", default=False)
    repo: str | None = None
    file: str | None = None
    tag: str | None = None
    revision: str | None = None
    url: str | None = None
    commit: str | None = None
    files: list[FileRecord] = msgspec.field(default_factory=list)

    @property
    def folder(self) -> str:
        """The folder of its files in `root`, with a slash at its end; empty for the root itself."""
        return f"{self.repo}/" if self.own_folder and self.repo else ""


class DownloadPaths:
    """The folders of one download."""

    def __init__(self, record: DownloadRecord) -> None:
        self._record = record
        self.root = Path(record.root)

    @property
    def folder(self) -> Path:
        """Where its files will be."""
        return self.root / self._record.folder if self._record.folder else self.root

    def target(self, file: FileRecord) -> Path:
        """Where a file will be.

        Raises:
            PathNotAllowed: its name leads elsewhere, or there is something in the way.
        """
        return path_policy.place_in(self.root, f"{self._record.folder}{file.name}")

    def partial(self, index: int) -> PartialFile:
        """What has come of a file.

        Raises:
            PathNotAllowed: there is something in the way.
        """
        folder = path_policy.place_in(self.root, f"{HIDDEN}/{self._record.job_id}")
        return PartialFile(folder, str(index), self._record.files[index].size)

    def missing(self) -> list[int]:
        """The files that are not in their place yet.

        Raises:
            PathNotAllowed: there is another file in a place.
            OSError: the disk refuses.
        """
        return [i for i, file in enumerate(self._record.files) if not _is_there(self.target(file), file)]

    def received(self, missing: Iterable[int]) -> list[int]:
        """How many bytes of each file are here, where these are not in their place."""
        here = [file.size or 0 for file in self._record.files]
        for index in missing:
            here[index] = self.partial(index).received()
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
        """Remove what has come and is in no place; what cannot be removed stays."""
        hidden = self.root / HIDDEN
        if not hidden.is_symlink():
            shutil.rmtree(hidden / self._record.job_id, ignore_errors=True)
            try:
                hidden.rmdir()
            except OSError:
                return  # there is something of other downloads in it, or it is not there


def _is_there(target: Path, file: FileRecord) -> bool:
    """Whether a file is in its place already.

    Raises:
        PathNotAllowed: there is another one.
        OSError: it cannot be read.
    """
    if not target.exists():  # `target` is no link, as it comes from `place_in`
        return False
    if file.sha256 is not None and target.is_file() and target.stat().st_size == (file.size or target.stat().st_size):
        digest = hashlib.sha256()
        with target.open("rb") as data:
            while piece := data.read(READ_BYTES):
                digest.update(piece)
                anyio.from_thread.check_cancelled()  # the download was interrupted meanwhile
        if digest.hexdigest() == file.sha256:
            return True
    raise PathNotAllowed(
        f"There is another file in its place: {target}.",
        hint="Remove or rename that one, or give another target_dir.",
    )
