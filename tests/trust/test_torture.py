"""A few kills in the middle of conversations, and that a sidecar that breaks a promise is found out; `make torture`
kills a thousand times."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from sidecar.chat import messages, sessions
from sidecar.contract.sessions import SessionConfig
from sidecar.storage import migrations
from tests.trust.promises import ImportPromise, Promises, SessionPromise, TurnPromise
from tests.trust.torture import Outcome, play, rows_of

CHEAT = """
from sidecar.storage import database
keep, seen = database.Database._transact, []

def cheat(self, work):
    def undone(db):
        result = work(db)
        seen.append(work)
        if len(seen) % 10 == 0:
            db.execute("ROLLBACK")
            db.execute("BEGIN")
        return result
    return keep(self, undone)

database.Database._transact = cheat
"""
"""A sidecar that does not keep each tenth piece of work, and says that it did."""


@pytest.mark.case(20, 27)
def test_kills_in_the_middle_of_conversations_lose_nothing(tmp_path: Path) -> None:
    outcome = play(tmp_path, 5, f"{random.random()}")  # noqa: S311
    assert outcome.broken == []
    assert outcome.kills == 5
    assert outcome.acknowledged > 10
    assert all(row.met for row in rows_of([outcome]))


def test_a_sidecar_that_acknowledges_what_it_does_not_keep_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(CHEAT)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path.cwd()}")
    outcome = play(tmp_path, 5, "cheat")
    # What is lost is seen in the files, or already by whoever is told that there is no such session.
    assert any(word.startswith(("lost", "answer", "broken off")) for word in outcome.broken), outcome.broken
    assert not all(row.met for row in rows_of([outcome]))


# --- the model ---------------------------------------------------------------------------------------------------


@pytest.fixture
def promises() -> Promises:
    """A session, an answer that was acknowledged, one that was cancelled, one that broke off, and an import."""
    return Promises(
        sessions={"s": SessionPromise({"title"}, exists={True})},
        turns=[
            TurnPromise("s", "q1", "a1 whole", True, "a1 whole", "complete", "m1", "u1"),
            TurnPromise("s", "q2", "a2 whole", True, "a2", "cancelled"),
            TurnPromise("s", "q3", "a3 whole", True, "a3", is_tidied=True),
            TurnPromise("s", "never kept", "nor answered"),
        ],
        imports=[ImportPromise("imported", ["i1", "i2"], "i"), ImportPromise("never", ["n1"])],
    )


@pytest.fixture
def db() -> sqlite3.Connection:
    """A history that keeps them."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrations.take_steps(db, to=0)
    for id_, title in (("s", "title"), ("i", "imported")):
        sessions.insert(db, session_id=id_, title=title, system=None, server_id=None, config=SessionConfig())
    said = [
        *(("s", "user", "q1", "complete"), ("s", "assistant", "a1 whole", "complete")),
        *(("s", "user", "q2", "complete"), ("s", "assistant", "a2", "cancelled")),
        *(("s", "user", "q3", "complete"), ("s", "assistant", "a3 wh", "interrupted")),
        *(("i", "user", "i1", "complete"), ("i", "user", "i2", "complete")),
    ]
    parent = None
    for number, (session, role, content, state) in enumerate(said):
        message = messages.new_message(session, parent if session == "s" else None, role="user", content=content)
        message.role, message.state = role, state  # type: ignore[assignment]
        message.message_id = parent = "m1" if number == 1 else f"id {number}"
        messages.insert(db, message)
        sessions.set_head(db, session, parent)
    return db


def test_a_history_that_keeps_everything_breaks_no_promise(db: sqlite3.Connection, promises: Promises) -> None:
    assert promises.broken_in(db) == []
    assert promises.acknowledged == 6
    promises.settle(db)
    assert promises.broken_in(db) == []
    assert ([turn.question for turn in promises.turns], len(promises.imports)) == (["q1", "q2", "q3"], 1)


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        ("DELETE FROM messages WHERE content = 'q1'", "lost"),
        ("DELETE FROM messages WHERE content = 'a1 whole'", "lost"),
        ("UPDATE messages SET content = 'a1' WHERE id = 'm1'", "lost"),
        ("UPDATE messages SET state = 'running' WHERE id = 'm1'", "lost"),
        ("UPDATE messages SET content = 'a' WHERE content = 'a2'", "broken off"),
        ("UPDATE messages SET state = 'running' WHERE content = 'a2'", "broken off"),
        ("DELETE FROM messages WHERE content = 'q3'", "lost"),
        ("DELETE FROM messages WHERE content = 'a3 wh'", "broken off"),
        ("UPDATE messages SET state = 'running' WHERE content = 'a3 wh'", "broken off"),
        ("UPDATE messages SET content = 'a' WHERE content = 'a3 wh'", "broken off"),
        ("UPDATE messages SET content = 'a3 other' WHERE content = 'a3 wh'", "broken off"),
        ("UPDATE messages SET state = 'complete' WHERE content = 'a3 wh'", "broken off"),
        ("DELETE FROM messages WHERE content = 'i2'", "lost"),
        ("DELETE FROM sessions WHERE id = 'i'", "lost"),
        ("DELETE FROM sessions WHERE id = 's'", "lost"),
        ("UPDATE sessions SET title = 'another' WHERE id = 's'", "lost"),
        ("UPDATE sessions SET deleted_at = 1 WHERE id = 's'", "lost"),
        ("UPDATE sessions SET message_count = 0", "integrity_check"),
        ("UPDATE sessions SET head = 'nothing' WHERE id = 's'", "integrity_check"),
        ("DELETE FROM sessions WHERE id = 's'", "integrity_check"),
    ],
)
def test_each_broken_promise_is_named(db: sqlite3.Connection, promises: Promises, harm: str, kind: str) -> None:
    db.execute(harm)
    assert kind in {word.split(":")[0] for word in promises.broken_in(db)}


def test_what_was_under_way_may_have_happened_and_is_certain_once_it_was_seen(
    db: sqlite3.Connection, promises: Promises
) -> None:
    session = promises.sessions["s"]
    session.titles.add("asked for")
    session.deleted.add(True)
    for harm in ("UPDATE sessions SET title = 'asked for' WHERE id = 's'", "UPDATE sessions SET deleted_at = 1"):
        db.execute(harm)
        assert promises.broken_in(db) == []
    promises.settle(db)
    db.execute("UPDATE sessions SET title = 'title' WHERE id = 's'")
    db.execute("UPDATE sessions SET deleted_at = NULL WHERE id = 's'")
    assert len(promises.broken_in(db)) == 2


@pytest.mark.parametrize("kind", ["lost: x", "integrity_check: x", "broken off: x", "start: x", "answer: x"])
def test_a_target_is_missed_with_each_kind_of_broken_promise(kind: str) -> None:
    good, bad = Outcome(5, 9, 2, [], [0.3]), Outcome(5, 9, 2, [kind], [0.3])
    assert [row.met for row in rows_of([good])] == [True] * 4
    assert [row.met for row in rows_of([good, bad])].count(False) == 1
