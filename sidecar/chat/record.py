"""What is kept of one turn: the question at its beginning, the answer at its end.

Owns the turn's rows in the history; one commit for each end, none for a token.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any, Literal

import msgspec

from sidecar.chat import messages, sessions
from sidecar.chat.history import History
from sidecar.chat.messages import StoredMessage, new_message
from sidecar.contract.sessions import Session, SessionConfig, Timings
from sidecar.generation.answer import Answer
from sidecar.generation.generation import GenerationResult
from sidecar.storage.database import Work

Ending = Literal["complete", "cancelled", "interrupted", "error"]
"""How an answer ended."""


class Question(msgspec.Struct):
    """What an answer follows on, and what of it is new.

    Attributes:
        session_id: the session.
        history: the branch before the new messages, oldest first.
        new_messages: messages to keep before the answer: the user's, or nothing where it is kept already.
        old_head: the session's head before.
        new_session: columns of the session to make, where there is none yet.
        session_columns: what changes in a session that there is.
    """

    session_id: str
    history: list[StoredMessage]
    new_messages: list[StoredMessage]
    old_head: str | None = None
    new_session: dict[str, Any] | None = None
    session_columns: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def conversation(self) -> list[StoredMessage]:
        """All messages that the answer follows on."""
        return [*self.history, *self.new_messages]

    @property
    def parent_id(self) -> str | None:
        """The message that is answered."""
        return self.conversation[-1].message_id if self.conversation else None


class Record:
    """The rows of one turn.

    Args:
        message_id: the answer's.
        server_id: who answers.
        model: the model's name.
    """

    def __init__(
        self, history: History, question: Question, message_id: str, *, server_id: str | None, model: str | None
    ) -> None:
        self._history = history
        self._question = question
        self._message_id = message_id
        self._server_id = server_id
        self._model = model
        self._begun: asyncio.Future[Session | None] | None = None

    def begin(self) -> asyncio.Future[Session | None]:
        """Keep the question and a place for the answer, in one commit; the future is done when they are kept."""
        question = self._question
        place = self._answer("", "running")

        def work(db: sqlite3.Connection) -> None:
            if question.new_session is not None:
                sessions.insert(
                    db,
                    session_id=question.session_id,
                    title=None,
                    config=SessionConfig(),
                    server_id=self._server_id,
                    **question.new_session,
                )
            messages.insert(db, *question.new_messages, place)
            text = next((m.content for m in question.new_messages if m.role == "user"), "")
            sessions.give_title(db, question.session_id, text)
            columns = {"server_id": self._server_id, **question.session_columns}
            messages.set_head(db, question.session_id, self._message_id, **columns)

        self._begun = self._history.change(question.session_id, work)
        return self._begun

    async def was_begun(self) -> bool:
        """Whether the question is kept; waits for a commit that is under way."""
        if self._begun is None:
            return False
        await asyncio.wait([self._begun])
        return not self._begun.cancelled() and self._begun.exception() is None

    async def complete(self, result: GenerationResult) -> StoredMessage:
        """Keep the whole answer."""
        message = self._answer(result.content, "complete")
        _fill(message, result.reasoning, result)
        message.usage, message.timings, message.context = result.usage, result.timings, result.context
        await self._keep(lambda db: messages.finish(db, message))
        return message

    async def give_up(self, answer: Answer, timings: Timings, *, state: Ending, refused: bool) -> None:
        """Keep what there is of an answer that is not complete. The question is kept.

        A question that the engine refused is taken out again: it was never asked, and every later message of the
        session would be refused with it.
        """
        if not answer.is_empty:
            message = self._answer(answer.content, state)
            _fill(message, answer.reasoning, answer)
            message.timings = timings
            await self._keep(lambda db: messages.finish(db, message))
            return
        question = self._question
        new = [message.message_id for message in question.new_messages]

        def work(db: sqlite3.Connection) -> None:
            if refused and question.new_session is not None:
                sessions.remove(db, question.session_id)
            elif refused:
                gone = [self._message_id, *reversed(new)]
                messages.take_back(db, question.session_id, gone, head=question.old_head)
            else:
                head = new[-1] if new else question.old_head
                messages.take_back(db, question.session_id, [self._message_id], head=head)

        await self._keep(work)

    async def _keep(self, work: Work[None]) -> None:
        await asyncio.shield(self._history.change(self._question.session_id, work))

    def _answer(self, content: str, state: Ending | Literal["running"]) -> StoredMessage:
        question = self._question
        message = new_message(question.session_id, question.parent_id, role="assistant", content=content)
        message.message_id, message.state, message.model = self._message_id, state, self._model
        return message


def _fill(message: StoredMessage, reasoning: str, answer: Answer | GenerationResult) -> None:
    if reasoning:
        message.reasoning = reasoning
    if answer.tool_calls:
        message.tool_calls = answer.tool_calls
    message.finish_reason = answer.finish_reason
