"""Builds on the disk: they come and go as a whole, and which one is the default is never in doubt."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.builds.registry import CHOICE, PARTIAL, RECORD, WORK, Build, Registry, name_of_archive
from sidecar.contract.engines import EngineProof
from sidecar.contract.errors import EngineNotFound, PathNotAllowed
from sidecar.engines.kinds.llama_server import PROGRAM
from sidecar.host import file_io


def proof(at: float = 0.0) -> EngineProof:
    return EngineProof(
        proved_at=at,
        version="1",
        backends=["CPU"],
        devices=[],
        gpu_layers=0,
        total_layers=2,
        load_ms=1.0,
        token_ms=1.0,
    )


def add(registry: Registry, name: str, *, at: float = 0.0, make_default: bool = True) -> None:
    folder = registry.new_folder()
    (folder / "files" / "top").mkdir(parents=True)
    (folder / "files" / "top" / PROGRAM).write_bytes(b"")
    build = Build(name=name, source="somewhere", sha256="0" * 64, installed_at=at, proof=proof(at))
    registry.add(folder, build, make_default=make_default)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Three builds, of which the second was the default before the first."""
    registry = Registry(tmp_path / "engines")
    add(registry, "second", at=2)
    add(registry, "first", at=3)
    add(registry, "third", at=4, make_default=False)
    return registry


def shown(registry: Registry) -> tuple[str | None, list[str]]:
    default = registry.default()
    return None if default is None else default.name, [build.name for build in registry.builds()]


def test_the_default_comes_first_then_the_last_good_ones(registry: Registry, tmp_path: Path) -> None:
    assert shown(Registry(tmp_path / "engines")) == ("first", ["first", "second", "third"])
    assert registry.folder_of("first") == tmp_path / "engines" / "first" / "files" / "top"
    owner = registry.owner_of(registry.folder_of("first") / PROGRAM)
    assert owner is not None
    assert owner.name == "first"
    assert registry.owner_of(tmp_path / PROGRAM) is None


def test_one_that_is_removed_leaves_its_place_to_the_last_good_one(registry: Registry, tmp_path: Path) -> None:
    assert registry.remove("first") == "second"
    assert shown(registry) == ("second", ["second", "third"])
    assert registry.remove("third") == "second"
    assert registry.remove("second") is None
    assert shown(registry) == (None, [])
    assert not list((tmp_path / "engines" / WORK).iterdir())
    with pytest.raises(EngineNotFound):
        registry.named("first")


def test_one_that_is_broken_is_no_default_any_more_and_says_why(registry: Registry) -> None:
    assert registry.mark_broken(registry.named("first"), "It crashes.") == "second"
    assert registry.named("first").problem == "It crashes."
    assert registry.mark_broken(registry.named("second"), "It, too.") == "third"
    assert registry.mark_broken(registry.named("third"), "All do.") is None
    assert registry.default() is None


def test_no_build_at_all_can_be_the_default(registry: Registry) -> None:
    registry.make_default(None)
    assert shown(registry) == (None, ["first", "second", "third"])
    registry.remove("third")
    assert registry.default() is None


def test_where_nothing_was_ever_installed_there_is_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "engines")
    registry.tidy()
    assert (shown(registry), list(tmp_path.iterdir())) == ((None, []), [])
    registry.make_default(None)
    assert shown(registry) == (None, [])


@pytest.mark.parametrize("damage", [None, b"", b"{no", b'{"default": 5}', b"\xff", b'{"default": "gone"}'])
def test_a_choice_that_is_lost_or_damaged_leaves_a_sound_default(
    registry: Registry, tmp_path: Path, damage: bytes | None
) -> None:
    registry.mark_broken(registry.named("third"), "broken")
    choice = tmp_path / "engines" / CHOICE
    choice.unlink() if damage is None else choice.write_bytes(damage)
    default = registry.default()
    if damage == b'{"default": "gone"}':  # and no others are known to be good
        assert default is None
    else:
        assert default is not None
        assert default.name == "first"


@pytest.mark.parametrize("damage", [None, b"", b"{no", b"[]"])
def test_a_build_whose_record_is_damaged_is_no_build_and_hides_no_other(
    registry: Registry, tmp_path: Path, damage: bytes | None
) -> None:
    record = tmp_path / "engines" / "first" / RECORD
    record.unlink() if damage is None else record.write_bytes(damage)
    assert shown(registry) == ("second", ["second", "third"])


def test_a_folder_that_somebody_has_removed_is_not_missed(registry: Registry, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "engines" / "first")
    assert shown(registry) == ("second", ["second", "third"])


def test_a_build_without_its_program_says_so(registry: Registry) -> None:
    (registry.folder_of("first") / PROGRAM).unlink()
    info = registry.info(registry.named("first"), default=True)
    assert (info.available, info.path, info.problem) == (False, None, "Its program does not exist any more.")


def test_a_name_is_never_taken_twice(registry: Registry) -> None:
    with pytest.raises(PathNotAllowed):
        add(registry, "first")
    with pytest.raises(PathNotAllowed):  # some systems take it for the same
        add(registry, "FIRST")
    assert registry.free_name("First") == "First-2"
    assert registry.free_name("new") == "new"


@pytest.mark.parametrize(
    ("archive", "name"),
    [
        ("llama-b9999-bin-ubuntu-x64.tar.gz", "llama-b9999-bin-ubuntu-x64"),
        ("cudart llama (1).zip", "cudart-llama-1"),
        ("..", "build"),
        ("", "build"),
        (".work.zip", "work"),
        ("x" * 100 + ".tar.xz", "x" * 64),
    ],
)
def test_a_build_is_called_as_its_archive(archive: str, name: str) -> None:
    assert name_of_archive(archive) == name


class Killed(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("step", range(6))
def test_a_change_that_is_broken_off_anywhere_leaves_the_old_default_or_the_new(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    calls = 0

    def counted(real: Any) -> Any:
        def call(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > step:
                raise Killed
            return real(*args)

        return call

    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(file_io, "replace", counted(file_io.replace))
    monkeypatch.setattr(file_io, "sync_folder", counted(file_io.sync_folder))
    try:
        registry.make_default("second")
    except Killed:
        pass
    monkeypatch.undo()
    assert shown(Registry(tmp_path / "engines")) in (
        *(("first", ["first", "second", "third"]), ("second", ["second", "first", "third"])),
    )


FLIP = """
import itertools, sys
from pathlib import Path
from sidecar.builds.registry import Registry
registry = Registry(Path(sys.argv[1]))
for name in itertools.cycle(("second", "first")):
    registry.make_default(name)
    print(name, flush=True)
"""


def test_the_default_survives_a_kill_at_any_moment(registry: Registry, tmp_path: Path) -> None:
    root = tmp_path / "engines"
    for flips in (3, 20):
        with subprocess.Popen([sys.executable, "-c", FLIP, str(root)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(flips):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        assert shown(Registry(root)) in (
            *(("first", ["first", "second", "third"]), ("second", ["second", "first", "third"])),
        )


def test_what_a_kill_has_left_behind_goes_at_the_next_start_but_a_young_download(tmp_path: Path) -> None:
    root = tmp_path / "engines"
    (root / WORK / "x" / "files").mkdir(parents=True)
    (root / WORK / "x.gguf").write_bytes(b"")
    (root / PARTIAL).mkdir()
    for name, age in (("young", 86_400), ("old", 8 * 86_400)):
        (root / PARTIAL / name).write_bytes(b"")
        os.utime(root / PARTIAL / name, times=(0, root.stat().st_mtime - age))
    registry = Registry(root)
    registry.tidy()
    assert {path.name for path in root.rglob("*")} == {WORK, PARTIAL, "young"}
    folder = registry.new_folder()
    registry.tidy()  # which is late
    assert folder.is_dir()
