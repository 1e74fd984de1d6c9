"""The single file at its first start: killed, raced, and refused a place."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.frozen.room import NO_PROGRAMS, small_disk
from tests.raw_host import RawHost

KILLS = 40
AT_ONCE = 6
BOUND_SECONDS = 60.0

DAMAGED, NO_PLACE = 70, 73


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty folder for caches."""
    folder = tmp_path / "cäche"
    folder.mkdir()
    return folder


def start(program: Path, cache: Path, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [program, "--version"],
        env={**os.environ, "XDG_CACHE_HOME": str(cache), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(program: Path, cache: Path, **environ: str) -> tuple[int, str]:
    """The exit code, and what was told on stderr."""
    process = start(program, cache, **environ)
    _, told = process.communicate(timeout=BOUND_SECONDS)
    return process.returncode, told


def first_start(program: Path, cache: Path) -> tuple[float, Path]:
    """The seconds that it takes, and where it has unpacked itself."""
    began = time.monotonic()
    assert run(program, cache) == (0, "")
    return time.monotonic() - began, cache


def unpacked(cache: Path) -> list[Path]:
    """The folders of versions."""
    frozen = cache / "llama-sidecar" / "frozen"
    return sorted(frozen.iterdir()) if frozen.exists() else []


def content(folder: Path) -> dict[str, str]:
    """Every file with its mode and hash."""
    return {
        str(path.relative_to(folder)): f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_killed_at_any_moment_it_leaves_one_folder_and_the_next_start_works(
    program: Path, tmp_path: Path, cache: Path
) -> None:
    whole, undisturbed = min(first_start(program, tmp_path / f"undisturbed {number}") for number in range(3))
    moments = random.Random(4)  # noqa: S311 - it guards nothing
    cut_short = 0
    for _ in range(KILLS):
        process = start(program, cache)
        time.sleep(moments.uniform(0, whole))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=BOUND_SECONDS)
        folders = unpacked(cache)
        assert len(folders) <= 1
        assert [path.name for path in cache.iterdir()] in ([], ["llama-sidecar"])
        cut_short += any(not (folder / "complete").exists() for folder in folders)
        for folder in folders:
            (folder / "complete").unlink(missing_ok=True)  # the next one is a first start, too
    assert cut_short > KILLS / 4
    assert run(program, cache) == (0, "")
    (made,), (expected,) = unpacked(cache), unpacked(undisturbed)
    assert content(made) == content(expected)


def test_first_starts_at_once_wait_for_each_other(program: Path, cache: Path) -> None:
    processes = [start(program, cache) for _ in range(AT_ONCE)]
    told = [process.communicate(timeout=BOUND_SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0] * AT_ONCE, told
    assert len(unpacked(cache)) == 1


def test_what_was_damaged_is_unpacked_anew(program: Path, cache: Path) -> None:
    assert run(program, cache) == (0, "")
    (folder,) = unpacked(cache)
    before = content(folder)
    (folder / "app" / "_internal" / "base_library.zip").write_bytes(b"short")
    assert run(program, cache) == (0, "")
    assert content(folder) == before


@contextmanager
def older_version(cache: Path, *, used: bool = False) -> Iterator[Path]:
    """The folder of an older version, last started two days ago."""
    folder = cache / "llama-sidecar" / "frozen" / "0.0.1-0123456789abcdef"
    (folder / "app").mkdir(parents=True, mode=0o700)
    (folder.parent).chmod(0o700)
    with (folder / "lock").open("w") as lock:
        os.utime(lock.name, (time.time() - 2 * 86400,) * 2)
        if used:
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield folder


def test_an_older_version_goes_unless_it_runs(program: Path, cache: Path) -> None:
    with older_version(cache, used=True) as folder:
        assert run(program, cache) == (0, "")
        assert folder.exists()
    assert run(program, cache) == (0, "")
    assert not folder.exists()


def test_the_folder_of_a_sidecar_is_locked_as_long_as_it_runs(program: Path, cache: Path, data_dir: Path) -> None:
    with RawHost(data_dir, env={"XDG_CACHE_HOME": str(cache)}) as host:
        host.call("ping")
        (folder,) = unpacked(cache)
        with (folder / "lock").open("r+") as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert host.close() == 0
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- places that will not do ---------------------------------------------------------------------------------------


def test_where_the_cache_can_not_be_written_to_it_takes_a_private_folder(program: Path, tmp_path: Path) -> None:
    code, told = run(program, program.parent, TMPDIR=str(tmp_path))
    assert (code, told) == (0, "")
    (folder,) = tmp_path.glob("llama-sidecar-frozen-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (version,) = folder.iterdir()
    assert (version / "complete").exists()


@pytest.mark.parametrize("kind", ["a link", "open to others"])
def test_a_folder_that_somebody_else_may_have_filled_is_refused(program: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / f"llama-sidecar-frozen-{os.geteuid()}"
    if kind == "a link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "theirs")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    code, told = run(program, program.parent, TMPDIR=str(tmp_path))
    assert code == NO_PLACE
    assert str(folder) in told
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_told_and_nothing_is_left_on_it(program: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", megabytes=20) as disk:
        code, told = run(program, disk, TMPDIR=str(program.parent))
        assert code == NO_PLACE
        assert "No space left on device" in told
        assert "MB of room" in told
        assert unpacked(disk) == []


def test_a_disk_that_programs_may_not_be_run_from_is_told_and_another_is_taken(program: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "noexec", megabytes=200, flags=NO_PROGRAMS) as disk:
        code, told = run(program, disk, TMPDIR=str(program.parent))
        assert code == NO_PLACE
        assert "noexec" in told
        assert unpacked(disk) == []
        (tmp_path / "other").mkdir()
        assert run(program, disk, TMPDIR=str(tmp_path / "other")) == (0, "")


def test_a_damaged_file_is_told(program: Path, tmp_path: Path, cache: Path) -> None:
    copy = tmp_path / "damaged"
    data = bytearray(program.read_bytes())
    data[len(data) // 2] ^= 1  # in the payload, which is nearly all of it
    copy.write_bytes(data)
    copy.chmod(0o755)
    code, told = run(copy, cache)
    assert code == DAMAGED
    assert "damaged" in told
    assert unpacked(cache) == []
