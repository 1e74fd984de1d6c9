"""What the features of one sidecar share.

Owns the phases of its life (`Lifetime`), and the shared objects with the order in which they close (`Services`). Each
feature's `register(services)` (in `handlers/<family>.py`) creates its objects, sets here what others use, and returns
its handlers; `composition` lists the features. Imports nothing that the first reply does not need.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.abc

from sidecar.contract.errors import NotSupported
from sidecar.contract.life import Notice
from sidecar.contract.logs import Level
from sidecar.host.paths import DataDir
from sidecar.host.watch import until_gone
from sidecar.logs.store import LogStore
from sidecar.storage.config import ConfigFile
from sidecar.storage.purge_clock import PurgeClock

if TYPE_CHECKING:
    from sidecar.builds.discovery import Engines
    from sidecar.builds.service import Builds
    from sidecar.chat.history import History
    from sidecar.chat.service import Chat
    from sidecar.generation.generation import Generator
    from sidecar.host.gpus import GpuReader
    from sidecar.host.hardware import ResourceMonitor
    from sidecar.library.downloads.service import Downloads
    from sidecar.library.header_cache import HeaderCache
    from sidecar.library.hub.api import Hub
    from sidecar.library.library import Library
    from sidecar.servers.memory.estimates import MemoryEstimates
    from sidecar.servers.server_manager import ServerManager
    from sidecar.servers.start_planner import StartPlanner
    from sidecar.storage.database import Database, KeyValueStore

logger = logging.getLogger(__name__)


class Lifetime:
    """The phases of a sidecar: serving, with all its features, stopping.

    Attributes:
        needed: a request waits for the features.
        ready: every method has its handler.
        stopping: a stop was requested.
        host_count: the hosts that are connected; written by `dispatch.hosts` only.

    Args:
        owned: whether a single host owns the sidecar, which ends with it.
    """

    def __init__(self, *, owned: bool = True) -> None:
        self.needed = anyio.Event()
        self.ready = anyio.Event()
        self._introduced = anyio.Event()
        self.stopping = anyio.Event()
        self.host_count = 0
        self._owned = owned
        self._watched: set[int] = set()
        self._tasks: anyio.abc.TaskGroup

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Watch processes until exit."""
        async with anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    async def until_ready(self) -> None:
        """Wait for the features; this starts their import if it has not started."""
        self.needed.set()
        await self.ready.wait()

    def introduce(self) -> None:
        """A host has introduced itself."""
        self._introduced.set()

    async def at_introductions(self, do: Work) -> None:
        """Call `do` whenever a host introduces itself, and now if one already has. For one task."""
        while True:
            await self._introduced.wait()
            self._introduced = anyio.Event()
            await do()

    def stop(self) -> None:
        """Request a stop."""
        self.stopping.set()

    def watch(self, pid: int) -> None:
        """Stop when a process ends."""
        if pid not in self._watched:
            self._watched.add(pid)
            self._tasks.start_soon(self._stop_after, pid)

    def watch_host(self, pid: int) -> None:
        """Stop when the host's process ends.

        Raises:
            NotSupported: the sidecar has many hosts and outlives each.
        """
        if not self._owned:
            raise NotSupported(
                "This sidecar does not end with one of its hosts.",
                hint="Leave host_pid out, or start it with --host-pid.",
            )
        self.watch(pid)

    async def _stop_after(self, pid: int) -> None:
        await until_gone(pid)
        logger.info("the host (process %d) has ended; stopping", pid)
        self.stopping.set()


class NoticeSource(Protocol):
    """A feature that may have notices."""

    async def notices(self) -> list[Notice]:
        """The notices of now."""
        ...


Run = Callable[[], AbstractAsyncContextManager[None]]
Work = Callable[[], Coroutine[Any, Any, object]]


class Services:
    """The objects that features share.

    Those available from the start are arguments. The others are set by the `register` of the feature that owns them; a
    feature that reads one too early gets an AttributeError with its name, and belongs later in `composition`'s list.

    Attributes:
        notice_sources: queried when a host introduces itself.
        run_until_last_request: what requests need until their end: entered first, exited after the last request.
        run_until_stop: what ends before the running requests are cancelled, and answers those that wait for it.
        background: started once all of these run; cancelled before the requests are.
        at_end: closes what is open once everything else has ended.
        purge_clock: whether the clock is to be trusted with purges.

    Args:
        data_dir: the data folder.
        config: the config; read at each use, since it may change at any time.
        lifetime: of this sidecar.
        max_line_bytes: the longest line that is read.
        log_level: overrides the config's.
    """

    logs: LogStore
    gpus: GpuReader
    monitor: ResourceMonitor
    database: Database
    key_values: KeyValueStore
    headers: HeaderCache
    library: Library
    hub: Hub
    downloads: Downloads
    builds: Builds
    engines: Engines
    servers: ServerManager
    planner: StartPlanner
    memory: MemoryEstimates
    history: History
    generator: Generator
    chat: Chat

    def __init__(
        self, *, data_dir: DataDir, config: ConfigFile, lifetime: Lifetime, max_line_bytes: int, log_level: Level | None
    ) -> None:
        self.data_dir = data_dir
        self.config = config
        self.lifetime = lifetime
        self.max_line_bytes = max_line_bytes
        self.log_level = log_level
        self.notice_sources: list[NoticeSource] = []
        self.run_until_last_request: list[Run] = []
        self.run_until_stop: list[Run] = []
        self.background: list[Work] = []
        self.at_end = AsyncExitStack()
        self.purge_clock = PurgeClock(data_dir.clock_file)
