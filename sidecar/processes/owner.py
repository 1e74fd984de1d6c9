"""This run of the program as the owner of processes.

Owns what is done for every process that we start, whoever starts it: a mark, an entry in the ledger, a watchdog that
outlives us, a folder for sockets, and the end of what it leaves behind. There is one owner a process, since what the
kernel binds to us it binds to the process. Does not know what the processes are for.
"""

from __future__ import annotations

import itertools
import logging
import threading
from pathlib import Path

from sidecar.contract.errors import SidecarError
from sidecar.host import process_tree
from sidecar.processes import socket_dir, tags
from sidecar.processes.registry import ProcessRegistry
from sidecar.processes.watchdog import Watchdog

logger = logging.getLogger(__name__)

LEFT_BEHIND_SECONDS = 2.0
"""How long to try to end what a process has left behind; a killed process is gone within milliseconds."""


class ProcessOwner:
    """The owner. All methods block, and may be called on any thread."""

    def __init__(self) -> None:
        self._token = tags.new_token()
        self._numbers = itertools.count(1)
        self._living: set[str] = set()
        self._lock = threading.Lock()
        self._ledger: ProcessRegistry | None = None
        self._watchdog: Watchdog | None = None

    def keep_ledger(self, path: Path) -> None:
        """From now on write down what is started, and have it ended by the watchdog should we be killed.

        Without this, in programs that are no sidecar, there are only the marks and what the kernel does.
        """
        self._ledger = ProcessRegistry(path, self._token)
        self._watchdog = Watchdog(self._token)

    @property
    def sockets(self) -> Path:
        """The folder for sockets. It is there as long as there are processes."""
        return socket_dir.folder_of(self._token)

    def sweep(self) -> None:
        """End what earlier sidecars have left behind."""
        if self._ledger is not None:
            self._ledger.sweep()

    def prepare(self) -> str:
        """A mark for a process that is about to be started. From now on somebody knows, should we be killed.

        Whoever calls has to call `has_ended`, too, also where nothing came of the start.

        Raises:
            PermissionDenied: the folder for sockets can not be made.
        """
        with self._lock:
            mark = f"{self._token}/{next(self._numbers)}"
            process_tree.bind_to_us()
            if self._watchdog is not None:
                self._watchdog.ensure()
            if self._ledger is not None:
                self._ledger.open()
                # After the watchdog, which removes it should we be killed.
                self._make_folder()
            self._living.add(mark)
        return mark

    def has_started(self, pid: int, mark: str) -> None:
        """Write down a process."""
        if self._ledger is not None:
            self._ledger.add(pid, mark)

    def has_ended(self, mark: str) -> None:
        """End what a process has left behind, and strike it out. With the last one the watchdog goes, too."""
        left = tags.end_carriers(tags.is_one(mark), seconds=LEFT_BEHIND_SECONDS)
        if left:
            logger.warning("ended what a process had left behind: %s", ", ".join(map(str, sorted(left))))
        with self._lock:
            self._living.discard(mark)
            if self._ledger is not None:
                self._ledger.remove(mark)
            if not self._living:
                self._rest()

    def close(self) -> None:
        """The orderly end. What still lives is left to the watchdog, which acts as soon as we are gone."""
        with self._lock:
            if self._living:
                logger.error("%d processes are left to the watchdog", len(self._living))
            elif self._ledger is not None and next(self._numbers) > 1:
                tags.end_carriers(tags.is_of(self._token), seconds=LEFT_BEHIND_SECONDS)

    def _make_folder(self) -> None:
        if self._living:
            return
        try:
            socket_dir.make(self.sockets)
        except SidecarError:
            self._rest()
            raise

    def _rest(self) -> None:
        """Nothing is left to be ended."""
        if self._ledger is not None:
            socket_dir.remove(self.sockets)
        if self._watchdog is not None:
            self._watchdog.dismiss()
        if self._ledger is not None:
            self._ledger.close()


owner = ProcessOwner()
"""Of this process."""
