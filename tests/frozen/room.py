"""The room that frozen programs are tried in: hardly anything of the machine that made them is in there.

    python -m tests.frozen.room PROGRAM TESTS...

The program stands in a folder that can not be written to, whose name has blanks and other letters. HOME and TMPDIR are
empty folders, nothing is on PATH, the locale is C, and of all variables only those of the tests are left. Owns that
nothing is left in the room by the tests. Linux only: the mounts are the room's own, and root would not mind modes.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.program import VARIABLE

OURS = "LLAMA_SIDECAR_TEST_"

GONE_SECONDS = 30.0
"""For the watchdog of a sidecar that the last test has killed, which ends what is left first and then removes it; it
takes less than a second where there is a CPU for it."""

NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000
READ_ONLY, NO_PROGRAMS, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 8, 32, 4096, 16384, 1 << 18
DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: Path | str, target: Path | str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    checked(libc.mount(*words, ctypes.c_ulong(flags), options and options.encode()), f"mounting {target}")


def own_mounts() -> None:
    """From now on mounts are this process's alone, and its children's; also for those who are not root."""
    uid, gid = os.getuid(), os.getgid()
    checked(libc.unshare(NEW_MOUNTS | (0 if uid == 0 else NEW_USER)), "having mounts of our own")
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    mount("none", "/", None, RECURSIVE | PRIVATE)


def make_read_only(folder: Path) -> None:
    """Nobody can write there any more, not even root."""
    mount(folder, folder, None, BIND)
    mount("none", folder, None, BIND | REMOUNT | READ_ONLY)


@contextmanager
def small_disk(folder: Path, *, megabytes: int, flags: int = 0) -> Iterator[Path]:
    """A disk of its own, until the block is left."""
    folder.mkdir()
    mount("tmpfs", folder, "tmpfs", flags, f"size={megabytes}m,mode=700")
    try:
        yield folder
    finally:
        checked(libc.umount2(os.fsencode(folder), DETACH), f"unmounting {folder}")


def left_in(room: Path) -> list[str]:
    """What should not be there when all is over: anything but the folder that the single file unpacks itself into."""
    everything = [path.relative_to(room) for name in ("home", "tmp") for path in (room / name).rglob("*")]
    unpacked = Path("home/.cache/llama-sidecar/frozen")
    return sorted(
        str(path) for path in everything if path not in unpacked.parents and unpacked not in (path, *path.parents)
    )


def main(program: Path, arguments: list[str]) -> int:
    """Put a program into a room and run tests there; the exit code of pytest, or 1 where something is left."""
    own_mounts()
    with tempfile.TemporaryDirectory(prefix="room-") as name:
        room = Path(name)
        folder = room / "pa th ü 模"
        if (program.parent / "_internal").is_dir():
            shutil.copytree(program.parent, folder)
        else:
            folder.mkdir()
            shutil.copy2(program, folder)
        make_read_only(folder)
        for empty in ("home", "tmp", "nothing"):
            (room / empty).mkdir()
        environ = {key: value for key, value in os.environ.items() if key.startswith(OURS)} | {
            VARIABLE: str(folder / program.name),
            "PATH": str(room / "nothing"),
            "HOME": str(room / "home"),
            "TMPDIR": str(room / "tmp"),
            "LANG": "C",
        }
        argv = [sys.executable, "-X", "utf8", "-m", "pytest", f"--basetemp={room / 'tests'}", *arguments]
        code = subprocess.run(argv, env=environ, check=False).returncode
        deadline = time.monotonic() + GONE_SECONDS
        while (left := left_in(room)) and time.monotonic() < deadline:
            time.sleep(0.05)
        checked(libc.umount2(os.fsencode(folder), DETACH), f"unmounting {folder}")
    if left:
        print(f"left in the room: {left}")
    return code or int(bool(left))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
