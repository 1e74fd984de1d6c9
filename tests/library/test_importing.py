"""Importing models: whole or not at all, never over anything, and never away from another program."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from sidecar.contract.errors import (
    DiskFull,
    ModelInvalid,
    ModelNotFound,
    PathNotAllowed,
    PermissionDenied,
    SidecarError,
    StorageError,
)
from sidecar.contract.models import ModelInfo
from sidecar.jobs.work import Stopped, Work
from sidecar.library import file_copy, importing
from sidecar.library.importing import Importer, Mode
from sidecar.library.library import Library
from sidecar.library.scan.sources import Sources
from tests.config_files import models_config
from tests.jobs.watched import WatchedWork
from tests.trust.hostile_names import NAMES

from .gguf_files import model_bytes, write_model
from .stores import VISION, state, write

MODES: tuple[Mode, ...] = ("link", "copy", "move")


class Desk:
    """An own folder, one of the config, and one that nobody lists."""

    def __init__(self, folder: Path) -> None:
        self.own, self.listed, self.away = folder / "own", folder / "listed", folder / "away"
        for one in (self.own, self.listed, self.away):
            one.mkdir()
        self.library = Library(Sources(self.own, models_config(self.listed)))
        self.importer = Importer(self.library, self.own)

    def bring_in(
        self, path: Path | str, mode: Mode = "link", name: str | None = None, work: Work | None = None
    ) -> ModelInfo:
        return self.importer.bring_in(str(path), mode, name, work or Work())

    def inside(self) -> list[str]:
        return sorted(str(path.relative_to(self.own)) for path in self.own.rglob("*") if not path.is_dir())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("mode", MODES)
def test_a_model_is_in_the_library_afterwards(desk: Desk, mode: Mode) -> None:
    path = write_model(desk.away / "Tiny-Q4_0.gguf")
    data, before = path.read_bytes(), path.stat()
    model = desk.bring_in(path, mode)
    target = desk.own / "Tiny-Q4_0.gguf"
    assert (model.name, model.path, model.origin, model.valid) == ("Tiny-Q4_0", str(target), "own", True)
    assert target.read_bytes() == data
    assert (target.stat().st_ino == before.st_ino) == (mode != "copy")
    assert path.exists() == (mode != "move")
    assert desk.inside() == ["Tiny-Q4_0.gguf"]


@pytest.mark.parametrize("mode", MODES)
def test_all_of_a_split_model_comes_with_its_projector(desk: Desk, mode: Mode) -> None:
    parts = [write(desk.away / f"large-{n:05d}-of-00003.gguf", model_bytes(split__no=n)) for n in (1, 2, 3)]
    projector = write(desk.away / "mmproj-large-F16.gguf", model_bytes(**VISION))
    write_model(desk.away / "unrelated.gguf")
    model = desk.bring_in(parts[1], mode, name="Große Überraschung")
    folder = desk.own / "Große Überraschung"
    assert (model.files, model.mmproj_path) == (3, str(folder / "mmproj-F16.gguf"))
    assert len(desk.inside()) == 4
    assert [part.exists() for part in parts] == [mode != "move"] * 3
    assert projector.exists()  # it is not told what else it is for


@pytest.mark.parametrize("mode", MODES)
def test_what_is_there_is_never_overwritten(desk: Desk, mode: Mode) -> None:
    there = write_model(desk.own / "Same.gguf", general__name="there")
    path = write_model(desk.away / "Same.gguf", general__name="another")
    before = state(desk.own), path.read_bytes()
    for name in (None, "Same", "same"):
        with pytest.raises(PathNotAllowed):
            desk.bring_in(path, mode, name)
    assert (state(desk.own), path.read_bytes()) == before
    assert desk.bring_in(path, mode, "Another").display_name == "another"
    assert there.exists()


def test_two_imports_under_one_name_are_one_and_a_refusal(desk: Desk) -> None:
    path = write_model(desk.away / "a.gguf", a="x" * 100)
    other = write_model(desk.away / "b.gguf", a="y" * 200)
    inside = threading.Event()

    def tell(done: int, total: int) -> None:
        if not inside.is_set():
            inside.set()
            desk.bring_in(other, "copy", "one")

    with pytest.raises(PathNotAllowed, match="already"):
        desk.bring_in(path, "copy", "one", WatchedWork(tell))
    assert desk.inside() == ["one.gguf"]
    assert (desk.own / "one.gguf").read_bytes() == other.read_bytes()


def test_a_name_leads_nowhere_else(desk: Desk) -> None:
    path = write_model(desk.away / "a.gguf")
    taken = 0
    for name in (*NAMES[::12], "..", "../x", "a/../../b", "CON", "x\0y", " . ", "a\u202eb", "x" * 260):
        before = len(desk.inside())
        try:
            desk.bring_in(path, name=name)
        except PathNotAllowed:
            assert len(desk.inside()) == before
        else:
            [inside] = desk.own.iterdir()
            inside.unlink()
            taken += 1
    assert taken > 10
    assert {entry.name for entry in desk.own.parent.iterdir()} == {"own", "listed", "away"}


def test_what_others_keep_is_not_moved(desk: Desk) -> None:
    path = write_model(desk.listed / "a.gguf")
    with pytest.raises(PathNotAllowed, match="not moved") as refused:
        desk.bring_in(path, "move")
    assert "link" in refused.value.hint
    link = desk.away / "link.gguf"
    link.symlink_to(write_model(desk.away / "target.gguf"))
    with pytest.raises(PathNotAllowed, match="is a link"):
        desk.bring_in(link, "move")
    assert path.exists()
    assert link.is_symlink()


def test_a_projector_that_nothing_else_needs_is_moved_along(desk: Desk) -> None:
    path = write_model(desk.away / "seeing-Q4_0.gguf")
    projector = write(desk.away / "mmproj-seeing.gguf", model_bytes(**VISION))
    assert desk.bring_in(path, "move").mmproj_path
    assert list(desk.away.iterdir()) == []
    assert not projector.exists()


def test_where_there_are_no_hard_links_a_link_is_a_link(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refused)
    path = write_model(desk.away / "a.gguf")
    assert desk.bring_in(path).valid
    assert (desk.own / "a.gguf").readlink() == path


def test_a_copy_that_is_stopped_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_copy, "PIECE_BYTES", 100)
    path = write_model(desk.away / "a.gguf", a="x" * 1000)
    work = WatchedWork(lambda done, total: work.stop.set() if done > 200 else None)
    with pytest.raises(Stopped):
        desk.bring_in(path, "copy", work=work)
    assert (list(desk.own.iterdir()), path.exists()) == ([], True)


def test_a_copy_tells_its_progress(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_copy, "PIECE_BYTES", 512)
    path = write_model(desk.away / "a.gguf")
    told: list[tuple[int, int]] = []
    desk.bring_in(path, "copy", work=WatchedWork(lambda done, total: told.append((done, total))))
    size = path.stat().st_size
    assert told == [(min(done + 512, size), size) for done in range(0, size, 512)]


def test_a_kernel_that_cannot_copy_is_helped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object, **kwargs: object) -> int:
        raise OSError("between these two file systems")

    monkeypatch.setattr(os, "copy_file_range", refused)
    path = write_model(desk.away / "a.gguf")
    desk.bring_in(path, "copy")
    assert (desk.own / "a.gguf").read_bytes() == path.read_bytes()


def test_there_has_to_be_room_for_a_copy_and_for_a_link_not(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(free=importing.SPARE_BYTES + 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    path = write_model(desk.away / "a.gguf")
    with pytest.raises(DiskFull, match="10 are available"):
        desk.bring_in(path, "copy")
    assert list(desk.own.iterdir()) == []
    assert desk.bring_in(path, "link").valid


def test_a_file_that_grows_while_it_is_copied_is_not_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(desk.away / "a.gguf")
    real = file_copy.copy

    def slow(source: Path, target: Path, work: Work) -> None:
        source.write_bytes(source.read_bytes() + b"more")
        real(source, target, work)

    monkeypatch.setattr(file_copy, "copy", slow)
    with pytest.raises(StorageError, match="changed while it was copied"):
        desk.bring_in(path, "copy")
    assert list(desk.own.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("relative.gguf", PathNotAllowed),
        ("tiny", PathNotAllowed),
        ("/no/such/file", ModelNotFound),
        ("/dev/zero", PathNotAllowed),
        ("/etc", PathNotAllowed),
    ],
)
def test_what_is_no_file_is_refused(desk: Desk, path: str, error: type[SidecarError]) -> None:
    write_model(desk.listed / "tiny.gguf")
    with pytest.raises(error):
        desk.bring_in(path)


def test_what_is_no_model_or_there_already_is_refused(desk: Desk) -> None:
    with pytest.raises(ModelInvalid):
        desk.bring_in(write(desk.away / "bad.gguf", b"GGUF"))
    with pytest.raises(ModelNotFound, match="cannot run alone"):
        desk.bring_in(write(desk.away / "mmproj.gguf", model_bytes(**VISION)))
    with pytest.raises(ModelInvalid, match="missing"):
        desk.bring_in(write(desk.away / "part-00001-of-00002.gguf", model_bytes()))
    with pytest.raises(PathNotAllowed, match="in the library as own"):
        desk.bring_in(write_model(desk.own / "own.gguf"))


def test_a_folder_that_may_not_be_written_to_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(desk.away / "a.gguf")
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda place, mode: mode != os.W_OK)
        with pytest.raises(PermissionDenied, match="cannot be moved"):
            desk.bring_in(path, "move")
    assert path.exists()


def test_what_a_crash_has_left_is_removed_and_nothing_else(desk: Desk) -> None:
    write(desk.own / f"{importing.STAGE}1234-5678" / "half.gguf", b"GGUF")
    write_model(desk.own / "a.gguf")
    path = write_model(desk.away / "b.gguf")
    desk.bring_in(path, "copy", work=WatchedWork(lambda done, total: desk.importer.tidy()))  # at the same time
    assert desk.inside() == ["a.gguf", "b.gguf"]
