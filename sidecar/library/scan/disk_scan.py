"""One scan of a part of the disk that others write to: bounded, with a record of what was read.

Owns the bounds (entries, bytes of a file, problems reported) and the marks by which the next listing knows that
nothing has changed. Never writes. Knows nothing of layouts or models.
"""

from __future__ import annotations

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
"""Directory entries read in one source: a folder such as / given by mistake then costs a second, not minutes."""

MAX_TEXT_BYTES = 1024 * 1024
"""Of a manifest or settings file of another program; Ollama's have some KB."""

MAX_PROBLEMS = 20
"""Reported of one source: enough to see what is wrong there."""

MAX_SHOWN = 200
"""Letters of another program's words in a problem."""

SETTLED_NS = 2_000_000_000
"""Something that changed less than this before it was read may change once more without its time changing, where a
file system keeps coarse times (FAT: 2 s). Until then it is read again."""

Mark = tuple[int, int, int] | None
"""Time of change, size and number of a file or folder; `None` where there is none."""

_T = TypeVar("_T")


class DiskScan:
    """A scan of one source. What cannot be read is reported in `problems`, and never raised."""

    def __init__(self) -> None:
        self.marks: dict[str, Mark] = {}
        self.problems: list[str] = []
        self._left = MAX_ENTRIES

    def stat(self, path: str) -> os.stat_result | None:
        """What is at a path, links followed; `None` where nothing is, or nothing that may be read."""
        try:
            info = os.stat(path)  # noqa: PTH116 - a Path for each of thousands costs more than the call
        except (OSError, ValueError):  # missing, closed to us, too long, links in a circle, a NUL in it
            self.marks[path] = None
            return None
        self.marks[path] = mark_of(info)
        return info

    def existing(self, paths: Iterable[Path]) -> set[Path]:
        """Those of the paths that are there."""
        return {path for path in paths if self.stat(str(path)) is not None}

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """What is in a folder, by name: names that begin with a dot or are not text are left out."""
        if self._left <= 0 or self.stat(folder) is None:
            return []
        try:
            with os.scandir(folder) as found:
                entries = list(islice(found, self._left))
        except NotADirectoryError:
            return []
        except OSError as error:
            self.problem(f"{folder} cannot be read: {error.strerror}.")
            return []
        self._left -= len(entries)
        if self._left <= 0:
            self.problem(f"There are more than {MAX_ENTRIES:,} entries; the rest is not listed.")
        return sorted((entry for entry in entries if _is_listed(entry.name)), key=lambda entry: entry.name)

    def data(self, path: str) -> bytes | None:
        """The content of a small ordinary file; `None` where there is none, or none that may be believed."""
        info = self.stat(path)
        if info is None:
            return None
        if not stat.S_ISREG(info.st_mode):
            self.problem(f"{path} is not an ordinary file.")
            return None
        try:
            descriptor = os.open(path, os.O_RDONLY | file_io.NONBLOCK | file_io.BINARY)
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(MAX_TEXT_BYTES + 1)
        except OSError as error:
            self.problem(f"{path} cannot be read: {error.strerror}.")
            return None
        if len(data) > MAX_TEXT_BYTES:
            self.problem(f"{path} is larger than {MAX_TEXT_BYTES:,} bytes, which no such file is.")
            return None
        return data

    def text(self, path: str) -> str | None:
        """The same as text."""
        data = self.data(path)
        try:
            return None if data is None else data.decode("utf-8-sig")
        except UnicodeDecodeError:
            self.problem(f"{path} is not UTF-8.")
            return None

    def json(self, path: str, form: type[_T]) -> _T | None:
        """The same as JSON of a form."""
        data = self.data(path)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=form)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self.problem(f"{path} is not what it should be: {error}.")
            return None

    def problem(self, text: str) -> None:
        """Report something that was left out."""
        logger.debug("library: %s", text)
        if len(self.problems) < MAX_PROBLEMS and text not in self.problems:
            self.problems.append(text)


def mark_of(info: os.stat_result) -> Mark:
    """What changes when a file or folder does."""
    return info.st_mtime_ns, info.st_size, info.st_ino


def unchanged(marks: Mapping[str, Mark]) -> bool:
    """Whether everything is as it was read."""
    for path, mark in marks.items():
        try:
            info = os.stat(path)  # noqa: PTH116 - as in `DiskScan.stat`
        except (OSError, ValueError):
            if mark is not None:
                return False
        else:
            if (info.st_mtime_ns, info.st_size, info.st_ino) != mark:
                return False
    return True


def settled(marks: Iterable[Mark], scanned_at_ns: int) -> bool:
    """Whether all of it had changed so long before it was read that a further change would be noticed."""
    return all(mark is None or mark[0] <= scanned_at_ns - SETTLED_NS for mark in marks)


def shown(text: str) -> str:
    """Another program's words for a problem: quoted, short."""
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def path_in(text: str, *, base: Path | None = None) -> Path | None:
    """A place that another program's file names; relative ones are below `base`.

    `None` for one that leads out of `base`, to another machine, or nowhere.
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
    """Whether a name is meant to be listed, and can be sent to a host."""
    if name.startswith("."):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
