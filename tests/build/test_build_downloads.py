"""How far a download is, while pip makes and removes its files and folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from recipes import downloads


def test_the_largest_file_says_how_far_a_download_is(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "small").write_bytes(b"x" * 10)
    (tmp_path / "deep" / "er" / "large").write_bytes(b"x" * 1000)
    assert downloads._largest(tmp_path) == 1000


def test_files_and_folders_that_vanish_meanwhile_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept").write_bytes(b"x" * 10)
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    (tmp_path / "vanishing").mkdir()
    scandir = os.scandir

    def vanishing(path: Any) -> Any:
        if Path(path).name == "vanishing":
            raise FileNotFoundError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert downloads._largest(tmp_path) == 10
