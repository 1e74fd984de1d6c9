"""What stands in an archive, judged before any of it is written.

Pure. Owns which names, kinds and links are taken. An archive is somebody else's: nothing in it may lead out of the
folder that it is unpacked into, on whatever system, and no two of its names may be one for some system.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from sidecar.contract.errors import ArchiveInvalid
from sidecar.host import path_policy

MAX_ENTRIES = 10_000
"""A release has up to a hundred."""

MAX_UNPACKED_BYTES = 8 * 1024**3
"""The largest releases, those with CUDA's libraries, have 2 GB."""

MAX_FOLDERS = 16
"""In a name."""

MAX_NAME_LETTERS = 1000

MAX_LINKS_ON = 16
"""That lead from one to the next."""

SHOWN_LETTERS = 100

Path = tuple[str, ...]


class Entry(msgspec.Struct, frozen=True):
    """Something in an archive.

    Attributes:
        path: its parts.
        kind: what it is.
        size: bytes, as is said.
        executable: whether it may be run.
        target: where a link leads to, as it stands there.
    """

    path: Path
    kind: Literal["file", "folder", "link"]
    size: int = 0
    executable: bool = False
    target: str = ""


class Contents:
    """Takes the entries of an archive one after the other, as far as they may be taken.

    Attributes:
        total_bytes: of the files so far.
    """

    def __init__(self) -> None:
        self.total_bytes = 0
        self._count = 0
        self._known: dict[Path, tuple[Path, str]] = {}
        self._links: dict[Path, str] = {}

    def take(self, entry: Entry) -> None:
        """Take an entry.

        Raises:
            ArchiveInvalid: it is none that a release has, or is one too many.
        """
        self._count += 1
        self.total_bytes += entry.size
        if self._count > MAX_ENTRIES:
            raise ArchiveInvalid(f"There are more than {MAX_ENTRIES:,} files in the archive.")
        if entry.size < 0 or self.total_bytes > MAX_UNPACKED_BYTES:
            raise ArchiveInvalid(f"There is more in the archive than {MAX_UNPACKED_BYTES:,} bytes.")
        for depth in range(1, len(entry.path)):
            self._note(entry.path[:depth], "folder")
        if entry.kind != "folder" and _folded(entry.path) in self._known:
            raise ArchiveInvalid(f"{shown(entry.path)} is in the archive twice, for some systems at least.")
        self._note(entry.path, entry.kind)
        if entry.kind == "link":
            self._links[entry.path] = entry.target

    def links(self) -> dict[Path, Path]:
        """The links, each with the file that it leads to in the end; what leads nowhere is left out.

        Raises:
            ArchiveInvalid: one leads to something else than a file of the archive.
        """
        found = {}
        for path in self._links:
            end = path
            for _ in range(MAX_LINKS_ON):
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

    def _note(self, path: Path, kind: str) -> None:
        spelled, known = self._known.setdefault(_folded(path), (path, kind))
        if known != kind:
            raise ArchiveInvalid(f"{shown(path)} is a {known} and a {kind}.")
        if spelled != path:
            raise ArchiveInvalid(f"{shown(path)} and {shown(spelled)} are the same for some systems.")

    def _next(self, path: Path) -> Path:
        """Where a link leads to: by way of folders only, so that `..` means what it says."""
        parts, at = self._links[path].split("/"), list(path[:-1])
        for number, part in enumerate(parts, 1):
            if part == "..":
                if not at:
                    raise ArchiveInvalid(f"{shown(path)} is a link that leads out of the archive.")
                at.pop()
            elif part != ".":
                if problem := path_policy.problem_of(part):
                    raise ArchiveInvalid(f"{shown(path)} is a link to a place that is refused: {problem}.")
                at.append(part)
            if number < len(parts) and tuple(at) in self._links:
                raise ArchiveInvalid(f"{shown(path)} is a link by way of another one.")
        return tuple(at)


def path_of(name: str) -> Path:
    """The parts of a name in an archive; none for the archive's own root.

    Raises:
        ArchiveInvalid: it could lead elsewhere, or is one that some system does not take.
    """
    if len(name) > MAX_NAME_LETTERS:
        raise ArchiveInvalid(f"{shown((name,))} is longer than any real name.")
    plain = name.removesuffix("/")
    while plain.startswith("./"):
        plain = plain[2:]
    if plain in ("", "."):
        if name.startswith("/"):
            raise ArchiveInvalid("There is the root of a file system in the archive.")
        return ()
    path = tuple(plain.split("/"))
    for part in path:
        if problem := path_policy.problem_of(part):
            raise ArchiveInvalid(f"{shown(path)} can not be a file's name: {problem}.")
    if len(path) > MAX_FOLDERS:
        raise ArchiveInvalid(f"{shown(path)} lies in more than {MAX_FOLDERS} folders.")
    return path


def shown(path: Path) -> str:
    """A name for messages."""
    name = "/".join(path)
    return repr(name if len(name) <= SHOWN_LETTERS else f"{name[:SHOWN_LETTERS]}…")


def _folded(path: Path) -> Path:
    return tuple(part.casefold() for part in path)
