"""The folder for the sockets of engines: private, and there only while a run of the program has processes.

It is not inside the data folder because a socket's path is limited to about 100 bytes (sun_path). It is named by the
run's token (see `marks`), so that not only the run can remove it but also, should that be killed, its watchdog, or the
next start.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sidecar.contract.errors import PermissionDenied

PRIVATE = 0o700
"""Nobody but the owner may talk to engines."""

MAX_FOLDER_BYTES = 85
"""Leaves room for a socket's name within the 104 bytes that sun_path has on macOS (108 on Linux)."""


def folder_of(token: str) -> Path:
    """Where the sockets of a run are, the same place each time it is asked for. Touches nothing.

    Raises:
        ValueError: that is no token.
    """
    secret = token.rpartition("-")[2]
    if not secret.isalnum():
        raise ValueError(f"{token!r} is no token")
    name = f"llama-sidecar-{os.getuid() if hasattr(os, 'getuid') else 0}-{secret}"
    return _place(name) / name


def make(folder: Path) -> None:
    """Make it, empty and ours alone.

    Raises:
        PermissionDenied: it can not be made, or there is something of its name already.
    """
    try:
        folder.mkdir(mode=PRIVATE)
    except OSError as error:
        raise PermissionDenied(
            f"The folder {folder} can not be made: {error.strerror}.",
            hint="Make room there, or set TMPDIR to a folder of your own.",
        ) from error


def remove(folder: Path) -> None:
    """Remove it, as far as possible. Safe to call twice, and where there is none."""
    try:
        for socket in folder.iterdir():
            socket.unlink(missing_ok=True)  # an engine that ends removes its own
        folder.rmdir()
    except OSError:
        return  # there is none, or the disk is gone; the next run has one of its own


def _place(name: str) -> Path:
    """The first usable folder that is short enough; XDG_RUNTIME_DIR may name one that this session does not have."""
    wanted = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")  # noqa: S108 - a private folder in it
    places = [Path(place) for place in wanted if place and os.access(place, os.W_OK | os.X_OK)]
    short = (place for place in places if len(os.fsencode(place / name)) <= MAX_FOLDER_BYTES)
    return next(short, places[0] if places else Path(tempfile.gettempdir()))
