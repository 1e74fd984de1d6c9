"""A request to a model and its answer.

Owns the steps of a request: choose the server, wait for a slot, wait until it is ready, fit the context, send, read
the answer. Knows nothing of sessions, history or callers.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

import anyio
import msgspec

from sidecar.contract.chat import ContextUse, TurnLoading, TurnQueued
from sidecar.contract.errors import ContextTooLong, InvalidParams, SidecarError
from sidecar.contract.sampling import TokenLogprob
from sidecar.contract.sessions import FinishReason, Timings, ToolCall, Usage
from sidecar.contract.warnings import ResultWarning
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.client.http_errors import CacheFull, context_too_long
from sidecar.events.event_log import EventLog
from sidecar.generation.admission.scheduler import Scheduler
from sidecar.generation.advice import too_long
from sidecar.generation.answer import Answer
from sidecar.generation.completion import GenerationRequest
from sidecar.generation.context import Fit, without
from sidecar.generation.counting import TokenCounter, fit_request, max_context_of, overlong
from sidecar.generation.honouring.judgement import findings
from sidecar.generation.honouring.target import target_of
from sidecar.generation.prompt import REFUSALS, Prompt
from sidecar.generation.reservation import Reservation
from sidecar.generation.sampling import given, located, logprobs_of
from sidecar.generation.settling import Settled, settle
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager
from sidecar.storage.config import ConfigFile


class GenerationResult(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer.

    Attributes:
        finish_reason: why it ended.
        warnings: what of the request was not, or not fully, honoured.
        logprobs: how likely the tokens were, if that was asked for.
    """

    content: str
    reasoning: str
    tool_calls: list[ToolCall]
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    context: ContextUse
    warnings: list[ResultWarning]
    logprobs: list[TokenLogprob] | None = None


class Generation:
    """A request that is carried out step by step, in the task of its caller:

        generation = generator.generate(request)
        async with aclosing(generation.steps()) as steps:
            async for _ in steps:
                show(generation.events.take())

    Closing the steps early closes the connection, which makes the engine stop. Callers that need only the answer call
    `finish`.

    Args:
        started: when the caller began to wait, on the performance counter.

    Attributes:
        events: its queue position, the load of a model, and the parts of the answer: progress, text, reasoning and tool
            calls. The log is not closed.
        answer: the answer so far.
        server: the server, once it is chosen.
        model: the model's name, once the request is fitted.
        is_sent: the request was sent; if that failed, the next step raises.
        warnings: what of the request was not honoured, as far as it is known.
        result: the complete answer, after the last step.
    """

    def __init__(
        self, request: GenerationRequest, *, servers: ServerManager, scheduler: Scheduler, started: float
    ) -> None:
        self.events = EventLog()
        self.answer = Answer(self.events, continues=request.continues)
        self.server: Server | None = None
        self.model: str | None = None
        self.is_sent = False
        self.warnings: list[ResultWarning] = []
        self.result: GenerationResult | None = None
        self._request = request
        self._servers = servers
        self._scheduler = scheduler
        self._started = started

    async def finish(self) -> GenerationResult:
        """Take all steps. Raises as `steps`."""
        async with aclosing(self.steps()) as steps:
            async for _ in steps:
                continue
        if self.result is None:
            raise RuntimeError("the steps of a generation are taken once")
        return self.result

    async def steps(self) -> AsyncGenerator[None, None]:
        """Carry out the request; after each step there may be new events. May be called once.

        Raises:
            SidecarError: why it failed. The partial text is in `answer`.
        """
        request, events, answer = self._request, self.events, self.answer
        while True:
            server = self.server = await self._servers.choose(request.server_id, request.last_server_id)
            if server.actual is None:  # its first start is under way, and how many slots it will have is not known yet
                async for load in server.until_ready():
                    events.append(TurnLoading(stage=load.stage, progress=load.progress))
                    yield
            with self._scheduler.join(server) as ticket:
                if ticket.position:
                    events.append(TurnQueued(position=ticket.position))
                    yield
                while (position := await ticket.next_position()) is not None:
                    events.append(TurnQueued(position=position))
                    yield
                # A crash or a replacement of the server fails the answers under way, but no request that waits.
                async for load in server.until_ready():
                    events.append(TurnLoading(stage=load.stage, progress=load.progress))
                    yield
                if server.superseded:
                    continue
                try:
                    target = target_of(server)
                    prompt = Prompt(request, target)
                    fitted = await self._fit(server, prompt)
                    messages = without(request.messages, fitted.dropped) if fitted else request.messages
                    body = prompt.body(messages)
                    room = Reservation(ticket, max_context_of(server), request.sampling.max_tokens)
                    answered = False
                    while not answered:
                        async for event in room.take(body, fitted.tokens if fitted else None, server):
                            events.append(event)
                            yield
                        if room.has_waited and _is_superseded(server):
                            break
                        if prompt.closes_reasoning:
                            answer.expect_no_reasoning()
                        if prompt.calls_as_json:
                            answer.expect_json()
                        try:
                            async with server.ready_client().stream_chat(body) as stream:
                                self.is_sent = ticket.is_sent = True
                                yield
                                async for chunks in stream:
                                    answer.add(chunks)
                                    if answer.pieces >= room.watch:
                                        room.follow(answer)
                                    yield
                                    if ticket.place.ending:
                                        break
                        except REFUSALS as refusal:
                            ticket.is_sent = False
                            body = prompt.body_after(refusal, messages)
                            continue
                        except CacheFull:
                            room.overflowed(answer)
                        answered = not room.must_start_again(answer)
                        if not answered:
                            answer = self.answer = Answer(events, continues=request.continues)
                    if not answered:
                        continue
                    answer.end()
                    self.warnings += [*prompt.warnings(), *answer.warnings, *room.warnings(answer)]
                    self.warnings += findings(request, target, answer)
                    self.result = self._result(await _usage(answer, fitted, server), fitted, server)
                except ContextTooLong as refused:
                    raise too_long(await overlong(request, server, refused)) from None
                except InvalidParams as refused:
                    raise located(refused, _given(request)) from None
                except EngineGone as broken:
                    # Before the place is released: the next request must not take a dead engine for a ready one.
                    raise await _explained(server, broken) from None
                return

    def timings(self) -> Timings:
        """The durations until now."""
        return self.answer.timings(started=self._started)

    async def _fit(self, server: Server, prompt: Prompt) -> Fit | None:
        """Which messages of the request fit; `None` if the engine itself rejects a prompt that is too long.

        Raises:
            ContextTooLong: it does not fit under its policy.
            EngineGone: the engine closed the connection.
        """
        launch = server.launch
        self.model = launch.model_name if launch else None
        if launch is None or (self._request.policy == "error" and launch.engine.refuses_long_prompts):
            return None
        fitted = await fit_request(self._request, server, prompt)
        if not fitted.fits:
            raise context_too_long(max_context_of(server), fitted.tokens)
        return fitted

    def _result(self, usage: Usage, fitted: Fit | None, server: Server) -> GenerationResult:
        answer = self.answer
        return GenerationResult(
            content=answer.content,
            reasoning=answer.reasoning,
            tool_calls=answer.tool_calls,
            finish_reason=answer.finish_reason or "stop",
            usage=usage,
            timings=self.timings(),
            context=ContextUse(
                policy=self._request.policy,
                max_context=max_context_of(server),
                used=usage.prompt_tokens + usage.completion_tokens,
                dropped_messages=len(fitted.dropped) if fitted else 0,
            ),
            warnings=list(self.warnings),
            logprobs=logprobs_of(answer.logprobs, self._request.sampling),
        )


class Generator:
    """Sends requests to servers.

    Args:
        servers: the servers to choose from.
        config: limits how many requests may wait for a server.

    Attributes:
        tokens: counts tokens without generating an answer.
    """

    def __init__(self, servers: ServerManager, config: ConfigFile) -> None:
        self.tokens = TokenCounter(servers)
        self._servers = servers
        self._scheduler = Scheduler(config)

    def generate(self, request: GenerationRequest, *, started: float | None = None) -> Generation:
        """The generation for a request, which its steps carry out.

        Args:
            request: the request.
            started: when the caller began to wait, on the performance counter; default: now.
        """
        return Generation(
            request,
            servers=self._servers,
            scheduler=self._scheduler,
            started=time.perf_counter() if started is None else started,
        )

    async def settle(self, server: Server) -> Settled:
        """Wait until an engine no longer works on what was cancelled; see `settling`."""
        return await settle(server, partial(self._scheduler.admitted, server))


def _is_superseded(server: Server) -> bool:
    return server.superseded


def _given(request: GenerationRequest) -> dict[str, Any]:
    """The parameters that an engine can refuse for their content."""
    shapes = {"tools": request.tools, "response_format": request.response_format}
    return given(request.sampling) | {name: value for name, value in shapes.items() if value}


async def _usage(answer: Answer, fitted: Fit | None, server: Server) -> Usage:
    counted, timings = answer.usage, answer.engine_timings
    if counted is None:  # llama-cpp-python's stream has no usage, but its tokenizer counts
        try:
            tokens = await server.ready_client().count_text(answer.as_text())
        except (SidecarError, EngineGone):  # a complete answer must not fail for want of its usage
            tokens = 0
        prompt = answer.prompt_tokens or (fitted.tokens if fitted else 0)
        return Usage(prompt_tokens=prompt, completion_tokens=tokens, cached_tokens=0)
    details = counted.prompt_tokens_details
    cached = details.cached_tokens if details else timings.cache_n if timings else None
    return Usage(
        prompt_tokens=counted.prompt_tokens,
        completion_tokens=counted.completion_tokens,
        cached_tokens=cached or 0,
    )


async def _explained(server: Server, broken: EngineGone) -> SidecarError:
    """Why the engine closed the connection, as a new error: each request adds its own partial text to it."""
    with anyio.CancelScope(shield=True):
        error = await server.explain_broken_connection(broken)
    return type(error)(error.message, hint=error.hint, remedies=error.remedies, **error.data)
