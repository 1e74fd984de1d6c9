"""The GGUF files in folders, and the facts of a file without opening it.

Owns how folders are walked (links, loops, depth), and the identity of a file. Never opens a file; `file_names` owns the
meaning of names.
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
from sidecar.library.scan.disk_scan import LASTING, DiskScan

MAX_DEPTH = 8
"""Levels of folders below a library folder. A Hugging Face cache needs 5."""

Identity = tuple[object, ...]
"""Device and inode of a file: the same for all paths to it."""

Role = Literal["model", "projector", "adapter"]


class StoreMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of a file in the store of another program.

    Attributes:
        label: its name, from the program's name down to the file's own; a model is named by as few of its last words as
            distinguish it.
        group: files of one group belong together, like those in one folder.
        role: its role in its group, if the program assigns one: then names need not match.
        repo: its repository on a hub.
        display_name: its name for display.
        aliases: other names in its program.
        sha256: of the whole content, if the program stores files under their hash.
    """

    label: tuple[str, ...]
    group: Hashable
    role: Role | None = None
    repo: str | None = None
    display_name: str | None = None
    aliases: tuple[str, ...] = ()
    sha256: str | None = None


class Part(msgspec.Struct, frozen=True):
    """The part of a model that a file is, from its name: its number and the count of parts (0 of 0: not split)."""

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
    """A file with its identity, and its metadata if it is in the store of another program."""

    path: Path
    origin: ModelOrigin
    size_bytes: int
    mtime_ns: int
    identity: Identity
    part: Part
    store: StoreMetadata | None = None

    @property
    def group(self) -> Hashable:
        """The group in which its projectors and adapters are found."""
        return self.store.group if self.store else self.part.label[:-1]


Describe = Callable[[tuple[str, ...], str], StoreMetadata]
"""The metadata of a file, from the folders below the root with the file's name without suffix, and from its path."""


def scan(
    root: Path, origin: ModelOrigin, disk: DiskScan, *, depth: int = MAX_DEPTH, describe: Describe | None = None
) -> Iterator[ModelFile]:
    """The GGUF files in a folder, also those that are found by other paths."""
    visited: set[Identity] = set()
    pending: list[tuple[str, ModelOrigin, tuple[str, ...]]] = [(str(root), origin, ())]
    while pending:
        folder, of, names = pending.pop()
        info = disk.stat(folder)
        if info is None:
            continue
        identity = _identity(folder, info)
        if identity in visited:
            continue  # a loop of links
        visited.add(identity)
        label = Path(folder).parts
        for entry in disk.entries(folder):
            try:
                if entry.is_dir():
                    if len(names) < depth:
                        # The target of a link is not ours, even if the link is in our folder.
                        inner: ModelOrigin = "folder" if of == "own" and entry.is_symlink() else of
                        pending.append((entry.path, inner, (*names, entry.name)))
                elif is_gguf(entry.name):
                    stem = stem_of(entry.name)
                    store = describe((*names, stem), entry.path) if describe else None
                    if (file := file_at(entry.path, of, disk, store, label=(*label, stem))) is not None:
                        yield file
            except OSError as error:
                disk.failed |= error.errno not in LASTING
                disk.problem(f"{entry.path} is not listed: {error.strerror}.")


def file_at(
    path: str,
    origin: ModelOrigin,
    disk: DiskScan,
    store: StoreMetadata | None = None,
    *,
    label: tuple[str, ...] | None = None,
) -> ModelFile | None:
    """The file at a path; `None` if it is not an ordinary file. The label comes from its folders, or from its store."""
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
    """The part that the last word of a label stands for."""
    split = split_of(label[-1])
    return Part(label, 0, 0) if split is None else Part((*label[:-1], split.stem), split.number, split.count)


def _identity(path: str, info: os.stat_result) -> Identity:
    # Some file systems have no inodes.
    return (info.st_dev, info.st_ino) if info.st_ino else (path,)
