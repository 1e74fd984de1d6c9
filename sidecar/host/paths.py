"""The layout of the data folder, and its default place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from sidecar.contract.errors import DiskFull, PermissionDenied
from sidecar.host import path_policy
from sidecar.host.environment import DATA_DIR_VARIABLE

PRIVATE = 0o700
"""Only the owner may read it, since it contains the history."""


def default_data_dir() -> Path:
    """The data folder if none is named: LLAMA_SIDECAR_DATA_DIR, else the system's place for user data."""
    if named := os.environ.get(DATA_DIR_VARIABLE):
        return path_policy.from_here(named)
    import platformdirs

    return platformdirs.user_data_path("llama-sidecar", appauthor=False)


class DataDir(msgspec.Struct, frozen=True):
    """The data folder's layout."""

    root: Path

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def config_file(self) -> Path:
        return self.root / "config.json"

    @property
    def page_file(self) -> Path:
        """A page that leads a browser to ours; there for a minute after `serve --web --open`."""
        return self.root / "open.html"

    @property
    def history_file(self) -> Path:
        return self.root / "history.db"

    @property
    def clock_file(self) -> Path:
        return self.root / "clock.json"

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

    @property
    def engines(self) -> Path:
        return self.root / "engines"

    def create(self) -> None:
        """Create the folders that are missing.

        Raises:
            PermissionDenied: a folder cannot be created.
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
                f"The data folder {self.root} cannot be used: {error.strerror}.",
                hint="Choose a folder that you may write to with --data-dir.",
            ) from error
