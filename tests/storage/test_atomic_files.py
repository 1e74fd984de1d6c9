"""Files replaced as a whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.host import file_io
from sidecar.storage.atomic_files import refusal, write_atomically


def fail_with(code: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_a_file_is_made_and_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for data in (b"one", b"two" * 10_000, b""):
        write_atomically(path, data)
        assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("config.json", data)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_a_link_points_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles" / "mine.json", tmp_path / "config.json"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


@pytest.mark.case(29)
@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("os.fsync", errno.ENOSPC),
        ("os.fsync", errno.EIO),
        ("pathlib.Path.replace", errno.EACCES),
        ("os.fdopen", errno.EMFILE),
    ],
)
def test_a_failure_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, code: int
) -> None:
    path = tmp_path / "config.json"
    write_atomically(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(where, fail_with(code))
        with pytest.raises(OSError) as failed:
            write_atomically(path, b"new")
    assert failed.value.errno == code
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("config.json", b"old")]


def test_a_crash_between_writing_and_replacing_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"old")
    crash = (
        "import os, sys; from pathlib import Path; from sidecar.storage.atomic_files import write_atomically\n"
        "Path.replace = lambda *_: os._exit(9)\n"
        "write_atomically(Path(sys.argv[1]), b'new')"
    )
    assert subprocess.run([sys.executable, "-c", crash, str(path)], check=False).returncode == 9
    assert path.read_bytes() == b"old"


def test_content_and_name_are_on_the_disk_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(fd: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def note_replace(source: Path, target: Path) -> Path:
        order.append("replace")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_atomically(tmp_path / "config.json", b"x")
    assert order == ["file", "replace", "folder"]


@pytest.mark.case(29, 30)
@pytest.mark.parametrize(
    ("code", "name"),
    [
        (errno.ENOSPC, "DISK_FULL"),
        (errno.EDQUOT, "DISK_FULL"),
        (errno.EACCES, "PERMISSION_DENIED"),
        (errno.EPERM, "PERMISSION_DENIED"),
        (errno.EROFS, "PERMISSION_DENIED"),
        (errno.EIO, "STORAGE_ERROR"),
        (errno.EISDIR, "STORAGE_ERROR"),
    ],
)
def test_what_the_system_refuses_is_told_by_its_name(code: int, name: str) -> None:
    assert refusal(OSError(code, os.strerror(code)), "Nothing was changed").name == name


def test_windows_retries_a_replace_that_is_refused_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    replace = Path.replace

    def refused_twice(source: Path, target: Path) -> Path:
        attempts.append(1)
        if len(attempts) < 3:
            raise PermissionError(errno.EACCES, "in use")
        return replace(source, target)

    (tmp_path / "new").write_bytes(b"new")
    monkeypatch.setattr(Path, "replace", refused_twice)
    monkeypatch.setattr("sys.platform", "win32")
    file_io.replace(tmp_path / "new", tmp_path / "config.json")
    assert ((tmp_path / "config.json").read_bytes(), len(attempts)) == (b"new", 3)
