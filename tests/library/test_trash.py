"""Deleting models: what goes, what stays, and that it comes back, whatever happens in between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from sidecar.contract.errors import DeleteNotAllowed, ModelInUse, ModelNotFound, PathNotAllowed
from sidecar.contract.models import DeletedFile, DeletedModel, EmptyTrashResult, KeptFile
from sidecar.contract.remedies import open_settings
from sidecar.library import file_copy
from sidecar.library.library import Library
from sidecar.library.scan.sources import Sources
from sidecar.library.trash import folder
from sidecar.library.trash.folder import Entry
from sidecar.library.trash.trash import Trash
from sidecar.storage.atomic_files import write_atomically
from tests.config_files import models_config

from .gguf_files import model_bytes, write_model
from .stores import VISION, sha256, write

DAY = 86_400


class Desk:
    """An own folder, another one, and a trash; time stands still."""

    def __init__(self, folder: Path) -> None:
        self.own, self.other = folder / "own", folder / "other"
        self.own.mkdir()
        self.other.mkdir()
        self.now, self.config = 1_000_000.0, models_config(self.other)
        self.library = Library(Sources(self.own, self.config))
        self.trash = self.opened()

    def opened(self) -> Trash:
        """The trash, as a new sidecar finds it."""
        return Trash(self.library, self.own, self.config, clock=lambda: self.now)

    def delete(self, name: str, *, permanently: bool = False, dry_run: bool = False) -> DeletedModel:
        return self.trash.delete(name, permanently=permanently, dry_run=dry_run)

    def names(self) -> list[str]:
        return [model.name for model in self.library.list()]

    def files(self) -> dict[str, str]:
        """What is in the own folder, the trash aside."""
        return {
            str(path.relative_to(self.own)): sha256(path.read_bytes())
            for path in sorted(self.own.rglob("*"))
            if path.is_file() and ".trash" not in path.parts
        }

    def split_with_projector(self) -> None:
        """A model of two parts, with its projector, in a folder of its own."""
        for number in (1, 2):
            write(self.own / "large" / f"large-Q4_0-{number:05d}-of-00002.gguf", model_bytes(split__no=number))
        write(self.own / "large" / "mmproj-F16.gguf", model_bytes(**VISION))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_dry_run_says_what_would_go_and_nothing_goes(desk: Desk) -> None:
    path = write_model(desk.own / "a.gguf")
    size = path.stat().st_size
    assert desk.delete("a", dry_run=True) == DeletedModel(
        model="a",
        deleted=False,
        files=[DeletedFile(path=str(path), size_bytes=size, frees_bytes=size, link=False)],
        frees_bytes=size,
        kept=[],
        other_paths=[],
        used_by_servers=[],
        trash_id=None,
        purged_at=None,
    )
    assert path.exists()
    assert list(desk.own.iterdir()) == [path]


def test_a_deleted_model_comes_back_as_it_was(desk: Desk) -> None:
    desk.split_with_projector()
    before = desk.files()
    times = {path.name: path.stat().st_mtime_ns for path in (desk.own / "large").iterdir()}
    deleted = desk.delete("large-Q4_0")
    assert (len(deleted.files), deleted.purged_at) == (3, desk.now + 7 * DAY)
    assert (desk.names(), desk.files(), (desk.own / "large").exists()) == ([], {}, False)
    [kept] = desk.trash.deleted()
    assert (kept.trash_id, kept.model, kept.files) == (deleted.trash_id, "large-Q4_0", 3)
    assert desk.trash.restore("large-Q4_0").files == 2
    assert desk.files() == before
    assert {path.name: path.stat().st_mtime_ns for path in (desk.own / "large").iterdir()} == times
    assert desk.trash.deleted() == []


def test_what_is_deleted_for_ever_is_gone(desk: Desk) -> None:
    write_model(desk.own / "a.gguf")
    deleted = desk.delete("a", permanently=True)
    assert (deleted.deleted, deleted.trash_id) == (True, None)
    assert (desk.names(), desk.trash.deleted(), list((desk.own / ".trash").iterdir())) == ([], [], [])


def test_with_no_retention_nothing_is_kept(desk: Desk) -> None:
    write_model(desk.own / "a.gguf")
    desk.config.config.models.deleted_retention_days = 0
    assert desk.delete("a").trash_id is None
    assert list((desk.own / ".trash").iterdir()) == []


def test_a_model_elsewhere_is_refused_with_what_to_do(desk: Desk, tmp_path: Path) -> None:
    there = write_model(desk.other / "a.gguf")
    outside = write_model(tmp_path / "outside.gguf")
    (desk.own / "linked").symlink_to(desk.other)
    for name in ("a", str(there), str(outside), str(desk.own / "linked" / "a.gguf")):
        with pytest.raises(DeleteNotAllowed, match="not in the sidecar's own folder") as refused:
            desk.delete(name)
        assert refused.value.remedies == (open_settings("models.folders"),)
    assert there.exists()
    assert outside.exists()


def test_of_a_link_only_the_link_goes(desk: Desk, tmp_path: Path) -> None:
    target = write_model(tmp_path / "elsewhere" / "target.gguf")
    link = desk.own / "a.gguf"
    link.symlink_to(target)
    deleted = desk.delete("a", permanently=True)
    assert (deleted.files[0].link, deleted.frees_bytes) == (True, 0)
    assert (target.exists(), os.path.lexists(link)) == (True, False)


def test_a_link_comes_back_as_a_link(desk: Desk, tmp_path: Path) -> None:
    write_model(tmp_path / "elsewhere" / "target.gguf")
    link = desk.own / "a.gguf"
    link.symlink_to("../elsewhere/target.gguf")
    desk.delete("a")
    assert desk.trash.restore("a").valid
    assert link.readlink() == Path("../elsewhere/target.gguf")


def test_content_that_has_another_name_frees_nothing(desk: Desk) -> None:
    path = write_model(desk.own / "a.gguf")
    os.link(path, desk.other / "b.gguf")
    deleted = desk.delete("a", permanently=True)
    assert (deleted.frees_bytes, deleted.other_paths) == (0, [str(desk.other / "b.gguf")])
    assert desk.names() == ["b"]


def test_a_projector_stays_for_the_other_models_that_need_it(desk: Desk) -> None:
    for kind in ("Q4_0", "Q8_0"):
        write_model(desk.own / f"seeing-{kind}.gguf", general__name=kind)
    projector = write(desk.own / "mmproj-seeing.gguf", model_bytes(**VISION))
    deleted = desk.delete("seeing-Q4_0")
    assert deleted.kept == [KeptFile(path=str(projector), used_by=["seeing-Q8_0"])]
    assert [file.path for file in desk.delete("seeing-Q8_0").files] == [
        str(desk.own / "seeing-Q8_0.gguf"),
        str(projector),
    ]


def test_a_model_that_a_server_has_loaded_is_refused(desk: Desk) -> None:
    path = write_model(desk.own / "a.gguf")
    (desk.own / "linked.gguf").symlink_to(path)
    others = [("gone", desk.own / "gone.gguf"), ("other", write_model(desk.own / "b.gguf"))]
    loaded = [*others, ("chat", desk.own / "linked.gguf"), ("chat", path)]
    told = desk.trash.delete("a", permanently=False, dry_run=True, loaded=loaded)
    assert told.used_by_servers == ["chat"]
    with pytest.raises(ModelInUse, match="'chat'"):
        desk.trash.delete("a", permanently=False, dry_run=False, loaded=loaded)
    assert path.exists()


def test_nothing_is_overwritten_by_what_comes_back(desk: Desk) -> None:
    desk.split_with_projector()
    desk.delete("large-Q4_0")
    new = write_model(desk.own / "large" / "mmproj-F16.gguf", general__name="new")
    before = desk.files()
    with pytest.raises(PathNotAllowed, match=r"another file at .*mmproj-F16\.gguf"):
        desk.trash.restore("large-Q4_0")
    assert desk.files() == before
    new.unlink()
    assert desk.trash.restore("large-Q4_0").mmproj_path == str(new)


def test_of_models_of_one_name_the_last_deleted_comes_back(desk: Desk) -> None:
    for name in ("first", "second"):
        write_model(desk.own / "a.gguf", general__name=name)
        desk.delete("a")
        desk.now += 1
    first = desk.trash.deleted()[1].trash_id
    assert desk.trash.restore("a").display_name == "second"
    desk.delete("a", permanently=True)
    assert desk.trash.restore(first).display_name == "first"


def test_what_is_not_in_the_trash_is_not_found(desk: Desk) -> None:
    write_model(desk.own / "a.gguf")
    desk.delete("a")
    for name in ("b", "../..", "", "."):
        for do in (desk.trash.restore, lambda name: desk.trash.empty(name)):
            with pytest.raises(ModelNotFound) as raised:
                do(name)
            assert raised.value.hint.endswith(": a.")


def test_the_trash_is_emptied_at_once_or_when_it_is_old(desk: Desk) -> None:
    sizes = [write_model(desk.own / f"{name}.gguf").stat().st_size for name in "abc"]
    for name in "abc":
        desk.delete(name)
        desk.now += DAY
    assert desk.trash.empty("b") == EmptyTrashResult(models=1, freed_bytes=sizes[1])
    desk.now += 4 * DAY
    desk.opened().tidy()
    assert [model.model for model in desk.trash.deleted()] == ["c"]
    assert desk.trash.empty() == EmptyTrashResult(models=1, freed_bytes=sizes[2])
    assert desk.trash.deleted() == []


# --- crashes ---


class Crash(BaseException):
    """The end of the process."""


def crash_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End at the n-th thing that is done to the disk."""
    left = step

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **kwargs: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise Crash
            return real(*args, **kwargs)

        return run

    monkeypatch.setattr(folder, "write_atomically", counted(write_atomically))
    monkeypatch.setattr(os, "link", counted(os.link))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    monkeypatch.setattr(shutil, "rmtree", counted(shutil.rmtree))


ALL_STEPS = 16
"""More than any of these take."""


@pytest.mark.parametrize("what", ["delete", "restore", "permanently", "empty"])
def test_a_crash_at_any_step_loses_nothing_and_the_next_start_goes_on(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes = 0
    for step in range(1, ALL_STEPS + 1):
        (tmp_path / str(step)).mkdir()
        desk = Desk(tmp_path / str(step))
        desk.split_with_projector()
        before = desk.files()
        if what in ("restore", "empty"):
            desk.delete("large-Q4_0")
        with monkeypatch.context() as patch:
            crash_at(step, patch)
            try:
                match what:
                    case "restore":
                        desk.trash.restore("large-Q4_0")
                    case "empty":
                        desk.trash.empty()
                    case _:
                        desk.delete("large-Q4_0", permanently=what == "permanently")
            except Crash:
                crashes += 1
        desk.trash = desk.opened()
        desk.trash.tidy()
        kept, files = desk.trash.deleted(), desk.files()
        if kept:
            assert (len(kept[0].model), files) == (10, {}), step
            desk.trash.restore("large-Q4_0")
            assert desk.files() == before, step
        else:  # all there, or all gone where that was wanted
            assert files == before or (not files and what in ("permanently", "empty")), step
    assert 5 <= crashes < ALL_STEPS  # none was left out


def test_what_came_into_the_place_of_a_deleted_file_after_a_crash_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.split_with_projector()
    with monkeypatch.context() as patch:
        crash_at(4, patch)  # the first file is moved
        with pytest.raises(Crash):
            desk.delete("large-Q4_0", permanently=True)
    new = desk.own / "large" / "large-Q4_0-00002-of-00002.gguf"
    keep = desk.own / "keep"  # so that its number is not given to the new one
    new.rename(keep)
    write(new, b"something new")
    desk.opened().tidy()
    assert new.read_bytes() == b"something new"
    assert keep.exists()


def test_without_hard_links_files_are_renamed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise OSError("not on this file system")

    monkeypatch.setattr(os, "link", refused)
    desk.split_with_projector()
    before = desk.files()
    desk.delete("large-Q4_0")
    assert desk.trash.restore("large-Q4_0").files == 2
    assert desk.files() == before
    taken = write(desk.own / "taken", b"x")
    with pytest.raises(FileExistsError):
        file_copy.move(taken, desk.own / "large" / "mmproj-F16.gguf")


@pytest.mark.parametrize(
    "entry",
    [
        b"{",
        b"[]",
        b'{"trash_id": "\xff"}',
        msgspec.json.encode(Entry("x", "x", 0, "restoring", [folder.TrashedFile("../../out", "0", 1, 1)])),
        msgspec.json.encode(Entry("x", "x", 0, "restoring", [folder.TrashedFile("/out", "0", 1, 1)])),
        msgspec.json.encode(Entry("x", "x", 0, "purging", [folder.TrashedFile("a", "../../a.gguf", 1, 1)])),
        msgspec.json.encode(Entry("../x", "x", 0, "purging", [])),
    ],
)
def test_an_entry_that_is_not_ours_is_left_alone(desk: Desk, entry: bytes) -> None:
    path = write_model(desk.own / "a.gguf")
    write(desk.own / ".trash" / "x" / "entry.json", entry)
    write(desk.own / ".trash" / "x" / "0", b"kept")
    desk.trash.tidy()
    assert (desk.trash.deleted(), path.exists()) == ([], True)
    assert (desk.own / ".trash" / "x" / "0").read_bytes() == b"kept"
