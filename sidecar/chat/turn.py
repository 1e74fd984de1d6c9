"""One turn: a message, its way through the queues and the engine, and the answer that comes back.

Owns the turn's state; its task (`run`) is the only writer. What the turn is to do is decided by `jobs`, once it is the
session's turn; what is kept of it is `record`'s business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import anyio

from sidecar.chat.admission import AdmissionQueue
from sidecar.chat.answer import Answer
from sidecar.chat.context import Fit, fit
from sidecar.chat.history import History
from sidecar.chat.journal import Journal
from sidecar.chat.journals import Journals
from sidecar.chat.messages import new_id
from sidecar.chat.record import Ending, Record
from sidecar.chat.turn_plan import TurnPlan
from sidecar.contract import CancelledEvent, ErrorEvent, WireError
from sidecar.contract.chat import ContextUse, TurnDone, TurnLoading, TurnQueued, TurnResult
from sidecar.contract.errors import Cancelled, ContextTooLong, InvalidParams, NotSupported, SidecarError
from sidecar.contract.servers import StartLoading
from sidecar.contract.sessions import Session, Timings, Usage
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.client.http_errors import context_too_long
from sidecar.events.event_log import EventLog
from sidecar.logs.defects import internal_error
from sidecar.servers.server import Server

Prepare = Callable[[], Awaitable[TurnPlan]]

REFUSALS = (ContextTooLong, InvalidParams, NotSupported)
"""With these an engine says that it will never answer the question, however often it is asked."""


class Turn:
    """A message under way, and what became of it."""

    def __init__(
        self,
        session_id: str,
        prepare: Prepare,
        *,
        history: History,
        journals: Journals,
        session_line: AdmissionQueue,
        server_line: Callable[[Server], AdmissionQueue],
        max_waiting: int,
    ) -> None:
        self.session_id = session_id
        self.events = EventLog()
        self.job: TurnPlan | None = None
        self.outcome: TurnResult | SidecarError | None = None
        self._prepare = prepare
        self._history = history
        self._journals = journals
        self._server_line = server_line
        self._max_waiting = max_waiting
        self._message_id = new_id()
        self._record: Record | None = None
        self._journal: Journal | None = None
        self._answer = Answer(self.events)
        self._started = time.perf_counter()
        self._position: int | None = None
        self._scope = anyio.CancelScope()
        self._cancel_requested = False
        self._finished = anyio.Event()
        self._ticket = session_line.join(self._tell_position, max_waiting=max_waiting)

    async def result(self) -> TurnResult:
        """Wait for the answer.

        Raises:
            SidecarError: what went wrong; `Cancelled` if it was cancelled.
        """
        await self._finished.wait()
        return result_or_raise(self.outcome)

    async def cancel(self) -> bool:
        """Stop the turn; returns when its partial text is kept: whether it was stopped and not over already."""
        self._cancel_requested = True
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._finished.wait()
        return isinstance(self.outcome, Cancelled)

    async def run(self) -> None:
        """The turn's task."""
        problem: SidecarError | None = None
        try:
            with self._scope:
                await self._ticket.wait()
                await self._history.ready()
                self._journal = self._journals.begin(self.session_id, self._message_id, self.events)
                await self._work(self._journal)
        except SidecarError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not take other turns along
            problem = internal_error(error)
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    outcome = self.outcome = self.outcome or await self._give_up(problem)
                    self.events.append(final_event(outcome))
                    if self._journal is not None:
                        self._journal.close()
            finally:
                # Only now: the session's next turn follows on what is kept of this one.
                self._ticket.leave()
                self._finished.set()

    async def _work(self, journal: Journal) -> None:
        job, record, fitted, usage = await self._ask(journal)
        context = ContextUse(
            policy=job.policy,
            max_context=job.max_context,
            used=usage.prompt_tokens + usage.completion_tokens,
            dropped_messages=len(fitted.dropped) if fitted else 0,
            summarised=False,
        )
        with anyio.CancelScope(shield=True):
            self.outcome = await record.complete(self._answer, usage, self._timings(), context)

    async def _ask(self, journal: Journal) -> tuple[TurnPlan, Record, Fit | None, Usage]:
        """Stand in the server's line and have its engine answer."""
        while True:
            job = self.job = await self._prepare()
            async with self._server_line(job.server).join(self._tell_position, max_waiting=self._max_waiting):
                # A crash, or a server that is replaced, is for those to bear that were being answered.
                await job.server.be_ready_again(self._tell_load)
                if job.server.superseded:
                    continue
                try:
                    fitted = await self._fit(job)
                    launch = job.server.launch
                    model = launch.model_name if launch else None
                    record = self._record = Record(self._history, job.question, self._message_id, model)
                    await self._stream(job, fitted, record, journal)
                    return job, record, fitted, await self._usage(job, fitted)
                except EngineGone as broken:
                    # Before the place is given back: whoever is next must not take a dead engine for a ready one.
                    raise await _explained(job.server, broken) from None

    async def _fit(self, job: TurnPlan) -> Fit | None:
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

    async def _stream(self, job: TurnPlan, fitted: Fit | None, record: Record, journal: Journal) -> None:
        """Send the conversation and take in the answer, while the question is being kept."""
        request = job.request(fitted.sent if fitted else job.question.conversation)
        link = job.server.ready_link()
        kept: asyncio.Future[Session | None] | None = None

        def keep() -> None:  # not before: the engine has more to do than the disk
            nonlocal kept
            kept = record.begin()
            kept.add_done_callback(go_on)  # the first, so it has run before anybody who waits for it goes on

        def go_on(kept: asyncio.Future[Session | None]) -> None:
            if kept.cancelled() or kept.exception() is not None:
                reading.cancel()
            else:
                self._answer.tell()

        with anyio.CancelScope() as reading, journal.flushed_now_and_then():
            await link.chat(request, self._answer.add, keep)
        if kept is not None:
            await asyncio.wait([kept])
            kept.result()
        self._answer.end()

    async def _usage(self, job: TurnPlan, fitted: Fit | None) -> Usage:
        counted, timings = self._answer.usage, self._answer.timings
        if counted is None:  # llama-cpp-python's stream does not say; its tokenizer does
            tokens = await self._count(job, self._answer.reasoning + self._answer.content)
            return Usage(prompt_tokens=fitted.tokens if fitted else 0, completion_tokens=tokens, cached_tokens=0)
        details = counted.prompt_tokens_details
        cached = details.cached_tokens if details else timings.cache_n if timings else None
        return Usage(
            prompt_tokens=counted.prompt_tokens,
            completion_tokens=counted.completion_tokens,
            cached_tokens=cached or 0,
        )

    async def _count(self, job: TurnPlan, text: str) -> int:
        """Tokens of a text; 0 where the engine can not say any more: a whole answer does not fail for a figure."""
        try:
            return await job.server.ready_link().count_text(text)
        except (SidecarError, EngineGone):
            return 0

    async def _give_up(self, problem: SidecarError | None) -> SidecarError:
        """Keep what there is of an answer that is not complete; returns what the host is told."""
        answer = self._answer
        state: Ending = "error"
        if problem is None:
            state = "cancelled" if self._cancel_requested else "interrupted"
        if self._record is not None:
            refused = isinstance(problem, REFUSALS)
            try:
                await self._record.give_up(answer, self._timings(), state=state, refused=refused)
            except SidecarError as failure:  # the history can not be written: that is what the host must know
                problem = failure
            except Exception as failure:  # noqa: BLE001 - as in `run`
                problem = internal_error(failure)
        partial = answer.content
        if problem is None:
            return Cancelled("The message was cancelled.", partial=partial)
        if partial and "partial" in problem.extra:
            problem.data["partial"] = partial
        return problem

    def _timings(self) -> Timings:
        engine, first, now = self._answer.timings, self._answer.begun_at, time.perf_counter()
        return Timings(
            ttft_ms=_ms(first - self._started) if first else None,
            prompt_per_second=engine.prompt_per_second if engine else None,
            predicted_per_second=engine.predicted_per_second if engine else None,
            total_ms=_ms(now - self._started),
        )

    def _tell_load(self, load: StartLoading) -> None:
        self.events.append(TurnLoading(stage=load.stage, progress=load.progress))

    def _tell_position(self, position: int) -> None:
        if position != self._position:
            self._position = position
            self.events.append(TurnQueued(position=position))


def result_or_raise(outcome: TurnResult | SidecarError | None) -> TurnResult:
    """The answer.

    Raises:
        SidecarError: there is none.
    """
    if isinstance(outcome, TurnResult):
        return outcome
    raise outcome or Cancelled("The message was cancelled.")


async def _explained(server: Server, broken: EngineGone) -> SidecarError:
    """Why the engine hung up; an error of the turn's own, since each adds its partial text."""
    with anyio.CancelScope(shield=True):
        error = await server.explain_broken_connection(broken)
    return type(error)(error.message, hint=error.hint, **error.data)


def final_event(outcome: TurnResult | SidecarError) -> TurnDone | ErrorEvent | CancelledEvent:
    """The last event of a turn."""
    if isinstance(outcome, TurnResult):
        return TurnDone(**{name: getattr(outcome, name) for name in TurnResult.__struct_fields__})
    if isinstance(outcome, Cancelled):
        return CancelledEvent(partial=outcome.data.get("partial", ""))
    return ErrorEvent(error=WireError.of(outcome))


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)
