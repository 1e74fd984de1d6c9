"""The schema of the history file, and the migration from every older one.

Owns every table. A released step is never changed; a new one is added.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sidecar.contract.errors import StorageError
from sidecar.storage.atomic_files import put_in_place

INDEX_TRIGGERS = {
    "messages_text_insert": """AFTER INSERT ON messages BEGIN
    INSERT INTO messages_text (rowid, content) VALUES (new.rowid, new.content);
END""",
    "messages_text_delete": """AFTER DELETE ON messages BEGIN
    INSERT INTO messages_text (messages_text, rowid, content) VALUES ('delete', old.rowid, old.content);
END""",
    "messages_text_update": """AFTER UPDATE OF content ON messages BEGIN
    INSERT INTO messages_text (messages_text, rowid, content) VALUES ('delete', old.rowid, old.content);
    INSERT INTO messages_text (rowid, content) VALUES (new.rowid, new.content);
END""",
}
"""The triggers that maintain the index of words, by name."""

NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\uff66-\uffdc\U00020000-\U0003fffd"
)
"""Scripts without spaces between words, as ranges of a set of characters: Thai, Lao, Burmese, Khmer, Chinese, Japanese,
and Korean, which joins particles to its words. A part of a released step: never changed."""

_CONDITIONS = (
    "(length(CAST({0}content AS BLOB)) > length({0}content) AND {0}content GLOB"
    " '*[^\u0001-\u0dff\u1e00-\u2bff\ufe0f\U0001f000-\U0001ffff]*')",
    "((instr({0}content, '+') OR instr({0}content, '#')) AND {0}content GLOB '*[A-Za-z0-9][+#]*')",
    *(
        f"{{0}}content GLOB '*{pattern}*'"
        for pattern in ("[a-z0-9][A-Z]", "[A-Z][A-Z][a-z]", "[0-9].[0-9]", "[0-9][a-z]")
    ),
)
_INSIDE_WORDS = " OR ".join(_CONDITIONS)
"""Whether a text may have parts of words that are searched for: it is no plain text of a script with spaces. The first
one is for `NO_SPACES` and a few more scripts: a set of fewer ranges takes half the time. Never changed, as above."""

_ADD_PARTS = "INSERT INTO messages_parts (rowid, content) SELECT new.rowid, new.content || '  ' WHERE {new}"
_REMOVE_PARTS = (
    "INSERT INTO messages_parts (messages_parts, rowid, content)"
    " SELECT 'delete', old.rowid, old.content || '  ' WHERE {old}"
)
_OLD, _NEW = _REMOVE_PARTS.format(old=_INSIDE_WORDS.format("old.")), _ADD_PARTS.format(new=_INSIDE_WORDS.format("new."))

PARTS_TRIGGERS = {
    "messages_parts_insert": f"AFTER INSERT ON messages BEGIN {_NEW}; END",
    "messages_parts_delete": f"AFTER DELETE ON messages BEGIN {_OLD}; END",
    "messages_parts_update": f"AFTER UPDATE OF content ON messages BEGIN {_OLD}; {_NEW}; END",
}
"""The triggers that maintain the index of parts of words, by name."""

ALL_TRIGGERS = {**INDEX_TRIGGERS, **PARTS_TRIGGERS}
"""The triggers that maintain the search indexes. An encrypted file has none of them (`reencrypt`)."""

INDEXES = ("messages_text", "messages_parts")
"""The search indexes, which are built from `messages`."""

_VERSION_1 = f"""
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    title_is_own INTEGER NOT NULL,   -- 1: given by the host, 0: taken from the first message
    system TEXT,
    server_id TEXT,
    config TEXT NOT NULL,            -- JSON of SessionConfig
    archived INTEGER NOT NULL DEFAULT 0,
    head TEXT,                       -- last message of the branch in use
    message_count INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    deleted_at REAL
) STRICT;
CREATE INDEX sessions_by_use ON sessions (archived, updated_at DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX sessions_deleted ON sessions (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE messages (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    parent_id TEXT,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    parts TEXT,                      -- JSON of the content parts, where there was more than text
    reasoning TEXT,
    tool_calls TEXT,                 -- JSON
    tool_call_id TEXT,
    state TEXT NOT NULL,
    finish_reason TEXT,
    usage TEXT,                      -- JSON
    timings TEXT,                    -- JSON
    context TEXT,                    -- JSON of ContextUse
    model TEXT,
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX messages_by_parent ON messages (session_id, parent_id);
CREATE INDEX messages_running ON messages (state) WHERE state = 'running';

CREATE VIRTUAL TABLE messages_text USING fts5 (
    content, content = 'messages', content_rowid = 'rowid', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
{"".join(f"CREATE TRIGGER {name} {body};" for name, body in INDEX_TRIGGERS.items())}

CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;  -- small things to remember, as JSON
"""

_VERSION_2 = """
ALTER TABLE messages ADD COLUMN warnings TEXT;   -- JSON of the answer's warnings, which never quote a message
"""

_VERSION_3 = f"""
CREATE VIEW messages_with_parts AS SELECT rowid, content || '  ' AS content FROM messages
    WHERE {_INSIDE_WORDS.format("")};
CREATE VIRTUAL TABLE messages_parts USING fts5 (
    content, content = 'messages_with_parts', content_rowid = 'rowid', tokenize = 'trigram', detail = 'none',
    columnsize = 0
);
CREATE VIRTUAL TABLE messages_parts_terms USING fts5vocab (messages_parts, row);
{"".join(f"CREATE TRIGGER {name} {body};" for name, body in PARTS_TRIGGERS.items())}
INSERT INTO messages_parts (messages_parts)
    SELECT 'rebuild' WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'messages_sealed_insert');
"""  # noqa: S608 - constants
"""Words are no use for Chinese, Japanese, Korean, Thai, camelCase or C++: messages with any such text have a second
index, of all runs of three characters. Two spaces at the end give the last characters runs of their own."""

_VERSION_4 = """
ALTER TABLE messages ADD COLUMN edited_at REAL;     -- when a person changed its text in place
ALTER TABLE messages ADD COLUMN request_key TEXT;   -- the host's key of the request that sent it, for a while
ALTER TABLE messages ADD COLUMN request TEXT;       -- what that request asked for, as a hash
CREATE INDEX messages_by_request_key ON messages (request_key) WHERE request_key IS NOT NULL;
"""

STEPS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)
"""Scripts in order; the first n of them have run on a file of version n."""


def check_version(connection: sqlite3.Connection) -> int:
    """The file's version; 0 for a new file. Only reads.

    Raises:
        StorageError: a newer llama-sidecar has written the file.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    require_known(version)
    return version


def require_known(version: int) -> None:
    """Require that a version is not newer than this program.

    Raises:
        StorageError: the version is newer.
    """
    if version > len(STEPS):
        raise StorageError(
            f"The history was written by a newer llama-sidecar (schema {version}, this one knows {len(STEPS)}).",
            hint="Update llama-sidecar, or use another --data-dir.",
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the newest version: first a copy of the old file, then all steps in one transaction.

    Raises:
        StorageError: a newer llama-sidecar has written the file; it is left as it is.
        OSError: the copy cannot be made.
    """
    version = check_version(connection)
    if version == len(STEPS):
        return
    if version > 0:
        _back_up(connection, path.with_name(f"{path.stem}-before-schema-{len(STEPS)}{path.suffix}"))
    take_steps(connection, after=version, to=len(STEPS))


def take_steps(connection: sqlite3.Connection, *, after: int = 0, to: int) -> None:
    """Change the schema from one version to another, all or nothing; an unknown `to` means the newest version."""
    to = to if 0 < to <= len(STEPS) else len(STEPS)
    connection.executescript(f"BEGIN; {''.join(STEPS[after:to])} PRAGMA user_version = {to}; COMMIT;")


def indexes_of(connection: sqlite3.Connection) -> list[str]:
    """The search indexes that a file has, which depends on its version."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return [index for index in INDEXES if index in tables]


def _back_up(connection: sqlite3.Connection, copy: Path) -> None:
    """Copy the file; an interrupted copy never has the name of a complete one."""
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    put_in_place(unfinished, copy)
