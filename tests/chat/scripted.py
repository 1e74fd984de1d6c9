"""An engine that a test plays itself, and a history whose commits it can hold up or let fail.

For what a real process can not be made to do at a given moment. Everything above them is the real thing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import anyio
import anyio.lowlevel

from sidecar.chat.history import History
from sidecar.chat.journal import Journals
from sidecar.chat.service import Chat
from sidecar.contract.config import Config
from sidecar.contract.errors import EngineCrashed, ServerNotRunning, SidecarError
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import StartActual, StartLoading
from sidecar.engines.client.chat_chunk import ChatChunk, Choice, Delta, UsageCount
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.kinds.samplers import for_llama_cpp
from sidecar.engines.template_facts import TemplateFacts
from sidecar.events.event_log import EventSource, Text, status_of
from sidecar.generation.generation import Generator
from sidecar.servers.server_manager import ServerManager
from sidecar.storage.config import ConfigFile
from sidecar.storage.database import Database, Work

T = TypeVar("T")

BOUND_SECONDS = 30.0
"""Longest wait for anything; a test that needs it is broken."""

Answer = Callable[[dict[str, Any]], AsyncIterator[list[ChatChunk]]]


def text(content: str) -> ChatChunk:
    """A piece of an answer."""
    return ChatChunk(choices=[Choice(delta=Delta(content=content))])


END = ChatChunk(choices=[Choice(finish_reason="stop")], usage=UsageCount(prompt_tokens=3, completion_tokens=2))


async def hello(request: dict[str, Any]) -> AsyncIterator[list[ChatChunk]]:
    """The answer where a test has no other."""
    yield [text("Hel"), text("lo")]
    yield [END]


def refusing(error: Exception) -> Answer:
    """An answer that fails at once."""

    async def answer(request: dict[str, Any]) -> AsyncIterator[list[ChatChunk]]:
        if request:  # always: only the `yield` below makes this an answer
            raise error
        yield []

    return answer


class Held:
    """An answer that says a word and waits: for `release`, or for ever."""

    def __init__(self, word: str = "Hel", *, then: Answer = hello) -> None:
        self.reached = anyio.Event()
        self.released = anyio.Event()
        self.hung_up = anyio.Event()
        self._word = word
        self._then = then

    async def __call__(self, request: dict[str, Any]) -> AsyncIterator[list[ChatChunk]]:
        try:
            if self._word:
                yield [text(self._word)]
            self.reached.set()
            await self.released.wait()
            async for chunks in self._then(request):
                yield chunks
        finally:
            self.hung_up.set()


class ScriptedServer:
    """As much of `Server` and its `EngineLink` as a turn uses."""

    def __init__(self, server_id: str = "default") -> None:
        self.server_id = server_id
        self.requests: list[dict[str, Any]] = []
        self.asked = anyio.Event()
        self.answers: list[Answer] = []
        self.running = True
        self.superseded = False
        self.unfinished = 0
        self.why_broken: SidecarError = EngineCrashed("gone", cause="KILLED", exit_code=-9, log_tail=[])
        self.launch = SimpleNamespace(
            model_name="tiny",
            engine=SimpleNamespace(name="llama-server", refuses_long_prompts=True, sampling=for_llama_cpp),
            settings=ServerSettings(),
            capabilities=None,
            continues_answers=True,
        )
        self.actual = StartActual(
            context_per_message=100, slots=2, load_ms=1, gpu_layers=None, total_layers=None, vision=False, build=None
        )
        self.template = TemplateFacts()
        self.count_failure: Exception | None = None

    def ready_client(self) -> ScriptedServer:
        if not self.running:
            raise ServerNotRunning("stopped")
        return self

    async def until_ready(self) -> AsyncIterator[StartLoading]:
        await anyio.lowlevel.checkpoint()
        loads: list[StartLoading] = []
        for load in loads:
            yield load

    async def explain_broken_connection(self, broken: EngineGone) -> SidecarError:
        return self.why_broken

    @asynccontextmanager
    async def stream_chat(self, body: dict[str, Any]) -> AsyncIterator[AsyncIterator[list[ChatChunk]]]:
        self.requests.append(body)
        stream = (self.answers.pop(0) if self.answers else hello)(body)

        async def read() -> AsyncIterator[list[ChatChunk]]:
            self.asked.set()  # with the first read: whoever asks has noted that the request is sent
            async for chunks in stream:
                yield chunks

        try:
            yield read()
        finally:
            await cast(Any, stream).aclose()

    async def count_chat(self, body: dict[str, Any]) -> int:
        """A letter is a token."""
        await anyio.lowlevel.checkpoint()
        if self.count_failure is not None:
            raise self.count_failure
        return sum(len(message["content"]) for message in body["messages"])

    async def count_text(self, content: str) -> int:
        if self.count_failure is not None:
            raise self.count_failure
        return len(content)

    async def busy_slots(self) -> int | None:
        return 0


class ScriptedServers:
    """The servers, by id."""

    def __init__(self, *servers: ScriptedServer) -> None:
        self.servers = {server.server_id: server for server in servers}

    async def choose(self, server_id: str | None, remembered: str | None) -> ScriptedServer:
        server = self.servers[server_id or remembered or "default"]
        server.ready_client()
        return server


class FaultyDatabase(Database):
    """A database whose next pieces of work a test can hold up, or let fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.failures: list[BaseException | None] = []
        self._let_through: int | None = None
        self._released = asyncio.Event()
        self._held: list[asyncio.Task[None]] = []

    def hold_after(self, count: int) -> None:
        """Let so many more pieces of work through, and hold up those after them until `release`."""
        self._let_through = count

    def release(self) -> None:
        """Do what was held up."""
        self._let_through = None
        self._released.set()

    def submit(self, work: Work[T]) -> asyncio.Future[T]:
        failure = self.failures.pop(0) if self.failures else None

        def faulty(db: sqlite3.Connection) -> T:
            result = work(db)
            if failure is not None:
                raise failure  # so that the transaction is rolled back
            return result

        if self._let_through is None or self._let_through > 0:
            if self._let_through is not None:
                self._let_through -= 1
            return super().submit(faulty)
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._held.append(asyncio.create_task(self._submit_later(faulty, outcome)))
        return outcome

    async def _submit_later(self, work: Work[T], outcome: asyncio.Future[T]) -> None:
        await self._released.wait()
        try:
            outcome.set_result(await super().submit(work))
        except Exception as error:  # noqa: BLE001 - carried over
            outcome.set_exception(error)


class Stage:
    """A chat on a scripted server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ScriptedServer()
        self.other = ScriptedServer("other")
        self.config_file = ConfigFile(folder / "config.json")
        self.database = FaultyDatabase(folder / "history.db")
        (folder / "turns").mkdir()
        self.journals = Journals(folder / "turns")
        self.history = History(self.database, journals=self.journals, config=self.config_file)
        servers = cast(ServerManager, ScriptedServers(self.server, self.other))
        self.generator = Generator(servers, self.config_file)
        self.chat = Chat(
            history=self.history, journals=self.journals, generator=self.generator, config=self.config_file
        )

    @property
    def config(self) -> Config:
        """What counts now."""
        return self.config_file.config

    @config.setter
    def config(self, config: Config) -> None:
        self.config_file.config = config

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let the chat run; a test that hangs fails."""
        try:
            with anyio.fail_after(BOUND_SECONDS):
                await self.history.ready()  # as the sidecar does at its start
                async with self.chat.run():
                    yield
        finally:
            with anyio.CancelScope(shield=True):
                await self.database.close()

    async def rows(self, session_id: str) -> list[tuple[str, str, str]]:
        """Role, content and state of the messages on the branch in use."""
        session = await self.history.get(session_id)
        return [(m.role, m.content, m.state) for m in await self.history.branch(session_id, session.head)]


def shown(events: EventSource) -> list[Any]:
    """A log's events so far: text as (status, text), the others by their status."""
    entries: Sequence[tuple[int, Any]] = events.read(0)
    return [(e.status, e.text) if isinstance(e, Text) else status_of(e) for _, e in entries]


async def seen(events: EventSource, status: str) -> None:
    """Wait for an event of this status."""
    news = anyio.Event()
    events.follow(lambda: news.set())
    with anyio.fail_after(BOUND_SECONDS):
        while not any(status_of(entry) == status for _, entry in events.read(0)):
            await news.wait()
            news = anyio.Event()
