"""What is kept of a download on the disk, so that it goes on after whatever has ended the sidecar.

Owns the files of these records: one for each download, replaced as a whole. How far a download is stands beside what
has come of it (see `blocks`), not here. They hold addresses that may be signed, so they are for the owner alone.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from sidecar.storage.atomic_files import write_atomically

logger = logging.getLogger(__name__)

ID = re.compile(r"[0-9a-f]{16}", re.ASCII)

MAX_RECORD_BYTES = 8 * 1024 * 1024
"""Of a file that is read: a model of ten thousand files has less."""


class FileRecord(msgspec.Struct, kw_only=True):
    """A file of a download.

    Attributes:
        url: where it is, for good.
        name: in the folder.
        validator: what the server knew it by, where there is no hash.
    """

    url: str
    name: str
    size: int | None = None
    sha256: str | None = None
    validator: str | None = None


class DownloadRecord(msgspec.Struct, kw_only=True):
    """A download.

    Attributes:
        download_id: its id.
        created_at: when it was asked for.
        asked: what was asked for, in words that are the same for the same.
        wanted: what is to be done with it after a start.
        root: the folder that everything of it stays in.
        sorted_in: whether its files get a folder of their own in there, called as the repository.
        repo, file, tag, revision: what was asked for on the hub.
        url: what was asked for, where it is on no hub.
        commit: of the repository; what is fetched is of this one.
        files: the model first; empty until the hub was asked.
        problem: why it failed, as it was told.
    """

    download_id: str
    created_at: float
    asked: str
    wanted: Literal["go on", "pause", "fail"] = "go on"
    root: str
    sorted_in: bool = False
    repo: str | None = None
    file: str | None = None
    tag: str | None = None
    revision: str | None = None
    url: str | None = None
    commit: str | None = None
    files: list[FileRecord] = msgspec.field(default_factory=list)
    problem: dict[str, Any] | None = None

    @property
    def place(self) -> str:
        """The folder of its files in `root`, with a slash at its end; empty for the root itself."""
        return f"{self.repo}/" if self.sorted_in and self.repo else ""


class Records:
    """The records of all downloads. Everything blocks on the disk.

    Args:
        folder: where they are; made when there is one to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> list[DownloadRecord]:
        """All of them, the oldest first. What can not be read is left where it is, and left out."""
        try:
            paths = sorted(self._folder.glob("*.json"))
        except OSError as error:
            logger.warning("the downloads of before can not be listed: %s", error.strerror)
            return []
        found = []
        for path in paths:
            try:
                with path.open("rb") as file:
                    record = msgspec.json.decode(file.read(MAX_RECORD_BYTES), type=DownloadRecord)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                logger.warning("the download in %s can not be read: %s", path.name, type(error).__name__)
                continue
            if ID.fullmatch(record.download_id) and path.stem == record.download_id:
                found.append(record)
        return sorted(found, key=lambda record: record.created_at)

    def keep(self, record: DownloadRecord) -> None:
        """Write one. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(self._path(record), msgspec.json.format(msgspec.json.encode(record), indent=1))

    def forget(self, record: DownloadRecord) -> None:
        """Remove one. Raises OSError."""
        self._path(record).unlink(missing_ok=True)

    def _path(self, record: DownloadRecord) -> Path:
        return self._folder / f"{record.download_id}.json"
