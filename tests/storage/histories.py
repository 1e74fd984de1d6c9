"""Small histories with everything in them, and what can be done to their files."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio

from sidecar.chat import messages, search, sessions
from sidecar.chat.messages import StoredMessage
from sidecar.contract.config import StorageConfig
from sidecar.contract.life import Notice
from sidecar.contract.sessions import SessionConfig, Timings, Usage
from sidecar.storage import migrations, search_index
from sidecar.storage.database import Database
from tests.chat.scripted import BOUND_SECONDS
from tests.config_files import config_file

PAGE = 4096

Rows = dict[str, tuple[Any, ...]]
"""The messages of a history, by their ids."""


def write_history(
    path: Path, *, session_count: int = 6, kept_open: bool = False, thorough: bool = True
) -> sqlite3.Connection | None:
    """A history of long and short messages in branches, with pages that are free; `kept_open`: its log is not merged;
    not `thorough`: what was deleted still stands in them.

    The ids of its sessions are `session_id(n)`.
    """
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"PRAGMA secure_delete = {thorough}")
    migrations.migrate(db, path)
    db.execute("BEGIN")
    for number in range(session_count + 3):
        write_session(db, number)
    db.execute("COMMIT")
    db.execute("BEGIN")
    for number in range(session_count, session_count + 3):
        sessions.remove(db, session_id(number))
    db.execute("COMMIT")
    if kept_open:
        return db
    db.close()
    return None


def write_session(db: sqlite3.Connection, number: int) -> None:
    """One more session of 20 messages, one of which goes on in pages of its own."""
    id_, parent = session_id(number), None
    sessions.insert(db, session_id=id_, title=f"Title {number}", system=None, server_id=None, config=SessionConfig())
    for place in range(20):
        is_answer = place % 2 == 1
        text = f"session {number} message {place} " + "some words " * (3000 if place == 7 else place * 4)
        message = messages.new_message(id_, parent, role="assistant" if is_answer else "user", content=text)
        if is_answer:
            message.usage = Usage(prompt_tokens=5, completion_tokens=place, cached_tokens=0)
            message.timings = Timings(ttft_ms=1.5, prompt_per_second=None, predicted_per_second=20.0, total_ms=9)
        messages.insert(db, message)
        parent = message.message_id if place != 10 else parent  # the next goes on beside this one
    sessions.set_head(db, id_, parent)


def session_id(number: int) -> str:
    return str(uuid.UUID(int=number))


def rows_of(path: Path) -> Rows:
    """The messages of a whole file that is closed; nothing beside it is looked at or made."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as db:
        return {row[1]: row for row in db.execute("SELECT * FROM messages")}


def page_kinds(path: Path) -> dict[str, list[int]]:
    """The numbers of the pages of a whole file: "messages leaf", "messages inner", and so on."""
    data, kinds = path.read_bytes(), dict[str, list[int]]()
    with closing(sqlite3.connect(path)) as db:
        roots = db.execute("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0").fetchall()
    for name, root in roots:
        pending = [root]
        while pending:
            number = pending.pop()
            page = data[(number - 1) * PAGE : number * PAGE]
            is_leaf = page[0] in (0x0D, 0x0A)
            kinds.setdefault(f"{name} {'leaf' if is_leaf else 'inner'}", []).append(number)
            if not is_leaf:
                count = int.from_bytes(page[3:5], "big")
                cells = [int.from_bytes(page[12 + 2 * n : 14 + 2 * n], "big") for n in range(count)]
                pending += [int.from_bytes(page[cell : cell + 4], "big") for cell in (*cells, 8)]
    return kinds


def use(path: Path) -> list[Notice]:
    """Be a sidecar that opens a history and does with it what hosts ask for; returns what it would tell them.

    Raises:
        SidecarError: as hosts would be told.
    """

    async def be_used() -> list[Notice]:
        database = Database(path)
        try:
            await database.run(_use)
            return await database.notices()
        finally:
            with anyio.CancelScope(shield=True):
                await database.close()

    return anyio.run(be_used)


def _use(db: sqlite3.Connection) -> None:
    assert messages.running(db) == []
    page = sessions.page(db, query=None, archived=False, limit=1000, cursor=None)
    for session in page.sessions:
        messages.branch(db, session.session_id, session.head)
        messages.all_of(db, session.session_id)
    search.search(db, "words", session_id=None, limit=1000, cursor=None)
    new = str(uuid.uuid4())
    sessions.insert(db, session_id=new, title="new", system=None, server_id=None, config=SessionConfig())
    messages.insert(db, _new_message(new))
    sessions.remove(db, new)


def _new_message(session: str) -> StoredMessage:
    return messages.new_message(session, None, role="user", content="said after it some words")


@asynccontextmanager
async def opened(path: Path, encrypt: bool | None = None) -> AsyncIterator[Database]:
    """The history as a sidecar opens it whose config says this."""
    database = Database(path, config_file(storage=StorageConfig(encrypt=encrypt)))
    with anyio.fail_after(BOUND_SECONDS):
        try:
            yield database
        finally:
            with anyio.CancelScope(shield=True):
                await database.close()


def require_consistent(path: Path) -> None:
    """A whole file in which every session, message and index fits the others."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        search_index.register(db)
        for index in search_index.indexes_of(db):
            db.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
        wrong = db.execute(
            "SELECT id FROM sessions WHERE"
            " message_count <> (SELECT count(*) FROM messages WHERE session_id = sessions.id)"
            " OR (message_count > 0) <> (head IN (SELECT id FROM messages WHERE session_id = sessions.id))"
        ).fetchall()
        assert wrong == []
        lost = "SELECT id FROM messages AS m WHERE parent_id IS NOT NULL AND NOT EXISTS"
        lost += " (SELECT 1 FROM messages AS p WHERE p.id = m.parent_id AND p.session_id = m.session_id)"
        assert db.execute(lost).fetchall() == []
