"""One sidecar's life: the data folder is taken, its hosts are served, and everything is taken down in order.

Owns the order of start and stop, and what the first reply needs; what it does not need is brought in later
(`late_parts`). So this imports little.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.abc
import msgspec

from sidecar.contract import METHODS
from sidecar.contract.config import Config
from sidecar.contract.errors import NotSupported, SidecarError
from sidecar.contract.life import Notice
from sidecar.contract.logs import Level
from sidecar.dispatch.hosts import Hosts
from sidecar.dispatch.tasks import RequestTasks
from sidecar.handlers.call import Call, Handler
from sidecar.handlers.life import LifeHandlers
from sidecar.host.lock import DataDirLock
from sidecar.host.paths import DataDir
from sidecar.host.signals import calling
from sidecar.host.watch import until_gone
from sidecar.late_parts import LateParts
from sidecar.logs import handler as logging_handler
from sidecar.logs.store import LogStore
from sidecar.storage.config import ConfigFile
from sidecar.storage.integrity import is_suspect
from sidecar.transport.framing import MAX_LINE_BYTES
from sidecar.transport.stdio import StdioTransport

logger = logging.getLogger(__name__)

STOP_SECONDS = 4.8
"""From the wish to stop to the end, whatever hangs (contract, Transport: 5 s)."""

LAST_WORDS_SECONDS = 1.0
"""For the host to read the last answers."""


class Options(msgspec.Struct, frozen=True):
    """How the sidecar was started.

    Attributes:
        data_dir: the data folder.
        config_file: the config file, where it is not in the data folder.
        max_line_bytes: the longest line that is read.
        log_level: wins over the config's.
        host_pid: stop when this process has ended.
    """

    data_dir: Path
    config_file: Path | None = None
    max_line_bytes: int = MAX_LINE_BYTES
    log_level: Level | None = None
    host_pid: int | None = None


class Transport(Protocol):
    """Where hosts come in.

    Attributes:
        leads_to_owner: whether there is one host, and the sidecar is its own: it ends with it, is told by it what to
            watch, and what is wrong at the start is told to it. Else that is the business of whoever started us.
    """

    leads_to_owner: bool

    async def serve(self, hosts: Hosts) -> None:
        """Let hosts talk. Returns when nobody can any more."""
        ...

    def stop_reading(self) -> None:
        """Take in nothing more; `serve` returns."""
        ...

    async def drain(self) -> None:
        """Wait until everybody has been told what waits for them, and let them go."""
        ...


class App:
    """One sidecar."""

    def __init__(self, options: Options, door: Transport) -> None:
        self._options = options
        self._door = door
        self._data_dir = DataDir(options.data_dir)
        self._lock = DataDirLock(self._data_dir.lock_file)
        self._config = ConfigFile(options.config_file or self._data_dir.config_file)
        self._stop = anyio.Event()
        self._watched_hosts: set[int] = set()
        self._tasks: anyio.abc.TaskGroup
        self._requests = RequestTasks()
        self._hosts: Hosts | None = None

    async def run(self) -> None:
        """Serve until the owner is gone or somebody wants the end; returns when everything is stopped.

        Raises:
            SidecarError: there is nothing to work on, and no owner to tell.
        """
        logging_handler.set_up(self._options.log_level or "info", None)
        with calling(self._stop.set):
            try:
                problem = self._take_data_dir()
                if problem is not None and not self._door.leads_to_owner:
                    raise problem
                async with anyio.create_task_group() as self._tasks:
                    await self._serve_what_can_be(problem)
                    self._tasks.cancel_scope.cancel()
            finally:
                if self._hosts is not None:
                    self._hosts.finish()
                with anyio.move_on_after(LAST_WORDS_SECONDS, shield=True):
                    await self._door.drain()
                self._lock.release()

    async def _serve_what_can_be(self, problem: SidecarError | None) -> None:
        if problem is None:
            async with self._working() as handlers:
                await self._serve(handlers)
        else:
            logger.error("%s %s", problem.message, problem.hint)
            async with self._requests.run():
                await self._serve(self._refusing(problem))

    def _take_data_dir(self) -> SidecarError | None:
        """Make the data folder ours; the problem where it is another sidecar's, or can not be used."""
        try:
            self._data_dir.create()
            self._lock.acquire()
            self._config.load()
        except SidecarError as problem:
            self._lock.release()
            return problem.with_traceback(None)
        return None

    async def _serve(self, handlers: dict[str, Handler]) -> None:
        """Carry out requests until it is time to stop."""
        self._hosts = Hosts(handlers=handlers, tasks=self._requests)
        if self._options.host_pid is not None:
            self._watch_host(self._options.host_pid)
        try:
            async with anyio.create_task_group() as serving:
                serving.start_soon(self._let_in, self._hosts)
                await self._stop.wait()
                self._door.stop_reading()
        finally:
            # From here on nothing may take long. What hangs then was asked for by nobody: the end was.
            deadline = threading.Timer(STOP_SECONDS, os._exit, (0 if self._stop.is_set() else 1,))
            deadline.daemon = True
            deadline.start()

    async def _let_in(self, hosts: Hosts) -> None:
        await self._door.serve(hosts)
        if not self._stop.is_set():
            logger.info("the host is gone; stopping")
            self._stop.set()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[dict[str, Handler]]:
        """Handlers for everything, most of which wait for what works on the data folder."""
        logs = LogStore(
            self._data_dir.logs,
            max_file_bytes=self._config.config.logs.max_file_bytes,
            kept_files=self._config.config.logs.kept_files,
        )

        def set_up_logging(config: Config) -> None:
            level = self._options.log_level or config.logs.level
            logging_handler.set_up(level, logs.source("sidecar"), asyncio.get_running_loop())

        set_up_logging(self._config.config)
        late = LateParts(
            lambda parts: parts(
                data_dir=self._data_dir,
                config=self._config,
                logs=logs,
                requests=self._requests,
                on_config=set_up_logging,
            )
        )
        try:
            async with self._requests.run(), late.run():
                yield {name: late.handler(name) for name in METHODS} | self._life(late)
        finally:
            logging_handler.set_up(self._options.log_level or self._config.config.logs.level, None)
            logs.close()

    def _life(self, late: LateParts | None) -> dict[str, Handler]:
        async def notices() -> list[Notice]:
            notices = list(self._config.notices)
            if late is not None and (late.are_here or is_suspect(self._data_dir.history_file)):
                notices += await (await late.get()).notices()
            return notices

        return LifeHandlers(
            data_dir=self._data_dir.root,
            max_line_bytes=self._options.max_line_bytes,
            notices=notices,
            watch_host=self._watch_host if self._door.leads_to_owner else _watch_nobody,
            shut_down=self._shut_down,
            host_is_there=lambda: None if late is None else late.when_here(lambda parts: parts.host_is_there()),
        ).methods()

    def _refusing(self, problem: SidecarError) -> dict[str, Handler]:
        """Handlers of a sidecar that has no data folder to work on: it lives, and says why it does nothing."""

        async def refuse(_params: Any, _call: Call) -> Any:
            raise problem.with_traceback(None)  # else it would grow with each request

        life = self._life(None)
        allowed = {name: life[name] for name in ("ping", "shutdown", "rpc.discover")}
        return dict.fromkeys(METHODS, refuse) | allowed

    def _shut_down(self) -> None:
        if self._hosts is not None and len(self._hosts) > 1:
            raise NotSupported(
                f"{len(self._hosts)} pages are open, and the sidecar would end for all of them.",
                hint="Close the others first, or end llama-sidecar where it was started.",
            )
        self._stop.set()

    def _watch_host(self, pid: int) -> None:
        async def watch() -> None:
            await until_gone(pid)
            logger.info("the host (process %d) has ended; stopping", pid)
            self._stop.set()

        if pid not in self._watched_hosts:
            self._watched_hosts.add(pid)
            self._tasks.start_soon(watch)


def _watch_nobody(_pid: int) -> None:
    raise NotSupported(
        "This sidecar does not end with one of its hosts.", hint="Leave host_pid out, or start it with --host-pid."
    )


def serve(options: Options, read_fd: int, write_fd: int) -> None:
    """Run a sidecar for a host on these descriptors to its end."""
    serve_behind(options, lambda: StdioTransport(read_fd, write_fd, max_line_bytes=options.max_line_bytes))


def serve_behind(options: Options, make_door: Callable[[], Transport]) -> None:
    """Run a sidecar to its end. The door is made in the event loop.

    Raises:
        SidecarError: as `App.run`.
    """

    async def run() -> None:
        await App(options, make_door()).run()

    anyio.run(run)
