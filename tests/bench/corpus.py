"""Histories of a given length, with words as people use them, built once and kept in a folder outside the tree.

The words are made up; how often each comes follows Zipf's law, as in every language: the commonest is in nearly every
message, and half of all words come a few times. Rows go through the real schema with its triggers, many in a
transaction, so that the search index has grown as it does in use. The same seed makes the same history.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import sqlite3
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sidecar.storage import migrations

SEED = 20251121
VOCABULARY = 50_000
POOL_WORDS = 2_000_000
"""A text of so many words, from which messages are cut: to draw each word of each message anew would take minutes."""

SESSION_MESSAGES = 20
USER_WORDS, ANSWER_WORDS = (4, 30), (20, 100)
"""At least and at most, of a question and of an answer: 50 KB of them are a long evening."""

ROWS_AT_ONCE = 5_000
START = 1_700_000_000.0
BEGINNINGS = ("b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "pl")
SYLLABLES = [first + last for first in BEGINNINGS for last in "aeiou"]


@dataclass(frozen=True, slots=True)
class Language:
    """Words, the commonest first, and a long text of them."""

    words: list[str]
    text: list[str]

    @classmethod
    def made_up(cls) -> Language:
        """Always the same one."""
        rng = random.Random(SEED)  # noqa: S311 - no secret
        words: dict[str, None] = {}
        while len(words) < VOCABULARY:
            # The commoner a word, the shorter.
            longest = 1 + len(words).bit_length() // 5
            words["".join(rng.choices(SYLLABLES, k=rng.randint(1, longest)))] = None
        weights = itertools.accumulate(1 / rank for rank in range(1, VOCABULARY + 1))
        listed = list(words)
        return cls(listed, rng.choices(listed, cum_weights=list(weights), k=POOL_WORDS))


def history_of(messages: int, folder: Path) -> Path:
    """The file of a history with so many messages, made now if it is not there. Nobody may write into it."""
    made_of = "".join(migrations.STEPS) + Path(__file__).read_text(encoding="utf-8")
    key = hashlib.sha256(made_of.encode()).hexdigest()[:12]
    path = folder / f"history-{messages}-{key}.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for older in folder.glob(f"history-{messages}-*"):
            older.unlink()
        part = path.with_suffix(".part")
        began = time.perf_counter()
        print(f"Making a history of {messages:,} messages, once ...", flush=True)
        _build(part, messages)
        part.rename(path)
        print(f"  done in {time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e6:.0f} MB", flush=True)
    return path


def _build(path: Path, messages: int) -> None:
    language, rng = Language.made_up(), random.Random(SEED + messages)  # noqa: S311 - no secret
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        # A build that is broken off is thrown away: nothing has to be safe before its end.
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -262144")
        migrations.migrate(db, path)
        for first in range(0, messages, ROWS_AT_ONCE):
            db.execute("BEGIN")
            _insert(db, language, rng, first, min(first + ROWS_AT_ONCE, messages))
            db.execute("COMMIT")
    to_the_disk(path)


def to_the_disk(path: Path) -> None:
    """Wait until a file is on the disk: what is measured next must not wait for it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _insert(db: sqlite3.Connection, language: Language, rng: random.Random, first: int, last: int) -> None:
    sessions, rows = [], []
    session = parent = ""
    for number in range(first, last):
        at, is_question = START + number * 30, number % 2 == 0
        message_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        if number % SESSION_MESSAGES == 0 or not session:
            session, parent = str(uuid.UUID(int=rng.getrandbits(128), version=4)), ""
            sessions.append((session, f"Session {number // SESSION_MESSAGES}", at))
        fewest, most = USER_WORDS if is_question else ANSWER_WORDS
        start, length = rng.randrange(POOL_WORDS - most), rng.randint(fewest, most)
        content = " ".join(language.text[start : start + length])
        role = "user" if is_question else "assistant"
        rows.append((message_id, session, parent or None, role, content, at))
        parent = message_id
    db.executemany(
        "INSERT INTO sessions (id, title, title_is_own, config, created_at, updated_at)"
        " VALUES (?1, ?2, 1, '{}', ?3, ?3)",
        sessions,
    )
    db.executemany(
        "INSERT INTO messages (id, session_id, parent_id, role, content, state, created_at)"
        " VALUES (?, ?, ?, ?, ?, 'complete', ?)",
        rows,
    )
    db.execute(
        "UPDATE sessions SET message_count = (SELECT count(*) FROM messages m WHERE m.session_id = sessions.id),"
        " head = (SELECT id FROM messages m WHERE m.session_id = sessions.id ORDER BY rowid DESC LIMIT 1)"
        " WHERE created_at >= ?",
        (START + first * 30,),
    )
