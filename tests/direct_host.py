"""A sidecar in the test's own process: dispatch, handlers and features in memory, without pipes and without a start.

For tests of what a sidecar does. What is the operating system's (pipes, signals, exit codes, a start's imports) needs
`raw_host.RawHost`, which has the same methods. Every line that comes back is checked against the published schema.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import anyio
import anyio.abc
from anyio.from_thread import BlockingPortal, start_blocking_portal

from sidecar import app
from sidecar.dispatch.dispatcher import Dispatcher
from sidecar.dispatch.hosts import Hosts
from sidecar.dispatch.requests import RequestTasks
from sidecar.events.outbox import Outbox
from sidecar.host import process_tree
from sidecar.host.lock import DataDirLock
from sidecar.processes.owner import ProcessOwner, owner
from sidecar.services import Lifetime, Services
from sidecar.transport.framing import MAX_LINE_BYTES, LineFramer, Oversize
from tests.raw_host import ANSWER_SECONDS, LineHost

T = TypeVar("T")

TAKE_BYTES = 64 * 1024

_loop_threads: set[threading.Thread] = set()
"""Threads that live as long as a host does, and so may start processes. A sidecar does that on its main thread only,
since Linux ends a child with the thread that has started it."""


def _main_thread() -> threading.Thread:
    current = threading.current_thread()
    return current if current in _loop_threads else threading.main_thread()


_running_hosts: set[object] = set()
"""A process has one owner of processes: while hosts run, its registry is that of the first one."""


def _register_once(path: Path) -> None:
    if vars(owner)["_registry"] is None:
        vars(owner)["_living"] = set()  # what tests of processes have left on its list is none of a sidecar's
        ProcessOwner.register_in(owner, path)


def _unregister() -> None:
    """Give the owner back as it is in programs that are no sidecar, so that no watchdog is left to later tests."""
    state = vars(owner)
    if state["_watchdog"] is not None:
        state["_watchdog"].dismiss()
    if state["_registry"] is not None:
        state["_registry"].close()
    state.update(_registry=None, _watchdog=None, _living=set())


vars(owner)["register_in"] = _register_once
vars(process_tree)["threading"] = SimpleNamespace(current_thread=threading.current_thread, main_thread=_main_thread)


class DirectHost(LineHost):
    """A sidecar whose event loop runs on a thread of its own, and lines to and from it.

    Attributes:
        services: what its features share; to be used in its loop only (`in_loop`).
        dispatcher: of the one host.
    """

    services: Services
    dispatcher: Dispatcher

    def __init__(self, data_dir: Path, *, config_file: Path | None = None, validate: bool = True) -> None:
        super().__init__(data_dir, validate=validate)
        self._options = app.Options(data_dir=data_dir, config_file=config_file)
        self._framer = LineFramer()
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._lifetime: Lifetime
        self._closed = False
        self._reads = asyncio.Event()
        self._reads.set()
        _running_hosts.add(self)
        self._portal_context = start_blocking_portal()
        self._portal: BlockingPortal = self._portal_context.__enter__()
        self._running, _ = self._portal.start_task(self._run)

    def send_bytes(self, data: bytes) -> None:
        self.in_loop(self._handle, data)

    def raw_line(self) -> bytes:
        line = self._lines.get(timeout=ANSWER_SECONDS)
        assert line is not None, "the sidecar has ended"
        return line

    @property
    def pid(self) -> int:
        return os.getpid()

    def stop_reading(self) -> None:
        """Take no line: a host that is busy, or hangs."""
        self.in_loop(self._reads.clear)

    def go_on_reading(self) -> None:
        """Undo `stop_reading`."""
        self.in_loop(self._reads.set)

    def in_loop(self, call: Callable[..., T], *args: object) -> T:
        """Call something in the sidecar's loop."""
        return self._portal.call(call, *args)

    def close(self) -> int:
        if self._closed:
            return 0
        self._closed = True
        self.go_on_reading()
        self._portal.call(self._lifetime.stop)
        try:
            self._running.result(timeout=ANSWER_SECONDS)
        finally:
            self._portal_context.__exit__(None, None, None)
            _running_hosts.discard(self)
            if not _running_hosts:
                _unregister()
        return 0

    def _handle(self, data: bytes) -> None:
        for line in self._framer.feed(data):
            if isinstance(line, Oversize):
                self.dispatcher.handle_oversize()
            else:
                self.dispatcher.handle(line)

    async def _run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        _loop_threads.add(threading.current_thread())
        self._lifetime, requests, outbox = Lifetime(), RequestTasks(), Outbox()
        self.services = app.services_of(self._options, self._lifetime)
        self.services.data_dir.create()
        lock = DataDirLock(self.services.data_dir.lock_file)
        lock.acquire()
        self.services.config.load()
        hosts: Hosts | None = None
        writing = asyncio.create_task(self._write(outbox))
        try:
            with _root_logger_kept():
                async with self._lifetime.run(), app.working(self.services, requests) as handlers:
                    hosts = Hosts(
                        handlers=handlers, tasks=requests, lifetime=self._lifetime, max_line_bytes=MAX_LINE_BYTES
                    )
                    self.dispatcher = hosts.join(outbox)
                    task_status.started()
                    await self._lifetime.stopping.wait()
        finally:
            if hosts is not None:
                hosts.finish()
            writing.cancel()
            self._put(outbox)
            _loop_threads.discard(threading.current_thread())
            self._lines.put(None)
            lock.release()

    async def _write(self, outbox: Outbox) -> None:
        while True:
            await outbox.news.wait()
            outbox.news.clear()
            await self._reads.wait()
            self._put(outbox)

    def _put(self, outbox: Outbox) -> None:
        while outbox.queue:
            for line in outbox.take(TAKE_BYTES):
                self._lines.put(line)


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """A sidecar sets the root logger up for itself alone; give it back to the tests."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
