"""The messages table: a tree of messages for each session.

Owns its SQL. Functions take a connection and run inside the caller's transaction (`storage.database`). Where the
history is encrypted they read and write text through the connection's cipher (`storage.encryption`), and raise what it
raises.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from typing import Any, Literal, get_args

import msgspec

from sidecar.contract.chat import ContextUse
from sidecar.contract.errors import SessionNotFound
from sidecar.contract.sessions import FinishReason, Message, ToolCall
from sidecar.generation.completion import ChatMessage
from sidecar.generation.finish_reasons import finish_reason_of
from sidecar.storage.cipher import Cipher
from sidecar.storage.connection import cipher_of
from sidecar.storage.reencrypt import TEXT_COLUMNS, associated_data

_NAMES = (
    *("id", "session_id", "parent_id", "role", "content", "parts", "reasoning", "tool_calls", "tool_call_id", "state"),
    *("finish_reason", "usage", "timings", "context", "model", "warnings", "created_at", "edited_at"),
)
_COLUMNS = ", ".join(_NAMES)
_COLUMNS_OF_M = ", ".join(f"m.{name}" for name in _NAMES)
_JSON = ("parts", "tool_calls", "usage", "timings", "context", "warnings")
_ENCRYPTED = tuple(name for name in TEXT_COLUMNS["messages"] if name in _NAMES)
_OUTCOME = ("content", "reasoning", "tool_calls", "state", "finish_reason", *_JSON[2:])
"""Columns that are known only when an answer has ended."""

_FINISH_REASONS = (None, *get_args(FinishReason))

Role = Literal["user", "assistant", "tool"]


class StoredMessage(Message, kw_only=True):
    """A message as stored: what hosts receive, and how the context was used when it was written."""

    context: ContextUse | None = None

    def as_contract(self) -> Message:
        """The part that hosts receive."""
        return Message(**{name: getattr(self, name) for name in Message.__struct_fields__})


def new_id() -> str:
    """An id for a session or message: a random UUID."""
    return str(uuid.uuid4())


def new_message(session_id: str, parent_id: str | None, *, role: Role, content: str) -> StoredMessage:
    """A complete message with a new id and the current time."""
    return StoredMessage(
        message_id=new_id(),
        session_id=session_id,
        parent_id=parent_id,
        role=role,
        content=content,
        state="complete",
        finish_reason=None,
        usage=None,
        timings=None,
        model=None,
        created_at=time.time(),
        siblings=[],
    )


def tool_calls_of(message: Message) -> list[ToolCall]:
    """The tool calls in a message."""
    return message.tool_calls if isinstance(message.tool_calls, list) else []


def as_chat_message(message: Message) -> ChatMessage:
    """A message in the form that `generation` renders for a model."""
    out: ChatMessage = {"role": message.role, "content": message.content}
    if isinstance(message.parts, list):
        out["content"] = message.parts
    if isinstance(message.reasoning, str):
        out["reasoning_content"] = message.reasoning
    if calls := tool_calls_of(message):
        out["tool_calls"] = msgspec.to_builtins(calls)
    if isinstance(message.tool_call_id, str):
        out["tool_call_id"] = message.tool_call_id
    return out


def insert(db: sqlite3.Connection, *messages: StoredMessage) -> None:
    """Add messages to their session's tree, parents before children; all in one session."""
    marks, cipher = ", ".join("?" * len(_NAMES)), cipher_of(db)
    for message in messages:
        values = tuple(_column(message, name, cipher) for name in _NAMES)
        db.execute(f"INSERT INTO messages ({_COLUMNS}) VALUES ({marks})", values)
    if messages:
        added = (len(messages), messages[0].session_id)
        db.execute("UPDATE sessions SET message_count = message_count + ? WHERE id = ?", added)


def finish(db: sqlite3.Connection, message: StoredMessage) -> None:
    """Store the end of an answer that was `running`."""
    assignments, cipher = ", ".join(f"{name} = ?" for name in _OUTCOME), cipher_of(db)
    db.execute(
        f"UPDATE messages SET {assignments} WHERE id = ?",
        (*(_column(message, name, cipher) for name in _OUTCOME), message.message_id),
    )


def withdraw(db: sqlite3.Connection, session_id: str, message_ids: list[str], *, head: str | None) -> None:
    """Delete messages that were refused, children before parents.

    If the session's branch in use ends with one of them, it ends with `head` from now on; a host that has switched to
    another branch meanwhile stays there.
    """
    for message_id in message_ids:
        db.execute("UPDATE sessions SET head = ? WHERE id = ? AND head = ?", (head, session_id, message_id))
        db.execute("DELETE FROM messages WHERE id = ?", (message_id,))
    db.execute("UPDATE sessions SET message_count = message_count - ? WHERE id = ?", (len(message_ids), session_id))


def reopen(db: sqlite3.Connection, message_id: str) -> None:
    """Mark an answer as being written again; its text stays. `finish` ends that."""
    db.execute("UPDATE messages SET state = 'running' WHERE id = ?", (message_id,))


def rewrite(db: sqlite3.Connection, message: StoredMessage) -> None:
    """Store a message's text, parts and time of the change."""
    names, cipher = ("content", "parts", "edited_at"), cipher_of(db)
    values = (_column(message, name, cipher) for name in names)
    db.execute(f"UPDATE messages SET {' = ?, '.join(names)} = ? WHERE id = ?", (*values, message.message_id))


def remove(db: sqlite3.Connection, message: StoredMessage) -> None:
    """Delete one message; those after it follow the one before it."""
    ids = (message.session_id, message.message_id)
    db.execute("UPDATE messages SET parent_id = ? WHERE session_id = ? AND parent_id = ?", (message.parent_id, *ids))
    db.execute("DELETE FROM messages WHERE session_id = ? AND id = ?", ids)
    db.execute("UPDATE sessions SET message_count = message_count - 1 WHERE id = ?", ids[:1])


def exists(db: sqlite3.Connection, session_id: str, message_id: str) -> bool:
    """Whether a session has a message."""
    query = "SELECT 1 FROM messages WHERE id = ? AND session_id = ?"
    return db.execute(query, (message_id, session_id)).fetchone() is not None


def newest_root(db: sqlite3.Connection, session_id: str) -> str | None:
    """The newest message without a parent."""
    row = db.execute(
        "SELECT id FROM messages WHERE session_id = ? AND parent_id IS NULL ORDER BY rowid DESC LIMIT 1", (session_id,)
    ).fetchone()
    return row and str(row[0])


def get(db: sqlite3.Connection, session_id: str, message_id: str) -> StoredMessage:
    """One message.

    Raises:
        SessionNotFound: the session has no such message.
    """
    row = db.execute(
        f"SELECT {_COLUMNS} FROM messages WHERE id = ? AND session_id = ?",
        (message_id, session_id),
    ).fetchone()
    if row is None:
        raise SessionNotFound(f"The session {session_id} has no message {message_id}.")
    return _message(row, cipher_of(db))


def branch(
    db: sqlite3.Connection, session_id: str, last: str | None, *, limit: int | None = None
) -> list[StoredMessage]:
    """The messages from the root to `last`, oldest first; at most the newest `limit` of them."""
    if last is None:
        return []
    rows = db.execute(
        "WITH RECURSIVE path (id, depth) AS ("
        " SELECT id, 0 FROM messages WHERE id = ?1 AND session_id = ?2"
        " UNION ALL SELECT m.parent_id, depth + 1 FROM path JOIN messages m ON m.id = path.id"
        "  WHERE m.parent_id IS NOT NULL AND (?3 IS NULL OR depth + 1 < ?3))"
        f" SELECT {_COLUMNS_OF_M} FROM path JOIN messages m ON m.id = path.id ORDER BY depth DESC",
        (last, session_id, limit),
    )
    cipher = cipher_of(db)
    return [_message(row, cipher) for row in rows]


def leaf_below(db: sqlite3.Connection, session_id: str, message_id: str) -> str:
    """The end of the newest branch through a message.

    Raises:
        SessionNotFound: the session has no such message.
    """
    current = get(db, session_id, message_id).message_id
    while True:
        row = db.execute(
            "SELECT id FROM messages WHERE session_id = ? AND parent_id = ? ORDER BY rowid DESC LIMIT 1",
            (session_id, current),
        ).fetchone()
        if row is None:
            return current
        (current,) = row


def fill_in_siblings(db: sqlite3.Connection, session_id: str, messages: list[StoredMessage]) -> None:
    """Set each message's `siblings`. Only points where the tree branches are queried."""
    rows = db.execute(
        "SELECT parent_id, json_group_array(id) FROM (SELECT parent_id, id FROM messages WHERE session_id = ?"
        " ORDER BY rowid) GROUP BY parent_id HAVING count(*) > 1",
        (session_id,),
    )
    branching = {parent: msgspec.json.decode(ids, type=list[str]) for parent, ids in rows}
    for message in messages:
        message.siblings = branching.get(message.parent_id, [message.message_id])


def all_of(db: sqlite3.Connection, session_id: str) -> list[StoredMessage]:
    """The whole tree, parents before children."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM messages WHERE session_id = ? ORDER BY rowid",
        (session_id,),
    )
    cipher = cipher_of(db)
    return [_message(row, cipher) for row in rows]


def running(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Session and message ids of answers that are being written, or were when an earlier sidecar ended."""
    return db.execute("SELECT session_id, id FROM messages WHERE state = 'running'").fetchall()


def interrupt(db: sqlite3.Connection, session_id: str, message_id: str, content: str, reasoning: str | None) -> None:
    """Mark an answer as interrupted, and store its known part after what it had before it was continued."""
    message = get(db, session_id, message_id)
    message.state = "interrupted"
    message.content += content
    if reasoning:
        message.reasoning = (message.reasoning or "") + reasoning
    finish(db, message)


def _column(message: StoredMessage, name: str, cipher: Cipher | None) -> Any:
    value = getattr(message, "message_id" if name == "id" else name)
    if value is msgspec.UNSET or value is None:
        return None
    if name in _JSON:
        value = msgspec.json.encode(value).decode()
    if cipher is None or name not in TEXT_COLUMNS["messages"]:
        return value
    return cipher.encrypt_text(value, associated_data("messages", name, message.session_id, message.message_id))


def _message(row: tuple[Any, ...], cipher: Cipher | None) -> StoredMessage:
    values = dict(zip(_NAMES, row, strict=True))
    values["message_id"] = values.pop("id")
    if cipher is not None:
        for name in _ENCRYPTED:
            if values[name] is not None:
                what = associated_data("messages", name, values["session_id"], values["message_id"])
                values[name] = cipher.decrypt_text(values[name], what)
    for name in _JSON:
        if values[name] is not None:
            values[name] = msgspec.json.decode(values[name])
    if values["finish_reason"] not in _FINISH_REASONS:  # of an import, or an earlier version: any word of an engine
        has_calls = values["tool_calls"] is not None
        values["finish_reason"] = finish_reason_of(values["finish_reason"], has_calls=has_calls)
    for name in ("parts", "reasoning", "tool_calls", "tool_call_id", "warnings", "edited_at"):
        if values[name] is None:
            del values[name]
    return msgspec.convert({**values, "siblings": []}, StoredMessage)
