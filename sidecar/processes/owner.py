"""This run of the program as the owner of processes.

Owns what every process that we start gets: a tag, an entry in the registry, a watchdog that outlives us, a folder for
sockets, and the end of its orphans. There is one owner in a process, since the kernel binds children to the process.
Does not know what the processes are for.
"""

from __future__ import annotations

import itertools
import logging
import os
import subprocess
import threading
from pathlib import Path

from sidecar.contract.errors import SidecarError
from sidecar.host import process_tree
from sidecar.host.environment import child_environment, self_command
from sidecar.processes import tags
from sidecar.processes.registry import ProcessRegistry

logger = logging.getLogger(__name__)

LEFT_BEHIND_SECONDS = 2.0
"""How long to try to end orphans; a killed process is gone within milliseconds."""

SUB_MODE = "end-processes-of"

DISMISSED_SECONDS = 1.0
"""How long a dismissed watchdog may take to end: it takes less than a millisecond."""

_SHELL = "/bin/sh"

_WAIT = "trap '' HUP INT QUIT TERM; read -r _ || exec \"$@\""
"""A line dismisses the shell; the end of the pipe without one means that we are gone."""

_TITLE = "llama-sidecar-watchdog"


class ProcessOwner:
    """The owner. All methods block, and may be called on any thread."""

    def __init__(self) -> None:
        self._token = tags.new_token()
        self._numbers = itertools.count(1)
        self._living: set[str] = set()
        self._lock = threading.Lock()
        self._registry: ProcessRegistry | None = None
        self._watchdog: Watchdog | None = None

    def register_in(self, path: Path) -> None:
        """From now on record what is started, and have the watchdog end it if we are killed.

        Without this, in programs other than the sidecar, there are only the tags and the kernel's bonds.
        """
        self._registry = ProcessRegistry(path, self._token)
        self._watchdog = Watchdog(self._token)

    @property
    def sockets(self) -> Path:
        """The folder for sockets. It exists as long as there are processes."""
        return tags.sockets_folder(self._token)

    def sweep(self) -> None:
        """End the orphans of earlier sidecars."""
        if self._registry is not None:
            self._registry.sweep()

    def prepare(self) -> str:
        """A tag for a process that is about to be started. From now on it is ended if we are killed.

        Callers have to call `ended`, too, even if the start fails.

        Raises:
            PermissionDenied: the folder for sockets cannot be created.
        """
        with self._lock:
            tag = f"{self._token}/{next(self._numbers)}"
            process_tree.bind_to_us()
            if self._watchdog is not None:
                self._watchdog.ensure()
            if self._registry is not None:
                self._registry.open()
                # After the watchdog, which removes it if we are killed.
                self._make_sockets_folder()
            self._living.add(tag)
        return tag

    def started(self, pid: int, tag: str) -> None:
        """Record a process."""
        if self._registry is not None:
            self._registry.add(pid, tag)

    def ended(self, tag: str) -> None:
        """End the orphans of a process and remove its record. With the last one the watchdog ends, too."""
        left = tags.end_tagged(tag, seconds=LEFT_BEHIND_SECONDS)
        if left:
            logger.warning("ended what a process had left behind: %s", ", ".join(map(str, sorted(left))))
        with self._lock:
            self._living.discard(tag)
            if self._registry is not None:
                self._registry.remove(tag)
            if not self._living:
                self._release()

    def close(self) -> None:
        """Close. Processes that still live are left to the watchdog, which acts as soon as we are gone."""
        with self._lock:
            if self._living:
                logger.error("%d processes are left to the watchdog", len(self._living))
            elif self._registry is not None and next(self._numbers) > 1:
                tags.end_tagged(tags.run_of(self._token), seconds=LEFT_BEHIND_SECONDS)

    def _make_sockets_folder(self) -> None:
        if self._living:
            return
        try:
            tags.make_sockets_folder(self.sockets)
        except SidecarError:
            self._release()
            raise

    def _release(self) -> None:
        """Remove folder, watchdog and registry: no process is left that needs them."""
        if self._registry is not None:
            tags.remove_sockets_folder(self.sockets)
        if self._watchdog is not None:
            self._watchdog.dismiss()
        if self._registry is not None:
            self._registry.close()


class Watchdog:
    """Ends our processes if we cannot: after we were killed, crashed or ran out of memory.

    The kernel ends our children then (`process_tree`), but on Linux not those below them, and on macOS none at all. So
    a shell waits for the end of a pipe whose other end only we have, and then becomes this program once more, to end
    whatever carries our tag. Waiting as a shell takes 0.3 MB and half a millisecond to start; waiting as Python would
    take ten times as much of both. Windows has job objects instead. At most one shell waits at a time.

    Args:
        token: names this run of the program in the tags.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._shell: subprocess.Popen[bytes] | None = None
        self._write_fd = -1

    def ensure(self) -> None:
        """Start the shell if none waits, also if another program has ended it. A failure is logged."""
        if process_tree.OUTLIVES_US and (self._shell is None or self._shell.poll() is not None):
            self._start()

    def _start(self) -> None:
        self._close()
        # Neither end is inherited by any other process (PEP 446): if one had it, the pipe would not end with us.
        read_fd, self._write_fd = os.pipe()
        try:
            self._shell = subprocess.Popen(
                [_SHELL, "-c", _WAIT, _TITLE, *self_command(), SUB_MODE, self._token],
                stdin=read_fd,
                # The host may be waiting for the end of our pipes.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                start_new_session=True,
            )
        except OSError as error:
            logger.warning("the watchdog, which ends our processes after a crash, cannot be started: %s", error)
            self._close()
        finally:
            os.close(read_fd)

    def dismiss(self) -> None:
        """Make it end without action: no process is left to end. Safe to call twice."""
        if self._shell is None:
            return
        shell, self._shell = self._shell, None
        try:
            os.write(self._write_fd, b"\n")
        except OSError as error:  # another program has ended it
            logger.debug("the watchdog is gone already: %s", error)
        self._close()
        try:
            shell.wait(timeout=DISMISSED_SECONDS)
        except subprocess.TimeoutExpired:  # another program has stopped it; there is nothing left for it to do
            logger.warning("the watchdog (process %d) did not end, and was killed", shell.pid)
            shell.kill()
            shell.wait()

    def _close(self) -> None:
        if self._write_fd >= 0:
            os.close(self._write_fd)
            self._write_fd = -1


owner = ProcessOwner()
"""Of this process."""
