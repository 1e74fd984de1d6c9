"""How a run of the program marks its own: the tag of its processes, and the folder of their sockets.

A tag is a variable of the environment, `<token>/<number>`: the token names one run of the sidecar, the number one
process that it has started. Children inherit it, also those that leave their group and session and have no parent any
more. A process that changes its environment before it starts another one cannot be followed this way. The folder is
named by the same token, so that the run itself can remove it or, if it was killed, its watchdog or the next
start. It is not inside the data folder because a socket's path is limited to about 100 bytes (sun_path).

Also the program that the watchdog becomes (`main`), so it imports almost nothing.
"""

from __future__ import annotations

import os
import time

from sidecar.host import process_facts

TYPE_CHECKING = False  # without importing typing
if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "LLAMA_SIDECAR_PROCESS"

TOKEN_PATTERN = r"^[0-9]+-[0-9A-Za-z.]+-[0-9a-f]{16}$"  # noqa: S105 - not a secret

KILLED_INTERVAL_SECONDS = 0.01
"""Between two scans: a killed process is gone by then, most of the time."""

ORPHANED_SECONDS = 10.0
"""How long the watchdog tries to end them, as long as a killed child may take to be gone (`child.KILLED_SECONDS`)."""

ORPHANED_QUIET_SCANS = 5
"""The watchdog is the last to scan. Programs that were about to start others have done so by then."""

PRIVATE = 0o700
"""Only the owner may talk to engines."""

MAX_FOLDER_BYTES = 85
"""Leaves room for a socket's name within the 104 bytes that sun_path has on macOS (108 on Linux)."""


def new_token() -> str:
    """A name for this run: pid, time of birth, and 64 random bits."""
    birth = (process_facts.birth(os.getpid()) or "0").replace(" ", "")
    return f"{os.getpid()}-{birth}-{os.urandom(8).hex()}"


def run_of(token: str) -> str:
    """What the tags of all processes of a run begin with."""
    return f"{token}/"


def end_tagged(tag: str, *, seconds: float, quiet_scans: int = 1) -> set[int]:
    """End all processes with a tag, and those they start meanwhile; returns their pids. Blocks.

    Args:
        tag: of one process and those below it, or `run_of` a token.
        seconds: how long to try; what hangs in the kernel stays.
        quiet_scans: how many scans in a row must find none. One misses a process whose parent ended during it.
    """
    deadline = time.monotonic() + seconds
    ended: set[int] = set()
    quiet = 0
    while True:
        killed = process_facts.kill_with(VARIABLE, tag)
        ended |= killed
        quiet = 0 if killed else quiet + 1
        if quiet >= quiet_scans or time.monotonic() > deadline:
            return ended
        time.sleep(KILLED_INTERVAL_SECONDS)


def main(token: str) -> int:
    """End the orphans of a run of the program and remove its folder: the watchdog's work after a crash."""
    end_tagged(run_of(token), seconds=ORPHANED_SECONDS, quiet_scans=ORPHANED_QUIET_SCANS)
    remove_sockets_folder(sockets_folder(token))
    return 0


# --- the folder for sockets; imported in here, so that ending processes does not wait for imports ------------------


def sockets_folder(token: str) -> Path:
    """The folder for sockets of a run, always the same for a token. Creates nothing.

    Raises:
        ValueError: it is not a token.
    """
    secret = token.rpartition("-")[2]
    if not secret.isalnum():
        raise ValueError(f"{token!r} is not a token")
    name = f"llama-sidecar-{process_facts.user_id()}-{secret}"
    return _parent_of(name) / name


def make_sockets_folder(folder: Path) -> None:
    """Create it, empty and private.

    Raises:
        PermissionDenied: it cannot be created, or something of its name exists.
    """
    from sidecar.contract.errors import PermissionDenied

    try:
        folder.mkdir(mode=PRIVATE)
    except OSError as error:
        raise PermissionDenied(
            f"The folder {folder} cannot be made: {error.strerror}.",
            hint="Free some space there, or set TMPDIR to a folder of your own.",
        ) from error


def remove_sockets_folder(folder: Path) -> None:
    """Remove it, as far as possible. Safe to call twice, and where there is none."""
    try:
        for socket in folder.iterdir():
            socket.unlink(missing_ok=True)  # an engine that ends removes its own
        folder.rmdir()
    except OSError:
        return  # it does not exist, or the disk is gone; the next run has its own


def _parent_of(name: str) -> Path:
    """The first usable folder that is short enough; XDG_RUNTIME_DIR may name one that this session does not have."""
    import tempfile
    from pathlib import Path

    candidates = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")  # noqa: S108 - a private folder in it
    usable = [Path(place) for place in candidates if place and os.access(place, os.W_OK | os.X_OK)]
    short = (place for place in usable if len(os.fsencode(place / name)) <= MAX_FOLDER_BYTES)
    return next(short, usable[0] if usable else Path(tempfile.gettempdir()))
