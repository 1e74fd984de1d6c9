"""One scan of untrusted folders and files: bounded, with a record of what was read.

Owns the bounds (entries, bytes of a file, reported problems) and the marks with which the next listing detects changes.
Never writes. Knows nothing of layouts or models.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from sidecar.host import file_io

logger = logging.getLogger(__name__)

MAX_ENTRIES = 100_000
"""Directory entries read in one source, so that a folder such as / given by mistake costs a second, not minutes."""

MAX_TEXT_BYTES = 1024 * 1024
"""The largest manifest or settings file of another program; Ollama's have some KB."""

MAX_PROBLEMS = 20
"""Problems reported of one source."""

MAX_SHOWN = 200
"""Characters of another program's text in a problem."""

SETTLED_NS = 2_000_000_000
"""Resolution of the modification times of coarse file systems (FAT: 2 s): a file that was modified less than this
before it was read may change again without a new time, so it is read again."""

LASTING = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL),
        *(errno.EISDIR, errno.ENXIO),
    }
)
"""Errors that say something about the path itself, and stay until its mark changes. Others (no descriptors, no memory,
a disk or network that fails) may be gone at the next scan."""

Mark = tuple[int, int, int, int] | None
"""Modification time, size, inode and time of the last change (of permissions, too) of a file or folder; `None` if it
does not exist."""

_T = TypeVar("_T")


class DiskScan:
    """A scan of one source. Errors are reported in `problems`, and never raised.

    Attributes:
        failed: something could not be read this time, such as for want of descriptors: the result must not be kept.
    """

    def __init__(self) -> None:
        self.failed = False
        self.marks: dict[str, Mark] = {}
        self.problems: list[str] = []
        self._left = MAX_ENTRIES

    def stat(self, path: str) -> os.stat_result | None:
        """The status of a path, links followed; `None` if it does not exist or is not accessible."""
        try:
            info = os.stat(path)  # noqa: PTH116 - a Path for each of thousands costs more than the call
        except (OSError, ValueError) as error:  # missing, not permitted, too long, a loop of links, a NUL in it
            self.marks[path] = None
            if isinstance(error, OSError) and error.errno not in LASTING:
                self.failed = True
            return None
        self.marks[path] = mark_of(info)
        return info

    def existing(self, paths: Iterable[Path]) -> set[Path]:
        """The paths that exist."""
        return {path for path in paths if self.stat(str(path)) is not None}

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """The entries of a folder, by name, without names that begin with a dot or are not valid text."""
        if self._left <= 0 or self.stat(folder) is None:
            return []
        try:
            with os.scandir(folder) as found:
                entries = list(islice(found, self._left))
        except NotADirectoryError:
            return []
        except OSError as error:
            self._not_read(folder, error)
            return []
        self._left -= len(entries)
        if self._left <= 0:
            self.problem(f"There are more than {MAX_ENTRIES:,} entries; the rest is not listed.")
        return sorted((entry for entry in entries if _is_listed(entry.name)), key=lambda entry: entry.name)

    def data(self, path: str) -> bytes | None:
        """The content of a small ordinary file; `None` if there is none, or it is too large."""
        info = self.stat(path)
        if info is None:
            return None
        if not stat.S_ISREG(info.st_mode):
            self.problem(f"{path} is not an ordinary file.")
            return None
        try:
            with file_io.open_ordinary(path) as file:
                data = file.read(MAX_TEXT_BYTES + 1)
        except OSError as error:
            self._not_read(path, error)
            return None
        if len(data) > MAX_TEXT_BYTES:
            self.problem(f"{path} is larger than {MAX_TEXT_BYTES:,} bytes, too large for such a file.")
            return None
        return data

    def text(self, path: str) -> str | None:
        """The content as text."""
        data = self.data(path)
        try:
            return None if data is None else data.decode("utf-8-sig")
        except UnicodeDecodeError:
            self.problem(f"{path} is not UTF-8.")
            return None

    def json(self, path: str, form: type[_T]) -> _T | None:
        """The content as JSON of this type."""
        data = self.data(path)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=form)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self.problem(f"{path} does not have the expected content: {error}.")
            return None

    def _not_read(self, path: str, error: OSError) -> None:
        self.problem(f"{path} cannot be read: {error.strerror}.")
        if error.errno not in LASTING:
            self.failed = True

    def problem(self, text: str) -> None:
        """Report something that was skipped."""
        logger.debug("library: %s", text)
        if len(self.problems) < MAX_PROBLEMS and text not in self.problems:
            self.problems.append(text)


def mark_of(info: os.stat_result) -> Mark:
    """The mark of a file or folder, which changes when it does."""
    return info.st_mtime_ns, info.st_size, info.st_ino, info.st_ctime_ns


def unchanged(marks: Mapping[str, Mark]) -> bool:
    """Whether nothing has changed since the marks were made."""
    for path, mark in marks.items():
        try:
            info = os.stat(path)  # noqa: PTH116 - as in `DiskScan.stat`
        except (OSError, ValueError):
            if mark is not None:
                return False
        else:
            if mark_of(info) != mark:
                return False
    return True


def settled(marks: Iterable[Mark], scanned_at_ns: int) -> bool:
    """Whether all modification times are old enough that a further change would be detected."""
    return all(mark is None or mark[0] <= scanned_at_ns - SETTLED_NS for mark in marks)


def shown(text: str) -> str:
    """Another program's text for a problem: quoted and shortened."""
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def path_in(text: str, *, base: Path | None = None) -> Path | None:
    """A path from another program's file; relative ones are below `base`.

    `None` for a path that leads out of `base`, to another machine, or is invalid.
    """
    if not text or "\0" in text or text.startswith(("\\\\", "//")):
        return None
    path = Path(text)
    if path.is_absolute():
        return path
    if base is None or path.drive or path.root or ".." in text.replace("\\", "/").split("/"):
        return None
    return base / path


def _is_listed(name: str) -> bool:
    """Whether a name is not hidden, and can be sent to a host."""
    if name.startswith("."):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
