"""The rows of one turn in the history.

Owns the commits of a turn: one for the question, one for the answer, none for a token. What they hold is decided by
`turn_plan` and `generation`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Literal

import msgspec

from sidecar.chat import idempotency, messages, sessions
from sidecar.chat.history import History
from sidecar.chat.messages import StoredMessage, new_message
from sidecar.chat.turn_plan import TurnPlan
from sidecar.contract.errors import SessionNotFound
from sidecar.contract.sessions import Session, SessionConfig
from sidecar.generation.generation import Generation
from sidecar.storage.database import Work

Ending = Literal["complete", "cancelled", "interrupted", "error"]
"""How an answer ended."""


class Record:
    """The rows of one turn in the history: one commit for the question, one for the answer, none for a token.

    Args:
        message_id: id of the answer.
        generation: produces the answer.
    """

    def __init__(self, history: History, plan: TurnPlan, message_id: str, generation: Generation) -> None:
        self._history = history
        self._plan = plan
        self._message_id = message_id
        self._generation = generation
        self._server_id = generation.server.server_id if generation.server else None
        self._begun: asyncio.Future[Session | None] | None = None

    def begin(self) -> asyncio.Future[Session | None]:
        """Store the question and an empty answer, in one commit; the future is done when they are stored."""
        plan = self._plan
        place = self._answer("", "running")
        text = next((m.content for m in plan.new_messages if m.role == "user"), "")
        columns = {"server_id": self._server_id, **plan.session_columns}

        def work(db: sqlite3.Connection) -> None:
            known = plan.continued or (plan.history[-1] if plan.history else None)
            if known is not None:
                _require(db, known)
            if plan.continued is not None:
                messages.reopen(db, plan.continued.message_id)
                sessions.set_head(db, plan.session_id, plan.continued.message_id, **columns)
                return
            if plan.new_session is not None:
                sessions.insert(
                    db,
                    session_id=plan.session_id,
                    title=None,
                    config=SessionConfig(),
                    server_id=self._server_id,
                    **plan.new_session,
                )
            messages.insert(db, *plan.new_messages, place)
            if plan.sent is not None and plan.new_messages:
                idempotency.keep(db, plan.sent, plan.new_messages[-1])
            sessions.give_title(db, plan.session_id, text)
            sessions.set_head(db, plan.session_id, self._message_id, **columns)

        self._begun = self._history.change(plan.session_id, work)
        return self._begun

    async def was_begun(self) -> bool:
        """Whether the question is stored; waits for a commit in progress."""
        if self._begun is None:
            return False
        await asyncio.wait([self._begun])
        return has_succeeded(self._begun)

    async def complete(self) -> StoredMessage:
        """Store the complete answer."""
        result, message = self._generation.result, self._filled("complete")
        if result is not None:
            message.usage, message.timings, message.context = result.usage, result.timings, result.context
        await self._keep(lambda db: messages.finish(db, message))
        return message

    async def give_up(self, *, state: Ending, refused: bool) -> None:
        """Store the partial answer. The question is stored already. An answer that was to be continued, and was not, is
        what it was before.

        A question that the engine refused is withdrawn: otherwise every later message of the session would be refused
        with it.
        """
        if not self._generation.answer.is_empty:
            message = self._filled(state)
            message.timings = self._generation.timings()
            await self._keep(lambda db: messages.finish(db, message))
            return
        plan, continued = self._plan, self._plan.continued
        if continued is not None:
            await self._keep(lambda db: messages.finish(db, continued))
            return
        new = [message.message_id for message in plan.new_messages]

        def work(db: sqlite3.Connection) -> None:
            if refused and plan.new_session is not None:
                sessions.remove(db, plan.session_id)
            elif refused:
                gone = [self._message_id, *reversed(new)]
                messages.withdraw(db, plan.session_id, gone, head=plan.old_head)
            else:
                head = new[-1] if new else plan.old_head
                messages.withdraw(db, plan.session_id, [self._message_id], head=head)

        await self._keep(work)

    async def _keep(self, work: Work[None]) -> None:
        await asyncio.shield(self._history.change(self._plan.session_id, work))

    @property
    def content(self) -> str:
        """The answer's text so far, with what it had before it was continued."""
        before = self._plan.continued.content if self._plan.continued is not None else ""
        return before + self._generation.answer.content

    def _filled(self, state: Ending) -> StoredMessage:
        answer = self._generation.answer
        message = self._answer(self.content, state)
        if answer.reasoning:
            message.reasoning = (message.reasoning or "") + answer.reasoning
        if answer.tool_calls:
            message.tool_calls = answer.tool_calls
        message.finish_reason = answer.finish_reason
        if self._generation.warnings:
            message.warnings = list(self._generation.warnings)
        return message

    def _answer(self, content: str, state: Ending | Literal["running"]) -> StoredMessage:
        plan = self._plan
        if plan.continued is not None:
            return msgspec.structs.replace(plan.continued, content=content, state=state)
        message = new_message(plan.session_id, plan.parent_id, role="assistant", content=content)
        message.message_id, message.state, message.model = self._message_id, state, self._generation.model
        return message


def _require(db: sqlite3.Connection, message: StoredMessage) -> None:
    """Require that a message which a plan builds on was not deleted since: what follows it would be lost.

    Raises:
        SessionNotFound: it was.
    """
    if not messages.exists(db, message.session_id, message.message_id):
        raise SessionNotFound(
            "The message before this one was deleted while this one was on its way.", hint="Send it again."
        )


def has_succeeded(commit: asyncio.Future[Session | None]) -> bool:
    """Whether a commit is done and did not fail."""
    return commit.done() and not commit.cancelled() and commit.exception() is None
