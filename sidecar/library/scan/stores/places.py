"""Where this system keeps what is a user's.

Owns what differs from system to system. Windows and macOS are written with care and untested.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sidecar.contract.errors import PathNotAllowed
from sidecar.host import path_policy


def home() -> Path | None:
    """The user's home folder, where there is one."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def named(variable: str) -> Path | None:
    """The folder that a variable names; a relative one would depend on the folder that a host is in."""
    try:
        return path_policy.absolute(os.environ.get(variable, ""))
    except PathNotAllowed:
        return None


def below_home(*parts: str) -> list[Path]:
    """A folder in the home folder."""
    base = home()
    return [base.joinpath(*parts)] if base else []


def caches() -> list[Path]:
    """Where programs of this system keep what can be fetched again."""
    if sys.platform == "win32":
        return _all(named("LOCALAPPDATA"))
    elif sys.platform == "darwin":
        return below_home("Library", "Caches")
    else:
        return _all(named("XDG_CACHE_HOME")) or below_home(".cache")


def app_data() -> list[Path]:
    """Where programs of this system keep their data."""
    if sys.platform == "win32":
        return _all(named("APPDATA"))
    elif sys.platform == "darwin":
        return below_home("Library", "Application Support")
    else:
        return _all(named("XDG_DATA_HOME")) or below_home(".local", "share")


def settings() -> list[Path]:
    """Where programs of this system keep their settings."""
    if sys.platform in ("win32", "darwin"):
        return app_data()
    else:
        return _all(named("XDG_CONFIG_HOME")) or below_home(".config")


def given(text: str, *, base: Path | None = None) -> Path | None:
    """A place that another program's file names; relative ones are below `base`.

    `None` for one that leads out of `base`, to another machine, or nowhere.
    """
    if not text or "\0" in text or text.startswith(("\\\\", "//")):
        return None
    path = Path(text)
    if path.is_absolute():
        return path
    if base is None or path.drive or path.root or ".." in text.replace("\\", "/").split("/"):
        return None
    return base / path


def _all(*paths: Path | None) -> list[Path]:
    return [path for path in paths if path is not None]
