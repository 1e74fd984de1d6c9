"""The mark that every process of ours carries, and all processes below it.

A mark is a variable of the environment, `<token>/<number>`: the token names one run of the sidecar, the number one
process that it has started. Children inherit it, also those that leave their group and session and are nobody's
children any more. Owns the variable, what belongs to whom, and the end of all that carry a mark. What changes its
environment before it starts a process can not be followed this way.

Also the program that the watchdog becomes (`main`), so it imports next to nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from sidecar.host import process_facts

VARIABLE = "LLAMA_SIDECAR_PROCESS"

TOKEN_PATTERN = r"^[0-9]+-[0-9A-Za-z.]+-[0-9a-f]{16}$"  # noqa: S105 - it is no secret

LOOK_AGAIN_SECONDS = 0.01
"""A process that is told to end is gone by then, most of the time."""

ORPHANED_SECONDS = 10.0
"""How long the watchdog tries to end them, as long as an engine may take to be gone (engines.child)."""

ORPHANED_CALM = 5
"""Nobody looks after it. Programs that were about to start others have done so by then."""

Belongs = Callable[[str], bool]
"""Whether a mark is one of those that are meant."""


def new_token() -> str:
    """A name for this run: pid, time of birth, and 64 random bits."""
    birth = (process_facts.birth(os.getpid()) or "0").replace(" ", "")
    return f"{os.getpid()}-{birth}-{os.urandom(8).hex()}"


def is_one(mark: str) -> Belongs:
    """Of one process and those below it."""
    return lambda found: found == mark


def is_of(token: str) -> Belongs:
    """Of all processes of a run."""
    return lambda found: found.startswith(f"{token}/")


def carriers(belongs: Belongs) -> list[int]:
    """The processes with a mark that belongs; zombies have none any more. Blocks: 14 ms for 340 processes."""
    return [pid for pid in process_facts.pids() if _carries(pid, belongs)]


def end_carriers(belongs: Belongs, *, seconds: float, calm: int = 1) -> set[int]:
    """End all processes with a mark that belongs, and those that they start meanwhile; returns their pids. Blocks.

    Args:
        seconds: how long to try; what hangs in the kernel stays for as long as that hangs.
        calm: how often in a row none must be found. Once misses a process whose parent ended while it was looked for.
    """
    deadline = time.monotonic() + seconds
    ended: set[int] = set()
    quiet = 0
    while True:
        found = {pid for pid in carriers(belongs) if _end(pid, belongs)}
        ended |= found
        quiet = 0 if found else quiet + 1
        if quiet >= calm or time.monotonic() > deadline:
            return ended
        time.sleep(LOOK_AGAIN_SECONDS)


def main(token: str) -> int:
    """End everything that a run of the program has left behind, and its folder: what the watchdog does at its end."""
    end_carriers(is_of(token), seconds=ORPHANED_SECONDS, calm=ORPHANED_CALM)
    from sidecar.processes import socket_dir  # what has to be ended does not wait for it

    socket_dir.remove(socket_dir.folder_of(token))
    return 0


def _end(pid: int, belongs: Belongs) -> bool:
    return process_facts.end(pid, lambda: _carries(pid, belongs))


def _carries(pid: int, belongs: Belongs) -> bool:
    return pid > 1 and pid != os.getpid() and belongs(process_facts.variable(pid, VARIABLE) or "")
