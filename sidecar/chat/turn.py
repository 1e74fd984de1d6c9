"""One turn: a message, its way through the queue and the engine, and the answer that comes back.

Owns the turn's state; its task (`run`) is the only writer. What the turn is to do is decided by `service` in a `Job`,
once it is the session's turn; what is kept of it is `record`'s business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from sidecar.channels import EventLog
from sidecar.chat import prompt
from sidecar.chat.answer import Answer
from sidecar.chat.context import Fit, fit
from sidecar.chat.messages import StoredMessage
from sidecar.chat.queue import Line
from sidecar.chat.record import Ending, Question, Record, new_id, shield
from sidecar.contract import CancelledEvent, ErrorEvent, WireError
from sidecar.contract.chat import ContextUse, TurnDone, TurnQueued, TurnResult
from sidecar.contract.errors import Cancelled, ContextTooLong, InvalidParams, NotSupported, SidecarError
from sidecar.contract.sessions import ContextPolicy, Timings, Usage
from sidecar.engines.link import EngineGone, context_too_long
from sidecar.engines.server import Server
from sidecar.logs.defects import internal_error
from sidecar.storage.database import Database


@dataclass(slots=True)
class Job:
    """What a turn has to do.

    Attributes:
        server: who answers.
        line: the server's queue.
        max_waiting: how many may wait in it.
        question: what is answered.
        system: the system prompt.
        body: the request to the engine but for its messages.
        policy: what to do where not everything fits.
        max_tokens: longest answer, where one was named.
    """

    server: Server
    line: Line
    max_waiting: int
    question: Question
    system: str | None
    body: dict[str, Any]
    policy: ContextPolicy
    max_tokens: int | None

    @property
    def max_context(self) -> int:
        """Tokens that prompt and answer may use together."""
        return self.server.actual.context_per_message if self.server.actual else 0

    async def count(self, messages: Sequence[StoredMessage]) -> int:
        """Exact tokens of the system prompt and these messages."""
        body = {**self.body, "messages": prompt.conversation(self.system, messages)}
        return await self.server.ready_link().count_chat(body)


Prepare = Callable[[], Awaitable[Job]]


class Turn:
    """A message under way, and what became of it."""

    def __init__(self, session_id: str, prepare: Prepare, line: Line, *, max_waiting: int, database: Database) -> None:
        self.session_id = session_id
        self.message_id = new_id()
        self.events = EventLog()
        self.job: Job | None = None
        self._prepare = prepare
        self._database = database
        self._record: Record | None = None
        self._answer = Answer(self.events)
        self._started = time.perf_counter()
        self._first_token: float | None = None
        self._position: int | None = None
        self._scope = anyio.CancelScope()
        self._cancel_requested = False
        self._finished = anyio.Event()
        self._result: TurnResult | None = None
        self._failure: SidecarError | None = None
        self._ticket = line.join(self._tell_position, max_waiting=max_waiting)

    @property
    def finished(self) -> bool:
        """Whether the turn is over."""
        return self._finished.is_set()

    async def result(self) -> TurnResult:
        """Wait for the answer.

        Raises:
            SidecarError: what went wrong; `Cancelled` if it was cancelled.
        """
        await self._finished.wait()
        if self._result is None:
            raise self._failure or Cancelled("The message was cancelled.")
        return self._result

    async def cancel(self) -> None:
        """Stop the turn; returns when its partial text is kept. Safe to call twice, and when it is over."""
        self._cancel_requested = True
        self._scope.cancel()
        with shield():
            await self._finished.wait()

    async def run(self) -> None:
        """The turn's task."""
        error: SidecarError | None = None
        try:
            with self._scope:
                async with self._ticket:
                    await self._work()
        except SidecarError as problem:
            error = problem
        except EngineGone:
            error = await self._explain()
        except Exception as problem:  # noqa: BLE001 - a defect of ours must not take other turns along
            error = internal_error(problem)
        finally:
            with shield():
                try:
                    await self._finish(error or Cancelled("The message was cancelled."))
                finally:
                    self._finished.set()

    async def _work(self) -> None:
        job = self.job = await self._prepare()
        launch = job.server.launch
        record = Record(self._database, job.question, self.message_id, launch.model_name if launch else None)
        async with job.line.join(self._tell_position, max_waiting=job.max_waiting):
            fitted = await self._fit(job)
            self._record = record
            await self._stream(job, fitted, record)
        usage = await self._usage(job, fitted)
        context = ContextUse(
            policy=job.policy,
            max_context=job.max_context,
            used=usage.prompt_tokens + usage.completion_tokens,
            dropped_messages=len(fitted.dropped) if fitted else 0,
            summarised=False,
        )
        with shield():
            self._result = await record.complete(self._answer, usage, self._timings(), context)

    async def _fit(self, job: Job) -> Fit | None:
        """Decide what to send, where that needs counting: an engine that refuses long prompts counts by itself.

        Raises:
            ContextTooLong: the policy allows nothing that fits.
        """
        launch = job.server.launch
        if launch is None or (job.policy == "error" and launch.engine.refuses_long_prompts):
            return None
        fitted = await fit(
            job.question.conversation,
            policy=job.policy,
            max_context=job.max_context,
            max_tokens=job.max_tokens,
            count=job.count,
        )
        if not fitted.fits:
            raise context_too_long(job.max_context, fitted.tokens)
        return fitted

    async def _stream(self, job: Job, fitted: Fit | None, record: Record) -> None:
        """Send the conversation and take in the answer, while the question is being kept."""
        messages = fitted.sent if fitted else job.question.conversation
        body = {**job.body, "messages": prompt.conversation(job.system, messages)}
        link = job.server.ready_link()
        kept = record.begin()
        async with link.chat(body) as stream:
            async for chunks in stream:
                if not kept.done():  # what a host sees an answer to must not be lost
                    await asyncio.shield(kept)
                for chunk in chunks:
                    self._answer.add(chunk)
                if self._first_token is None and self._answer.has_begun:
                    self._first_token = time.perf_counter()
        await asyncio.shield(kept)

    async def _finish(self, error: SidecarError) -> None:
        """Tell how the turn ended, once what there is of the answer is kept."""
        result, partial = self._result, self._answer.content
        if result is not None:
            self.events.append(TurnDone(**{name: getattr(result, name) for name in TurnResult.__struct_fields__}))
            return
        state: Ending = "error"
        if isinstance(error, Cancelled):
            state = "cancelled" if self._cancel_requested else "interrupted"
        if self._record is not None:
            try:
                await self._record.give_up(
                    self._answer,
                    self._timings(),
                    state=state,
                    refused=isinstance(error, ContextTooLong | InvalidParams | NotSupported),
                )
            except SidecarError as problem:  # the history can not be written: that is what the host must know
                error = problem
        if isinstance(error, Cancelled):
            error = Cancelled(error.message, partial=partial)
            self.events.append(CancelledEvent(partial=partial))
        else:
            if partial:
                error.data["partial"] = partial
            self.events.append(ErrorEvent(error=WireError.of(error)))
        self._failure = error

    async def _usage(self, job: Job, fitted: Fit | None) -> Usage:
        counted = self._answer.usage
        if counted is None:  # llama-cpp-python's stream does not say; its tokenizer does
            text = self._answer.reasoning + self._answer.content
            tokens = await job.server.ready_link().count_text(text)
            return Usage(prompt_tokens=fitted.tokens if fitted else 0, completion_tokens=tokens, cached_tokens=0)
        details = counted.prompt_tokens_details
        return Usage(
            prompt_tokens=counted.prompt_tokens,
            completion_tokens=counted.completion_tokens,
            cached_tokens=(details.cached_tokens or 0) if details else 0,
        )

    def _timings(self) -> Timings:
        engine, now = self._answer.timings, time.perf_counter()
        return Timings(
            ttft_ms=_ms(self._first_token - self._started) if self._first_token else None,
            prompt_per_second=engine.prompt_per_second if engine else None,
            predicted_per_second=engine.predicted_per_second if engine else None,
            total_ms=_ms(now - self._started),
        )

    async def _explain(self) -> SidecarError:
        """Why the engine hung up."""
        if self.job is None:
            return internal_error(RuntimeError("the engine hung up before there was a job"))
        with shield():
            error = await self.job.server.explain_broken_connection()
        # A copy: each turn adds its own partial text.
        return type(error)(error.message, hint=error.hint, **error.data)

    def _tell_position(self, position: int) -> None:
        if position != self._position:
            self._position = position
            self.events.append(TurnQueued(position=position), replaces=True)


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)
