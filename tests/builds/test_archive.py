"""What comes out of archives, and that nothing comes out of hostile ones."""

from __future__ import annotations

import contextlib
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from sidecar.builds import archive as archives
from sidecar.builds import entries
from sidecar.builds.archive import unpack
from sidecar.contract.errors import ArchiveInvalid, DiskFull
from sidecar.host import disk_space
from sidecar.jobs.work import Stopped, Work
from tests.builds.archives import KINDS, Item, make, pack
from tests.jobs.watched import WatchedWork

LINK, FOLDER, HARD = tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE


def unpacked(archive: Path, work: Work | None = None) -> Path:
    folder = archive.parent / "out"
    with archive.open("rb") as file:
        unpack(file, archive.name, folder, work or Work())
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_release_comes_out_as_it_was_packed(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "llama-server").write_bytes(b"#!/bin/sh\n")
    (source / "bin" / "llama-server").chmod(0o6755)  # set-uid bits do not come along
    (source / "libggml.so.0.25").write_bytes(os.urandom(300_000))
    (source / "libggml.so.0").symlink_to("libggml.so.0.25")
    (source / "bin" / "libggml.so").symlink_to("../libggml.so.0")
    (source / "libnothing.so").symlink_to("libnothing.so.1")  # leads nowhere, so it is left out
    out = unpacked(pack(source, tmp_path / f"b.{kind}")) / "llama-b1"
    assert {p.relative_to(out).as_posix() for p in out.rglob("*")} == {
        *("bin", "bin/llama-server", "bin/libggml.so", "libggml.so.0", "libggml.so.0.25"),
    }
    assert (out / "bin" / "libggml.so").read_bytes() == (source / "libggml.so.0.25").read_bytes()
    assert stat.S_IMODE((out / "bin" / "llama-server").stat().st_mode) == 0o755
    assert stat.S_IMODE((out / "libggml.so.0.25").stat().st_mode) == 0o644
    assert (out / "bin" / "libggml.so").readlink() == Path("../libggml.so.0.25")


def test_progress_counts_up_to_the_whole_archive(tmp_path: Path) -> None:
    for kind in KINDS:
        archive = make(tmp_path / kind / f"b.{kind}", [Item(f"f{i}", os.urandom(100_000)) for i in range(4)])
        told: list[int] = []
        unpacked(archive, WatchedWork(lambda done, _, told=told: told.append(done)))  # type: ignore[misc]
        assert told == sorted(told)
        assert 0.9 < told[-1] / archive.stat().st_size <= 1


HOSTILE: dict[str, list[Item]] = {
    "absolute": [Item("/etc/passwd", b"x")],
    "up": [Item("../up", b"x")],
    "up, deeper": [Item("a/../../up", b"x")],
    "a drive": [Item("C:/x", b"x")],
    "backslashes": [Item("a\\..\\..\\x", b"x")],
    "a device of Windows": [Item("bin/NUL.txt", b"x")],
    "a hidden stream": [Item("x:y", b"x")],
    "a line break": [Item("a\nb", b"x")],
    "an escape": [Item("a\x1b[2J", b"x")],
    "right to left": [Item("a\u202etxt.exe", b"x")],
    "an empty part": [Item("a//b", b"x")],
    "a dot at its end": [Item("a./b", b"x")],
    "a long name": [Item("a" * 300, b"x")],
    "a deep one": [Item("/".join("a" * 20), b"x")],
    "twice": [Item("a", b"x"), Item("a", b"y")],
    "twice for some systems": [Item("Lib/a", b"x"), Item("lib/b", b"y")],
    "a file as folder": [Item("a", b"x"), Item("a/b", b"y")],
    "a folder as file": [Item("a/b", b"x"), Item("a", b"y")],
    "a link that leads out": [Item("a", kind=LINK, target="../../x")],
    "an absolute link": [Item("a", kind=LINK, target="/etc/passwd")],
    "a link with a drive": [Item("a", kind=LINK, target="C:\\x")],
    "a file behind a link": [Item("a", kind=LINK, target="."), Item("a/b", b"x")],
    "a link to a folder": [Item("d/x", b"x"), Item("a", kind=LINK, target="d")],
    "a link to the root": [Item("x", b"x"), Item("a", kind=LINK, target=".")],
    "links in a circle": [Item("a", kind=LINK, target="b"), Item("b", kind=LINK, target="a")],
    "a link to itself": [Item("a", kind=LINK, target="a")],
    "a link by way of one": [
        *(Item("d/e/x", b"x"), Item("d/e/up", kind=LINK, target="../..")),
        Item("a", kind=LINK, target="d/e/up/../x"),
    ],
    "a link without a target": [Item("a", kind=LINK, target="")],
    "a named pipe": [Item("a", kind=tarfile.FIFOTYPE)],
    "a device": [Item("a", kind=tarfile.CHRTYPE)],
    "nothing of a link but its name": [Item("x", b"x"), Item("a", kind=LINK, target="x" * 600)],
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_hostile_entries_are_refused_and_nothing_is_written_elsewhere(tmp_path: Path, what: str, kind: str) -> None:
    archive = make(tmp_path / "in" / f"b.{kind}", HOSTILE[what])
    with pytest.raises(ArchiveInvalid) as refused:
        unpacked(archive)
    assert refused.value.message.isprintable()
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert {path.name for path in archive.parent.iterdir()} == {archive.name, "out"}
    assert not [path for path in (archive.parent / "out").rglob("*") if path.is_symlink()]


def test_a_hard_link_leads_to_the_file_that_it_names_from_the_archives_root(tmp_path: Path) -> None:
    items = [Item("lib/a.so.1", b"x"), Item("lib/a.so", kind=HARD, target="lib/a.so.1")]
    folder = unpacked(make(tmp_path / "b.tar.gz", items))
    assert ((folder / "lib/a.so").read_bytes(), (folder / "lib/a.so").readlink()) == (b"x", Path("a.so.1"))


@pytest.mark.parametrize("target", ["../x", "/etc/passwd", "lib", "lib/b.so", ""])
def test_a_hard_link_to_anything_else_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(ArchiveInvalid):
        unpacked(make(tmp_path / "b.tar.gz", [Item("lib/a", b"x"), Item("lib/b.so", kind=HARD, target=target)]))


@pytest.mark.parametrize("kind", KINDS)
def test_more_than_a_release_has_is_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_ENTRIES", 3)
    with pytest.raises(ArchiveInvalid, match="more than 3 files"):
        unpacked(make(tmp_path / "many" / f"b.{kind}", [Item(f"f{i}") for i in range(4)]))
    monkeypatch.setattr(entries, "MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(ArchiveInvalid, match=r"contains more than 1,000,000 bytes"):
        unpacked(make(tmp_path / "much" / f"b.{kind}", [Item("zeros", bytes(1_000_001))]))
    assert not list((tmp_path / "much" / "out").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_where_there_is_no_room_nothing_is_written(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "KEPT_FREE_BYTES", 2**60)
    with pytest.raises(DiskFull):
        unpacked(make(tmp_path / f"b.{kind}", [Item("a", b"x")]))
    assert not list((tmp_path / "out").iterdir())


def test_a_tar_bomb_ends_at_its_limit_however_it_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A header of a tar file that says how long the next name is, which readers take into memory.
    archive = make(tmp_path / "b.tar.gz", [Item("././@LongLink", bytes(3_000_000), kind=tarfile.GNUTYPE_LONGNAME)])
    with pytest.raises(ArchiveInvalid, match="larger than any real one"):
        unpacked(archive)
    monkeypatch.setattr(archives, "TAR_OVERHEAD_BYTES", 0)
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(ArchiveInvalid, match="100,000 bytes"):
        unpacked(make(tmp_path / "2" / "b.tar.gz", [Item(f"f{i}", kind=FOLDER) for i in range(400)]))


def test_an_xz_that_wants_more_memory_than_any_real_one_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "b.tar.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": archives.XZ_MEMORY_BYTES + 1}]
    for before in (b"", lzma.compress(bytes(2048))):  # at the beginning, or further on
        packed.write_bytes(before + lzma.compress(bytes(100_000), filters=filters))
        with packed.open("rb") as file, pytest.raises(lzma.LZMAError, match="Memory"):
            archives._XzReader(file).readall()


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    archive = make(tmp_path / "b.zip", [Item("zeros", bytes(1_000_000))])
    data = archive.read_bytes()
    said = struct.pack("<I", 1_000_000)
    archive.write_bytes(data.replace(said, struct.pack("<I", 10)))
    with pytest.raises(ArchiveInvalid):
        unpacked(archive)
    (tmp_path / "2").mkdir()
    archive = tmp_path / "2" / "b.zip"
    archive.write_bytes(data[:-10] + struct.pack("<I", 2**31) + data[-6:])  # the length of its list
    with pytest.raises(ArchiveInvalid):
        unpacked(archive)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_archive_is_said_to_be_one(tmp_path: Path, kind: str) -> None:
    whole = make(tmp_path / f"b.{kind}", [Item("a", os.urandom(20_000)), Item("b", b"x" * 20_000)]).read_bytes()
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        at = len(whole) * number // 40
        damaged = whole[:at] if number % 2 else whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        (folder / f"b.{kind}").write_bytes(damaged)
        with contextlib.suppress(ArchiveInvalid):  # and no other error; what is not read may be damaged
            unpacked(folder / f"b.{kind}")


@pytest.mark.parametrize("head", [b"<!DOCTYPE html>", b"GGUF", b""])
def test_what_is_not_an_archive_is_refused(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "b.zip").write_bytes(head)
    with pytest.raises(ArchiveInvalid, match="is not an archive"):
        unpacked(tmp_path / "b.zip")


def test_a_locked_zip_is_refused(tmp_path: Path) -> None:
    archive = make(tmp_path / "b.zip", [Item("a", b"x")])
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(ArchiveInvalid, match="password"):
        unpacked(archive)


def test_a_zip_made_on_windows_does_not_say_what_may_be_run_so_all_may(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        info = zipfile.ZipInfo("llama-server")
        info.create_system, info.external_attr = 0, 0x20
        file.writestr(info, b"x")
    assert stat.S_IMODE((unpacked(tmp_path / "b.zip") / "llama-server").stat().st_mode) == 0o755


@pytest.mark.parametrize("kind", KINDS)
def test_unpacking_stops_when_that_is_wanted(tmp_path: Path, kind: str) -> None:
    work = WatchedWork(lambda done, _: work.stop.set() if done else None)
    with pytest.raises(Stopped):
        unpacked(make(tmp_path / f"b.{kind}", [Item(f"f{i}", os.urandom(300_000)) for i in range(3)]), work)
    assert len(list((tmp_path / "out").iterdir())) < 3
