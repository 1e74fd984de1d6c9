"""Release archives: reading them, and unpacking them into a new folder.

Owns the formats (zip, tar in gzip or xz, as Python's own modules read them), their bounds, and the writing. `entries`
decides what an archive may contain. Only ordinary files, folders and links to files of the archive are written, with
write permission for their owner only, and the free space is checked first. Everything here blocks on the disk.
"""

from __future__ import annotations

import gzip
import io
import lzma
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

from sidecar.builds.entries import MAX_UNPACKED_BYTES, Contents, Parts, shown
from sidecar.contract.errors import ArchiveInvalid
from sidecar.host import disk_space, file_io
from sidecar.jobs.work import Work
from sidecar.library.downloads.answers import ExpectedHead

PIECE_BYTES = 256 * 1024
"""Bytes per write; a cancellation waits for one at most."""

TAR_OVERHEAD_BYTES = 64 * 1024 * 1024
"""Headers and padding of the largest accepted number of files."""

MAX_READ_BYTES = 1024 * 1024
"""The largest read that tarfile may request. Files are read in smaller pieces; no valid header is larger."""

XZ_MEMORY_BYTES = 256 * 1024 * 1024
"""Memory limit for unpacking xz: its highest level needs 65 MiB, and a header could request gigabytes."""

MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
"""The largest central directory of a zip file, which is read as a whole: 400 bytes for each of the most entries."""

Kind = Literal["zip", "gz", "xz"]

_HEADS: dict[bytes, Kind] = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gz", b"\xfd7zXZ\x00": "xz"}

_ZIP_END_MARK, _ZIP64_MARK = b"PK\x05\x06", b"PK\x06\x07"
_MAX_ZIP_END = 22 + 65_535  # with its comment

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | file_io.NOFOLLOW | file_io.BINARY


ARCHIVE_HEAD = ExpectedHead(
    marks=tuple(_HEADS),
    error=ArchiveInvalid,
    message="{name} is not an archive: it is neither zip nor gzip nor xz.",
    hint="Give a .zip, .tar.gz or .tar.xz of llama.cpp's releases, not a web page.",
)


def kind_of(name: str, head: bytes) -> Kind:
    """The kind of an archive with this head.

    Raises:
        ArchiveInvalid: it is none that can be read.
    """
    ARCHIVE_HEAD.check(name, head)
    return next(kind for mark, kind in _HEADS.items() if head.startswith(mark))


def unpack(archive: BinaryIO, name: str, folder: Path, work: Work) -> None:
    """Unpack an archive into a new folder; `work` counts its packed bytes.

    Raises:
        ArchiveInvalid: it is damaged, or contains something that no release contains.
        DiskFull: there is no space for it.
        OSError: it cannot be written.
        Stopped: it was stopped.
    """
    archive.seek(0)
    kind = kind_of(name, archive.read(16))
    archive.seek(0)
    folder.mkdir()
    contents = Contents(folder)
    with _damage_as_archive_invalid():
        if kind == "zip":
            _unpack_zip(archive, contents, work)
        else:
            _unpack_tar(archive, kind, contents, work)
        links = contents.links()
    for link, target in links.items():
        _link(folder.joinpath(*link), folder.joinpath(*target))
    for root, _, _ in os.walk(folder):
        file_io.sync_folder(Path(root))


# --- the formats -----------------------------------------------------------------------------------------------


def _unpack_tar(archive: BinaryIO, kind: Kind, contents: Contents, work: Work) -> None:
    unpacked: Any = gzip.GzipFile(fileobj=archive) if kind == "gz" else io.BufferedReader(_XzReader(archive))
    stream: Any = _Bounded(unpacked, limit=MAX_UNPACKED_BYTES + TAR_OVERHEAD_BYTES)
    read = 0
    with tarfile.open(fileobj=stream, mode="r:", errorlevel=2) as tar:
        for member in tar:
            if path := contents.take(member):
                _write(contents.folder, path, member, tar.extractfile(member) if member.isreg() else None, work)
            position = archive.tell()
            work.done(position - read)
            read = position


def _unpack_zip(archive: BinaryIO, contents: Contents, work: Work) -> None:
    _check_zip_directory(archive)
    with zipfile.ZipFile(archive) as file:
        found = []
        for info in file.infolist():
            member = _as_tar_member(file, info)
            if path := contents.take(member):
                found.append((info, path, member))
        disk_space.check_room(contents.folder, contents.total_bytes)
        for info, path, member in found:
            if member.isreg():
                with file.open(info) as data:
                    _write(contents.folder, path, member, data, work)
            else:
                _write(contents.folder, path, member, None, work)
            work.done(info.compress_size)


def _as_tar_member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> tarfile.TarInfo:
    """An entry of a zip file as one of a tar file, so that the same checks apply to both."""
    if info.flag_bits & 1:
        raise ArchiveInvalid(f"{shown((info.filename,))} is encrypted with a password.")
    member = tarfile.TarInfo(info.filename)
    mode = info.external_attr >> 16
    member.mode = stat.S_IMODE(mode) or 0o755  # archives made on Windows do not mark executables
    if info.is_dir() or stat.S_ISDIR(mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(mode):
        member.type = tarfile.SYMTYPE
        if info.file_size > tarfile.BLOCKSIZE:
            raise ArchiveInvalid(f"{shown((info.filename,))} is a link longer than any real one.")
        member.linkname = file.read(info).decode("utf-8")
    elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
        member.size = info.file_size
    else:
        member.type = tarfile.CHRTYPE  # a type that is refused
    return member


def _check_zip_directory(archive: BinaryIO) -> None:
    """Check the size of a zip file's central directory before it is read as a whole."""
    archive.seek(max(archive.seek(0, os.SEEK_END) - _MAX_ZIP_END, 0))
    tail = archive.read(_MAX_ZIP_END)
    at = tail.rfind(_ZIP_END_MARK)
    if at < 0:
        raise ArchiveInvalid("The archive is damaged: it ends too early.")
    directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory_bytes > MAX_DIRECTORY_BYTES or _ZIP64_MARK in tail[max(at - 20, 0) : at]:
        raise ArchiveInvalid("The archive's list of files is larger than that of any release.")
    archive.seek(0)


class _Bounded:
    """An unpacked stream with limits for tarfile, which reads headers of any size into memory."""

    def __init__(self, stream: IO[bytes], *, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        """Read up to a position; tarfile seeks forward only."""
        while self._position < position and self.read(min(MAX_READ_BYTES, position - self._position)):
            continue

    def read(self, count: int) -> bytes:
        """Exactly so many bytes, fewer only at the end."""
        if count > MAX_READ_BYTES:
            raise ArchiveInvalid("A header in the archive is larger than any real one.")
        data = self._stream.read(count)
        self._position += len(data)
        if self._position > self._limit:
            raise ArchiveInvalid(f"The archive contains more than {self._limit:,} bytes.")
        return data


class _XzReader(io.RawIOBase):
    """Like lzma.LZMAFile, but with a limit of its memory."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._decoder = self._new_decoder()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data:
            if self._decoder.eof:  # another stream may follow
                packed = self._decoder.unused_data or self._packed.read(PIECE_BYTES)
                if not packed.strip(b"\0"):
                    return 0
                self._decoder = self._new_decoder()
            else:
                packed = self._packed.read(PIECE_BYTES) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not packed:
                    raise EOFError("it ends too early")
            data = self._decoder.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _new_decoder(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


@contextmanager
def _damage_as_archive_invalid() -> Iterator[None]:
    """Convert the exceptions of the archive readers to ArchiveInvalid."""
    try:
        yield
    except (
        *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
        *(NotImplementedError, UnicodeError, ValueError, OverflowError, IndexError, KeyError, RuntimeError),
    ) as error:
        raise ArchiveInvalid(f"The archive is damaged, or of an unsupported kind: {error}.") from None


# --- writing ---------------------------------------------------------------------------------------------------


def _write(folder: Path, path: Parts, member: tarfile.TarInfo, data: IO[bytes] | None, work: Work) -> None:
    """Write a member's file or folder; links come last."""
    place = folder.joinpath(*path)
    (place if member.isdir() else place.parent).mkdir(parents=True, exist_ok=True)
    if data is None:
        return
    disk_space.check_room(folder, member.size)
    with os.fdopen(os.open(place, _NEW, member.mode), "wb", buffering=0) as file:
        written = 0
        while piece := data.read(PIECE_BYTES):
            written += file.write(piece)
            work.done(0)
        if written != member.size:  # the readers stop at the declared size, so it can only be less
            raise ArchiveInvalid(f"{shown(path)} ends too early.")
        os.fsync(file.fileno())


def _link(place: Path, target: Path) -> None:
    try:
        place.symlink_to(os.path.relpath(target, place.parent))
    except OSError:
        if sys.platform == "win32":  # where only some users may create links
            shutil.copyfile(target, place)
        else:
            raise
