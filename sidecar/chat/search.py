"""Full-text search over all messages, the newest first. Not available in an encrypted history.

Owns which candidates SQLite's two indexes give: one of words, for all messages, and one of runs of three characters,
for messages with scripts without spaces, camelCase or names like C++. Where an index cannot decide, `matching` does.
"""

from __future__ import annotations

import heapq
import re
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from sidecar.chat.matching import Chunk, chunks_of, has_no_spaces, is_prefix, matches
from sidecar.chat.snippet import snippet
from sidecar.chat.titles import UNTITLED
from sidecar.contract.errors import InvalidParams, NotSupported
from sidecar.contract.remedies import call, open_settings
from sidecar.contract.sessions import SearchHit, SearchMessagesResult
from sidecar.storage.connection import cipher_of
from sidecar.storage.search_index import NAME_WITH_SYMBOL, fold

MAX_ROWID = 2**63 - 1

MAX_EXAMINED = 20_000
"""Candidates that are read for one page and do not match: a quarter of a second. The page ends then, and the next one
continues behind it."""

MAX_RUNS = 60
"""Runs of a query that are sent to the index. A few leave few candidates, which are checked for all of the query."""

MAX_TERMS = 500
"""Terms that a character or two are the beginning of. More frequent ones are found soon without an index."""

_CURSOR = re.compile("[0-9]{1,19}")

_INDEXED = "{index} MATCH ?1 AND {index}.rowid BETWEEN ?2 AND ?3"
_MINE = " AND +{index}.rowid IN (SELECT rowid FROM messages WHERE session_id = ?4)"
"""The plus makes SQLite query the index once, and then check the session of each match."""

_COLUMNS = "SELECT m.rowid, m.session_id, s.title, m.id, m.role, m.content, m.created_at"
_SESSION = " CROSS JOIN sessions s ON s.id = m.session_id"

_FOUND = {
    (index, mine): f"{_COLUMNS} FROM {index} CROSS JOIN messages m ON m.rowid = {index}.rowid{_SESSION}"
    f" WHERE {(_INDEXED + _MINE * mine).format(index=index)} AND s.deleted_at IS NULL ORDER BY {index}.rowid DESC"
    for index in ("messages_text", "messages_parts")
    for mine in (False, True)
}
"""By the index, and whether it is about one session. CROSS JOIN fixes the order: matches, newest first, then messages,
then sessions. Rows are read for one page only."""

_READ = {
    mine: f"{_COLUMNS} FROM messages m{_SESSION} WHERE m.rowid BETWEEN ?2 AND ?3"
    f"{' AND +m.session_id = ?4' * mine} AND s.deleted_at IS NULL AND ?1 ORDER BY m.rowid DESC"
    for mine in (False, True)
}
"""All messages, where no index can help: only for characters that are in very many of them."""


class _Row(NamedTuple):
    rowid: int
    session_id: str
    title: str
    message_id: str
    role: str
    content: str
    created_at: float


class _Scope(NamedTuple):
    """Which messages are searched: row ids, and perhaps a session."""

    first: int
    last: int
    session_id: str | None


def match_expression(query: str) -> str | None:
    """A query as an expression for the index of words: all the words, the last one perhaps as a prefix.

    `None` for an empty query. Each text between spaces is quoted, so that nothing in it is FTS5 syntax, and FTS5 itself
    splits it into words, as it does the messages; a text without words has no effect.
    """
    chunks = query.replace("\0", " ").split()
    if not chunks:
        return None
    quoted = [_quoted(chunk) for chunk in chunks]
    if is_prefix(query):
        quoted[-1] += "*"
    return " ".join(dict.fromkeys(quoted))  # each once, however often it was typed


def search(
    db: sqlite3.Connection, query: str, *, session_id: str | None, limit: int, cursor: str | None
) -> SearchMessagesResult:
    """A page of messages. It may have fewer hits than `limit`, and there may be more as long as there is a next cursor.

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
    chunks = [chunk for chunk in chunks_of(query) if chunk.core]
    scope = _scope(db, session_id, _read_cursor(cursor) - 1 if cursor else MAX_ROWID)
    if not chunks or scope is None:
        return SearchMessagesResult(hits=[], next_cursor=None)
    hits: list[SearchHit] = []
    last, examined = scope.last, 0
    for row, is_certain in _candidates(db, query, chunks, scope):
        if len(hits) == limit or examined == MAX_EXAMINED:
            return SearchMessagesResult(hits=hits, next_cursor=str(last))
        last = row.rowid
        if is_certain or matches(row.content, chunks):
            hits.append(_hit(row, query))
        else:
            examined += 1
    return SearchMessagesResult(hits=hits, next_cursor=None)


def took_too_long(seconds: float) -> InvalidParams:
    """The error of a search that was cancelled."""
    return InvalidParams(
        f"The search was cancelled after {seconds:g} s: too many messages contain these words.",
        path="$.query",
        hint="Search for fewer words, or rarer ones, or in one session.",
    )


def _candidates(db: sqlite3.Connection, query: str, chunks: list[Chunk], scope: _Scope) -> Iterator[tuple[_Row, bool]]:
    """Messages that may match, the newest first, each once, and whether it is certain that they do."""
    streams = []
    if (
        any(chunk.words for chunk in chunks)
        and not any(map(_only_as_parts, chunks))
        and (words := match_expression(fold(query)))
    ):
        is_certain = not any(chunk.exact for chunk in chunks)
        streams.append(_rows(db, _FOUND["messages_text", scope.session_id is not None], words, scope, is_certain))
    parts = _parts_expression(db, chunks)
    if parts == "":
        streams.append(_rows(db, _READ[scope.session_id is not None], "1", scope, False))
    elif parts is not None:
        streams.append(_rows(db, _FOUND["messages_parts", scope.session_id is not None], parts, scope, False))
    done = scope.last + 1
    for row, is_certain in heapq.merge(*streams, key=lambda found: (-found[0].rowid, not found[1])):
        if row.rowid < done:
            done = row.rowid
            yield row, is_certain


def _rows(
    db: sqlite3.Connection, statement: str, expression: str, scope: _Scope, is_certain: bool
) -> Iterator[tuple[_Row, bool]]:
    arguments = (expression, scope.first, scope.last, scope.session_id)[: 3 if scope.session_id is None else 4]
    return ((_Row(*row), is_certain) for row in db.execute(statement, arguments))


def _only_as_parts(chunk: Chunk) -> bool:
    """Whether its words are too short to find it by, and the index of parts has every message with it."""
    return (
        chunk.exact
        and max(map(len, chunk.words), default=0) < 2
        and re.search(NAME_WITH_SYMBOL, chunk.core) is not None
    )


def _parts_expression(db: sqlite3.Connection, chunks: list[Chunk]) -> str | None:
    """An expression for the index of parts. `None` if nothing can be found there, "" if the index is of no help."""
    runs: list[str] = []
    has_unbounded = False
    for chunk in chunks:
        if not chunk.words:  # signs and emoji, which the index does not have of all messages
            return ""
        text = fold(chunk.core)
        if len(text) >= 3:
            runs += (_quoted(text[n : n + 3]) for n in range(len(text) - 2))
        elif len(text) == 2 or has_no_spaces(text):
            terms = _terms(db, text)
            if not terms:
                return None
            if len(terms) <= MAX_TERMS:
                runs.append(f"({' OR '.join(map(_quoted, terms))})")
            else:
                has_unbounded = True
    if not runs:
        return "" if has_unbounded else None
    return " AND ".join(list(dict.fromkeys(runs))[:MAX_RUNS])


def _terms(db: sqlite3.Connection, beginning: str) -> list[str]:
    """The runs in the index that begin with one or two characters; up to one more than MAX_TERMS."""
    query = "SELECT term FROM messages_parts_terms WHERE term >= ? AND term < ? LIMIT ?"
    behind = beginning[:-1] + chr(min(ord(beginning[-1]) + 1, 0x10FFFF))
    return [term for (term,) in db.execute(query, (beginning, behind, MAX_TERMS + 1))]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _hit(row: _Row, query: str) -> SearchHit:
    return SearchHit(
        session_id=row.session_id,
        session_title=row.title or UNTITLED,
        message_id=row.message_id,
        role=row.role,
        snippet=snippet(row.content, query),
        created_at=row.created_at,
    )


def _scope(db: sqlite3.Connection, session_id: str | None, last: int) -> _Scope | None:
    """The messages that are searched: in one session by row ids from its first to its last, so that no others are read;
    `None` if there are none."""
    if session_id is None:
        return _Scope(0, last, None)
    query = "SELECT min(rowid), max(rowid) FROM messages WHERE session_id = ?"
    first, newest = db.execute(query, (session_id,)).fetchone()
    return None if first is None else _Scope(first, min(last, newest), session_id)


def _read_cursor(cursor: str) -> int:
    if _CURSOR.fullmatch(cursor) and int(cursor) <= MAX_ROWID:
        return int(cursor)
    raise InvalidParams("This cursor is not from search_messages.", path="$.cursor")
