"""Release archives for tests: sound ones of a folder, and hostile ones entry by entry."""

from __future__ import annotations

import hashlib
import io
import tarfile
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KINDS = ("zip", "tar.gz", "tar.xz")


@dataclass(frozen=True)
class Item:
    """Something in an archive. `kind` is one of tarfile's types; `size` may be another than the data's."""

    name: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644
    size: int | None = None


def pack(folder: Path, archive: Path, *, top: str = "llama-b1") -> Path:
    """Pack a folder as a release is packed: below a top folder, links as links."""
    paths = sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    items = []
    for path in paths:
        name = f"{top}/{path.relative_to(folder).as_posix()}" if top else path.relative_to(folder).as_posix()
        if path.is_symlink():
            items.append(Item(name, kind=tarfile.SYMTYPE, target=str(path.readlink())))
        else:
            items.append(Item(name, path.read_bytes(), mode=path.stat().st_mode))
    return make(archive, items)


def make(archive: Path, items: Sequence[Item]) -> Path:
    """Write an archive of the kind that its name says."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        _make_zip(archive, items)
        return archive
    fast = {"mode": "w:gz", "compresslevel": 1} if archive.name.endswith("gz") else {"mode": "w:xz", "preset": 0}
    with tarfile.open(archive, format=tarfile.GNU_FORMAT, **fast) as tar:  # type: ignore[call-overload]
        for item in items:
            info = tarfile.TarInfo(item.name)
            info.type, info.linkname, info.mode = item.kind, item.target, item.mode & 0o7777
            info.size = len(item.data) if item.size is None else item.size
            tar.addfile(info, io.BytesIO(item.data) if item.data else None)
    return archive


def digest(archive: Path) -> str:
    """Its SHA-256."""
    return hashlib.sha256(archive.read_bytes()).hexdigest()


_ZIP_MODES = {
    tarfile.REGTYPE: 0o100000,
    tarfile.DIRTYPE: 0o040000,
    tarfile.SYMTYPE: 0o120000,
    tarfile.FIFOTYPE: 0o010000,
    tarfile.CHRTYPE: 0o020000,
}


def _make_zip(archive: Path, items: Sequence[Item]) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        warnings.simplefilter("ignore")  # it says that a name is in it twice
        for item in items:
            info = zipfile.ZipInfo(item.name)
            info.create_system = 3
            info.external_attr = (_ZIP_MODES[item.kind] | (item.mode & 0o7777)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, item.target if item.kind == tarfile.SYMTYPE else item.data)
