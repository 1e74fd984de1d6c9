"""The page in shell/: its packages from the lock file, and the build of it that `serve --web` serves.

Owns when either has to be done again. Knows nothing of what the page is made of: `shell/package.json` says what to run.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from recipes import places, processes
from recipes.console import Problem, step
from recipes.environment import stamp_key
from recipes.files import replacing
from recipes.processes import exclusive

SHELL = places.ROOT / "shell"
CLIENT = places.ROOT / "ipc_schema" / "typescript" / "src"
PACKAGES_STAMP = SHELL / "node_modules" / ".llama-sidecar-stamp"
BUILT = SHELL / "dist"
# Not in what is built, which is packed as it is.
BUILD_STAMP = SHELL / "node_modules" / ".llama-sidecar-built"


def can_be_built() -> bool:
    """Whether there is what builds it."""
    return shutil.which("npm") is not None and shutil.which("node") is not None


def npm(*arguments: str) -> tuple[str, ...]:
    """The command line of npm in shell/; raises where there is none."""
    program = shutil.which("npm")
    if program is None or not can_be_built():
        raise Problem(
            "The page is built with Node 20 or later, and there is no node and npm on PATH.",
            next_step="Install it (https://nodejs.org, or your system's packages) and run the same command again.",
        )
    return (program, "--prefix", str(SHELL), *arguments)


def ensure_packages() -> None:
    """Installs what the lock file says. npm keeps what it has fetched in its own cache."""
    key = stamp_key(files=[SHELL / "package.json", SHELL / "package-lock.json"], facts=[str(SHELL)])
    argv = npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    with exclusive(_lock_file(), waiting_for="installing the page's packages"):
        if not _stamped(PACKAGES_STAMP, key):
            with step("Installing the packages of shell/package-lock.json"):
                _must(argv, "installed")
            _stamp(PACKAGES_STAMP, key)


def ensure_built() -> Path:
    """Builds the page unless it is as its sources are; the folder it is in."""
    ensure_packages()
    sources = [
        *SHELL.glob("*.*"),
        *(path for folder in (SHELL / "src", SHELL / "public", CLIENT) for path in folder.rglob("*") if path.is_file()),
    ]
    key = stamp_key(files=sorted(sources), facts=[str(path) for path in sorted(sources)])
    with exclusive(_lock_file(), waiting_for="building the page"):
        if not (_stamped(BUILD_STAMP, key) and (BUILT / "index.html").is_file()):
            with step("Building the page"):
                _must(npm("run", "--silent", "build"), "built")
            _stamp(BUILD_STAMP, key)
    return BUILT


def _must(argv: tuple[str, ...], done: str) -> None:
    code = processes.call(argv)
    if code != 0:
        raise Problem(
            f"The page was not {done}: npm ended with exit code {code}.",
            next_step="Its own message is above. Mend it, and run the same command again.",
            exit_code=code,
        )


def _lock_file() -> Path:
    return places.cache() / "locks" / "page"


def _stamped(stamp: Path, key: str) -> bool:
    try:
        return stamp.read_text(encoding="utf-8") == key
    except OSError:
        return False


def _stamp(stamp: Path, key: str) -> None:
    with replacing(stamp) as file:
        file.write(key.encode())
