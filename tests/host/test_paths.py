"""The layout of the data folder."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from sidecar.contract.errors import DiskFull, PermissionDenied
from sidecar.host.environment import DATA_DIR_VARIABLE, self_command
from sidecar.host.paths import DataDir, default_data_dir


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- the data folder ---------------------------------------------------------------------------------------------


def test_a_data_folder_is_made_with_its_parents_and_private(data_dir: Path) -> None:
    layout = DataDir(data_dir / "deeper")
    layout.create()
    layout.create()
    assert sorted(p.name for p in layout.root.iterdir()) == ["logs", "models", "turns"]
    assert (mode_of(layout.root), mode_of(layout.logs)) == (0o700, 0o700)


@pytest.mark.parametrize("in_the_way", [".", "models", "logs"])
def test_a_file_in_the_place_of_a_folder_is_told(data_dir: Path, in_the_way: str) -> None:
    layout = DataDir(data_dir)
    if in_the_way != ".":
        data_dir.mkdir()
    (data_dir / in_the_way).write_text("a file")
    with pytest.raises(PermissionDenied):
        layout.create()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.EACCES, PermissionDenied),
        (errno.EROFS, PermissionDenied),
        (errno.ENAMETOOLONG, PermissionDenied),
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
    ],
)
def test_what_the_system_refuses_is_told(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(error):
        DataDir(data_dir).create()


def test_the_variable_names_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "named"))
    assert default_data_dir() == tmp_path / "named"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_DIR_VARIABLE, "relative")
    assert default_data_dir() == tmp_path / "relative"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(DATA_DIR_VARIABLE, "~/mine")
    assert default_data_dir() == tmp_path / "mine"


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_the_systems_place_counts(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv(DATA_DIR_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(DATA_DIR_VARIABLE, value)
    assert default_data_dir().name == "llama-sidecar"
    assert default_data_dir().is_absolute()


def test_the_program_starts_itself_again_frozen_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert self_command() == [sys.executable, "-m", "sidecar"]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert self_command() == [sys.executable]
