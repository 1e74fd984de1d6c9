"""Full-text search over all messages (SQLite FTS5), the newest first. Not available in an encrypted history."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import Any

from sidecar.chat.sessions import UNTITLED
from sidecar.chat.snippet import is_prefix, snippet
from sidecar.contract.errors import InvalidParams, NotSupported
from sidecar.contract.remedies import call, open_settings
from sidecar.contract.sessions import SearchHit, SearchMessagesResult
from sidecar.storage.connection import cipher_of

MAX_ROWID = 2**63 - 1

_CURSOR = re.compile("[0-9]{1,19}")

_MATCHES = "messages_text MATCH ?1 AND messages_text.rowid BETWEEN ?2 AND ?3"
_MINE = " AND +messages_text.rowid IN (SELECT rowid FROM messages WHERE session_id = ?4)"
"""The plus makes SQLite query the index once, and then check the session of each match."""

_FOUND, _FOUND_IN_SESSION = (
    "SELECT m.rowid, m.session_id, s.title, m.id, m.role, m.content, m.created_at"
    " FROM messages_text CROSS JOIN messages m ON m.rowid = messages_text.rowid"
    f" CROSS JOIN sessions s ON s.id = m.session_id WHERE {where} AND s.deleted_at IS NULL"
    " ORDER BY messages_text.rowid DESC"
    for where in (_MATCHES, _MATCHES + _MINE)
)
"""CROSS JOIN fixes the order: matches, newest first, then messages, then sessions. Rows are read for one page only."""


def match_expression(query: str) -> str | None:
    """A query as an FTS5 expression: all the words, the last one perhaps as a prefix.

    `None` for an empty query. Each text between spaces is quoted, so that nothing in it is FTS5 syntax, and FTS5 itself
    splits it into words, as it does the messages; a text without words has no effect.
    """
    chunks = query.replace("\0", " ").split()
    if not chunks:
        return None
    quoted = ['"' + chunk.replace('"', '""') + '"' for chunk in chunks]
    if is_prefix(query):
        quoted[-1] += "*"
    return " ".join(dict.fromkeys(quoted))  # each once, however often it was typed


def search(
    db: sqlite3.Connection, query: str, *, session_id: str | None, limit: int, cursor: str | None
) -> SearchMessagesResult:
    """A page of messages.

    By time and not by rank, since ranking would have to read every message that matches.

    Raises:
        InvalidParams: the cursor is none of ours.
        NotSupported: the history is encrypted.
    """
    if cipher_of(db) is not None:
        raise NotSupported(
            "Search is off because the history is encrypted: an index would contain all its words in plain text.",
            hint="To search, switch encryption off in the settings, which decrypts it; titles are found anyway.",
            remedies=(open_settings("storage.encrypt"), call("list_sessions")),
        )
    expression = match_expression(query)
    if expression is None:
        return SearchMessagesResult(hits=[], next_cursor=None)
    last = _read_cursor(cursor) - 1 if cursor else MAX_ROWID
    rows = _in_session(db, expression, session_id, last) if session_id else db.execute(_FOUND, (expression, 0, last))
    hits: list[SearchHit] = []
    for rowid, of_session, title, message_id, role, content, created_at in rows:
        if len(hits) == limit:
            return SearchMessagesResult(hits=hits, next_cursor=str(last))
        last = rowid
        hits.append(
            SearchHit(
                session_id=of_session,
                session_title=title or UNTITLED,
                message_id=message_id,
                role=role,
                snippet=snippet(content, query),
                created_at=created_at,
            )
        )
    return SearchMessagesResult(hits=hits, next_cursor=None)


def took_too_long(seconds: float) -> InvalidParams:
    """The error of a search that was cancelled."""
    return InvalidParams(
        f"The search was cancelled after {seconds:g} s: too many messages contain these words.",
        path="$.query",
        hint="Search for fewer words, or rarer ones, or in one session.",
    )


def _in_session(db: sqlite3.Connection, expression: str, session_id: str, last: int) -> Iterable[tuple[Any, ...]]:
    """Matches in one session, by row ids from its first to its last message, so that no others are read."""
    first, newest = db.execute(
        "SELECT min(rowid), max(rowid) FROM messages WHERE session_id = ?", (session_id,)
    ).fetchone()
    if first is None:
        return ()
    return db.execute(_FOUND_IN_SESSION, (expression, first, min(last, newest), session_id))


def _read_cursor(cursor: str) -> int:
    if _CURSOR.fullmatch(cursor) and int(cursor) <= MAX_ROWID:
        return int(cursor)
    raise InvalidParams("This cursor is not from search_messages.", path="$.cursor")
