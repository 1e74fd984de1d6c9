"""The files of a download: their record, their paths, and how they get to their place.

Owns the record of a download and every path that it writes to. Names come from servers, so each is checked by
`path_policy`, and no existing file is ever overwritten. The methods block on the disk, in a worker thread of anyio. The
progress of a file is stored beside its partial data (see `blocks`), not in the record.
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
"""The folder of partial files, beside the models, so that they are moved by a rename; the library skips its name."""

READ_BYTES = 4 * 1024 * 1024


class FileRecord(msgspec.Struct, kw_only=True):
    """A file of a download.

    Attributes:
        url: its permanent address.
        name: its name in the folder.
        validator: the server's identifier of its content, if there is no hash.
        modified: when its content was last modified, in the server's words, if there is no hash.
        whole: whether it is fetched in one piece, since its servers identify it each in its own way.

    The last two are stored only where they are known, so that records of earlier versions stay as they are.
    """

    url: str
    name: str
    size: int | None = None
    sha256: str | None = None
    validator: str | None = None
    modified: str | msgspec.UnsetType | None = msgspec.UNSET
    whole: bool | msgspec.UnsetType = msgspec.UNSET


class DownloadRecord(JobRecord, kw_only=True):
    """The stored record of a download. The names in the files stay for records that exist.

    Attributes:
        request: a canonical text of the request, equal for equal requests.
        root: the folder that contains all of its files.
        own_folder: whether its files get a folder of their own in there, named after the repository.
        repo, file, tag, revision: what was requested on the hub.
        url: the requested address, if it is not on the hub.
        commit: of the repository, to which the download is pinned.
        files: the model first; empty until the files were found.
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
        """The folder of its files in `root`, with a trailing slash; empty for the root itself."""
        return f"{self.repo}/" if self.own_folder and self.repo else ""


class DownloadPaths:
    """The folders of one download."""

    def __init__(self, record: DownloadRecord) -> None:
        self._record = record
        self.root = Path(record.root)

    @property
    def folder(self) -> Path:
        """The target folder of its files."""
        return self.root / self._record.folder if self._record.folder else self.root

    def target(self, file: FileRecord) -> Path:
        """The target path of a file.

        Raises:
            PathNotAllowed: its name leads out of the folder, or something blocks the path.
        """
        return path_policy.place_in(self.root, f"{self._record.folder}{file.name}")

    def partial(self, index: int) -> PartialFile:
        """The partial data of a file.

        Raises:
            PathNotAllowed: something blocks the path.
        """
        folder = path_policy.place_in(self.root, f"{HIDDEN}/{self._record.job_id}")
        return PartialFile(folder, str(index), self._record.files[index].size)

    def missing(self) -> list[int]:
        """The indices of the files that are not in their place yet.

        Raises:
            PathNotAllowed: another file is in the place of one.
            OSError: the disk cannot be read.
        """
        return [i for i, file in enumerate(self._record.files) if not _is_there(self.target(file), file)]

    def received(self, missing: Iterable[int]) -> list[int]:
        """The received bytes of each file; `missing` are those that are not in their place."""
        here = [file.size or 0 for file in self._record.files]
        for index in missing:
            here[index] = self.partial(index).received()
        return here

    def reserve(self, indices: list[int]) -> None:
        """Reserve the space for these files, as far as it is not reserved yet.

        Raises:
            DiskFull: there is not enough.
            PathNotAllowed: something blocks a path.
            OSError: the disk cannot be written.
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
        """Move a complete file to its place.

        Raises:
            PathNotAllowed: another file has been put there in the meantime.
            OSError: the disk cannot be written.
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
        """Remove the partial files; errors are ignored."""
        hidden = self.root / HIDDEN
        if not hidden.is_symlink():
            shutil.rmtree(hidden / self._record.job_id, ignore_errors=True)
            try:
                hidden.rmdir()
            except OSError:
                return  # it contains files of other downloads, or does not exist


def _is_there(target: Path, file: FileRecord) -> bool:
    """Whether a file is already in its place.

    Raises:
        PathNotAllowed: another file is there.
        OSError: it cannot be read.
    """
    if not target.exists():  # `target` is no link, as it comes from `place_in`
        return False
    if file.sha256 is not None and target.is_file() and target.stat().st_size == (file.size or target.stat().st_size):
        digest = hashlib.sha256()
        with target.open("rb") as data:
            while piece := data.read(READ_BYTES):
                digest.update(piece)
                anyio.from_thread.check_cancelled()  # the download may be interrupted
        if digest.hexdigest() == file.sha256:
            return True
    raise PathNotAllowed(
        f"Another file is in its place: {target}.",
        hint="Remove or rename that file, or give another target_dir.",
    )
