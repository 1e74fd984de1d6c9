"""One sidecar's life: lock the data folder, serve hosts, and stop everything in order.

Owns the order of start and stop. The features, which the first reply does not need, are imported after it:
all of them are in `composition`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from sidecar.contract import METHODS
from sidecar.contract.errors import SidecarError
from sidecar.contract.life import MIN_LINE_BYTES
from sidecar.contract.logs import Level
from sidecar.dispatch.hosts import Hosts
from sidecar.dispatch.requests import RequestTasks
from sidecar.handlers import life
from sidecar.handlers.call import Call, Handler
from sidecar.host.limits import hide_memory
from sidecar.host.lock import DataDirLock
from sidecar.host.paths import DataDir
from sidecar.host.signals import set_by_signals
from sidecar.logs import handler as logging_handler
from sidecar.logs.store import LogStore
from sidecar.services import Lifetime, Services
from sidecar.storage.config import ConfigFile
from sidecar.transport.framing import MAX_LINE_BYTES
from sidecar.transport.stdio import StdioTransport

if TYPE_CHECKING:
    from types import ModuleType

logger = logging.getLogger(__name__)

HEAD_START_SECONDS = 0.02
"""Before the features are imported: imports would delay the host's first request, which usually arrives as we start
and takes a few milliseconds."""

STOP_SECONDS = 4.8
"""From the stop request to the end of the process, whatever hangs (contract, Transport: 5 s)."""

DRAIN_SECONDS = 1.0
"""For hosts to read the last responses."""


class Options(msgspec.Struct, frozen=True):
    """How the sidecar was started.

    Attributes:
        data_dir: the data folder.
        config_file: the config file, if it is not in the data folder.
        max_line_bytes: the longest line that is read.
        log_level: overrides the config's.
        host_pid: stop when this process ends.
    """

    data_dir: Path
    config_file: Path | None = None
    max_line_bytes: int = MAX_LINE_BYTES
    log_level: Level | None = None
    host_pid: int | None = None


class Transport(Protocol):
    """Where hosts connect.

    Attributes:
        has_single_host: whether one host owns the sidecar: the sidecar ends with it, watches the process it names, and
            answers its requests with the error of a failed start. Otherwise `run` raises that error.
        page_address: where pages are served, without a secret; `None` where none are.
    """

    has_single_host: bool
    page_address: str | None

    async def serve(self, hosts: Hosts) -> None:
        """Serve hosts. Returns when none can connect any more."""
        ...

    def stop_reading(self) -> None:
        """Stop reading requests; `serve` returns."""
        ...

    async def drain(self) -> None:
        """Write everything queued for the hosts, and close the connections."""
        ...


T = TypeVar("T", bound=Transport)


class App:
    """One sidecar.

    Args:
        options: how it was started.
        transport: created in the event loop that runs it.
        announce: called just before hosts can connect.
    """

    def __init__(self, options: Options, transport: Transport, announce: Callable[[], None] = lambda: None) -> None:
        self._options = options
        self._announce = announce
        self._transport = transport
        self._lock = DataDirLock(DataDir(options.data_dir).lock_file)
        self._lifetime = Lifetime(owned=transport.has_single_host)
        self._services = services_of(options, self._lifetime)
        self._requests = RequestTasks()
        self._hosts: Hosts | None = None

    async def run(self) -> None:
        """Serve until the owning host is gone or a stop is requested; returns when everything has stopped.

        Raises:
            SidecarError: the data folder cannot be used, and no single host can be answered with that.
        """
        logging_handler.set_up(self._options.log_level or "info", None)
        with set_by_signals(self._lifetime.stopping):
            try:
                problem = self._take_data_dir()
                if problem is not None and not self._transport.has_single_host:
                    raise problem
                async with self._lifetime.run():
                    await self._serve_or_refuse(problem)
            finally:
                if self._hosts is not None:
                    self._hosts.finish()
                with anyio.move_on_after(DRAIN_SECONDS, shield=True):
                    await self._transport.drain()
                self._lock.release()

    async def _serve_or_refuse(self, problem: SidecarError | None) -> None:
        if problem is None:
            async with working(self._services, self._requests) as handlers:
                await self._serve(handlers)
        else:
            logger.error("%s %s", problem.message, problem.hint)
            async with self._requests.run():
                await self._serve(_refusing_handlers(problem, self._services))

    def _take_data_dir(self) -> SidecarError | None:
        """Lock the data folder; returns why it cannot be used, or `None`."""
        try:
            self._services.data_dir.create()
            self._lock.acquire()
            self._services.config.load()
        except SidecarError as problem:
            self._lock.release()
            return problem.with_traceback(None)
        return None

    async def _serve(self, handlers: dict[str, Handler]) -> None:
        """Handle requests until a stop is requested."""
        self._hosts = Hosts(
            handlers=handlers,
            tasks=self._requests,
            lifetime=self._lifetime,
            max_line_bytes=max(self._options.max_line_bytes, MIN_LINE_BYTES),
        )
        if self._options.host_pid is not None:
            self._lifetime.watch(self._options.host_pid)
        try:
            async with anyio.create_task_group() as serving:
                serving.start_soon(self._accept, self._hosts)
                await self._lifetime.stopping.wait()
                self._transport.stop_reading()
        finally:
            # From here on nothing may take long. What hangs is not waited for: a stop was requested.
            code = 0 if self._lifetime.stopping.is_set() else 1
            deadline = threading.Timer(STOP_SECONDS, os._exit, (code,))
            deadline.daemon = True
            deadline.start()

    async def _accept(self, hosts: Hosts) -> None:
        if self._transport.page_address is not None:
            self._lock.note_address(self._transport.page_address)
        self._announce()
        await self._transport.serve(hosts)
        if not self._lifetime.stopping.is_set():
            logger.info("the host is gone; stopping")
            self._lifetime.stop()


def services_of(options: Options, lifetime: Lifetime) -> Services:
    """The services, with what is available from the start."""
    data_dir = DataDir(options.data_dir)
    return Services(
        data_dir=data_dir,
        config=ConfigFile(options.config_file or data_dir.config_file),
        lifetime=lifetime,
        max_line_bytes=options.max_line_bytes,
        log_level=options.log_level,
    )


@asynccontextmanager
async def working(services: Services, requests: RequestTasks) -> AsyncIterator[dict[str, Handler]]:
    """A table of the first reply's handlers; the others are added as soon as they are imported.

    On exit, everything is stopped. A request that then still waits for its handler is started all the same, as if the
    handler had been there from the start.
    """
    config = services.config.config.logs
    services.logs = logs = LogStore(
        services.data_dir.logs, max_file_bytes=config.max_file_bytes, kept_files=config.kept_files
    )
    level = services.log_level or config.level
    logging_handler.set_up(level, logs.source("sidecar"), asyncio.get_running_loop())
    handlers = life.register(services)
    leaving = anyio.Event()
    try:
        async with requests.run(), anyio.create_task_group() as tasks:
            tasks.start_soon(_add_features, handlers, services, requests, leaving)
            try:
                yield handlers
            finally:
                leaving.set()
                if not (services.lifetime.needed.is_set() or services.lifetime.ready.is_set()):
                    tasks.cancel_scope.cancel()
    finally:
        logging_handler.set_up(services.log_level or services.config.config.logs.level, None)
        logs.close()


async def _add_features(
    handlers: dict[str, Handler], services: Services, requests: RequestTasks, leaving: anyio.Event
) -> None:
    lifetime = services.lifetime
    with anyio.move_on_after(HEAD_START_SECONDS):
        await lifetime.needed.wait()
    # On a thread, so that requests are read meanwhile.
    composition = await anyio.to_thread.run_sync(_import_composition)
    async with composition.features(services, requests) as found:
        handlers |= found
        lifetime.ready.set()
        await leaving.wait()


def _import_composition() -> ModuleType:
    hide_memory()  # before there is anything in it to hide
    gc.disable()  # as in `__main__`
    try:
        from sidecar import composition
    finally:
        gc.freeze()
        gc.enable()
    return composition


def _refusing_handlers(problem: SidecarError, services: Services) -> dict[str, Handler]:
    """Handlers of a sidecar without a usable data folder: they answer with the reason."""

    async def refuse(_params: Any, _call: Call) -> Any:
        raise problem.with_traceback(None)  # else the traceback would grow with each request

    always = life.register(services)
    return dict.fromkeys(METHODS, refuse) | {name: always[name] for name in ("ping", "shutdown", "rpc.discover")}


def serve(options: Options, read_fd: int, write_fd: int) -> None:
    """Run a sidecar for a host on these descriptors until it stops."""
    serve_behind(options, lambda: StdioTransport(read_fd, write_fd, max_line_bytes=options.max_line_bytes))


def serve_behind(
    options: Options, make_transport: Callable[[], T], announce: Callable[[T], None] = lambda _: None
) -> None:
    """Run a sidecar until it stops. The transport is created in the event loop, and announced just before it serves.

    Raises:
        SidecarError: as `App.run`.
    """

    async def run() -> None:
        transport = make_transport()
        await App(options, transport, partial(announce, transport)).run()

    anyio.run(run)
