"""The sessions table."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.chat import messages, sessions
from sidecar.chat.titles import TITLE_CHARACTERS, title_of
from sidecar.contract.errors import InvalidParams, SessionNotFound
from sidecar.contract.sessions import ListSessionsResult, SessionConfig
from tests.chat.rows import a_session, new_id, open_history, say


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("\n\n  What is   a\tllama? \nMore.", "What is a llama?"),
        ("a" * 60, "a" * 60),
        ("a" * 61, "a" * 60 + "…"),
        ("word " * 12 + "word", "word " * 11 + "word…"),
        ("   ", "New chat"),
        ("", "New chat"),
        ("🦙" * 70, "🦙" * 60 + "…"),
    ],
)
def test_a_title_is_the_first_line_cut_at_a_word(text: str, title: str) -> None:
    assert title_of(text) == title


@given(st.text())
def test_a_title_is_one_line_that_is_never_empty_or_long(text: str) -> None:
    title = title_of(text)
    assert len(title.splitlines()) == 1
    assert 1 <= len(title) <= TITLE_CHARACTERS + 1
    assert title == title.strip()


def test_a_session_takes_its_title_from_the_first_message_that_says_something(db: sqlite3.Connection) -> None:
    session = a_session(db)
    assert session.title == "New chat"
    for text in ("  ", "What is a llama?", "And an alpaca?"):
        sessions.give_title(db, session.session_id, text)
    assert sessions.get(db, session.session_id).title == "What is a llama?"


def test_a_title_that_was_given_stays(db: sqlite3.Connection) -> None:
    session = a_session(db, title="Wool")
    sessions.give_title(db, session.session_id, "What is a llama?")
    assert sessions.get(db, session.session_id).title == "Wool"


def test_an_id_that_is_taken_is_refused(db: sqlite3.Connection) -> None:
    session = a_session(db)
    with pytest.raises(InvalidParams):
        a_session(db, session_id=session.session_id)


def test_the_id_of_a_deleted_session_is_refused_with_the_way_back(db: sqlite3.Connection) -> None:
    session = a_session(db)
    sessions.delete(db, session.session_id)
    with pytest.raises(InvalidParams) as caught:
        a_session(db, session_id=session.session_id)
    assert "restore_session" in caught.value.hint


def test_the_config_comes_back_as_it_was_given(db: sqlite3.Connection) -> None:
    config = SessionConfig(temperature=0.0, stop=["a", "b"], context_policy="keep_ends", seed=-1)
    session = a_session(db, config=config)
    assert session.config == config
    assert sessions.update(db, session.session_id, {"config": SessionConfig()}).config == SessionConfig()


# --- pages -------------------------------------------------------------------------------------------------


def page(db: sqlite3.Connection, **params: Any) -> ListSessionsResult:
    return sessions.page(db, **{"query": None, "archived": False, "limit": 100, "cursor": None, **params})


def titles(db: sqlite3.Connection, **params: Any) -> list[str]:
    return [session.title for session in page(db, **params).sessions]


def test_the_last_used_session_comes_first(db: sqlite3.Connection) -> None:
    made = [a_session(db, title=str(i), created_at=float(i)) for i in range(3)]
    say(db, made[1], "used")
    assert titles(db) == ["1", "2", "0"]


def test_archived_sessions_are_a_list_of_their_own(db: sqlite3.Connection) -> None:
    kept, archived = a_session(db, title="kept"), a_session(db, title="archived")
    sessions.update(db, archived.session_id, {"archived": True})
    assert (titles(db), titles(db, archived=True)) == (["kept"], ["archived"])
    sessions.update(db, archived.session_id, {"archived": False})
    assert sorted(titles(db)) == ["archived", "kept"]
    assert kept.archived is False


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("100%", ["100% wool"]),
        ("%", ["100% wool"]),
        ("_", ["snake_case"]),
        ("\\", ["back\\slash"]),
        ("WOOL", ["100% wool"]),
        ("' OR 1=1 --", []),
        ("", ["100% wool", "back\\slash", "snake_case"]),
    ],
)
def test_a_query_is_looked_for_letter_by_letter(db: sqlite3.Connection, query: str, matches: list[str]) -> None:
    for title in ("100% wool", "snake_case", "back\\slash"):
        a_session(db, title=title)
    assert sorted(titles(db, query=query)) == matches


@given(title=st.text(min_size=1), data=st.data())
def test_a_session_is_found_by_any_part_of_its_title(title: str, data: st.DataObject) -> None:
    title = title.replace("\0", "")
    db = open_history()
    try:
        session = a_session(db, title=title or "x")
        start = data.draw(st.integers(0, len(title)))
        end = data.draw(st.integers(start, len(title)))
        (found,) = page(db, query=title[start:end]).sessions
        assert found.session_id == session.session_id
    finally:
        db.close()


@given(
    used=st.lists(st.sampled_from([1.0, 2.0, 2.5, 1e9 + 0.1]), min_size=1, max_size=30),
    limit=st.integers(1, 7),
    touched=st.sets(st.integers(0, 29)),
)
def test_pages_show_every_session_once_but_for_those_used_meanwhile(
    used: list[float], limit: int, touched: set[int]
) -> None:
    db = open_history()
    try:
        made = [a_session(db, created_at=at) for at in used]
        first = page(db, limit=limit)
        shown, cursor = [session.session_id for session in first.sessions], first.next_cursor
        moved = {made[i].session_id for i in touched if i < len(made)}
        for session_id in moved:
            sessions.update(db, session_id, {})
        while cursor is not None:
            following = page(db, limit=limit, cursor=cursor)
            shown += [session.session_id for session in following.sessions]
            cursor = following.next_cursor
        assert len(shown) == len(set(shown))
        assert {session.session_id for session in made} - set(shown) <= moved
        if not moved:
            order = sorted(made, key=lambda session: (session.updated_at, session.session_id), reverse=True)
            assert shown == [session.session_id for session in order]
    finally:
        db.close()


@pytest.mark.parametrize("cursor", ["x", "nan a", "inf a", "1,5 a", "' a"])
def test_a_cursor_of_another_kind_is_refused(db: sqlite3.Connection, cursor: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        page(db, cursor=cursor)
    assert caught.value.data == {"path": "$.cursor"}


# --- deleting ----------------------------------------------------------------------------------------------


def test_a_deleted_session_is_gone_until_it_is_restored(db: sqlite3.Connection) -> None:
    session = a_session(db, title="wool")
    message = say(db, session, "llama")
    session = sessions.get(db, session.session_id)
    sessions.delete(db, session.session_id)
    assert titles(db) == []
    for attempt in (sessions.get, sessions.delete):
        with pytest.raises(SessionNotFound):
            attempt(db, session.session_id)
    with pytest.raises(SessionNotFound):
        sessions.update(db, session.session_id, {"title": "x"})
    assert sessions.restore(db, session.session_id) == session
    assert messages.branch(db, session.session_id, session.head)[0].message_id == message.message_id


def test_restoring_a_session_that_is_not_deleted_changes_nothing(db: sqlite3.Connection) -> None:
    session = a_session(db)
    assert sessions.restore(db, session.session_id) == session


def test_a_session_that_never_was_can_not_be_restored(db: sqlite3.Connection) -> None:
    with pytest.raises(SessionNotFound):
        sessions.restore(db, new_id())


def test_only_what_was_deleted_long_ago_is_purged(db: sqlite3.Connection) -> None:
    living, fresh, old = (a_session(db, title=title) for title in ("living", "fresh", "old"))
    say(db, old, "llama")
    for session in (fresh, old):
        sessions.delete(db, session.session_id)
    db.execute("UPDATE sessions SET deleted_at = 1000 WHERE id = ?", (old.session_id,))
    sessions.mark_for_purge(db, deleted_before=2000)
    with pytest.raises(SessionNotFound):
        sessions.restore(db, old.session_id)
    assert [sessions.purge(db), sessions.purge(db)] == [True, False]
    assert sessions.restore(db, fresh.session_id).title == "fresh"
    assert sorted(titles(db)) == ["fresh", "living"]
    assert living.message_count == 0
    with pytest.raises(SessionNotFound):
        sessions.restore(db, old.session_id)
    assert db.execute("SELECT count(*) FROM messages").fetchone() == (0,)
