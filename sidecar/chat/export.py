"""Export of sessions as text, and import.

Owns the JSON form, which has the whole tree and can be imported. `markdown` has the one for people.
"""

from __future__ import annotations

import re
import sqlite3
import time

import msgspec

from sidecar.chat import markdown, messages, sessions
from sidecar.chat.messages import StoredMessage, new_id
from sidecar.chat.titles import UNTITLED
from sidecar.contract.errors import InvalidParams
from sidecar.contract.invalid import misfit
from sidecar.contract.sessions import (
    ContentPart,
    ExportedMessage,
    ExportSessionResult,
    ImagePart,
    Session,
    SessionExport,
)

FILE_NAME_CHARACTERS = 50
"""Of the title; with date and suffix it stays below 255 bytes, the limit of most file systems, in any script."""

_OPTIONAL = ("parts", "reasoning", "tool_calls", "tool_call_id", "edited_at")


def as_json(session: Session, tree: list[StoredMessage]) -> ExportSessionResult:
    """The whole session, every branch."""
    exported = SessionExport(
        format="llama-sidecar/session",
        version=1,
        session_id=session.session_id,
        title=session.title,
        system=session.system,
        config=session.config,
        created_at=session.created_at,
        updated_at=session.updated_at,
        head=session.head,
        messages=[_exported(message) for message in tree],
    )
    text = msgspec.json.format(msgspec.json.encode(exported), indent=2).decode()
    return ExportSessionResult(format="json", filename=f"{_file_name(session.title)}.json", content=text)


def as_markdown(session: Session, branch: list[StoredMessage]) -> ExportSessionResult:
    """The branch in use, for people."""
    filename = f"{_file_name(session.title)}.md"
    return ExportSessionResult(format="markdown", filename=filename, content=markdown.rendered(session, branch))


def read_json(content: str) -> SessionExport:
    """An exported session.

    Raises:
        InvalidParams: the text is not an exported session.
    """
    try:
        exported = msgspec.json.decode(content, type=SessionExport)
    except (msgspec.DecodeError, RecursionError) as error:
        why = misfit(error, SessionExport).sentence if isinstance(error, msgspec.ValidationError) else f"{error}."
        raise InvalidParams(
            f"This is not a session that export_session wrote: {why}",
            path="$.content",
            hint="Give a session that was exported as JSON.",
        ) from None
    known: set[str] = set()
    for message in exported.messages:
        if message.message_id in known or (message.parent_id is not None and message.parent_id not in known):
            raise InvalidParams(
                f"The message {message.message_id} comes twice, or before its parent.", path="$.content"
            )
        known.add(message.message_id)
        _check_parts(message)
    if exported.head is not None and exported.head not in known:
        raise InvalidParams("The session's head is none of its messages.", path="$.content")
    return exported


def insert(db: sqlite3.Connection, exported: SessionExport) -> Session:
    """Insert an exported session; ids in use are replaced by new ones."""
    session_id, new_ids = exported.session_id, {m.message_id: m.message_id for m in exported.messages}
    if db.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchone():
        session_id = new_id()
    if any(db.execute("SELECT 1 FROM messages WHERE id = ?", (id_,)).fetchone() for id_ in new_ids):
        new_ids = {id_: new_id() for id_ in new_ids}
    sessions.insert(
        db,
        session_id=session_id,
        title=None if exported.title == UNTITLED else exported.title,
        system=exported.system,
        server_id=None,
        config=exported.config,
        created_at=exported.created_at,
    )
    messages.insert(db, *(_stored(message, session_id, new_ids) for message in exported.messages))
    head = new_ids[exported.head] if exported.head else None
    return sessions.update(db, session_id, {"head": head})


def _check_parts(message: ExportedMessage) -> None:
    """Check the parts as those of a host's message: an engine would fetch an image from any address."""
    try:
        parts = msgspec.convert(message.parts or [], list[ContentPart])
    except (msgspec.ValidationError, RecursionError) as error:
        why = misfit(error, list[ContentPart]).sentence if isinstance(error, msgspec.ValidationError) else f"{error}."
        raise InvalidParams(f"The message {message.message_id} has invalid parts: {why}", path="$.content") from None
    if any(isinstance(part, ImagePart) and not part.image_url.url.startswith("data:image/") for part in parts):
        raise InvalidParams(
            f"The message {message.message_id} has an image that is not a data: URL.",
            path="$.content",
            hint="Images of an imported session are data: URLs; addresses are not fetched.",
        )


def _exported(message: StoredMessage) -> ExportedMessage:
    values = {name: getattr(message, name) for name in ExportedMessage.__struct_fields__}
    for name in _OPTIONAL:
        if values[name] is msgspec.UNSET:
            values[name] = None
    if values["state"] == "running":
        values["state"] = "interrupted"
    return ExportedMessage(**values)


def _stored(message: ExportedMessage, session_id: str, new_ids: dict[str, str]) -> StoredMessage:
    values = {name: getattr(message, name) for name in ExportedMessage.__struct_fields__}
    for name in _OPTIONAL:
        if values[name] is None:
            del values[name]
    values |= {
        "message_id": new_ids[message.message_id],
        "parent_id": new_ids[message.parent_id] if message.parent_id else None,
    }
    return StoredMessage(session_id=session_id, siblings=[], **values)


def _file_name(title: str) -> str:
    """A file name that is valid on every system."""
    name = re.sub(r"[^\w.-]+", "-", title)[:FILE_NAME_CHARACTERS].strip("-.")
    return f"{name or 'chat'}-{time.strftime('%Y-%m-%d')}"
