"""One turn: a message, and the answer that a model gives to it in its session.

Owns the turn's state, whose only writer is its task (`run`), and its rows in the history. What the turn has to do is
decided by `turn_plan`, and how an answer is made by `generation`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import anyio

from sidecar.chat.history import History
from sidecar.chat.idempotency import SentRequest, sent_request
from sidecar.chat.journal import Journal, Journals
from sidecar.chat.messages import StoredMessage, new_id
from sidecar.chat.outcome import final_event, outcome_of, result_of, result_or_raise
from sidecar.chat.record import Ending, Record, has_succeeded
from sidecar.chat.turn_plan import AskParams, TurnPlan, TurnPlanner
from sidecar.contract.chat import ContinueMessageParams, TurnQueued, TurnResult
from sidecar.contract.errors import Cancelled, ContextTooLong, InvalidParams, NotSupported, SidecarError
from sidecar.contract.sessions import Session
from sidecar.events.event_log import Entry, EventLog
from sidecar.generation.admission.scheduler import AdmissionQueue
from sidecar.generation.generation import Generation, Generator
from sidecar.logs.defects import internal_error
from sidecar.servers.server import Server

REFUSALS = (ContextTooLong, InvalidParams, NotSupported)
"""With these an engine refuses the question permanently."""


class SessionTurns:
    """The unfinished turns of one session, in the order in which they are answered: one after the other."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.queue = AdmissionQueue(1)


class Turn:
    """A message that is being answered, and its outcome.

    Args:
        session_id: the session; the id may be new.
        params: the request.
        session: the turns of the session, which this one joins.
        max_waiting: how many turns may wait there.

    Attributes:
        events: for hosts. They are in the journal before they are here, once the turn has one.
        sent: the request under its key, if it has one.
    """

    def __init__(
        self,
        session_id: str,
        params: AskParams,
        *,
        planner: TurnPlanner,
        generator: Generator,
        history: History,
        journals: Journals,
        session: SessionTurns,
        max_waiting: int,
    ) -> None:
        self.session_id = session_id
        self.events = EventLog()
        self.outcome: TurnResult | SidecarError | None = None
        self.sent: SentRequest | None = sent_request(params)
        self._params = params
        self._question: StoredMessage | None = None
        self._planner = planner
        self._generator = generator
        self._history = history
        self._journals = journals
        self._message_id = new_id()
        self._generation: Generation | None = None
        self._record: Record | None = None
        self._journal: Journal | None = None
        self._started = time.perf_counter()
        self._scope = anyio.CancelScope()
        self._cancel_requested = False
        self._finished = anyio.Event()
        self._ticket = session.queue.join(max_waiting=max_waiting)
        self._session = session
        session.turns.append(self)
        self.events.append(TurnQueued(position=self._ticket.position, session_id=session_id))

    @property
    def server(self) -> Server | None:
        """The server that answers, once it is chosen."""
        return self._generation.server if self._generation is not None else None

    async def result(self) -> TurnResult:
        """Wait for the answer.

        Raises:
            SidecarError: the turn failed; `Cancelled` if it was cancelled.
        """
        await self._finished.wait()
        return result_or_raise(self.outcome)

    async def result_or_cancel(self) -> TurnResult:
        """As `result`; if the caller is cancelled, the turn is, too, unless it is over already."""
        try:
            return await self.result()
        except anyio.get_cancelled_exc_class():
            await self.cancel()
            return result_or_raise(self.outcome)

    async def cancel(self) -> bool:
        """Stop the turn; returns when its partial text is stored: whether it was stopped and not over already."""
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
                while (position := await self._ticket.next_position()) is not None:
                    self.events.append(TurnQueued(position=position, session_id=self.session_id))
                await self._history.ready()
                if (answer := await self._sent_before()) is not None:
                    self.outcome = self._replay(answer)
                    return
                if isinstance(self._params, ContinueMessageParams):
                    self._message_id = (await self._planner.answer_to_continue(self._params)).message_id
                self._journal = self._journals.begin(self.session_id, self._message_id, self.events)
                plan = await self._plan()
                await self._answer(plan, self._journal)
        except SidecarError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end other turns
            problem = internal_error(error)
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    if self.outcome is None:
                        self.outcome = (await self._give_up(problem)).with_data(session_id=self.session_id)
                    self._end(self.outcome)
            finally:
                # Only now: the session's next turn continues from what this one stored.
                self._session.turns.remove(self)
                self._ticket.leave()
                self._finished.set()

    async def _sent_before(self) -> StoredMessage | None:
        """The stored answer to this request, if it was sent before under its key. Raises InvalidParams."""
        if self.sent is None:
            return None
        before = await self._history.sent_before(self.session_id, self.sent)
        self._question = before.question if before is not None else None
        return before.answer if before is not None else None

    def _replay(self, answer: StoredMessage) -> TurnResult | SidecarError:
        """Publish an answer that was given before; returns its outcome. Its journal stays for `resume_session`."""
        if isinstance(answer.reasoning, str):
            self.events.append_text("reasoning", answer.reasoning)
        if answer.content:
            self.events.append_text("token", answer.content)
        return outcome_of(answer)

    async def _plan(self) -> TurnPlan:
        if self._question is not None:  # sent before, and not answered: it is not stored a second time
            return await self._planner.plan_again(self._question, self._params)
        return await self._planner.plan(self.session_id, self._params)

    async def _answer(self, plan: TurnPlan, journal: Journal) -> None:
        """Generate the answer, and store the question and the answer. Nothing of the answer is published before the
        question is stored, which happens while the engine works."""
        generation = self._generation = self._generator.generate(plan.request, started=self._started)
        kept: asyncio.Future[Session | None] | None = None

        def publish_or_stop(kept: asyncio.Future[Session | None]) -> None:
            if has_succeeded(kept):
                journal.publish(*self._new_events(generation))
            else:
                reading.cancel()

        with anyio.CancelScope() as reading:
            async with aclosing(generation.steps()) as steps:
                async for _ in steps:
                    if kept is None and generation.is_sent:  # not earlier: the engine takes longer than the disk
                        self._record = Record(self._history, plan, self._message_id, generation)
                        kept = self._record.begin()
                        kept.add_done_callback(publish_or_stop)
                    elif kept is None or has_succeeded(kept):
                        journal.publish(*self._new_events(generation))
        if self._record is None or kept is None:
            raise RuntimeError("a generation has ended without a request to its engine")
        await asyncio.wait([kept])
        kept.result()
        journal.publish(*self._new_events(generation))
        with anyio.CancelScope(shield=True):
            outcome = result_of(await self._record.complete())
            if generation.result is not None and generation.result.logprobs is not None:
                outcome.logprobs = generation.result.logprobs
            self.outcome = outcome

    def _new_events(self, generation: Generation) -> list[Entry]:
        """The unread events of a generation, which does not know that it is a session's."""
        entries = generation.events.take()
        for entry in entries:
            if isinstance(entry, TurnQueued):
                entry.session_id = self.session_id
        return entries

    async def _give_up(self, problem: SidecarError | None) -> SidecarError:
        """Store the partial answer; returns the error for the host."""
        generation, partial = self._generation, ""
        if generation is not None and self._record is not None and await self._record.was_begun():
            state: Ending = "error" if problem else "cancelled" if self._cancel_requested else "interrupted"
            partial = self._record.content
            if self._journal is not None:
                self._journal.publish(*self._new_events(generation))
            try:
                await self._record.give_up(state=state, refused=isinstance(problem, REFUSALS))
            except SidecarError as failure:  # the history cannot be written: the host has to get this error
                problem = failure
            except Exception as failure:  # noqa: BLE001 - as in `run`
                problem = internal_error(failure)
        if problem is None:
            return Cancelled("The message was cancelled.", partial=partial)
        return problem.with_data(partial=partial) if partial and "partial" in problem.extra else problem

    def _end(self, outcome: TurnResult | SidecarError) -> None:
        if self._journal is None:
            self.events.append(final_event(outcome))
        else:
            self._journal.publish(final_event(outcome))
            self._journal.close()
