"""One sidecar a data folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.contract.errors import DataDirLocked, PermissionDenied
from sidecar.host import lock as lock_module
from sidecar.host.lock import DataDirLock

HOLD = """
import sys; from pathlib import Path; from sidecar.host.lock import DataDirLock
DataDirLock(Path(sys.argv[1])).acquire(); print("held", flush=True); sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_that_another_process_has_is_refused_and_says_whose_it_is(
    path: Path, holder: subprocess.Popen[bytes]
) -> None:
    for _ in range(2):
        with pytest.raises(DataDirLocked) as refused:
            DataDirLock(path).acquire()
        assert refused.value.data == {"data_dir": str(path.parent), "pid": holder.pid}
        assert [remedy.action for remedy in refused.value.remedies] == ["restart_sidecar"]
    assert path.read_text() == f"{holder.pid}\n"


def test_a_lock_says_where_its_holder_serves_pages(path: Path) -> None:
    lock = DataDirLock(path)
    lock.acquire()
    lock.note_address("http://127.0.0.1:8123/")
    with pytest.raises(DataDirLocked) as refused:
        DataDirLock(path).acquire()
    assert refused.value.data["address"] == "http://127.0.0.1:8123/"
    assert [remedy.action for remedy in refused.value.remedies] == ["open_page", "restart_sidecar"]
    assert "http://127.0.0.1:8123/" in refused.value.hint
    lock.release()


def test_a_lock_ends_with_its_process_however_that_ends(path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    lock = DataDirLock(path)
    lock.acquire()
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_lock_that_was_given_back_can_be_taken_again(path: Path) -> None:
    lock, other = DataDirLock(path), DataDirLock(path)
    lock.acquire()
    with pytest.raises(DataDirLocked):
        other.acquire()
    lock.release()
    lock.release()
    other.acquire()
    other.release()


@pytest.mark.parametrize("text", ["", "nobody\n", "-5\n", "12 34\n", "9" * 40])
def test_who_has_it_is_unknown_where_the_file_does_not_say(path: Path, text: str) -> None:
    lock = DataDirLock(path)
    lock.acquire()
    path.write_text(text)
    with pytest.raises(DataDirLocked) as refused:
        DataDirLock(path).acquire()
    assert refused.value.data["pid"] is None or len(text) == 40
    lock.release()


def test_a_lock_file_that_cannot_be_made_is_told(path: Path) -> None:
    path.mkdir()
    with pytest.raises(PermissionDenied):
        DataDirLock(path).acquire()


def test_a_file_system_without_locks_is_told_and_not_taken_for_another_sidecar(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(fd: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock_module, "_lock", no_locks)
    with pytest.raises(PermissionDenied):
        DataDirLock(path).acquire()


def test_a_full_disk_does_not_keep_the_lock_from_holding(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lock = DataDirLock(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        lock.acquire()
    with pytest.raises(DataDirLocked):
        DataDirLock(path).acquire()
    lock.release()
