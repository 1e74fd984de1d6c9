"""Putting verified files in place: hash-checked, whole or not at all.

Decides which archive members are acceptable. Knows nothing of where archives come from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

CHUNK = 1 << 20


class BadArchive(Exception):
    """An archive that is damaged, or whose content is not what was pinned."""


@dataclass(frozen=True)
class Content:
    """What a file must be: its size in bytes and the sha256 of all of it."""

    size: int
    sha256: str


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file to write to that becomes `target` if the block succeeds, and is gone if it does not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part_beside(target) as part:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)


@contextmanager
def _part_beside(target: Path) -> Iterator[Path]:
    # In the same folder, since only there is a rename atomic; not the final name, so that a crash leaves no half file.
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Puts a file in place atomically, sharing the bytes where the file system allows it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part_beside(target) as part:
        part.unlink(missing_ok=True)
        try:
            part.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, part)
        part.replace(target)


def safe_member(name: str) -> PurePosixPath:
    """The member's path, refused where it would leave the folder that it is unpacked into."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise BadArchive(f"the archive holds a member with the unsafe name {name!r}")
    return path


def extract_one(archive: Path, *, suffix: str, content: Content, target: Path) -> None:
    """Takes the one member that ends with `suffix` out of a zip file, streaming, and checks every byte of it."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if safe_member(name).name.endswith(suffix)]
            if len(names) != 1:
                raise BadArchive(f"the archive holds {len(names)} files ending in {suffix}, and not one")
            with opened.open(names[0]) as source, replacing(target) as file:
                _copy_checked(source, file, content)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadArchive(f"the archive is damaged ({error})") from error


def _copy_checked(source: IO[bytes], target: IO[bytes], content: Content) -> None:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        size += len(chunk)
        # Checked on the way: what unpacks to more than was promised must not fill the disk first.
        if size > content.size:
            raise BadArchive(f"the file inside is longer than {content.size} bytes")
        digest.update(chunk)
        target.write(chunk)
    if size != content.size or digest.hexdigest() != content.sha256:
        raise BadArchive(
            f"the file inside has {size} bytes and sha256 {digest.hexdigest()}, which is not the pinned one"
        )


def extract_folder(archive: Path, *, inside: str, target: Path) -> None:
    """Unpacks the files under the folder `inside` (below the archive's top folder) of a .tar.gz into a new folder."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as part:
        found = False
        try:
            with tarfile.open(archive, "r|gz") as opened:
                for member in opened:
                    path = PurePosixPath(*safe_member(member.name).parts[1:])
                    if not member.isfile() or not path.is_relative_to(inside):
                        continue
                    source = opened.extractfile(member)
                    assert source is not None  # a regular file has content
                    out = Path(part, "content", *path.relative_to(inside).parts)
                    out.parent.mkdir(parents=True, exist_ok=True)
                    with out.open("wb") as file:
                        shutil.copyfileobj(source, file, CHUNK)
                    out.chmod(0o755 if member.mode & 0o100 else 0o644)
                    found = True
        except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk, not the archive
            raise BadArchive(f"the archive is damaged ({error})") from error
        if not found:
            raise BadArchive(f"the archive holds nothing under {inside}")
        Path(part, "content").replace(target)
