"""What ends our processes when we could not: after a SIGKILL of ours, a crash, or being out of memory.

The kernel ends our children then (`process_tree`), but on Linux not those below them, and on macOS none at all. So a
shell waits for the end of a pipe whose other end only we have, and then becomes this program once more, to end
whatever carries our mark. Waiting as a shell takes 0.3 MB and half a millisecond to start; waiting as Python would
take ten times as much of both. Windows has job objects instead.
"""

from __future__ import annotations

import logging
import os
import subprocess

from sidecar.host.environment import child_environment
from sidecar.host.paths import self_command

logger = logging.getLogger(__name__)

SUB_MODE = "end-processes-of"

_SHELL = "/bin/sh"

_WAIT = "trap '' HUP INT QUIT TERM; read -r _ || exec \"$@\""
"""A line says that there is nothing left to do; the end of the pipe without one, that we are gone."""

_TITLE = "llama-sidecar-watchdog"

DISMISSED_SECONDS = 1.0
"""It takes less than a millisecond."""


class Watchdog:
    """The shell that waits; at most one at a time.

    Args:
        token: names this run of the program in the marks.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._shell: subprocess.Popen[bytes] | None = None
        self._write_fd = -1

    def ensure(self) -> None:
        """See to it that it waits, also where somebody has ended it. Where it can not be started that is logged."""
        if os.name == "nt" or (self._shell is not None and self._shell.poll() is None):
            return
        self._close()
        # Neither end is inherited by any other process (PEP 446): if one had it, the pipe would not end with us.
        read_fd, self._write_fd = os.pipe()
        try:
            self._shell = subprocess.Popen(
                [_SHELL, "-c", _WAIT, _TITLE, *self_command(), SUB_MODE, self._token],
                stdin=read_fd,
                # The host may be waiting for the ends of ours.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                start_new_session=True,
            )
        except OSError as error:
            logger.warning("there is no watchdog for the time after a crash of ours: %s", error)
            self._close()
        finally:
            os.close(read_fd)

    def dismiss(self) -> None:
        """Let it end without doing anything: nothing is left to end. Safe to call twice."""
        if self._shell is None:
            return
        shell, self._shell = self._shell, None
        try:
            os.write(self._write_fd, b"\n")
        except OSError as error:  # somebody has ended it
            logger.debug("the watchdog is gone already: %s", error)
        self._close()
        try:
            shell.wait(timeout=DISMISSED_SECONDS)
        except subprocess.TimeoutExpired:  # somebody has made it stand still; there is nothing left for it to do
            logger.warning("the watchdog (process %d) did not end, and was killed", shell.pid)
            shell.kill()
            shell.wait()

    def _close(self) -> None:
        if self._write_fd >= 0:
            os.close(self._write_fd)
            self._write_fd = -1
