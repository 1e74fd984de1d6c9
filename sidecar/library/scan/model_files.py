"""The GGUF files in folders, and what is known of a file without opening it.

Owns how folders are gone through (links, circles, depth) and what a file's name says about the parts of a split model.
Never opens a file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from sidecar.contract.models import ModelOrigin
from sidecar.library.scan.disk_scan import DiskScan

MAX_DEPTH = 8
"""Folders below a library folder. A Hugging Face cache needs 5."""

SUFFIX = ".gguf"
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})", re.ASCII)

Identity = tuple[object, ...]
"""Device and number of a file: the same for all paths to it."""

Role = Literal["model", "projector", "adapter"]


class StoreMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What the program that keeps a file says of it.

    Attributes:
        label: its name, from the program's down to the file's own; a model is called by as few of the last as tell it
            from others.
        group: files of one group belong together, as those in one folder do.
        role: what it is to its group, where the program says so: then names need not fit.
        repo: where it came from, as a hub knows it.
        display_name: for people.
        aliases: other names that its program knows it by.
        sha256: of the whole content, where the program keeps files by it.
    """

    label: tuple[str, ...]
    group: Hashable
    role: Role | None = None
    repo: str | None = None
    display_name: str | None = None
    aliases: tuple[str, ...] = ()
    sha256: str | None = None


class Part(msgspec.Struct, frozen=True):
    """What a file's name says: of which model it is, and which part of how many (0 of 0: it is not split)."""

    label: tuple[str, ...]
    number: int
    count: int

    @property
    def key(self) -> tuple[tuple[str, ...], int]:
        """The same for all parts of a model."""
        return self.label, self.count

    @property
    def stem(self) -> str:
        """The model's name without folders."""
        return self.label[-1]


class ModelFile(msgspec.Struct, frozen=True):
    """A file, which one it is whatever the path to it, and what is said of it."""

    path: Path
    origin: ModelOrigin
    size_bytes: int
    mtime_ns: int
    identity: Identity
    part: Part
    told: StoreMetadata | None = None

    @property
    def group(self) -> Hashable:
        """What projectors and adapters are looked for in."""
        return self.told.group if self.told else self.part.label[:-1]


Tell = Callable[[tuple[str, ...], str], StoreMetadata]
"""Given the folders from the root down with the file's name without suffix, and its path: what is said of the file."""


def scan(
    root: Path, origin: ModelOrigin, look: DiskScan, *, depth: int = MAX_DEPTH, tell: Tell | None = None
) -> Iterator[ModelFile]:
    """The GGUF files in a folder, also those that other paths lead to."""
    seen: set[Identity] = set()
    pending: list[tuple[str, ModelOrigin, tuple[str, ...]]] = [(str(root), origin, ())]
    while pending:
        folder, of, names = pending.pop()
        info = look.stat(folder)
        if info is None:
            continue
        identity = _identity(folder, info)
        if identity in seen:
            continue  # links in a circle
        seen.add(identity)
        label = Path(folder).parts
        for entry in look.entries(folder):
            try:
                if entry.is_dir():
                    if len(names) < depth:
                        # What a link leads to is not ours, even if the link lies in our folder.
                        inner: ModelOrigin = "folder" if of == "own" and entry.is_symlink() else of
                        pending.append((entry.path, inner, (*names, entry.name)))
                elif entry.name.lower().endswith(SUFFIX):
                    stem = stem_of(entry.name)
                    told = tell((*names, stem), entry.path) if tell else None
                    if (file := file_at(entry.path, of, look, told, label=(*label, stem))) is not None:
                        yield file
            except OSError as error:
                look.problem(f"{entry.path} is not listed: {error.strerror}.")


def file_at(
    path: str,
    origin: ModelOrigin,
    look: DiskScan,
    told: StoreMetadata | None = None,
    *,
    label: tuple[str, ...] | None = None,
) -> ModelFile | None:
    """The file at a path; `None` where no ordinary file is. It is labelled by its folders, or as told."""
    info = look.stat(path)
    if info is None or not stat.S_ISREG(info.st_mode):
        return None
    place = Path(path)
    if told is not None:
        label = told.label
    elif label is None:
        label = (*place.parent.parts, stem_of(place.name))
    return ModelFile(place, origin, info.st_size, info.st_mtime_ns, _identity(path, info), part_of(label), told)


def part_of(label: tuple[str, ...]) -> Part:
    """What the last word of a label says."""
    stem = label[-1]
    if stem[-9:-5] == "-of-" and (found := _PART.fullmatch(stem)):
        number, count = int(found["number"]), int(found["count"])
        if 1 <= number <= count:
            return Part((*label[:-1], found["stem"]), number, count)
    return Part(label, 0, 0)


def stem_of(name: str) -> str:
    """A file's name without `.gguf`."""
    return name.removesuffix(SUFFIX)


def _identity(path: str, info: os.stat_result) -> Identity:
    # Some file systems number nothing.
    return (info.st_dev, info.st_ino) if info.st_ino else (path,)
