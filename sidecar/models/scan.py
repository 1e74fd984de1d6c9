"""The GGUF files in folders.

Owns how folders are gone through (links, circles, bounds) and what a file's name says about the parts of a split model.
Never opens a file.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

logger = logging.getLogger(__name__)

MAX_DEPTH = 8
"""Folders below a library folder. A Hugging Face cache needs 5."""

MAX_ENTRIES = 100_000
"""Directory entries looked at in one listing: a folder such as / given by mistake then costs a second, not minutes."""

SUFFIX = ".gguf"
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})", re.ASCII)

Origin = Literal["own", "folder"]
Identity = tuple[object, ...]
"""Device and number of a file: the same for all paths to it."""


class Part(msgspec.Struct, frozen=True):
    """What a file's name says: of which model it is, and which part of how many (0 of 0: it is not split)."""

    folder: Path
    stem: str
    number: int
    count: int

    @property
    def key(self) -> tuple[Path, str, int]:
        return self.folder, self.stem, self.count


class ModelFile(msgspec.Struct, frozen=True):
    """A file, what its name says, and which one it is whatever the path to it."""

    path: Path
    part: Part
    origin: Origin
    size_bytes: int
    mtime_ns: int
    identity: Identity


def scan(roots: Iterable[tuple[Path, Origin]], *, depth: int = MAX_DEPTH) -> Iterator[ModelFile]:
    """The GGUF files in folders, each once however many paths lead to it."""
    seen: set[Identity] = set()
    left = MAX_ENTRIES
    pending = [(folder, origin, depth) for folder, origin in reversed(list(roots))]
    while pending and left:
        folder, origin, below = pending.pop()
        try:
            identity = _identity(folder, folder.stat())
            if identity in seen:
                continue  # links in a circle, or a folder inside another one of the config
            with os.scandir(folder) as found:
                entries = sorted(islice(found, left), key=lambda entry: entry.name)
        except (OSError, ValueError) as error:  # missing, closed to us, too long, a NUL in it
            logger.debug("%s is not listed: %s", folder, error)
            continue
        seen.add(identity)
        left -= len(entries)
        if not left:
            logger.warning("The model folders hold more than %d entries; the rest is not listed.", MAX_ENTRIES)
        for entry in entries:
            # Names that are not text can not be told to a host.
            if entry.name.startswith(".") or not _is_text(entry.name):
                continue
            try:
                if entry.is_dir():
                    if below:
                        # What a link leads to is not ours, even if the link lies in our folder.
                        of = "folder" if entry.is_symlink() else origin
                        pending.append((Path(entry.path), of, below - 1))
                elif entry.name.lower().endswith(SUFFIX) and entry.is_file():
                    file = file_at(Path(entry.path), origin)
                    if file.identity not in seen:
                        seen.add(file.identity)
                        yield file
            except OSError as error:
                logger.debug("%s is not listed: %s", entry.path, error.strerror)


def file_at(path: Path, origin: Origin) -> ModelFile:
    """The file at a path. Raises OSError."""
    info = path.stat()
    return ModelFile(path, _part(path), origin, info.st_size, info.st_mtime_ns, _identity(path, info))


def _part(path: Path) -> Part:
    stem, folder = path.name.removesuffix(SUFFIX), path.parent
    if found := _PART.fullmatch(stem):
        number, count = int(found["number"]), int(found["count"])
        if 1 <= number <= count:
            return Part(folder, found["stem"], number, count)
    return Part(folder, stem, 0, 0)


def _identity(path: Path, info: os.stat_result) -> Identity:
    # Some file systems number nothing.
    return (info.st_dev, info.st_ino) if info.st_ino else (path,)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
