"""Paths to models that a host names: the one place where such a path is checked."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from sidecar.contract.errors import ModelNotFound, PathNotAllowed, PermissionDenied


def resolve_path(path: str) -> Path:
    """The file that a host names by path.

    Raises:
        PathNotAllowed: it is not absolute (`~` is understood), or not an ordinary file.
        ModelNotFound: there is no such file.
        PermissionDenied: it may not be read.
    """
    try:
        file = Path(path).expanduser()
    except RuntimeError:
        raise PathNotAllowed(f"It is not known where the home folder in {path} is.") from None
    if not file.is_absolute():
        raise PathNotAllowed(f'"{path}" is not an absolute path.')
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFound(f"There is no file {path}.") from None
    except PermissionError:
        raise PermissionDenied(f"{path} may not be looked at: a folder on the way to it does not let you in.") from None
    except (OSError, ValueError) as error:  # too long, links in a circle, a NUL or half a character in it
        reason = error.strerror if isinstance(error, OSError) else error
        raise PathNotAllowed(f"{path!a} is not a path that the system takes: {reason}.") from None
    if not stat.S_ISREG(mode):
        raise PathNotAllowed(f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'not an ordinary file'}.")
    if not os.access(file, os.R_OK):
        raise PermissionDenied(f"{path} may not be read.")
    return file
