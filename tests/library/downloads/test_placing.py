"""Where files go whose names a server has chosen: into their folder, or nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sidecar.contract.errors import PathNotAllowed
from sidecar.library.downloads.files import HIDDEN, DownloadPaths, DownloadRecord, FileRecord
from sidecar.library.scan.disk_scan import DiskScan
from sidecar.library.scan.model_files import scan
from sidecar.storage.atomic_files import put_where_nothing_is
from tests.library.gguf_files import write_model
from tests.trust.hostile_names import NAMES, SAFE_NAMES


def place_of(root: Path, name: str, **changes: object) -> tuple[DownloadPaths, FileRecord]:
    file = FileRecord(url="https://example.com/x", name=name, size=3, **changes)  # type: ignore[arg-type]
    record = DownloadRecord(job_id="0" * 16, created_at=0.0, root=str(root), request="", files=[file])
    return DownloadPaths(record), file


@pytest.mark.case(35)
def test_no_hostile_name_leads_anywhere(tmp_path: Path) -> None:
    root = tmp_path / "models"
    root.mkdir()
    refused = 0
    for name in NAMES:
        place, file = place_of(root, name)
        try:
            target = place.target(file)
        except PathNotAllowed:
            refused += 1
        else:
            assert Path(os.path.normpath(target)).is_relative_to(root)
            assert target.parent == root or not {"..", "."} & set(target.relative_to(root).parts)
    assert refused > 600
    assert [p.name for p in tmp_path.iterdir()] == ["models"]


@pytest.mark.parametrize("name", SAFE_NAMES)
def test_an_ordinary_name_is_a_place_in_the_folder(tmp_path: Path, name: str) -> None:
    place, file = place_of(tmp_path, name)
    assert place.target(file) == tmp_path / name


@pytest.mark.case(35)
def test_a_link_in_the_way_is_refused_wherever_it_is(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "models"
    outside.mkdir()
    root.mkdir()
    (root / HIDDEN).symlink_to(outside, target_is_directory=True)
    place, _ = place_of(root, "a.gguf")
    with pytest.raises(PathNotAllowed):
        place.reserve([0])
    place.clear()
    assert (root / HIDDEN).is_symlink()
    (root / HIDDEN).unlink()
    (root / HIDDEN / ("0" * 16)).mkdir(parents=True)
    (root / HIDDEN / ("0" * 16) / "0.part").symlink_to(outside / "a.gguf")
    with pytest.raises(PathNotAllowed):
        place.reserve([0])
    assert list(outside.iterdir()) == []


def test_what_has_come_is_no_model_by_the_place_that_it_is_in(tmp_path: Path) -> None:
    write_model(tmp_path / HIDDEN / ("0" * 16) / "0.gguf")
    write_model(tmp_path / "real.gguf")
    assert [file.path.name for file in scan(tmp_path, "own", DiskScan())] == ["real.gguf"]


def test_a_file_gets_its_name_only_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        put_where_nothing_is(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"old"
    put_where_nothing_is(tmp_path / "new", tmp_path / "free")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"old": b"old", "free": b"new"}


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        put_where_nothing_is(tmp_path / "new", tmp_path / "old")
    put_where_nothing_is(tmp_path / "new", tmp_path / "free")
    assert {p.name for p in tmp_path.iterdir()} == {"old", "free"}
