"""The composition root: builds the sidecar's parts, lets them run, and takes them down in order.

Owns the order of start and stop. Everything that a part needs is handed to it here; no part looks for another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread

from sidecar.chat.history import History
from sidecar.chat.journals import Journals
from sidecar.chat.service import Chat
from sidecar.contract import METHODS
from sidecar.contract.config import Config
from sidecar.contract.errors import SidecarError
from sidecar.contract.life import Notice
from sidecar.contract.logs import Level
from sidecar.contract.servers import ServerInfo
from sidecar.dispatch.dispatcher import Dispatcher
from sidecar.dispatch.lanes import Lanes
from sidecar.dispatch.tasks import RequestTasks
from sidecar.engines.discovery import Engines
from sidecar.engines.fleet import Fleet
from sidecar.handlers.call import Call, Handler
from sidecar.handlers.chat import ChatHandlers
from sidecar.handlers.config import ConfigHandlers
from sidecar.handlers.life import LifeHandlers
from sidecar.handlers.logs import LogHandlers
from sidecar.handlers.memory import MemoryHandlers
from sidecar.handlers.models import ModelHandlers
from sidecar.handlers.resources import ResourceHandlers
from sidecar.handlers.servers import ServerHandlers
from sidecar.handlers.sessions import SessionHandlers
from sidecar.handlers.topics import Topics
from sidecar.host.gpus import GpuReader
from sidecar.host.hardware import ResourceMonitor
from sidecar.host.lock import DataDirLock
from sidecar.host.owner import owner
from sidecar.host.paths import DataDir, make_runtime_dir, remove_runtime_dir
from sidecar.host.signals import calling
from sidecar.host.watch import until_gone
from sidecar.logs import handler as logging_handler
from sidecar.logs.defects import internal_error
from sidecar.logs.store import LogStore
from sidecar.models.library import Library
from sidecar.servers.planner import Planner
from sidecar.storage.config import ConfigFile
from sidecar.storage.database import Database
from sidecar.storage.facts import Facts
from sidecar.transport.framing import MAX_LINE_BYTES
from sidecar.transport.stdio import StdioTransport

logger = logging.getLogger(__name__)

STOP_SECONDS = 4.8
"""From the wish to stop to the end, whatever hangs (contract, Transport: 5 s)."""

LAST_WORDS_SECONDS = 1.0
"""For the host to read the last answers."""


@dataclass(frozen=True, slots=True)
class Options:
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


class App:
    """One sidecar, for one host on stdio."""

    def __init__(self, options: Options, read_fd: int, write_fd: int) -> None:
        self._options = options
        self._data_dir = DataDir(options.data_dir)
        self._lock = DataDirLock(self._data_dir.lock_file)
        self._config = ConfigFile(options.config_file or self._data_dir.config_file)
        self._transport = StdioTransport(read_fd, write_fd, max_line_bytes=options.max_line_bytes)
        self._stop = anyio.Event()
        self._watched_hosts: set[int] = set()
        self._tasks: anyio.abc.TaskGroup
        self._requests = RequestTasks()
        self._dispatcher: Dispatcher | None = None

    async def run(self) -> None:
        """Serve the host until it is gone or wants the end; returns when everything is stopped."""
        logging_handler.set_up(self._options.log_level or "info", None)
        with calling(self._stop.set):
            try:
                async with anyio.create_task_group() as self._tasks:
                    await self._serve_what_can_be()
                    self._tasks.cancel_scope.cancel()
            finally:
                if self._dispatcher is not None:
                    self._dispatcher.finish()
                with anyio.move_on_after(LAST_WORDS_SECONDS, shield=True):
                    await self._transport.drain()
                self._lock.release()

    async def _serve_what_can_be(self) -> None:
        try:
            runtime_dir = self._take_data_dir()
        except SidecarError as problem:
            logger.error("%s %s", problem.message, problem.hint)
            self._lock.release()
            async with self._requests.run():
                await self._serve(self._refusing(problem))
        else:
            async with self._parts(runtime_dir) as handlers:
                await self._serve(handlers)

    def _take_data_dir(self) -> Path:
        """Make the data folder ours; returns the folder for sockets.

        Raises:
            SidecarError: it is another sidecar's, or can not be used.
        """
        self._data_dir.create()
        self._lock.acquire()
        self._config.load()
        return make_runtime_dir(self._data_dir.root)

    async def _serve(self, handlers: dict[str, Handler]) -> None:
        """Carry out requests until it is time to stop."""
        dispatcher = Dispatcher(handlers=handlers, outbox=self._transport.outbox, tasks=self._requests, lanes=Lanes())
        self._dispatcher = dispatcher
        if self._options.host_pid is not None:
            self._watch_host(self._options.host_pid)
        try:
            async with anyio.create_task_group() as serving:
                serving.start_soon(self._read_requests, dispatcher)
                await self._stop.wait()
                self._transport.stop_reading()
        finally:
            # From here on nothing may take long. What hangs then was asked for by nobody: the end was.
            deadline = threading.Timer(STOP_SECONDS, os._exit, (0 if self._stop.is_set() else 1,))
            deadline.daemon = True
            deadline.start()

    async def _read_requests(self, dispatcher: Dispatcher) -> None:
        await self._transport.serve(dispatcher.handle, dispatcher.handle_oversize)
        if not self._stop.is_set():
            logger.info("the host is gone; stopping")
            self._stop.set()

    @asynccontextmanager
    async def _parts(self, runtime_dir: Path) -> AsyncIterator[dict[str, Handler]]:
        """Everything that works on the data folder, and the handlers for it."""
        config = self._config
        owner.keep_ledger(self._data_dir.processes_file)
        logs = LogStore(
            self._data_dir.logs,
            max_file_bytes=config.config.logs.max_file_bytes,
            kept_files=config.config.logs.kept_files,
        )
        self._set_up_logging(logs, config.config)
        database = Database(self._data_dir.history_file, encrypt=lambda: config.config.storage.encrypt)
        history = History(database, retention_days=lambda: config.config.storage.deleted_retention_days)
        gpus = GpuReader()
        fleet = Fleet(logs=logs, runtime_dir=runtime_dir, config=lambda: config.config.engines, read_gpus=gpus.read)
        engines = Engines(lambda: config.config.engines)
        library = Library(self._data_dir.models, lambda: config.config.models.folders)
        facts = Facts(database)
        planner = Planner(config=lambda: config.config, engines=engines, library=library, facts=facts)
        memory = MemoryHandlers(planner=planner, facts=facts, read_gpus=gpus.read)
        journals = Journals(self._data_dir.turns, lambda: database.cipher)
        chat = Chat(history=history, journals=journals, fleet=fleet, config=lambda: config.config)
        monitor = ResourceMonitor(self._data_dir.root, gpus=gpus)
        resources = ResourceHandlers(monitor, fleet)
        topics = Topics(fleet=fleet, history=history, logs=logs, read_resources=resources.read)

        async def encrypt(sealed: bool) -> None:
            await database.encrypt(sealed)
            journals.follow_history()

        families: list[Any] = [
            self._life(topics, database),
            ServerHandlers(fleet=fleet, engines=engines, planner=planner),
            ChatHandlers(chat),
            SessionHandlers(history=history, chat=chat, config=lambda: config.config),
            ConfigHandlers(config, encrypt=encrypt, on_change=lambda new: self._set_up_logging(logs, new)),
            LogHandlers(logs),
            ModelHandlers(library),
            memory,
            resources,
        ]
        try:
            # Left in turn: answers under way are kept and their requests answered, the other requests are cancelled,
            # and then the engines end.
            async with fleet.run(), self._requests.run(), anyio.create_task_group() as background:
                fleet.listen(lambda server_id, info: self._observe(background, memory, fleet, server_id, info))
                async with topics.run(), chat.run():
                    background.start_soon(anyio.to_thread.run_sync, owner.sweep)
                    background.start_soon(self._tidy, history, journals)
                    yield {name: handler for family in families for name, handler in family.methods().items()}
                background.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(owner.close)
                monitor.close()
                await database.close()
                logging_handler.set_up(self._options.log_level or config.config.logs.level, None)
                logs.close()
                remove_runtime_dir(runtime_dir)

    @staticmethod
    def _observe(
        background: anyio.abc.TaskGroup, memory: MemoryHandlers, fleet: Fleet, server_id: str, info: ServerInfo | None
    ) -> None:
        """What a start has taken of memory is looked at once it is ready, and makes nobody wait."""
        if info is not None and info.state == "ready":
            background.start_soon(memory.observe, fleet.get(server_id))

    def _life(self, topics: Topics | None, database: Database | None) -> LifeHandlers:
        async def notices() -> list[Notice]:
            return [*self._config.notices, *(await database.notices() if database is not None else ())]

        return LifeHandlers(
            data_dir=self._data_dir.root,
            max_line_bytes=self._options.max_line_bytes,
            notices=notices,
            topics=topics,
            watch_host=self._watch_host,
            shut_down=self._stop.set,
        )

    def _refusing(self, problem: SidecarError) -> dict[str, Handler]:
        """Handlers of a sidecar that has no data folder to work on: it lives, and says why it does nothing."""

        async def refuse(_params: Any, _call: Call) -> Any:
            raise problem.with_traceback(None)  # else it would grow with each request

        life = self._life(None, None).methods()
        allowed = {name: life[name] for name in ("ping", "shutdown", "rpc.discover")}
        return dict.fromkeys(METHODS, refuse) | allowed

    def _watch_host(self, pid: int) -> None:
        async def watch() -> None:
            await until_gone(pid)
            logger.info("the host (process %d) has ended; stopping", pid)
            self._stop.set()

        if pid not in self._watched_hosts:
            self._watched_hosts.add(pid)
            self._tasks.start_soon(watch)

    def _set_up_logging(self, logs: LogStore, config: Config) -> None:
        level = self._options.log_level or config.logs.level
        logging_handler.set_up(level, logs.source("sidecar"), asyncio.get_running_loop())

    async def _tidy(self, history: History, journals: Journals) -> None:
        try:
            await history.tidy(journals.said)
            journals.follow_history()
        except SidecarError as problem:
            logger.error("the history can not be used: %s %s", problem.message, problem.hint)
        except Exception as problem:  # noqa: BLE001 - hosts are told as soon as they ask for something in it
            internal_error(problem)


def serve(options: Options, read_fd: int, write_fd: int) -> None:
    """Run a sidecar on these descriptors to its end."""
    anyio.run(lambda: App(options, read_fd, write_fd).run())
