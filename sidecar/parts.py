"""Everything that works on the data folder: what it is built of, and the order in which it is started and stopped.

Whatever a part needs is handed to it here; no part looks for another. Imports all of them, which takes as long as
everything before the first reply, so it is brought in after that (`late_parts`).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread

from sidecar.builds.proof import Prover
from sidecar.builds.registry import WORK
from sidecar.builds.service import Builds
from sidecar.chat.history import History
from sidecar.chat.journals import Journals
from sidecar.chat.service import Chat
from sidecar.contract.config import Config
from sidecar.contract.errors import SidecarError
from sidecar.contract.life import Notice
from sidecar.contract.models import FOREIGN
from sidecar.contract.servers import ServerInfo
from sidecar.dispatch.tasks import RequestTasks
from sidecar.engines.kinds.discovery import Engines
from sidecar.handlers.call import Handler
from sidecar.handlers.chat import ChatHandlers
from sidecar.handlers.config import ConfigHandlers
from sidecar.handlers.downloads import DownloadHandlers
from sidecar.handlers.engines import EngineHandlers
from sidecar.handlers.logs import LogHandlers
from sidecar.handlers.memory import MemoryHandlers
from sidecar.handlers.models import ModelHandlers
from sidecar.handlers.resources import ResourceHandlers
from sidecar.handlers.servers import ServerHandlers
from sidecar.handlers.sessions import SessionHandlers
from sidecar.handlers.subscriptions import SubscriptionHandlers
from sidecar.handlers.topics import Topics
from sidecar.host.gpus import GpuReader
from sidecar.host.hardware import ResourceMonitor
from sidecar.host.paths import DataDir
from sidecar.library.background_indexer import BackgroundIndexer
from sidecar.library.downloads.service import Downloads
from sidecar.library.gguf.header_cache import HeaderCache
from sidecar.library.hub.api import Hub, address_of
from sidecar.library.hub.token import TokenSource
from sidecar.library.importing import Importer
from sidecar.library.library import Library
from sidecar.library.scan.sources import Sources
from sidecar.library.trash.trash import Trash
from sidecar.logs.defects import internal_error
from sidecar.logs.store import LogStore
from sidecar.processes.owner import owner
from sidecar.servers.memory_budget import MemoryBudget
from sidecar.servers.server_manager import ServerManager
from sidecar.servers.start_planner import StartPlanner
from sidecar.storage.config import ConfigFile
from sidecar.storage.database import Database
from sidecar.storage.facts import Facts

logger = logging.getLogger(__name__)


class Parts:
    """The parts of one sidecar, and the handlers of their methods.

    Args:
        data_dir: the data folder, which is ours.
        config: the config, loaded.
        logs: where engines log.
        requests: the requests under way; cancelled at the end, while engines still run.
        on_config: told of a changed config.
    """

    def __init__(
        self,
        *,
        data_dir: DataDir,
        config: ConfigFile,
        logs: LogStore,
        requests: RequestTasks,
        on_config: Callable[[Config], None],
    ) -> None:
        owner.register_in(data_dir.processes_file)
        self._requests = requests
        self._database = Database(data_dir.history_file, encrypt=lambda: config.config.storage.encrypt)
        self._history = History(self._database, retention_days=lambda: config.config.storage.deleted_retention_days)
        gpus = GpuReader()
        self._monitor = ResourceMonitor(data_dir.root, gpus=gpus)
        self._fleet = ServerManager(
            logs=logs,
            runtime_dir=owner.sockets,
            config=lambda: config.config.engines,
            read_gpus=gpus.read,
        )
        self._journals = Journals(data_dir.turns, lambda: self._database.cipher)
        self._chat = Chat(
            history=self._history, journals=self._journals, fleet=self._fleet, config=lambda: config.config
        )
        tokens = TokenSource()
        hub = Hub(lambda: address_of(config.config.downloads.hub_endpoint), tokens)
        self._downloads = Downloads(
            models=data_dir.models,
            records=data_dir.downloads,
            config=lambda: config.config.downloads,
            hub=hub,
            tokens=tokens,
        )
        self._builds = Builds(
            data_dir.engines,
            downloads=self._downloads,
            prover=Prover(logs=logs, runtime_dir=lambda: owner.sockets, work=data_dir.engines / WORK),
            config=lambda: config.config.engines,
            in_use=self._fleet.running_from,
        )
        engines = Engines(lambda: config.config.engines, self._builds)
        library = Library(
            Sources(
                data_dir.models,
                folders=lambda: config.config.models.folders,
                stores=lambda: FOREIGN if config.config.models.sources is None else config.config.models.sources,
            ),
            HeaderCache(data_dir.headers_file),
        )
        self._reading_on = BackgroundIndexer(library)
        self._importer = Importer(library, data_dir.models)
        self._trash = Trash(
            library, data_dir.models, retention_days=lambda: config.config.models.deleted_retention_days
        )
        facts = Facts(self._database)
        planner = StartPlanner(config=lambda: config.config, engines=engines, library=library, facts=facts)
        self._memory = MemoryHandlers(planner=planner, facts=facts, read_gpus=gpus.read)
        room = MemoryBudget(self._fleet, config=lambda: config.config.engines, estimate=self._memory.quick_estimate)
        self._fleet.ask(make_room=room.make, replaced=self._builds.replaced)
        resources = ResourceHandlers(self._monitor, self._fleet)
        self._topics = Topics(
            fleet=self._fleet,
            history=self._history,
            logs=logs,
            downloads=self._downloads,
            builds=self._builds,
            read_resources=resources.read,
            list_models=library.list,
        )
        families: list[Any] = [
            SubscriptionHandlers(self._topics),
            ServerHandlers(fleet=self._fleet, planner=planner),
            EngineHandlers(engines=engines, builds=self._builds),
            ChatHandlers(self._chat),
            SessionHandlers(history=self._history, chat=self._chat, config=lambda: config.config),
            ConfigHandlers(config, encrypt=self._encrypt, on_change=on_config),
            LogHandlers(logs),
            ModelHandlers(library=library, importer=self._importer, trash=self._trash, fleet=self._fleet),
            DownloadHandlers(self._downloads, hub, resources.read),
            self._memory,
            resources,
        ]
        self.handlers: dict[str, Handler] = {
            name: handler for family in families for name, handler in family.methods().items()
        }

    async def notices(self) -> list[Notice]:
        """What the person should know of the history, and of engines."""
        return [*await self._database.notices(), *await self._builds.notices()]

    def host_is_there(self) -> None:
        """A host has introduced itself: what waits for one may go on."""
        self._downloads.begin()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let them run; on leaving, all are stopped."""
        try:
            # Left in turn: answers under way are kept and their requests answered, the other requests are cancelled,
            # and then the engines end.
            async with self._fleet.run(), self._requests.run(), anyio.create_task_group() as background:
                self._fleet.listen(partial(self._observe, background))
                async with self._topics.run(), self._chat.run(), self._downloads.run(), self._builds.run():
                    background.start_soon(anyio.to_thread.run_sync, owner.sweep)
                    background.start_soon(self._tidy)
                    background.start_soon(anyio.to_thread.run_sync, self._builds.tidy)
                    background.start_soon(anyio.to_thread.run_sync, self._importer.tidy)
                    background.start_soon(anyio.to_thread.run_sync, self._trash.tidy)
                    yield
                background.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                self._reading_on.close()
                await anyio.to_thread.run_sync(owner.close)
                self._monitor.close()
                await self._database.close()

    async def _encrypt(self, sealed: bool) -> None:
        await self._database.encrypt(sealed)
        self._journals.follow_history()

    def _observe(self, background: anyio.abc.TaskGroup, server_id: str, info: ServerInfo | None) -> None:
        """What a start has taken of memory is looked at once it is ready, and makes nobody wait."""
        if info is not None and info.state == "ready":
            background.start_soon(self._memory.observe, self._fleet.get(server_id))

    async def _tidy(self) -> None:
        try:
            await self._history.tidy(self._journals.said)
            self._journals.follow_history()
        except SidecarError as problem:
            logger.error("the history can not be used: %s %s", problem.message, problem.hint)
        except Exception as problem:  # noqa: BLE001 - hosts are told as soon as they ask for something in it
            internal_error(problem)
