"""The messages of a session are a tree."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.chat import messages, sessions
from sidecar.chat.messages import StoredMessage
from sidecar.contract.chat import ContextUse
from sidecar.contract.errors import SessionNotFound
from sidecar.contract.sessions import Message, Session, Timings, ToolCall, ToolFunction, Usage
from tests.chat.rows import a_session, new_id, open_history, say


def ids(found: list[StoredMessage]) -> list[str]:
    return [message.message_id for message in found]


@pytest.fixture
def session(db: sqlite3.Connection) -> Session:
    return a_session(db)


def test_a_branch_goes_from_the_root_to_its_last_message(db: sqlite3.Connection, session: Session) -> None:
    question = say(db, session, "q")
    answer = say(db, session, "a", after=question, role="assistant")
    again = say(db, session, "a2", after=question, role="assistant")
    assert ids(messages.branch(db, session.session_id, again.message_id)) == ids([question, again])
    assert ids(messages.branch(db, session.session_id, answer.message_id)) == ids([question, answer])
    assert ids(messages.branch(db, session.session_id, again.message_id, limit=1)) == ids([again])


def test_a_branch_of_nothing_or_of_another_session_is_empty(db: sqlite3.Connection, session: Session) -> None:
    other = say(db, a_session(db), "other")
    assert messages.branch(db, session.session_id, None) == []
    assert messages.branch(db, session.session_id, other.message_id) == []


def test_the_end_of_a_branch_is_found_along_the_newest_children(db: sqlite3.Connection, session: Session) -> None:
    root = say(db, session, "q")
    old = say(db, session, "a1", after=root, role="assistant")
    end_of_old = say(db, session, "q2", after=old)
    new = say(db, session, "a2", after=root, role="assistant")
    below = {m.message_id: messages.leaf_below(db, session.session_id, m.message_id) for m in (root, old, new)}
    assert below == {
        root.message_id: new.message_id,
        old.message_id: end_of_old.message_id,
        new.message_id: new.message_id,
    }
    with pytest.raises(SessionNotFound):
        messages.leaf_below(db, session.session_id, new_id())


def test_siblings_are_all_messages_of_one_parent_oldest_first(db: sqlite3.Connection, session: Session) -> None:
    first = say(db, session, "q1")
    edited = say(db, session, "q1 edited")
    answers = [say(db, session, text, after=edited, role="assistant") for text in "abc"]
    shown = messages.branch(db, session.session_id, answers[0].message_id)
    messages.fill_in_siblings(db, session.session_id, shown)
    assert [message.siblings for message in shown] == [ids([first, edited]), ids(answers)]
    lone = messages.branch(db, session.session_id, first.message_id)
    messages.fill_in_siblings(db, session.session_id, lone)
    assert lone[0].siblings == ids([first, edited])


def test_everything_of_a_message_comes_back(db: sqlite3.Connection, session: Session) -> None:
    message = StoredMessage(
        message_id=new_id(),
        session_id=session.session_id,
        parent_id=None,
        role="assistant",
        content="nul \0, line \u2028, llama 🦙",
        parts=[{"type": "text", "text": "x"}],
        reasoning="hm",
        tool_calls=[ToolCall(id="c", type="function", function=ToolFunction(name="f", arguments="{"))],
        tool_call_id="c",
        state="complete",
        finish_reason="stop",
        usage=Usage(prompt_tokens=1, completion_tokens=2, cached_tokens=0),
        timings=Timings(ttft_ms=1.5, prompt_per_second=None, predicted_per_second=3.25, total_ms=9),
        context=ContextUse(policy="error", max_context=8, used=3, dropped_messages=0),
        model="tiny",
        created_at=12.5,
        siblings=[],
    )
    messages.insert(db, message)
    assert messages.get(db, session.session_id, message.message_id) == message
    assert type(message.as_contract()) is Message
    assert sessions.get(db, session.session_id).message_count == 1


def test_messages_that_were_none_are_taken_back(db: sqlite3.Connection, session: Session) -> None:
    question = say(db, session, "q")
    new = say(db, session, "q2", after=question)
    place = say(db, session, "", after=new, role="assistant")
    messages.withdraw(db, session.session_id, ids([place, new]), head=question.message_id)
    found = sessions.get(db, session.session_id)
    assert (found.head, found.message_count) == (question.message_id, 1)
    assert ids(messages.all_of(db, session.session_id)) == ids([question])


def test_a_host_that_went_to_another_branch_meanwhile_stays_there(db: sqlite3.Connection, session: Session) -> None:
    question = say(db, session, "q")
    other = say(db, session, "old answer", after=question, role="assistant")
    place = say(db, session, "", after=question, role="assistant")
    sessions.set_head(db, session.session_id, other.message_id)
    messages.withdraw(db, session.session_id, ids([place]), head=question.message_id)
    assert sessions.get(db, session.session_id).head == other.message_id


def test_an_answer_that_broke_off_is_marked_and_keeps_what_is_known_of_it(
    db: sqlite3.Connection, session: Session
) -> None:
    question = say(db, session, "q")
    place = say(db, session, "", after=question, role="assistant")
    db.execute("UPDATE messages SET state = 'running' WHERE id = ?", (place.message_id,))
    assert messages.running(db) == [(session.session_id, place.message_id)]
    messages.interrupt(db, place.session_id, place.message_id, "so f", "hm")
    assert messages.running(db) == []
    kept = messages.get(db, session.session_id, place.message_id)
    assert (kept.state, kept.content, kept.reasoning) == ("interrupted", "so f", "hm")


@given(parents=st.lists(st.integers(-1, 30), min_size=1, max_size=30), data=st.data())
def test_in_any_tree_every_message_is_on_a_branch_of_its_ancestors(parents: list[int], data: st.DataObject) -> None:
    db = open_history()
    try:
        session = a_session(db)
        made: list[StoredMessage] = []
        for parent in parents:
            after = made[parent % len(made)] if made and parent >= 0 else None
            made.append(say(db, session, "x", after=after))
        by_id = {message.message_id: message for message in made}
        chosen = data.draw(st.sampled_from(made))

        ancestors = [chosen]
        while parent_id := ancestors[0].parent_id:
            ancestors.insert(0, by_id[parent_id])
        limit = data.draw(st.none() | st.integers(1, 40))
        branch = messages.branch(db, session.session_id, chosen.message_id, limit=limit)
        assert ids(branch) == ids(ancestors)[-limit if limit else 0 :]

        leaf = messages.leaf_below(db, session.session_id, chosen.message_id)
        assert all(message.parent_id != leaf for message in made)
        assert chosen.message_id in ids(messages.branch(db, session.session_id, leaf))

        messages.fill_in_siblings(db, session.session_id, branch)
        for message in branch:
            assert message.siblings == [m.message_id for m in made if m.parent_id == message.parent_id]
    finally:
        db.close()
