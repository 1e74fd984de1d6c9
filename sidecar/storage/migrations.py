"""The schema of the history file, and the migration from every older one.

Owns every table. A released step is never changed; a new one is added.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sidecar.contract.errors import StorageError
from sidecar.storage import search_index
from sidecar.storage.atomic_files import put_in_place

_TEXT_TRIGGERS_1 = {
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
"""The triggers of step 1, which step 5 replaces."""

_PARTS_CONDITION = search_index.INSIDE_WORDS
_ADD_PARTS = (
    "INSERT INTO messages_parts (rowid, content) SELECT new.rowid, new.content || '  '"
    f" WHERE {_PARTS_CONDITION.format('new.')}"
)
_REMOVE_PARTS = (
    "INSERT INTO messages_parts (messages_parts, rowid, content)"
    f" SELECT 'delete', old.rowid, old.content || '  ' WHERE {_PARTS_CONDITION.format('old.')}"
)
_PARTS_TRIGGERS_3 = {
    "messages_parts_insert": f"AFTER INSERT ON messages BEGIN {_ADD_PARTS}; END",
    "messages_parts_delete": f"AFTER DELETE ON messages BEGIN {_REMOVE_PARTS}; END",
    "messages_parts_update": f"AFTER UPDATE OF content ON messages BEGIN {_REMOVE_PARTS}; {_ADD_PARTS}; END",
}
"""The triggers of step 3, which step 5 replaces."""

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
{"".join(f"CREATE TRIGGER {name} {body};" for name, body in _TEXT_TRIGGERS_1.items())}

CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;  -- small things to remember, as JSON
"""

_VERSION_2 = """
ALTER TABLE messages ADD COLUMN warnings TEXT;   -- JSON of the answer's warnings, which never quote a message
"""

_VERSION_3 = f"""
CREATE VIEW messages_with_parts AS SELECT rowid, content || '  ' AS content FROM messages
    WHERE {_PARTS_CONDITION.format("")};
CREATE VIRTUAL TABLE messages_parts USING fts5 (
    content, content = 'messages_with_parts', content_rowid = 'rowid', tokenize = 'trigram', detail = 'none',
    columnsize = 0
);
CREATE VIRTUAL TABLE messages_parts_terms USING fts5vocab (messages_parts, row);
{"".join(f"CREATE TRIGGER {name} {body};" for name, body in _PARTS_TRIGGERS_3.items())}
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

_REBUILD = "INSERT INTO {0} ({0}) SELECT 'rebuild' WHERE NOT EXISTS ({1})"
_IS_ENCRYPTED = "SELECT 1 FROM sqlite_schema WHERE name = 'messages_sealed_insert'"

_VERSION_5 = f"""
{"".join(f"DROP TRIGGER IF EXISTS {name};" for name in search_index.ALL_TRIGGERS)}
DROP TABLE messages_parts_terms;
DROP TABLE messages_parts;
DROP VIEW messages_with_parts;
DROP TABLE messages_text;
CREATE VIEW messages_folded AS SELECT rowid, fold(content) AS content FROM messages;
CREATE VIRTUAL TABLE messages_text USING fts5 (
    content, content = 'messages_folded', content_rowid = 'rowid', prefix = '2 3',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);
CREATE VIEW messages_with_parts AS SELECT rowid, fold(content) || '  ' AS content FROM messages
    WHERE {_PARTS_CONDITION.format("")};
CREATE VIRTUAL TABLE messages_parts USING fts5 (
    content, content = 'messages_with_parts', content_rowid = 'rowid', tokenize = 'trigram', detail = 'none',
    columnsize = 0
);
CREATE VIRTUAL TABLE messages_parts_terms USING fts5vocab (messages_parts, row);
{"".join(f"CREATE TRIGGER {name} {body};" for name, body in search_index.ALL_TRIGGERS.items())}
{"".join(_REBUILD.format(index, _IS_ENCRYPTED) + ";" for index in search_index.INDEXES)}
"""  # noqa: S608 - constants
"""The indexes hold the folded text, so that a message is found by the same rule as a title: without vowel points, in
any width, with marks as a part of their word."""

STEPS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
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
    search_index.register(connection)
    connection.executescript(f"BEGIN; {''.join(STEPS[after:to])} PRAGMA user_version = {to}; COMMIT;")


def _back_up(connection: sqlite3.Connection, copy: Path) -> None:
    """Copy the file; an interrupted copy never has the name of a complete one."""
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    put_in_place(unfinished, copy)
