"""Rotating files: bounded on disk, never in the way."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.logs.files import RotatingFile


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_file_that_has_grown_too_large_is_turned_over_and_the_oldest_goes(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "a.log", max_bytes=10, kept=2)
    for number in range(9):
        file.write(b"%04d\n" % number)
    assert contents(tmp_path) == {
        "a.log": b"0008\n",
        "a.log.1": b"0006\n0007\n",
        "a.log.2": b"0004\n0005\n",
    }
    assert file.size == 5
    file.close()


@given(sizes=st.lists(st.integers(1, 30), max_size=40))
def test_what_is_kept_is_the_end_of_what_was_written_and_bounded(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    file = RotatingFile(folder / "a.log", max_bytes=50, kept=2)
    written = b""
    for number, size in enumerate(sizes):
        line = b"%d" % (number % 10) * size + b"\n"
        file.write(line)
        written += line
    file.close()
    kept = contents(folder)
    together = b"".join(kept[name] for name in ("a.log.2", "a.log.1", "a.log") if name in kept)
    assert written.endswith(together)
    assert all(len(data) <= 50 for data in kept.values())
    assert len(written) == len(together) or len(together) > 50


def test_a_file_that_was_there_is_continued(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"before\n")
    file = RotatingFile(tmp_path / "a.log", max_bytes=100, kept=1)
    assert file.size == 7
    file.write(b"after\n")
    file.close()
    file.close()
    file.write(b"and again\n")
    file.close()
    assert contents(tmp_path) == {"a.log": b"before\nafter\nand again\n"}


def test_clearing_empties_an_open_file_and_removes_all_others(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "a.log", max_bytes=5, kept=3)
    for _ in range(4):
        file.write(b"1234\n")
    file.clear()
    assert contents(tmp_path) == {"a.log": b""}
    file.write(b"new\n")
    file.close()
    file.clear()
    assert (contents(tmp_path), file.size) == ({}, 0)


def test_clearing_what_never_was_written_does_nothing(tmp_path: Path) -> None:
    RotatingFile(tmp_path / "a.log", max_bytes=5, kept=3).clear()
    assert contents(tmp_path) == {}


def test_a_file_that_cannot_be_written_is_given_up_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.log").mkdir()
    file = RotatingFile(tmp_path / "a.log", max_bytes=100, kept=1)
    for _ in range(3):
        file.write(b"line\n")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert file.problem == caplog.records[0].getMessage()
    file.close()


def test_a_full_disk_stops_nobody_and_clearing_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RotatingFile(tmp_path / "a.log", max_bytes=100, kept=1)
    file.write(b"before\n")

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        file.write(b"lost\n")
    file.write(b"given up\n")
    assert contents(tmp_path) == {"a.log": b"before\n"}
    file.clear()
    file.write(b"after\n")
    file.close()
    assert contents(tmp_path) == {"a.log": b"after\n"}


@pytest.mark.case(35)
@pytest.mark.parametrize("planted", ["link", "dangling link", "pipe"])
def test_what_is_planted_in_a_files_place_is_not_written_through(planted: str, tmp_path: Path) -> None:
    outside, path = tmp_path / "outside", tmp_path / "logs" / "a.log"
    path.parent.mkdir()
    if planted == "link":
        outside.write_bytes(b"mine\n")
    if planted == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(outside)
    file = RotatingFile(path, max_bytes=100, kept=1)
    file.write(b"line\n")
    assert file.problem is not None
    assert outside.exists() is (planted == "link")
    file.clear()
    assert not os.path.lexists(path)
    file.write(b"line\n")
    file.close()
    assert path.read_bytes() == b"line\n"
    assert not outside.exists() or outside.read_bytes() == b"mine\n"
