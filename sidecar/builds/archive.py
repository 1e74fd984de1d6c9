"""Release archives: what is in them, and unpacking that into a folder that nobody uses yet.

Owns the formats (zip, tar in gzip or xz) and the writing. What may stand in an archive is decided in `entries`. Only
ordinary files, folders and links to files of the archive come out, readable by everybody and writable by their owner,
and the room on the disk is looked at before anything is written. Everything here blocks on the disk.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

from sidecar.builds.entries import MAX_UNPACKED_BYTES, Contents, Entry, path_of, shown
from sidecar.builds.inflate import Inflated
from sidecar.contract.errors import ArchiveInvalid
from sidecar.host import disk_space, file_io
from sidecar.jobs.work import Work
from sidecar.library.downloads.partial import ExpectedHead

PIECE_BYTES = 256 * 1024
"""Written at once: a cancel does not wait longer."""

TAR_OVERHEAD_BYTES = 64 * 1024 * 1024
"""Headers and the filling between files, of as many as are taken."""

MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
"""Of a zip file's list of what is in it, which is read as a whole: 400 bytes for each of the most files."""

IS_WINDOWS = sys.platform == "win32"

Kind = Literal["zip", "gz", "xz"]

_HEADS: dict[bytes, Kind] = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gz", b"\xfd7zXZ\x00": "xz"}

_ZIP_END = struct.Struct("<4s4H2LH")
_ZIP_END_MARK, _ZIP64_MARK = b"PK\x05\x06", b"PK\x06\x07"
_LONGEST_ZIP_COMMENT = 65_535

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | file_io.NOFOLLOW | file_io.BINARY


ARCHIVE_HEAD = ExpectedHead(
    marks=tuple(_HEADS),
    error=ArchiveInvalid,
    message="{name} is no archive: neither zip nor gzip nor xz.",
    hint="Give a .zip, .tar.gz or .tar.xz of llama.cpp's releases; a web page is none.",
)


def kind_of(name: str, head: bytes) -> Kind:
    """What kind of archive begins so.

    Raises:
        ArchiveInvalid: none.
    """
    ARCHIVE_HEAD.check(name, head)
    return next(kind for mark, kind in _HEADS.items() if head.startswith(mark))


def unpack(archive: BinaryIO, name: str, folder: Path, work: Work) -> None:
    """Unpack an archive into a new folder; `work` counts its packed bytes.

    Raises:
        ArchiveInvalid: it is damaged, or holds what no release holds.
        DiskFull: there is no room for it.
        OSError: the disk refuses.
        Stopped: somebody wants no more.
    """
    archive.seek(0)
    kind = kind_of(name, archive.read(16))
    archive.seek(0)
    folder.mkdir()
    contents = Contents()
    with _damage_told():
        if kind == "zip":
            _unpack_zip(archive, contents, folder, work)
        else:
            _unpack_tar(archive, kind, contents, folder, work)
    for link, target in contents.links().items():
        _link(folder.joinpath(*link), folder.joinpath(*target))
    _sync_folders(folder)


# --- the formats -----------------------------------------------------------------------------------------------


def _unpack_tar(archive: BinaryIO, kind: Kind, contents: Contents, folder: Path, work: Work) -> None:
    stream: Any = Inflated(archive, kind, limit=MAX_UNPACKED_BYTES + TAR_OVERHEAD_BYTES)
    read = 0
    with tarfile.open(fileobj=stream, mode="r:", errorlevel=2) as tar:
        for member in tar:
            entry = _tar_entry(member)
            if not entry.path:
                continue
            contents.take(entry)
            data = tar.extractfile(member) if entry.kind == "file" else None
            _write(folder, entry, data, work)
            position = archive.tell()
            work.done(position - read)
            read = position


def _tar_entry(member: tarfile.TarInfo) -> Entry:
    path = path_of(member.name)
    if member.isdir():
        return Entry(path, "folder")
    if member.issym():
        return Entry(path, "link", target=member.linkname)
    if member.islnk():  # the same file once more: named from the archive's root, where a link is from its own folder
        return Entry(path, "link", target="../" * (len(path) - 1) + "/".join(path_of(member.linkname)))
    if not member.isreg() or member.issparse():
        raise ArchiveInvalid(f"{shown(path)} is neither a file nor a folder nor a link to a file.")
    return Entry(path, "file", member.size, bool(member.mode & stat.S_IXUSR))


def _unpack_zip(archive: BinaryIO, contents: Contents, folder: Path, work: Work) -> None:
    _look_at_zip_end(archive)
    with zipfile.ZipFile(archive) as file:
        found = [(info, _zip_entry(file, info)) for info in file.infolist()]
        found = [(info, entry) for info, entry in found if entry.path]
        for _, entry in found:
            contents.take(entry)
        disk_space.check_room(folder, contents.total_bytes)
        for info, entry in found:
            if entry.kind == "file":
                with file.open(info) as data:
                    _write(folder, entry, data, work)
            else:
                _write(folder, entry, None, work)
            work.done(info.compress_size)


def _zip_entry(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    path = path_of(info.filename)
    if info.flag_bits & 1:
        raise ArchiveInvalid(f"{shown(path)} is locked with a password.")
    mode = info.external_attr >> 16
    if info.is_dir() or stat.S_ISDIR(mode):
        return Entry(path, "folder")
    if stat.S_ISLNK(mode):
        if info.file_size > tarfile.BLOCKSIZE:
            raise ArchiveInvalid(f"{shown(path)} is a link longer than any real one.")
        return Entry(path, "link", target=file.read(info).decode("utf-8"))
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise ArchiveInvalid(f"{shown(path)} is neither a file nor a folder nor a link to a file.")
    # Archives made on Windows do not say what may be run.
    return Entry(path, "file", info.file_size, not stat.S_IMODE(mode) or bool(mode & stat.S_IXUSR))


def _look_at_zip_end(archive: BinaryIO) -> None:
    """See that the list of what is in a zip file can be read as a whole, before somebody does that."""
    size = archive.seek(0, os.SEEK_END)
    start = max(size - _ZIP_END.size - _LONGEST_ZIP_COMMENT, 0)
    archive.seek(start)
    tail = archive.read(size - start)
    at = tail.rfind(_ZIP_END_MARK)
    if at < 0 or len(tail) - at < _ZIP_END.size:
        raise ArchiveInvalid("The archive is damaged: it ends too early.")
    directory_bytes = _ZIP_END.unpack_from(tail, at)[5]
    if directory_bytes > MAX_DIRECTORY_BYTES or _ZIP64_MARK in tail[max(at - 20, 0) : at]:
        raise ArchiveInvalid("The archive's list of files is larger than that of any release.")
    archive.seek(0)


@contextmanager
def _damage_told() -> Iterator[None]:
    """What the readers of archives raise, as ArchiveInvalid."""
    try:
        yield
    except (
        *(tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError),
        *(NotImplementedError, UnicodeError, ValueError, OverflowError, IndexError, KeyError, RuntimeError),
    ) as error:
        raise ArchiveInvalid(f"The archive is damaged, or of a kind that is not read: {error}.") from None


# --- writing ---------------------------------------------------------------------------------------------------


def _write(folder: Path, entry: Entry, data: IO[bytes] | None, work: Work) -> None:
    """Write an entry's file or folder; links come last."""
    place = folder.joinpath(*entry.path)
    if entry.kind == "folder":
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        return
    disk_space.check_room(folder, entry.size)
    with os.fdopen(os.open(place, _NEW, 0o755 if entry.executable else 0o644), "wb", buffering=0) as file:
        written = 0
        while piece := data.read(PIECE_BYTES):
            written += len(piece)
            if written > entry.size:
                raise ArchiveInvalid(f"{shown(entry.path)} is larger than it is said to be.")
            file.write(piece)
            work.done(0)
        if written != entry.size:
            raise ArchiveInvalid(f"{shown(entry.path)} ends too early.")
        os.fsync(file.fileno())


def _link(place: Path, target: Path) -> None:
    try:
        place.symlink_to(os.path.relpath(target, place.parent))
    except OSError:
        if not IS_WINDOWS:  # where only some may make links
            raise
        shutil.copyfile(target, place)


def _sync_folders(folder: Path) -> None:
    for root, _, _ in os.walk(folder):
        file_io.sync_folder(Path(root))
