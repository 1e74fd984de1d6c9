"""The sources of subscriptions: changes of servers, sessions, models, downloads, engines and logs, and resources.

Owns which source fills which topic. The feed keeps what the host has not read yet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import anyio
import anyio.abc
import anyio.to_thread

from sidecar.builds.service import Builds
from sidecar.chat.history import History, SessionChange
from sidecar.contract.builds import ManagedEngines
from sidecar.contract.life import SubscribeOptions
from sidecar.contract.logs import Level
from sidecar.contract.models import ModelInfo
from sidecar.contract.topics import (
    TOPICS,
    EnginesEvent,
    ModelEvent,
    ModelRemovedEvent,
    ResourcesEvent,
    ServerEvent,
    ServerRemovedEvent,
    SessionDeletedEvent,
    SessionEvent,
    Topic,
)
from sidecar.events.changes import Changes
from sidecar.events.live_feed import LiveFeed
from sidecar.host.hardware import ResourceMonitor
from sidecar.library.downloads.service import Downloads
from sidecar.library.library import Library
from sidecar.logs.defects import internal_error
from sidecar.logs.store import LogStore
from sidecar.servers.server_manager import ServerManager
from sidecar.servers.server_table import ServerChange
from sidecar.subscriptions.live_logs import LiveLogs

DEFAULT_MIN_LEVEL: Level = "info"

T = TypeVar("T")

Stop = Callable[[], object]


class Topics:
    """The sources of all topics."""

    def __init__(
        self,
        *,
        servers: ServerManager,
        history: History,
        logs: LogStore,
        downloads: Downloads,
        builds: Builds,
        monitor: ResourceMonitor,
        library: Library,
    ) -> None:
        self._servers = servers
        self._history = history
        self._logs = logs
        self._downloads = downloads
        self._builds = builds
        self._monitor = monitor
        self._library = library
        self._tasks: anyio.abc.TaskGroup

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let subscriptions take readings until the context ends."""
        async with anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    def feed(self, feed: LiveFeed, topics: Sequence[Topic], options: SubscribeOptions | None) -> list[Stop]:
        """Fill a feed from these topics, starting with the current state; returns a function for each that ends it."""
        options = options or SubscribeOptions()
        starts: dict[Topic, Callable[[], Stop]] = {
            "servers": partial(self._show_servers, feed),
            "sessions": partial(self._sessions, feed),
            "logs": partial(self._show_logs, feed, options),
            "downloads": partial(self._show_downloads, feed),
            "engines": partial(self._engines, feed),
            "resources": partial(self._resources, feed, options.interval_ms),
            "models": partial(self._models, feed, options.interval_ms),
        }
        return [starts[topic]() for topic in dict.fromkeys(topics)]

    def _show_servers(self, feed: LiveFeed) -> Stop:
        def show(change: ServerChange) -> None:
            server_id, info = change
            feed.put(ServerRemovedEvent(server_id=server_id) if info is None else ServerEvent(server=info))

        for info in self._servers.infos():
            show(ServerChange(info.server_id, info))
        return self._read(self._servers.changes, show)

    def _sessions(self, feed: LiveFeed) -> Stop:
        def show(change: SessionChange) -> None:
            session_id, session = change
            event = SessionDeletedEvent(session_id=session_id) if session is None else SessionEvent(session=session)
            feed.put(event)

        return self._read(self._history.changes, show)

    def _show_downloads(self, feed: LiveFeed) -> Stop:
        return self._downloads.show_in(feed)

    def _engines(self, feed: LiveFeed) -> Stop:
        def show(managed: ManagedEngines) -> None:
            feed.put(EnginesEvent(managed=managed))

        async def begin() -> None:
            try:
                show(await self._builds.managed())
            except Exception as error:  # noqa: BLE001 - one reading must not take everything else along
                internal_error(error)

        self._tasks.start_soon(begin)
        return self._read(self._builds.changes, show)

    def _show_logs(self, feed: LiveFeed, options: SubscribeOptions) -> Stop:
        lines = LiveLogs(self._logs, feed, options.source, options.min_level or DEFAULT_MIN_LEVEL)
        scope = anyio.CancelScope()

        async def show() -> None:
            with scope:
                await lines.run()

        def stop() -> None:
            scope.cancel()
            lines.flush()

        self._tasks.start_soon(show)
        return stop

    def _resources(self, feed: LiveFeed, interval_ms: int | None) -> Stop:
        async def read() -> None:
            resources = await self._monitor.read(self._servers.processes())
            feed.put(ResourcesEvent(resources=resources))

        return self._periodically(read, interval_ms or TOPICS["resources"].interval_ms)

    def _models(self, feed: LiveFeed, interval_ms: int | None) -> Stop:
        known: dict[str, ModelInfo] = {}

        async def read() -> None:
            nonlocal known
            now = {model.name: model for model in await anyio.to_thread.run_sync(self._library.list)}
            before, known = known, now
            for name in before.keys() - now.keys():
                feed.put(ModelRemovedEvent(name=name))
            for name, model in now.items():
                if before.get(name) != model:
                    feed.put(ModelEvent(model=model))

        return self._periodically(read, interval_ms or TOPICS["models"].interval_ms)

    def _read(self, changes: Changes[T], show: Callable[[T], None]) -> Stop:
        """Show changes from now on."""
        subscription = changes.subscribe()

        async def read() -> None:
            async for change in subscription:
                show(change)

        self._tasks.start_soon(read)
        return subscription.close

    def _periodically(self, read: Callable[[], Awaitable[None]], interval_ms: int) -> Stop:
        scope = anyio.CancelScope()

        async def run() -> None:
            failed_before = False
            with scope:
                while True:
                    try:
                        await read()
                    except Exception as error:  # noqa: BLE001 - one reading must not take everything else along
                        if not failed_before:
                            internal_error(error)
                        failed_before = True
                    await anyio.sleep(interval_ms / 1e3)

        self._tasks.start_soon(run)
        return scope.cancel
