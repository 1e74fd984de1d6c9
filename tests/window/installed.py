"""The app as a person installs it: the .deb with what it depends on, by apt, on a Debian that has nothing else.

    python -m tests.window.installed PACKAGE ROOT DOWNLOADS TESTS...

ROOT is a minimal Debian, which stays as it is: what is installed lies on a disk in memory over it. No Python is in
there and nothing of this tree; the tests themselves, the display and the bus are outside. Owns that the package brings
all that the app needs, and takes all of it away again. For root, on Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.frozen.room import BIND, DETACH, RECURSIVE, checked, libc, mount, own_mounts, small_disk

APP = "/usr/bin/llama-sidecar-app"
RESOURCES = "/usr/lib/llama-sidecar"
NAME = "llama-sidecar"

DISK_MB = 4_000
"""For what is installed; the memory that it takes is what is written."""

QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
"""All that programs in there are given, besides how the network is reached."""

APT = ("apt-get", "-o", "Acquire::Retries=5")
"""A mirror may hiccup."""

NETWORK = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Root:
    """A Debian to install into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environ = QUIET | {name: os.environ[name] for name in NETWORK if name in os.environ}

    def run(self, *argv: str) -> str:
        """Run a program in there; what it prints. Raises where it fails."""
        inside = ["chroot", str(self.folder), *argv]
        done = subprocess.run(
            inside, env=self._environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode != 0:
            print(done.stdout)
            raise SystemExit(f"{' '.join(argv)} ended with {done.returncode} in the minimal Debian")
        return done.stdout

    def install(self, *packages: str) -> None:
        """Install packages with what they depend on, and nothing that is only recommended."""
        self.run(*APT, "install", "--yes", "--no-install-recommends", *packages)


@contextmanager
def root_over(base: Path, downloads: Path, room: Path) -> Iterator[Root]:
    """A root that is `base` until something is written there."""
    with small_disk(room / "disk", megabytes=DISK_MB) as disk:
        folder = room / "root"
        for path in (disk / "upper", disk / "work", folder):
            path.mkdir()
        mount("overlay", folder, "overlay", 0, f"lowerdir={base},upperdir={disk / 'upper'},workdir={disk / 'work'}")
        mount("proc", folder / "proc", "proc", 0)
        mount("/dev", folder / "dev", None, BIND | RECURSIVE)
        mount(downloads, folder / "var/cache/apt/archives", None, BIND)
        shutil.copyfile("/etc/resolv.conf", folder / "etc" / "resolv.conf")
        try:
            yield Root(folder)
        finally:
            checked(libc.umount2(os.fsencode(folder), DETACH), f"unmounting {folder}")


def must_be_true(outcome: bool, what: str) -> None:
    """Say what was looked at; end where it is not so."""
    print(f"{'yes' if outcome else 'NO'}: {what}", flush=True)
    if not outcome:
        raise SystemExit(1)


def main(package: Path, base: Path, downloads: Path, arguments: list[str]) -> int:
    """Install the package, run tests on what is installed, and remove it; the exit code."""
    own_mounts()
    (downloads / "partial").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="room-") as name, root_over(base, downloads, Path(name)) as root:
        shutil.copy(package, root.folder / "app.deb")
        root.run(*APT, "update", "-qq")
        root.install("/app.deb")
        libraries = root.run("ldd", APP)
        must_be_true("not found" not in libraries, "the package depends on every library of the app")
        root.install("webkit2gtk-driver")  # what the tests need; the app does not
        pythons = list(root.folder.glob("usr/bin/python*"))
        must_be_true(pythons == [], "there is no Python in there")
        tests = root.folder / "home" / "tests"
        environ = os.environ | {"LLAMA_SIDECAR_TEST_APP": APP, "LLAMA_SIDECAR_TEST_ROOT": str(root.folder)}
        argv = [sys.executable, "-X", "utf8", "-m", "pytest", f"--basetemp={tests}", *arguments]
        code = subprocess.run(argv, env=environ, check=False).returncode
        root.run("apt-get", "purge", "--yes", NAME)
        left = [path for path in (APP, RESOURCES) if (root.folder / path.lstrip("/")).exists()]
        must_be_true(left == [], "what is removed leaves nothing behind")
        return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]))
