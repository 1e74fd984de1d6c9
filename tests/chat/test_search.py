"""Search finds what was said, whatever is typed."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.chat import sessions
from sidecar.chat.search import match_expression, search
from sidecar.chat.snippet import snippet
from sidecar.contract.errors import InvalidParams
from sidecar.contract.sessions import SearchHit
from sidecar.storage import search_index
from tests.chat.rows import a_session, open_history, say


def found(db: sqlite3.Connection, query: str, *, session_id: str | None = None) -> list[str]:
    """Ids of the messages found."""
    return [hit.message_id for hit in search(db, query, session_id=session_id, limit=100, cursor=None).hits]


@pytest.mark.parametrize(
    ("query", "expression"),
    [
        ("llama", '"llama"*'),
        ("a llama ", '"a" "llama"'),
        ("a.b c", '"a.b" "c"'),
        ("a.b cd", '"a.b" "cd"*'),
        ("a.bc", '"a.bc"*'),
        ("猫", '"猫"*'),
        ("a b a a b ", '"a" "b"'),
        ("ab ab", '"ab" "ab"*'),
        ('say "hi"', '"say" """hi"""'),
        ("NEAR(a b) OR -c* ^d", '"NEAR(a" "b)" "OR" "-c*" "^d"'),
        ("what?", '"what?"'),
        (" \t\n", None),
        ("\0", None),
        ("a\0b", '"a" "b"'),
    ],
)
def test_a_query_becomes_quoted_words(query: str, expression: str | None) -> None:
    assert match_expression(query) == expression


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("alpaca", True),
        ("alp", True),
        ("ALPACA wool", True),
        ("wool alpaca", True),
        ("the alpaca's wool", True),
        ("alpaca -wool", True),
        ("cafe", True),
        ("café", True),
        ("cafe\u0301", True),
        ("50%", True),
        ("snake_case", True),
        ("!!! wool", True),
        ("alpaca OR sheep", False),
        ("paca", False),
        ("alpaca.", True),
        ("al", True),
        ("a", False),
        ("alp ", False),
        ("!!!", False),
        ("wool alpacas", False),
    ],
)
def test_a_message_is_found_by(db: sqlite3.Connection, query: str, finds: bool) -> None:
    message = say(db, a_session(db), "The alpaca's wool: 50% of the Café's snake_case.")
    assert found(db, query) == ([message.message_id] if finds else [])


@given(text=st.text())
def test_any_text_is_a_query(text: str) -> None:
    db = open_history()
    try:
        say(db, a_session(db), "something")
        search(db, text, session_id=None, limit=1, cursor=None)
    finally:
        db.close()


WORDS = st.lists(st.text(st.characters(categories=["L", "N", "P", "M", "S"]), min_size=1, max_size=8), min_size=1)


@given(words=WORDS, data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_message_is_found_by_any_of_its_words(words: list[str], data: st.DataObject) -> None:
    db = open_history()
    try:
        message = say(db, a_session(db), " ".join(words))
        some = data.draw(st.lists(st.sampled_from(words), min_size=1))
        query = " ".join(some)
        hits = found(db, query)
        assert hits == [message.message_id] or not any(c.isalnum() for c in query)
    finally:
        db.close()


def test_a_thousand_letters_of_query_are_taken(db: sqlite3.Connection) -> None:
    message = say(db, a_session(db), "a " * 600)
    assert found(db, "a " * 500) == [message.message_id]
    assert found(db, "b " * 500) == []


def test_pages_go_back_in_time_and_each_message_comes_once(db: sqlite3.Connection) -> None:
    session = a_session(db)
    said = [say(db, session, f"llama {i}").message_id for i in range(7)]
    pages, cursor = [], None
    while True:
        page = search(db, "llama", session_id=None, limit=3, cursor=cursor)
        pages.append([hit.message_id for hit in page.hits])
        say(db, session, "a newer llama")
        if (cursor := page.next_cursor) is None:
            break
    assert pages == [said[:3:-1], said[3:0:-1], [said[0]]]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "٣", "9223372036854775808", "1" * 30, "1 "])
def test_a_cursor_of_another_kind_is_refused(db: sqlite3.Connection, cursor: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        search(db, "llama", session_id=None, limit=3, cursor=cursor)
    assert caught.value.data == {"path": "$.cursor"}


def test_only_the_session_that_was_asked_for_is_searched(db: sqlite3.Connection) -> None:
    one, other = a_session(db), a_session(db)
    message = say(db, one, "llama")
    say(db, other, "llama")
    assert found(db, "llama", session_id=one.session_id) == [message.message_id]


def steps(db: sqlite3.Connection, statement: str, arguments: tuple[object, ...]) -> list[str]:
    """How SQLite goes about a query: what it looks at in turn, and what it has to put in order."""
    return [step for *_, step in db.execute(f"EXPLAIN QUERY PLAN {statement}", arguments)]


@pytest.mark.parametrize("in_one_session", [False, True])
def test_a_search_reads_no_more_than_what_it_shows(db: sqlite3.Connection, in_one_session: bool) -> None:
    session = a_session(db)
    for number in range(50):
        say(db, session, f"llama {number}")
        say(db, a_session(db), f"llama {number}")
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    search(db, "llama", session_id=session.session_id if in_one_session else None, limit=20, cursor=None)
    db.set_trace_callback(None)
    found = [statement for statement in statements if "MATCH" in statement and not statement.startswith("--")]
    for statement, index in zip(found, search_index.INDEXES, strict=True):
        plan = steps(db, statement, ())
        first, *then = (step for step in plan if "SUBQUERY" not in step and "COVERING INDEX" not in step)
        assert first.startswith(f"SCAN {index} VIRTUAL TABLE")
        assert then == [
            "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)",
            "SEARCH s USING INDEX sqlite_autoindex_sessions_1 (id=?)",
        ]


def test_deleted_sessions_are_not_found_until_they_are_restored(db: sqlite3.Connection) -> None:
    session = a_session(db)
    message = say(db, session, "llama")
    sessions.delete(db, session.session_id)
    assert found(db, "llama") == []
    sessions.restore(db, session.session_id)
    assert found(db, "llama") == [message.message_id]


def test_what_is_purged_leaves_the_index_too(db: sqlite3.Connection) -> None:
    kept = say(db, a_session(db), "llama kept, C++ 天気")
    session = a_session(db)
    say(db, session, "llama gone, getUserName 天気")
    sessions.mark_for_purge(db, deleted_before=sessions.delete(db, session.session_id) + 1)
    assert sessions.purge(db)
    assert found(db, "llama") == [kept.message_id]
    for index in search_index.INDEXES:
        db.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")


def test_a_hit_shows_the_words_in_their_surroundings(db: sqlite3.Connection) -> None:
    session = a_session(db)
    sessions.give_title(db, session.session_id, "Wool")
    message = say(db, session, "Is a llama's wool warm?")
    assert search(db, "wool llama", session_id=None, limit=1, cursor=None).hits == [
        SearchHit(
            session_id=session.session_id,
            session_title="Wool",
            message_id=message.message_id,
            role="user",
            snippet="Is a \u0002llama\u0003's \u0002wool\u0003 warm?",
            created_at=message.created_at,
        )
    ]


def test_a_word_that_stands_a_million_times_in_a_message_is_found_at_once(db: sqlite3.Connection) -> None:
    say(db, a_session(db), "llama " * 1_000_000)
    (hit,) = search(db, "llama", session_id=None, limit=1, cursor=None).hits
    assert hit.snippet.startswith("\u0002llama\u0003 \u0002llama\u0003")


MARKED = str.maketrans("", "", "\u0002\u0003")


@pytest.mark.parametrize(
    ("text", "query", "shown"),
    [
        ("short", "sho", "<short>"),
        ("short", "sho ", "short"),
        ("Café cafe\u0301 CAFE", "café", "<Café> <cafe\u0301> <CAFE>"),
        ("snake_case", "case", "snake_<case>"),
        ("nothing like it", "llama", "nothing like it"),
        ("a " * 100 + "llama" + " b" * 200, "llama", "…" + "a " * 30 + "<llama>" + " b" * 67 + "…"),
        ("x" * 500 + " llama " + "y" * 500, "llama", "…<llama>…"),
        ("x" * 500, "xx", "<" + "x" * 500 + ">"),
        ("", "x", ""),
    ],
)
def test_a_snippet_shows(text: str, query: str, shown: str) -> None:
    assert snippet(text, query) == shown.replace("<", "\u0002").replace(">", "\u0003")


@given(text=st.text(), query=st.text())
def test_a_snippet_is_a_part_of_any_text(text: str, query: str) -> None:
    text = text.translate(MARKED).replace("…", "")
    shown = snippet(text, query)
    assert shown.translate(MARKED).strip("…") in text
    assert shown.count("\u0002") == shown.count("\u0003")
