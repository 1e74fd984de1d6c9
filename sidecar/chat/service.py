"""The chat service.

Owns the running turns, and the order of those in one session. `turn_plan` decides what a turn has to do, and `turn`
does it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

import anyio
import anyio.abc
import anyio.to_thread

from sidecar.chat.history import History
from sidecar.chat.idempotency import check_same, sent_request, session_of
from sidecar.chat.journal import Journals
from sidecar.chat.messages import new_id
from sidecar.chat.outcome import EndedTurn, from_history, from_journal
from sidecar.chat.turn import SessionTurns, Turn
from sidecar.chat.turn_plan import AskParams, TurnPlan, TurnPlanner
from sidecar.contract.chat import (
    AckResult,
    CancelMessageResult,
    ContinueMessageParams,
    CountTokensParams,
    CountTokensResult,
    DroppedMessage,
    EditMessageParams,
    PreviewContextParams,
    PreviewContextResult,
    RegenerateMessageParams,
    SendMessageParams,
    TurnParams,
)
from sidecar.contract.errors import InvalidParams, QueueFull, SessionNotFound, SidecarError
from sidecar.contract.sessions import DeleteSessionResult
from sidecar.generation.generation import Generator
from sidecar.logs.defects import internal_error
from sidecar.storage.config import ConfigFile

logger = logging.getLogger(__name__)

_PROMPT_SETTINGS = ("server_id", "tools", "tool_choice", "tool_mode", "response_format", "reasoning", "preset")
"""Settings that count_tokens and preview_context have in common with send_message."""


class Chat:
    """Messages in, answers out."""

    def __init__(self, *, history: History, journals: Journals, generator: Generator, config: ConfigFile) -> None:
        self._history = history
        self._journals = journals
        self._generator = generator
        self._config = config
        self._planner = TurnPlanner(history, config)
        # An entry exists as long as its session has turns.
        self._turns: WeakValueDictionary[str, SessionTurns] = WeakValueDictionary()
        self._tasks: anyio.abc.TaskGroup

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run turns; on exit, all are stopped and their partial answers are stored."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                self._tasks.cancel_scope.cancel()

    async def tidy(self) -> None:
        """Store interrupted answers, and remove sessions that were deleted long ago. If the history cannot be used,
        each request that needs it gets the error."""
        try:
            await self._history.tidy()
        except SidecarError as problem:
            logger.error("the history cannot be used: %s %s", problem.message, problem.hint)
        except Exception as problem:  # noqa: BLE001 - as above
            internal_error(problem)

    # --- turns ---------------------------------------------------------------------------------------------

    def send(self, params: SendMessageParams) -> Turn:
        """Begin to answer a message; one that was sent under its key before follows the answer that is under way.

        Raises:
            InvalidParams: another message was sent under its key.
        """
        sent = sent_request(params)
        if sent is None:
            return self._begin(params.session_id or new_id(), params)
        session_id = params.session_id or session_of(sent.key)
        for turn in self._unfinished(session_id):
            if turn.sent is not None and turn.sent.key == sent.key:
                check_same(sent, turn.sent.digest)
                return turn
        return self._begin(session_id, params)

    def regenerate(self, params: RegenerateMessageParams) -> Turn:
        """Begin to answer a question again."""
        return self._begin(params.session_id, params)

    def edit(self, params: EditMessageParams) -> Turn:
        """Begin to answer an edited question."""
        return self._begin(params.session_id, params)

    def continue_(self, params: ContinueMessageParams) -> Turn:
        """Begin to continue an answer that was cut."""
        return self._begin(params.session_id, params)

    async def cancel(self, session_id: str) -> CancelMessageResult:
        """Stop a session's answers; returns when the engine no longer works on them."""
        turns = self._unfinished(session_id)
        stopped = await _stop(turns)
        server = turns[0].server if turns else None
        if server is None:
            return CancelMessageResult(cancelled=stopped, engine_idle=None)
        settled = await self._generator.settle(server)
        result = CancelMessageResult(cancelled=stopped, engine_idle=settled.idle)
        if settled.ended:
            result.engine_ended = True
        return result

    async def delete(self, session_id: str) -> DeleteSessionResult:
        """Stop a session's answers and delete it; it can be restored for a while. Raises SessionNotFound."""
        await _stop(self._unfinished(session_id))
        deleted = await self._history.delete(session_id)
        self._journals.forget(session_id)  # not earlier: the clean-up at start may still read it
        return deleted

    # --- resuming ------------------------------------------------------------------------------------------

    async def resume(self, session_id: str, after_seq: int) -> tuple[Turn | EndedTurn, int]:
        """The running or last turn of a session, and the `seq` after which a host that has the events up to `after_seq`
        continues.

        Raises:
            SessionNotFound: there is none.
        """
        turn = self._running(session_id) or await self._ended(session_id, after_seq)
        if after_seq > turn.events.last_seq:  # a seq of an earlier turn: the host has no events of this one
            after_seq = 0
        return turn, turn.events.resume_point(after_seq)

    async def ack(self, session_id: str, seq: int | None) -> AckResult:
        """Drop events that the host has received."""
        turn = self._running(session_id)
        if turn is None:
            await self._history.ready()
            return AckResult(kept_events=await self._journals.acknowledge(session_id, seq))
        if seq is not None:  # else it acknowledges an answer that has ended: no host has all events of this one
            turn.events.forget(seq)
        return AckResult(kept_events=turn.events.kept)

    async def _ended(self, session_id: str, after_seq: int) -> EndedTurn:
        """The last turn of a session, which is over. Raises SessionNotFound."""
        await self._history.ready()
        session = await self._history.get(session_id)
        branch = await self._history.branch(session_id, session.head)
        last = branch[-1] if branch and branch[-1].role == "assistant" else None
        kept = await anyio.to_thread.run_sync(self._journals.read, session_id)
        if kept is not None and (ended := from_journal(kept, last)) is not None:
            return ended
        if last is None:
            raise SessionNotFound(f"The session {session_id} has no answer to resume.")
        return from_history(last, after_seq)

    def _running(self, session_id: str) -> Turn | None:
        """The running turn of a session: the first of those that are not over."""
        return next(iter(self._unfinished(session_id)), None)

    def _unfinished(self, session_id: str) -> list[Turn]:
        """The turns of a session that are not over."""
        session = self._turns.get(session_id)
        return list(session.turns) if session is not None else []

    # --- counting ------------------------------------------------------------------------------------------

    async def count_tokens(self, params: CountTokensParams) -> CountTokensResult:
        """Exact tokens of a text or a conversation.

        Raises:
            InvalidParams: nothing is given to count, or more than one thing.
        """
        has_conversation = params.session_id is not None or params.message is not None or params.images is not None
        if has_conversation == (params.text is not None):
            raise InvalidParams("Give either text, or session_id and message.", path="$.text")
        counter = self._generator.tokens
        if params.text is not None:
            tokens, max_context = await counter.text(params.text, server_id=params.server_id)
        else:
            plan = await self._preview(params.session_id, params)
            tokens, max_context = await counter.request(plan.request)
        return CountTokensResult(tokens=tokens, max_context=max_context)

    async def preview_context(self, params: PreviewContextParams) -> PreviewContextResult:
        """What would be sent and what dropped."""
        plan = await self._preview(
            params.session_id, params, context_policy=params.context_policy, max_tokens=params.max_tokens
        )
        fitted, max_context = await self._generator.tokens.fit(plan.request)
        policy, history, dropped = plan.request.policy, plan.history, fitted.dropped
        reason = f"the conversation outgrows the context of {max_context} tokens, and the policy is {policy}"
        sent = [m.message_id for i, m in enumerate(history) if i not in dropped]
        return PreviewContextResult(
            policy=policy,
            fits=fitted.fits,
            max_context=max_context,
            input_length=fitted.tokens,
            reserved=fitted.reserved,
            sent_messages=sent if fitted.fits else [],
            dropped=[
                DroppedMessage(message_id=m.message_id, role=m.role, reason=reason)
                for m in (plan.conversation[i] for i in dropped)
            ],
        )

    # --- pieces --------------------------------------------------------------------------------------------

    async def _preview(
        self, session_id: str | None, params: CountTokensParams | PreviewContextParams, **settings: Any
    ) -> TurnPlan:
        """The plan of sending what these parameters describe: the same request as send_message would send."""
        given = {name: getattr(params, name) for name in _PROMPT_SETTINGS}
        return await self._planner.preview(
            session_id,
            params.message,
            TurnParams(**given, **settings),
            system=params.system,
            images=params.images,
        )

    def _begin(self, session_id: str, params: AskParams) -> Turn:
        try:
            turn = Turn(
                session_id,
                params,
                planner=self._planner,
                generator=self._generator,
                history=self._history,
                journals=self._journals,
                session=self._turns.setdefault(session_id, SessionTurns()),
                max_waiting=self._config.config.chat.max_queue,
            )
        except QueueFull as full:
            raise full.with_data(session_id=session_id) from None
        self._tasks.start_soon(turn.run)
        return turn


async def _stop(turns: list[Turn]) -> int:
    """Stop a session's turns, the last first so that none of them starts; returns how many were stopped."""
    return sum([await turn.cancel() for turn in reversed(turns)])
