"""The GGUF files in folders, and what is known of a file without opening it.

Owns how folders are walked (links, circles, depth), and by what a file is known to be the same. Never opens a file;
what a name says is `file_names`' subject.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from sidecar.contract.models import ModelOrigin
from sidecar.library.gguf.file_names import is_gguf, split_of, stem_of
from sidecar.library.scan.disk_scan import DiskScan

MAX_DEPTH = 8
"""Folders below a library folder. A Hugging Face cache needs 5."""

Identity = tuple[object, ...]
"""Device and number of a file: the same for all paths to it."""

Role = Literal["model", "projector", "adapter"]


class StoreMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What the program that keeps a file says of it.

    Attributes:
        label: its name, from the program's down to the file's own; a model is called by as few of the last as
            distinguish it.
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
    """A file, which one it is whatever the path to it, and what the program that keeps it says of it."""

    path: Path
    origin: ModelOrigin
    size_bytes: int
    mtime_ns: int
    identity: Identity
    part: Part
    store: StoreMetadata | None = None

    @property
    def group(self) -> Hashable:
        """Among which files its projectors and adapters are."""
        return self.store.group if self.store else self.part.label[:-1]


Describe = Callable[[tuple[str, ...], str], StoreMetadata]
"""Given the folders from the root down with the file's name without suffix, and its path: what its store says of it."""


def scan(
    root: Path, origin: ModelOrigin, disk: DiskScan, *, depth: int = MAX_DEPTH, describe: Describe | None = None
) -> Iterator[ModelFile]:
    """The GGUF files in a folder, also those that other paths lead to."""
    visited: set[Identity] = set()
    pending: list[tuple[str, ModelOrigin, tuple[str, ...]]] = [(str(root), origin, ())]
    while pending:
        folder, of, names = pending.pop()
        info = disk.stat(folder)
        if info is None:
            continue
        identity = _identity(folder, info)
        if identity in visited:
            continue  # links in a circle
        visited.add(identity)
        label = Path(folder).parts
        for entry in disk.entries(folder):
            try:
                if entry.is_dir():
                    if len(names) < depth:
                        # What a link leads to is not ours, even if the link lies in our folder.
                        inner: ModelOrigin = "folder" if of == "own" and entry.is_symlink() else of
                        pending.append((entry.path, inner, (*names, entry.name)))
                elif is_gguf(entry.name):
                    stem = stem_of(entry.name)
                    store = describe((*names, stem), entry.path) if describe else None
                    if (file := file_at(entry.path, of, disk, store, label=(*label, stem))) is not None:
                        yield file
            except OSError as error:
                disk.problem(f"{entry.path} is not listed: {error.strerror}.")


def file_at(
    path: str,
    origin: ModelOrigin,
    disk: DiskScan,
    store: StoreMetadata | None = None,
    *,
    label: tuple[str, ...] | None = None,
) -> ModelFile | None:
    """The file at a path; `None` where no ordinary file is. It is labelled by its folders, or by its store."""
    info = disk.stat(path)
    if info is None or not stat.S_ISREG(info.st_mode):
        return None
    place = Path(path)
    if store is not None:
        label = store.label
    elif label is None:
        label = (*place.parent.parts, stem_of(place.name))
    return ModelFile(place, origin, info.st_size, info.st_mtime_ns, _identity(path, info), part_of(label), store)


def part_of(label: tuple[str, ...]) -> Part:
    """What the last word of a label says."""
    split = split_of(label[-1])
    return Part(label, 0, 0) if split is None else Part((*label[:-1], split.stem), split.number, split.count)


def _identity(path: str, info: os.stat_result) -> Identity:
    # Some file systems number nothing.
    return (info.st_dev, info.st_ino) if info.st_ino else (path,)
