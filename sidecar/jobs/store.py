"""The stored records of jobs, with which they survive the end of the sidecar.

Owns the files: one for each job, replaced as a whole. Each kind has a record type of its own. The files are readable by
their owner only, since a kind may store signed addresses.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from enum import Enum
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from sidecar.host import file_io
from sidecar.storage.atomic_files import write_atomically

logger = logging.getLogger(__name__)

ID = re.compile(r"[0-9a-f]{16}", re.ASCII)

MAX_RECORD_BYTES = 8 * 1024 * 1024
"""The largest file that is read; the record of a model of ten thousand files is smaller."""


def new_id() -> str:
    """An id for a job."""
    return secrets.token_hex(8)


class OnRestart(Enum):
    """What happens to a job at the next start. The values are those of the files, and stay for files that exist."""

    RESUME = "go on"
    PAUSE = "pause"
    FAIL = "fail"


class JobRecord(msgspec.Struct, kw_only=True):
    """The stored record of a job; each kind adds its own fields. The names in the files stay for files that exist.

    Attributes:
        job_id: 16 hexadecimal digits, the file's name.
        created_at: seconds since the epoch.
        on_restart: what happens to it at the next start.
        error: why it failed, as on the wire.
    """

    job_id: str = msgspec.field(default_factory=new_id)
    created_at: float = msgspec.field(default_factory=time.time)
    on_restart: OnRestart = msgspec.field(name="wanted", default=OnRestart.RESUME)
    error: dict[str, Any] | None = msgspec.field(name="problem", default=None)


R = TypeVar("R", bound=JobRecord)


class JobStore(Generic[R]):
    """The records of one kind. Everything blocks on the disk.

    Args:
        folder: their folder; created with the first record.
        record: the kind's record type.
    """

    def __init__(self, folder: Path, record: type[R]) -> None:
        self._folder = folder
        self._record = record

    def load(self) -> list[R]:
        """All records, the oldest first. Files that cannot be read are skipped, and not removed."""
        try:
            paths = sorted(self._folder.glob("*.json"))
        except OSError as error:
            logger.warning("the jobs in %s cannot be listed: %s", self._folder.name, error.strerror)
            return []
        found = []
        for path in paths:
            try:
                with file_io.open_ordinary(path) as file:
                    record = msgspec.json.decode(file.read(MAX_RECORD_BYTES), type=self._record)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                logger.warning("the job in %s cannot be read: %s", path.name, type(error).__name__)
                continue
            if ID.fullmatch(record.job_id) and path.stem == record.job_id:
                found.append(record)
        return sorted(found, key=lambda record: record.created_at)

    def save(self, record: R) -> None:
        """Write a record. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(self._path(record), msgspec.json.format(msgspec.json.encode(record), indent=1))

    def remove(self, record: R) -> None:
        """Remove a record. Raises OSError."""
        self._path(record).unlink(missing_ok=True)

    def _path(self, record: R) -> Path:
        return self._folder / f"{record.job_id}.json"
