"""Changes of single messages by a person: deleted, rewritten, or an answer that is to be continued.

Owns what may be changed and how the tree stays whole. What is being written is left alone.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import Any

import anyio.to_thread
import msgspec

from sidecar.chat import messages, sessions
from sidecar.chat.history import History
from sidecar.chat.journal import Journals
from sidecar.chat.messages import StoredMessage, tool_calls_of
from sidecar.contract.chat import DeleteMessageParams, UpdateMessageParams
from sidecar.contract.errors import InvalidParams, SessionNotFound
from sidecar.contract.remedies import call
from sidecar.contract.sessions import Message, Session
from sidecar.storage.database import Work


class Editor:
    """Changes messages.

    Args:
        history: has them.
        journals: those of changed answers are dropped, since they have the old text.
    """

    def __init__(self, history: History, journals: Journals) -> None:
        self._history = history
        self._journals = journals

    async def delete(self, params: DeleteMessageParams) -> Session:
        """Delete one message; returns its session.

        Raises:
            SessionNotFound: there is no such message.
            InvalidParams: it is being written.
        """

        def work(db: sqlite3.Connection) -> None:
            sessions.get(db, params.session_id)
            message = messages.get(db, params.session_id, params.message_id)
            check_written(message)
            messages.remove(db, message)
            head = sessions.get(db, params.session_id).head
            if head == message.message_id:
                anchor = message.parent_id or messages.newest_root(db, params.session_id)
                head = messages.leaf_below(db, params.session_id, anchor) if anchor else None
            sessions.set_head(db, params.session_id, head)

        return await self._change(params.session_id, params.message_id, work)

    async def update(self, params: UpdateMessageParams) -> Message:
        """Replace a message's text; returns the message.

        Raises:
            SessionNotFound: there is no such message.
            InvalidParams: it is being written, or would be empty.
        """
        changed: list[StoredMessage] = []

        def work(db: sqlite3.Connection) -> None:
            sessions.get(db, params.session_id)
            message = messages.get(db, params.session_id, params.message_id)
            check_written(message)
            with_text(message, params.content)
            message.edited_at = time.time()
            messages.rewrite(db, message)
            sessions.update(db, params.session_id, {})
            messages.fill_in_siblings(db, params.session_id, [message])
            changed.append(message)

        await self._change(params.session_id, params.message_id, work)
        return changed[0].as_contract()

    async def _change(self, session_id: str, message_id: str, work: Work[None]) -> Session:
        session = await asyncio.shield(self._history.change(session_id, work))
        kept = await anyio.to_thread.run_sync(self._journals.read, session_id)
        if kept is not None and kept.message_id == message_id:
            self._journals.forget(session_id)
        if session is None:
            raise SessionNotFound(f"There is no session {session_id}.")
        return session


def check_written(message: StoredMessage) -> None:
    """Check that a message is not being written.

    Raises:
        InvalidParams: it is.
    """
    if message.state == "running":
        raise InvalidParams(
            "This answer is still being written.",
            path="$.message_id",
            hint="Wait for its end, or cancel it.",
            remedies=(call("cancel_message", session_id=message.session_id),),
        )


def with_text(message: StoredMessage, text: str) -> None:
    """Replace a message's text; its images stay, before or after the text as they were.

    Raises:
        InvalidParams: nothing of the message would be left.
    """
    parts: list[dict[str, Any]] = list(message.parts) if isinstance(message.parts, list) else []
    others = [part for part in parts if part["type"] != "text"]
    if not (text.strip() or others or tool_calls_of(message)):
        raise InvalidParams(
            "A message without any text cannot be kept.",
            path="$.content",
            hint="Give it text, or delete it.",
            remedies=(call("delete_message", session_id=message.session_id, message_id=message.message_id),),
        )
    message.content = text
    if not others:
        message.parts = msgspec.UNSET
        return
    place = next((i for i, part in enumerate(parts) if part["type"] == "text"), 0)
    before = [part for part in parts[:place] if part["type"] != "text"]
    own = [{"type": "text", "text": text}] if text else []
    message.parts = [*before, *own, *others[len(before) :]]


def check_continuable(message: StoredMessage | None, *, is_last: bool) -> StoredMessage:
    """The answer, if it can be continued.

    Args:
        message: the answer; `None` where there is no message.
        is_last: whether it is the end of its branch.

    Raises:
        InvalidParams: why not.
    """
    if message is None or message.role != "assistant":
        raise InvalidParams("There is no answer to continue here.", path="$.message_id")
    check_written(message)
    why, again = "", call("regenerate_message", session_id=message.session_id, message_id=message.message_id)
    if not is_last:
        why = "Messages follow this answer"
    elif tool_calls_of(message):
        why, again = "The answer ends with tool calls, which wait for their results", call("send_message")
    elif not message.content:
        why = "There is no text of this answer yet"
    elif message.state == "complete" and message.finish_reason != "length" and message.edited_at is msgspec.UNSET:
        why = "The model has ended this answer by itself"
    if why:
        raise InvalidParams(
            f"{why}, so it cannot be continued.",
            path="$.message_id",
            hint="Send a message, or generate the answer again.",
            remedies=(again,),
        )
    return message
