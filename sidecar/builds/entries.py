"""The checks of an archive's entries, before any of them is written.

Owns which names, kinds and links are accepted. Archives are not trusted: on no system may an entry lead out of the
folder that the archive is unpacked into, or two names be the same. tarfile's `data` filter checks kinds, modes and the
targets of links; the bounds and the names, for all systems, are checked here.
"""

from __future__ import annotations

import posixpath
import tarfile
from pathlib import Path

from sidecar.contract.errors import ArchiveInvalid
from sidecar.host import path_policy

MAX_ENTRIES = 10_000
"""The most entries of an archive; a release has up to a hundred."""

MAX_UNPACKED_BYTES = 8 * 1024**3
"""The largest content of an archive; the largest releases, those with CUDA's libraries, have 2 GB."""

MAX_FOLDERS = 16
"""The most parts of a path."""

MAX_NAME_LETTERS = 1000

MAX_LINK_CHAIN = 16
"""The longest chain of links."""

SHOWN_LETTERS = 100

Parts = tuple[str, ...]
"""The parts of a path in the archive."""


class Contents:
    """Checks the members of an archive one after the other.

    Attributes:
        folder: where they are unpacked.
        total_bytes: size of the files so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.total_bytes = 0
        self._count = 0
        self._known: dict[Parts, tuple[Parts, str]] = {}
        self._links: dict[Parts, str] = {}

    def take(self, member: tarfile.TarInfo) -> Parts:
        """Accept a member, and give it a safe mode; returns the parts of its path, none for the archive's own root.

        Raises:
            ArchiveInvalid: it is none that a release has, or exceeds a bound.
            tarfile.FilterError: it leads out of the folder, or is neither a file nor a folder nor a link.
        """
        self._count += 1
        self.total_bytes += member.size
        if self._count > MAX_ENTRIES:
            raise ArchiveInvalid(f"There are more than {MAX_ENTRIES:,} files in the archive.")
        if member.size < 0 or self.total_bytes > MAX_UNPACKED_BYTES:
            raise ArchiveInvalid(f"The archive contains more than {MAX_UNPACKED_BYTES:,} bytes.")
        path = path_of(member.name)
        if not path:
            return path
        member.mode = tarfile.data_filter(member, str(self.folder)).mode
        kind = "folder" if member.isdir() else "link" if member.issym() or member.islnk() else "file"
        if member.issparse():
            raise ArchiveInvalid(f"{shown(path)} is a sparse file.")
        for depth in range(1, len(path)):
            self._note(path[:depth], "folder")
        if kind != "folder" and _folded(path) in self._known:
            raise ArchiveInvalid(f"{shown(path)} is in the archive twice, at least on some systems.")
        self._note(path, kind)
        if kind == "link":
            # A hard link is relative to the archive's root, a symbolic one to its own folder.
            self._links[path] = member.linkname if member.issym() else _up(path) + "/".join(path_of(member.linkname))
        return path

    def links(self) -> dict[Parts, Parts]:
        """The links, each with the file that it finally leads to; dangling ones are left out.

        Raises:
            ArchiveInvalid: one leads to anything but a file of the archive.
        """
        found = {}
        for path in self._links:
            end = path
            for _ in range(MAX_LINK_CHAIN):
                end = self._next(end)
                if end not in self._links:
                    break
            else:
                raise ArchiveInvalid(f"{shown(path)} is a link that leads in circles.")
            kind = self._known.get(_folded(end), (end, ""))[1]
            if kind == "folder" or not end:
                raise ArchiveInvalid(f"{shown(path)} is a link to a folder.")
            if kind == "file":
                found[path] = end
        return found

    def _note(self, path: Parts, kind: str) -> None:
        spelled, known = self._known.setdefault(_folded(path), (path, kind))
        if known != kind:
            raise ArchiveInvalid(f"{shown(path)} is a {known} and a {kind}.")
        if spelled != path:
            raise ArchiveInvalid(f"{shown(path)} and {shown(spelled)} are the same on some systems.")

    def _next(self, path: Parts) -> Parts:
        """The target of a link. No folder is a link, so `..` is always the parent folder."""
        target = self._links[path]
        for part in target.split("/"):
            if part not in (".", "..") and (problem := path_policy.problem_of(part)):
                raise ArchiveInvalid(f"{shown(path)} is a link to an invalid path: {problem}.")
        place = posixpath.normpath("/".join((*path[:-1], target)))
        parts = () if place == "." else tuple(place.split("/"))
        if ".." in parts:
            raise ArchiveInvalid(f"{shown(path)} is a link that leads out of the archive.")
        return parts


def path_of(name: str) -> Parts:
    """The parts of a name in an archive; none for the archive's own root.

    Raises:
        ArchiveInvalid: it could lead out of the folder, or is not valid on every system.
    """
    if len(name) > MAX_NAME_LETTERS:
        raise ArchiveInvalid(f"{shown((name,))} is longer than any real name.")
    plain = name.removesuffix("/")
    while plain.startswith("./"):
        plain = plain[2:]
    if plain in ("", "."):
        if name.startswith("/"):
            raise ArchiveInvalid("The archive contains the root of a file system.")
        return ()
    path = tuple(plain.split("/"))
    for part in path:
        if problem := path_policy.problem_of(part):
            raise ArchiveInvalid(f"{shown(path)} cannot be a file's name: {problem}.")
    if len(path) > MAX_FOLDERS:
        raise ArchiveInvalid(f"{shown(path)} is nested in more than {MAX_FOLDERS} folders.")
    return path


def shown(path: Parts) -> str:
    """A name for messages."""
    name = "/".join(path)
    return repr(name if len(name) <= SHOWN_LETTERS else f"{name[:SHOWN_LETTERS]}…")


def _up(path: Parts) -> str:
    return "../" * (len(path) - 1)


def _folded(path: Parts) -> Parts:
    return tuple(part.casefold() for part in path)
