"""What the history costs at a thousand to a million messages: to append a message, and to search.

Through the storage layer as a turn and a request go through it, in this process. Append: what is committed when a
message is sent, the question and a place for its answer, against a bare SQLite that commits the same two rows with
`synchronous=FULL` to a table without index. Search: pages of 20 for words of every kind, against the bare index that
gives the row numbers of the same page.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.chat.history import History
from sidecar.chat.messages import StoredMessage, new_id, new_message
from sidecar.chat.record import Record
from sidecar.chat.search import match_expression
from sidecar.chat.turn_plan import TurnPlan
from sidecar.contract.sessions import CreateSessionParams, SearchMessagesParams
from sidecar.generation.completion import GenerationRequest
from sidecar.storage.database import Database
from tests.bench import corpus
from tests.bench.figures import Figure, Target, percentile
from tests.bench.hosts import Broken
from tests.bench.plan import Plan
from tests.chat.rows import a_generation, history_in

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SHORT_SIZES = (1_000, 100_000)
PAGE = 20

APPENDS = 40
"""In a round, of each kind and in turn."""

QUESTION_WORDS = 20

APPEND = Target(1.5)
SEARCH_MS = Target(30, on="value")
SEARCH_TARGET_AT = 1_000_000

COLUMNS = "id, session_id, parent_id, role, content, state, created_at"


def run(plan: Plan) -> list[Figure]:
    """All sizes, the smallest first."""
    figures = []
    language = corpus.Language.made_up()
    for size in SHORT_SIZES if plan.short else SIZES:
        made = corpus.history_of(size, plan.cache)
        # Not in a folder for temporary files, which may be in memory: what a commit costs is the disk's to say.
        with tempfile.TemporaryDirectory(dir=plan.cache) as folder:
            copy = Path(folder, "history.db")
            shutil.copyfile(made, copy)
            corpus.to_the_disk(copy)
            figures += asyncio.run(_measure(copy, size, language, plan))
    return figures


async def _measure(path: Path, size: int, language: corpus.Language, plan: Plan) -> list[Figure]:
    bare = _bare_database(path.with_name("bare.db"))
    database = Database(path)
    history = history_in(database, path.parent)
    try:
        appends = await _appends(history, bare, language, plan.rounds(full=11, short=5))
        searches = await _searches(history, database, language, plan.rounds(full=5, short=2))
    finally:
        bare.close()
        await database.close()
    many = f"{size:,} messages"
    ours, reference = zip(*appends, strict=True)
    name = "bare SQLite, synchronous=FULL"
    figures = [Figure(f"append.{size}", f"append, p50, {many}", "ms", ours, reference, name, APPEND)]
    for share, target in ((0.5, None), (0.95, SEARCH_MS if size == SEARCH_TARGET_AT else None)):
        ours, reference = zip(*(search.percentiles(share) for search in searches), strict=True)
        title = f"search, page of {PAGE}, p{share * 100:.0f}, {many}"
        figures.append(Figure(f"search.p{share * 100:.0f}.{size}", title, "ms", ours, reference, "bare index", target))
    slowest = max(searches[0].ours, key=lambda kind: statistics.median(searches[0].ours[kind]))
    times = [statistics.median(search.ours[slowest]) for search in searches]
    title = f"search, p50 of the slowest kind ({slowest}), {many}"
    return [*figures, Figure(f"search.slowest.{size}", title, "ms", times)]


# --- append ------------------------------------------------------------------------------------------------


def _bare_database(path: Path) -> sqlite3.Connection:
    """A table with the columns of a message, and nothing else."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"CREATE TABLE messages ({COLUMNS})")
    return db


async def _appends(
    history: History, bare: sqlite3.Connection, language: corpus.Language, rounds: int
) -> list[tuple[float, float]]:
    """Each round's median milliseconds, ours and the bare database's."""
    session = await history.create(CreateSessionParams(title="bench"))
    found = []
    at = 0
    for _ in range(rounds):
        ours: list[float] = []
        reference: list[float] = []
        for number in range(APPENDS):
            at += QUESTION_WORDS
            question = new_message(
                session.session_id, None, role="user", content=" ".join(language.text[at : at + QUESTION_WORDS])
            )
            if number % 2:
                reference.append(_append_bare(bare, question))
                ours.append(await _append(history, question))
            else:
                ours.append(await _append(history, question))
                reference.append(_append_bare(bare, question))
        found.append((statistics.median(ours), statistics.median(reference)))
    return found


async def _append(history: History, message: StoredMessage) -> float:
    """Keep a question as a turn does; milliseconds."""
    plan = TurnPlan(message.session_id, [], [message], GenerationRequest(messages=[]))
    began = time.perf_counter()
    await Record(history, plan, new_id(), a_generation()).begin()
    return (time.perf_counter() - began) * 1e3


def _append_bare(db: sqlite3.Connection, message: StoredMessage) -> float:
    """Commit the same rows; milliseconds."""
    rows = [
        (message.message_id, message.session_id, None, message.role, message.content, "complete", message.created_at),
        (new_id(), message.session_id, message.message_id, "assistant", "", "running", message.created_at),
    ]
    began = time.perf_counter()
    db.execute("BEGIN")
    for row in rows:
        db.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    db.execute("COMMIT")
    return (time.perf_counter() - began) * 1e3


# --- search ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Searches:
    """Milliseconds of each query, by kind: ours, and those of the bare index."""

    ours: dict[str, list[float]] = field(default_factory=dict)
    bare: dict[str, list[float]] = field(default_factory=dict)

    def percentiles(self, share: float) -> tuple[float, float]:
        """Over all queries, ours and the bare index's."""
        ours, bare = (percentile([t for times in of.values() for t in times], share) for of in (self.ours, self.bare))
        return ours, bare


def queries(words: list[str]) -> dict[str, list[str]]:
    """What people search for, by kind, ten of each, from words of which the commonest are first.

    The last word of a query may be unfinished: hosts that search while somebody types ask for letters.
    """
    common, middling, rare = words[10:1000:99], words[2000:12000:1000], words[20000:50000:3000]
    return {
        "the commonest words": words[:10],
        "common words": common,
        "middling words": middling,
        "rare words": rare,
        "words that are not there": [f"{word}xq" for word in rare],
        "two common words": [f"{a} {b}" for a, b in zip(common, reversed(common), strict=True)],
        "a common and a rare word": [f"{a} {b}" for a, b in zip(common, rare, strict=True)],
        "two middling words": [f"{a} {b}" for a, b in zip(middling, reversed(middling), strict=True)],
        "one letter": list("abcdefghkl"),
        "two letters": [word[:2] for word in middling],
        "three letters": [word[:3] for word in rare],
    }


async def _searches(history: History, database: Database, language: corpus.Language, rounds: int) -> list[_Searches]:
    """Each round's queries, after a round that reads the file into the system's memory."""
    asked = queries(language.words)
    found = []
    for _ in range(rounds + 1):
        searches = _Searches()
        for kind, texts in asked.items():
            for number, text in enumerate(texts):
                both = [(searches.ours, _search(history, text)), (searches.bare, _search_bare(database, text))]
                for times, searching in both if number % 2 else both[::-1]:
                    times.setdefault(kind, []).append(await searching)
        found.append(searches)
    (hits,) = [(await history.search(SearchMessagesParams(query=text, limit=PAGE))).hits for text in language.words[:1]]
    if len(hits) != PAGE:
        raise Broken(f"a search for the commonest word finds {len(hits)} messages")
    return found[1:]


async def _search(history: History, text: str) -> float:
    began = time.perf_counter()
    await history.search(SearchMessagesParams(query=text, limit=PAGE))
    return (time.perf_counter() - began) * 1e3


async def _search_bare(database: Database, text: str) -> float:
    """The row numbers of the same page; only the statement is timed."""
    sql = "SELECT rowid FROM messages_text WHERE messages_text MATCH ? ORDER BY rowid DESC LIMIT ?"
    expression = match_expression(text)

    def work(db: sqlite3.Connection) -> float:
        began = time.perf_counter()
        db.execute(sql, (expression, PAGE + 1)).fetchall()
        return (time.perf_counter() - began) * 1e3

    return await database.run(work)
