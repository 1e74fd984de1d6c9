"""Full-text search over all messages (SQLite FTS5), the newest first."""

from __future__ import annotations

import re
import sqlite3

from sidecar.contract.errors import InvalidParams
from sidecar.contract.sessions import SearchHit, SearchPage

SNIPPET_WORDS = 24
"""Words around the match."""

_WORD = re.compile(r"\w+")


def match_expression(query: str) -> str | None:
    """What a person typed as an FTS5 expression: all the words, the last one perhaps unfinished.

    `None` where there is no word in it. Nothing that was typed is taken as FTS5's own syntax.
    """
    words = _WORD.findall(query)
    if not words:
        return None
    unfinished = query[-1:].isalnum()
    return " ".join(f'"{word}"' for word in words) + ("*" if unfinished else "")


def search(db: sqlite3.Connection, query: str, *, session_id: str | None, limit: int, cursor: str | None) -> SearchPage:
    """A page of messages.

    By time and not by rank, since ranking would have to read every message that matches.

    Raises:
        InvalidParams: the cursor is none of ours.
    """
    expression = match_expression(query)
    if expression is None:
        return SearchPage(hits=[], next_cursor=None)
    if cursor is not None and not cursor.isdecimal():
        raise InvalidParams("This cursor is not from search_messages.", path="$.cursor")
    rows = db.execute(
        "SELECT m.rowid, m.session_id, s.title, m.id, m.role,"
        " snippet(messages_text, 0, char(2), char(3), '…', ?1), m.created_at"
        " FROM messages_text JOIN messages m ON m.rowid = messages_text.rowid"
        " JOIN sessions s ON s.id = m.session_id"
        " WHERE messages_text MATCH ?2 AND s.deleted_at IS NULL AND (?3 IS NULL OR m.session_id = ?3)"
        " AND messages_text.rowid < ?4 ORDER BY messages_text.rowid DESC LIMIT ?5",
        (SNIPPET_WORDS, expression, session_id, int(cursor) if cursor else 2**63 - 1, limit + 1),
    ).fetchall()
    hits = [
        SearchHit(session_id=s, session_title=title or "New chat", message_id=m, role=role, snippet=text, created_at=at)
        for _, s, title, m, role, text, at in rows[:limit]
    ]
    return SearchPage(hits=hits, next_cursor=str(rows[limit - 1][0]) if len(rows) > limit else None)
