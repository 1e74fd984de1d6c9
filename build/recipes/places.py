"""Where things are: the tree, the virtual environment, and the cache outside the tree.

Decides paths and touches no disk. The data folder is not here: the installed package answers for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "build" / "locks"
VENV = ROOT / ".venv"


def cache_folder(*, platform: str, environ: Mapping[str, str], home: Path) -> Path:
    """The folder for what can be fetched or built again; LLAMA_SIDECAR_CACHE_DIR names another one."""
    own = environ.get("LLAMA_SIDECAR_CACHE_DIR")
    if own:
        return Path(own).expanduser().absolute()
    if platform == "win32":
        # Not directly under llama-sidecar: on Windows that is the data folder.
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "llama-sidecar" / "Cache"
    if platform == "darwin":
        return home / "Library" / "Caches" / "llama-sidecar"
    xdg = Path(environ.get("XDG_CACHE_HOME") or "")
    # The XDG specification has relative paths ignored.
    return (xdg if xdg.is_absolute() else home / ".cache") / "llama-sidecar"


def cache() -> Path:
    return cache_folder(platform=sys.platform, environ=os.environ, home=Path.home())


def shown(path: Path) -> str:
    """A path as a person would type it from the top of the tree."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
