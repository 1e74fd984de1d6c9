"""Where things are kept.

Owns the layout of the data folder and of the private folder for sockets, and how the program starts itself again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sidecar import given_paths
from sidecar.contract.errors import DiskFull, PermissionDenied

DATA_DIR_VARIABLE = "LLAMA_SIDECAR_DATA_DIR"

PRIVATE = 0o700
"""Nobody but the owner: history and sockets are in there."""

MAX_RUNTIME_DIR_BYTES = 85
"""Leaves room for a socket's name within the 104 bytes that sun_path has on macOS (108 on Linux)."""


def default_data_dir() -> Path:
    """The data folder where none is named: LLAMA_SIDECAR_DATA_DIR, else the system's place for user data."""
    if named := os.environ.get(DATA_DIR_VARIABLE):
        return given_paths.from_here(named)
    import platformdirs

    return platformdirs.user_data_path("llama-sidecar", appauthor=False)


def self_command() -> list[str]:
    """The command that starts this program again, frozen or from source."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-m", "sidecar"]


@dataclass(frozen=True, slots=True)
class DataDir:
    """The data folder's layout."""

    root: Path

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def config_file(self) -> Path:
        return self.root / "config.json"

    @property
    def history_file(self) -> Path:
        return self.root / "history.db"

    @property
    def processes_file(self) -> Path:
        return self.root / "processes.json"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def headers_file(self) -> Path:
        return self.root / "headers.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def turns(self) -> Path:
        return self.root / "turns"

    @property
    def downloads(self) -> Path:
        return self.root / "downloads"

    def create(self) -> None:
        """Make the folders that are missing.

        Raises:
            PermissionDenied: a folder can not be made.
            DiskFull: there is no room for one.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
            self.models.mkdir(exist_ok=True)
            self.logs.mkdir(exist_ok=True, mode=PRIVATE)
            self.turns.mkdir(exist_ok=True, mode=PRIVATE)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"There is no room for the data folder {self.root}.") from error
            raise PermissionDenied(
                f"The data folder {self.root} can not be used: {error.strerror}.",
                hint="Choose a folder that you may write to with --data-dir.",
            ) from error


def make_runtime_dir(data_dir: Path) -> Path:
    """An empty folder for sockets that only this user can enter, the same one for the same data folder.

    It is not inside the data folder because a socket's path is limited to about 100 bytes (sun_path). Whoever calls
    holds the data folder's lock, so what an earlier sidecar left there is removed.

    Raises:
        PermissionDenied: somebody else has put something in its place, or it can not be made.
    """
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    name = f"llama-sidecar-{os.getuid() if hasattr(os, 'getuid') else 0}-{digest}"
    folder = _place_for_sockets(name) / name
    hint = "Remove it, or set TMPDIR to a folder of your own."
    if folder.is_symlink() or (folder.exists() and not _is_mine(folder)):
        raise PermissionDenied(f"{folder} belongs to somebody else.", hint=hint)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=PRIVATE)
    except OSError as error:
        raise PermissionDenied(f"The folder {folder} can not be made: {error.strerror}.", hint=hint) from error
    return folder


def remove_runtime_dir(folder: Path) -> None:
    """Remove the folder for sockets, as far as possible: the next sidecar begins with an empty one anyway."""
    shutil.rmtree(folder, ignore_errors=True)


def _place_for_sockets(name: str) -> Path:
    """The first usable folder that is short enough; XDG_RUNTIME_DIR may name one that this session does not have."""
    wanted = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")  # noqa: S108 - a private folder in it
    places = [Path(place) for place in wanted if place and os.access(place, os.W_OK | os.X_OK)]
    short = (place for place in places if len(os.fsencode(place / name)) <= MAX_RUNTIME_DIR_BYTES)
    return next(short, places[0] if places else Path(tempfile.gettempdir()))


def _is_mine(folder: Path) -> bool:
    info = folder.stat()
    return stat.S_ISDIR(info.st_mode) and (not hasattr(os, "getuid") or info.st_uid == os.getuid())
