"""Full-text search over all messages (SQLite FTS5), the newest first. There is none in an encrypted history."""

from __future__ import annotations

import re
import sqlite3

from sidecar.chat.sessions import UNTITLED
from sidecar.chat.snippet import snippet
from sidecar.contract.errors import InvalidParams, NotSupported
from sidecar.contract.sessions import SearchHit, SearchPage
from sidecar.storage.sealing import cipher_of

MAX_ROWID = 2**63 - 1

_CURSOR = re.compile("[0-9]{1,19}")


def match_expression(query: str) -> str | None:
    """What a person typed as an FTS5 expression: all the words, the last one perhaps unfinished.

    `None` where nothing was typed. What stands between blanks is quoted, so that nothing is taken as FTS5's own
    syntax and FTS5 itself finds the words in it, as it does in the messages; one without any is as good as left out.
    """
    chunks = query.replace("\0", " ").split()
    if not chunks:
        return None
    quoted = " ".join('"' + chunk.replace('"', '""') + '"' for chunk in chunks)
    return f"{quoted}*" if query[-1].isalnum() else quoted


def search(db: sqlite3.Connection, query: str, *, session_id: str | None, limit: int, cursor: str | None) -> SearchPage:
    """A page of messages.

    By time and not by rank, since ranking would have to read every message that matches.

    Raises:
        InvalidParams: the cursor is none of ours.
        NotSupported: the history is encrypted.
    """
    if cipher_of(db) is not None:
        raise NotSupported(
            "Search is off because the history is encrypted: an index would hold all its words in plain text.",
            hint="To search, set storage.encrypt to false, which decrypts the history; list_sessions finds titles.",
        )
    expression = match_expression(query)
    if expression is None:
        return SearchPage(hits=[], next_cursor=None)
    before = _read_cursor(cursor) if cursor else MAX_ROWID
    rows = db.execute(
        "SELECT m.rowid, m.session_id, s.title, m.id, m.role, m.content, m.created_at"
        " FROM messages_text JOIN messages m ON m.rowid = messages_text.rowid"
        " JOIN sessions s ON s.id = m.session_id"
        " WHERE messages_text MATCH ?1 AND s.deleted_at IS NULL AND (?2 IS NULL OR m.session_id = ?2)"
        " AND messages_text.rowid < ?3 ORDER BY messages_text.rowid DESC LIMIT ?4",
        (expression, session_id, before, limit + 1),
    )
    hits: list[SearchHit] = []
    last = before
    for rowid, of_session, title, message_id, role, content, created_at in rows:
        if len(hits) == limit:
            return SearchPage(hits=hits, next_cursor=str(last))
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
    return SearchPage(hits=hits, next_cursor=None)


def _read_cursor(cursor: str) -> int:
    if _CURSOR.fullmatch(cursor) and int(cursor) <= MAX_ROWID:
        return int(cursor)
    raise InvalidParams("This cursor is not from search_messages.", path="$.cursor")
