"""Sessions and messages for tests."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from sidecar.chat import messages, sessions
from sidecar.chat.history import History
from sidecar.chat.journal import Journals
from sidecar.chat.messages import Role, StoredMessage, new_message
from sidecar.contract.sessions import Session, SessionConfig
from sidecar.generation.completion import GenerationRequest
from sidecar.generation.generation import Generation, Generator
from sidecar.servers.server_manager import ServerManager
from sidecar.storage import migrations
from sidecar.storage.config import ConfigFile
from sidecar.storage.database import Database


def open_history() -> sqlite3.Connection:
    """A history in memory, as the sidecar would make it."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    migrations.migrate(connection, Path("unused"))
    return connection


def history_in(database: Database, folder: Path) -> History:
    """A history with its journals in a folder, and the config as it is by default."""
    return History(database, journals=Journals(folder), config=ConfigFile(folder / "config.json"))


def a_generation() -> Generation:
    """One that has no server and is never carried out."""
    config = ConfigFile(Path("unused"))
    return Generator(cast(ServerManager, None), config).generate(GenerationRequest(messages=[]))


def new_id() -> str:
    return str(uuid.uuid4())


def a_session(db: sqlite3.Connection, **columns: Any) -> Session:
    """A session in the history."""
    given: dict[str, Any] = {"title": None, "system": None, "server_id": None, "config": SessionConfig(), **columns}
    session_id = given.setdefault("session_id", new_id())
    sessions.insert(db, **given)
    return sessions.get(db, session_id)


def say(
    db: sqlite3.Connection, session: Session, content: str, *, after: StoredMessage | None = None, role: Role = "user"
) -> StoredMessage:
    """A message in the session's tree, which its branch in use ends with."""
    message = new_message(session.session_id, after.message_id if after else None, role=role, content=content)
    messages.insert(db, message)
    sessions.set_head(db, session.session_id, message.message_id)
    return message


def a_message(role: Role, content: str, **members: Any) -> StoredMessage:
    """A message of no session in particular."""
    message = new_message("", None, role=role, content=content)
    for name, value in members.items():
        setattr(message, name, value)
    return message


def rows_on_disk(data_dir: Path) -> list[tuple[str, str, str]]:
    """Role, content and state of all messages, as they are in the file."""
    with closing(sqlite3.connect(data_dir / "history.db")) as connection:
        return connection.execute("SELECT role, content, state FROM messages ORDER BY rowid").fetchall()
