"""A request and the answer that a server gives to it.

Owns the way of a request: choose the server, wait for a place, be ready, fit the context, ask, take in the answer.
Knows nothing of sessions, of a history or of who asks.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

import anyio
import msgspec

from sidecar.contract.chat import ContextUse, TurnLoading
from sidecar.contract.errors import Cancelled, SidecarError
from sidecar.contract.servers import StartLoading
from sidecar.contract.sessions import Timings, ToolCall, Usage
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.client.http_errors import context_too_long
from sidecar.events.event_log import EventLog
from sidecar.generation.completion import Answer, GenerationRequest
from sidecar.generation.context import Fit, without
from sidecar.generation.counting import TokenCounter, fit_request
from sidecar.generation.scheduler import Scheduler
from sidecar.logs.defects import internal_error
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager
from sidecar.storage.config import ConfigFile

IDLE_POLL_SECONDS = 0.02
IDLE_SECONDS = 5.0
"""How long `Generator.until_idle` waits to see an engine idle. A prompt's batch that is being computed is not
interrupted."""


class GenerationResult(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer.

    Attributes:
        finish_reason: stop, length or tool_calls.
    """

    content: str
    reasoning: str
    tool_calls: list[ToolCall]
    finish_reason: str
    usage: Usage
    timings: Timings
    context: ContextUse


class Generation:
    """An answer on its way. As a context it is begun, and at the end it is stopped where it is not over.

    Args:
        started: when whoever asks began to wait, on the performance counter.

    Attributes:
        waiting: what happens before the engine is asked: its queue position, and the load of a model.
        events: what the engine has sent: progress, text, reasoning, tool calls. It is not closed: the end is `result`.
        answer: as far as it has come.
        server: who answers, once that is decided.
        model: the model's name, once it is asked.
    """

    def __init__(
        self,
        request: GenerationRequest,
        *,
        servers: ServerManager,
        scheduler: Scheduler,
        started: float,
    ) -> None:
        self.waiting = EventLog()
        self.events = EventLog()
        self.answer = Answer(self.events)
        self.server: Server | None = None
        self.model: str | None = None
        self._request = request
        self._servers = servers
        self._scheduler = scheduler
        self._started = started
        self._outcome: GenerationResult | SidecarError | None = None
        self._is_asked = False
        self._asked = anyio.Event()
        self._over = anyio.Event()
        self._scope = anyio.CancelScope()
        self._task: asyncio.Task[None] | None = None

    async def asked(self) -> None:
        """Wait until an engine has the request, or turns out not to be there.

        Raises:
            SidecarError: it was not even asked, and why.
        """
        await self._asked.wait()
        if not self._is_asked:
            await self.result()

    async def result(self) -> GenerationResult:
        """Wait for the whole answer.

        Raises:
            SidecarError: what went wrong; `Cancelled` if it was stopped. What there is of it is in `answer`.
        """
        await self._over.wait()
        if isinstance(self._outcome, GenerationResult):
            return self._outcome
        raise self._outcome or Cancelled("The answer was cancelled.")

    def timings(self) -> Timings:
        """How long it took, until now."""
        return self.answer.timings(started=self._started)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="generation")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._over.wait()

    async def _run(self) -> None:
        try:
            with self._scope:
                self._outcome = await self._generate()
        except SidecarError as error:
            self._outcome = error
        except Exception as error:  # noqa: BLE001 - whoever waits is told, and the others go on
            self._outcome = internal_error(error)
        finally:
            self._over.set()
            self._asked.set()

    async def _generate(self) -> GenerationResult:
        request = self._request
        while True:
            server = self.server = await self._servers.choose(request.server_id, request.last_server_id)
            async with self._scheduler.join(server, self.waiting):
                # A crash, or a server that is replaced, fails those that were being answered, and nobody who waits.
                async for load in server.until_ready():
                    self._publish_load(load)
                if server.superseded:
                    continue
                try:
                    return await self._ask(server)
                except EngineGone as broken:
                    # Before the place is given back: whoever is next must not take a dead engine for a ready one.
                    raise await _explained(server, broken) from None

    async def _ask(self, server: Server) -> GenerationResult:
        """Have an engine answer.

        Raises:
            ContextTooLong: the policy allows nothing that fits.
            EngineGone: the engine hung up.
        """
        request, answer, launch = self._request, self.answer, server.launch
        max_context = server.actual.context_per_message if server.actual else 0
        fitted: Fit | None = None
        if launch is not None and not (request.policy == "error" and launch.engine.refuses_long_prompts):
            fitted = await fit_request(request, server)
            if not fitted.fits:
                raise context_too_long(max_context, fitted.tokens)
        messages = without(request.messages, fitted.dropped) if fitted else request.messages
        self.model = launch.model_name if launch else None
        async with server.ready_client().stream_chat(request.body(messages)) as stream:
            self._is_asked = True
            self._asked.set()
            async for chunks in stream:
                answer.add(chunks)
        answer.end()
        usage = await _usage(answer, fitted, server)
        return GenerationResult(
            content=answer.content,
            reasoning=answer.reasoning,
            tool_calls=answer.tool_calls,
            finish_reason=answer.finish_reason or "stop",
            usage=usage,
            timings=self.timings(),
            context=ContextUse(
                policy=request.policy,
                max_context=max_context,
                used=usage.prompt_tokens + usage.completion_tokens,
                dropped_messages=len(fitted.dropped) if fitted else 0,
                summarised=False,
            ),
        )

    def _publish_load(self, load: StartLoading) -> None:
        self.waiting.append(TurnLoading(stage=load.stage, progress=load.progress))


class Generator:
    """Asks servers.

    Args:
        servers: who can answer.
        config: says how many may wait for a server.

    Attributes:
        tokens: counts without asking for an answer.
    """

    def __init__(self, servers: ServerManager, config: ConfigFile) -> None:
        self.tokens = TokenCounter(servers)
        self._servers = servers
        self._scheduler = Scheduler(config)

    def generate(self, request: GenerationRequest, *, started: float | None = None) -> Generation:
        """An answer to a request, which is begun by entering it.

        Args:
            request: what is asked.
            started: when whoever asks began to wait, on the performance counter; default: now.
        """
        return Generation(
            request,
            servers=self._servers,
            scheduler=self._scheduler,
            started=time.perf_counter() if started is None else started,
        )

    async def until_idle(self, server: Server) -> bool | None:
        """Wait until an engine works on no more requests than are under way here; whether it does so within
        IDLE_SECONDS; `None`: it hides that."""
        with anyio.move_on_after(IDLE_SECONDS):
            while True:
                try:
                    busy = await server.ready_client().busy_slots()
                except (SidecarError, EngineGone):  # the server itself is gone: nothing works any more
                    return True
                if busy is None:
                    return None
                if busy <= self._scheduler.admitted(server):
                    return True
                await anyio.sleep(IDLE_POLL_SECONDS)
        return False


async def _usage(answer: Answer, fitted: Fit | None, server: Server) -> Usage:
    counted, timings = answer.usage, answer.engine_timings
    if counted is None:  # llama-cpp-python's stream does not say; its tokenizer does
        try:
            tokens = await server.ready_client().count_text(answer.reasoning + answer.content)
        except (SidecarError, EngineGone):  # a whole answer does not fail for a figure
            tokens = 0
        return Usage(prompt_tokens=fitted.tokens if fitted else 0, completion_tokens=tokens, cached_tokens=0)
    details = counted.prompt_tokens_details
    cached = details.cached_tokens if details else timings.cache_n if timings else None
    return Usage(
        prompt_tokens=counted.prompt_tokens,
        completion_tokens=counted.completion_tokens,
        cached_tokens=cached or 0,
    )


async def _explained(server: Server, broken: EngineGone) -> SidecarError:
    """Why the engine hung up; an error of this request's own, since each gets its partial text."""
    with anyio.CancelScope(shield=True):
        error = await server.explain_broken_connection(broken)
    return type(error)(error.message, hint=error.hint, remedies=error.remedies, **error.data)
