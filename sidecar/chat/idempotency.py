"""Messages that a host sends again under the same key.

Owns the keys: how a request is recognised, how long it is known, and its two columns of the messages table, which stand
with the last message that the request stored. They are written with it, in the same commit, so that no key is known
without its message and no message is stored without its key.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
import uuid

import msgspec

from sidecar.chat import messages
from sidecar.chat.messages import StoredMessage
from sidecar.contract.chat import SendMessageParams
from sidecar.contract.errors import InvalidParams
from sidecar.contract.remedies import change_params
from sidecar.storage.connection import cipher_of
from sidecar.storage.reencrypt import associated_data

KEPT_SECONDS = 86_400.0
"""How long a key is known: as long as other services keep theirs. A host that has not heard of its message for a day
asks the history."""

_NAMESPACE = uuid.UUID("6f5c1a8e-0f43-4a55-9d0b-3a0a2c1f7e11")
"""Of the sessions that messages with a key create."""

_NOT_ASKED_FOR = ("channel", "session_id", "idempotency_key")
"""Parameters that a host may change when it sends a message again."""


class SentRequest(msgspec.Struct, frozen=True):
    """A request to send a message under a key.

    Attributes:
        key: the host's.
        digest: what the request asks for, as a hash.
    """

    key: str
    digest: str


class SentBefore(msgspec.Struct, frozen=True):
    """What is stored of a request that was sent before.

    Attributes:
        question: the last message that it stored.
        answer: its answer, complete or cancelled; `None` where that failed or was interrupted.
    """

    question: StoredMessage
    answer: StoredMessage | None


def sent_request(params: object) -> SentRequest | None:
    """The request under its key; `None` where it has none."""
    if not isinstance(params, SendMessageParams) or params.idempotency_key is None:
        return None
    asked = {name: value for name, value in msgspec.structs.asdict(params).items() if name not in _NOT_ASKED_FOR}
    digest = hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()
    return SentRequest(params.idempotency_key, digest)


def session_of(key: str) -> str:
    """The session that a message under this key creates: the same one however often it is sent."""
    return str(uuid.uuid5(_NAMESPACE, key))


def check_same(request: SentRequest, digest: str) -> None:
    """Check that a request asks for what was asked for under its key before.

    Raises:
        InvalidParams: it asks for something else.
    """
    if request.digest != digest:
        raise InvalidParams(
            "This key was used for a message with other parameters.",
            path="$.idempotency_key",
            hint="Use a new key for each message, and the same one only to send that message again.",
            remedies=(change_params("idempotency_key"),),
        )


def keep(db: sqlite3.Connection, request: SentRequest, message: StoredMessage) -> None:
    """Store a key with the last message of its request."""
    digest, cipher = request.digest, cipher_of(db)
    if cipher is not None:
        digest = cipher.encrypt_text(digest, _place(message.session_id, message.message_id))
    db.execute(
        "UPDATE messages SET request_key = ?, request = ? WHERE id = ?", (request.key, digest, message.message_id)
    )
    forget_old(db)


def find(db: sqlite3.Connection, session_id: str, request: SentRequest) -> SentBefore | None:
    """What is stored of a request that was sent to a session before.

    Raises:
        InvalidParams: another message was sent under its key.
    """
    row = db.execute(
        "SELECT id, request FROM messages WHERE request_key = ? AND session_id = ? AND created_at > ?"
        " ORDER BY rowid DESC LIMIT 1",
        (request.key, session_id, time.time() - KEPT_SECONDS),
    ).fetchone()
    if row is None:
        return None
    message_id, digest = row
    cipher = cipher_of(db)
    check_same(request, digest if cipher is None else cipher.decrypt_text(digest, _place(session_id, message_id)))
    return SentBefore(messages.get(db, session_id, message_id), _answer_to(db, session_id, message_id))


def forget_old(db: sqlite3.Connection) -> None:
    """Remove the keys that have been kept for long enough."""
    db.execute(
        "UPDATE messages SET request_key = NULL, request = NULL WHERE request_key IS NOT NULL AND created_at < ?",
        (time.time() - KEPT_SECONDS,),
    )


def _answer_to(db: sqlite3.Connection, session_id: str, message_id: str) -> StoredMessage | None:
    """The first complete answer to a message, else one that was cancelled: what its request was answered with."""
    row = db.execute(
        "SELECT id FROM messages WHERE session_id = ? AND parent_id = ? AND role = 'assistant'"
        " AND state IN ('complete', 'cancelled') ORDER BY state = 'cancelled', rowid LIMIT 1",
        (session_id, message_id),
    ).fetchone()
    return messages.get(db, session_id, row[0]) if row else None


def _place(session_id: str, message_id: str) -> str:
    return associated_data("messages", "request", session_id, message_id)
