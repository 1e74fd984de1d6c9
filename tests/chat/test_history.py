"""What the history asks of the disk, and of whoever waits."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.chat import history as history_module
from sidecar.chat import search, sessions
from sidecar.chat.history import History
from sidecar.chat.messages import StoredMessage, finish, new_id, new_message
from sidecar.chat.record import Record
from sidecar.chat.turn_plan import TurnPlan
from sidecar.contract.errors import InvalidParams, SessionNotFound
from sidecar.contract.sessions import CreateSessionParams, SearchMessagesParams
from sidecar.generation.completion import GenerationRequest
from sidecar.storage.database import Database
from tests.chat.rows import a_generation, a_session, history_in, say

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "history.db")
    yield database
    await database.close()


@pytest.fixture
def history(database: Database, tmp_path: Path) -> History:
    return history_in(database, tmp_path)


async def traced(database: Database) -> list[str]:
    """The statements from now on, but for those of the search index itself."""
    statements: list[str] = []

    def note(statement: str) -> None:
        if not statement.startswith("--"):
            statements.append(statement.split(" ", 1)[0])

    await database.run(lambda db: db.set_trace_callback(note))
    statements.clear()
    return statements


async def test_each_end_of_a_turn_is_one_commit_and_a_handful_of_statements(
    history: History, database: Database
) -> None:
    session = await history.create(CreateSessionParams())
    question = new_message(session.session_id, None, role="user", content="What is a llama?")
    plan = TurnPlan(session.session_id, [], [question], GenerationRequest(messages=[]))
    record = Record(history, plan, new_id(), a_generation())
    statements = await traced(database)
    begun = await record.begin()
    assert begun is not None
    assert begun.message_count == 2
    assert (statements.count("COMMIT"), statements.count("UPDATE")) == (1, 3)  # how many, the title, the head
    statements.clear()
    answer = record._answer("A llama is an animal.", "complete")
    await history.change(session.session_id, lambda db: finish(db, answer))
    assert statements.count("COMMIT") == 1


async def test_a_search_that_takes_too_long_says_so(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    monkeypatch.setattr(history_module, "SEARCH_SECONDS", 0.02)
    monkeypatch.setattr(search, "search", lambda db, *_, **__: db.execute(endless).fetchone())
    with pytest.raises(InvalidParams) as caught:
        await history.search(SearchMessagesParams(query="llama"))
    assert caught.value.data == {"path": "$.query"}


async def test_sessions_deleted_long_ago_go_one_at_a_time_so_that_nobody_waits_for_all(
    history: History, database: Database
) -> None:
    said: list[StoredMessage] = []

    def delete_four(db: sqlite3.Connection) -> None:
        for _ in range(4):
            session = a_session(db)
            said.append(say(db, session, "llama"))
            sessions.delete(db, session.session_id)
        db.execute("UPDATE sessions SET deleted_at = 1000")

    await database.run(delete_four)
    statements = await traced(database)
    await history.tidy()
    deletes = [n for n, word in enumerate(statements) if word == "DELETE" and statements[n - 1] == "BEGIN"]
    assert len(deletes) == 5  # the last one finds nothing
    with pytest.raises(SessionNotFound):
        await history.restore(said[0].session_id)
    assert await database.run(lambda db: db.execute("SELECT count(*) FROM messages").fetchone()) == (0,)
