"""What a sidecar has promised its host in all rounds so far, and whether a history file keeps it.

Owns the model: what was acknowledged is certain, what was under way at a kill may have happened or not, and nothing
else can be. It reads the file with SQLite alone, so what it finds is what is there and not what a sidecar says.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Row = dict[str, Any]

_COLUMNS = ("id", "session_id", "parent_id", "role", "content", "state")


@dataclass(slots=True)
class SessionPromise:
    """How a session may look; where one value is left, it must."""

    titles: set[str]
    exists: set[bool] = field(default_factory=lambda: {False, True})
    deleted: set[bool] = field(default_factory=lambda: {False})

    @property
    def is_certain(self) -> bool:
        """Whether it is there and not deleted, for sure."""
        return self.exists == {True} and self.deleted == {False}


@dataclass(slots=True, eq=False)
class TurnPromise:
    """A question and an answer to it.

    Attributes:
        question: the user's message; no two are alike.
        answer: what the engine says to it, whole.
        is_kept: the question must be there: it was before, or something of the answer was seen.
        seen: what the host has seen of the answer.
        state: what the answer was acknowledged as; `None` where it was not.
        message_id: the answer's, where it is acknowledged as complete.
        question_id: the question's, as soon.
        is_tidied: a sidecar has been started since it broke off, and has answered.
    """

    session_id: str
    question: str
    answer: str
    is_kept: bool = False
    seen: str = ""
    state: Literal["complete", "cancelled"] | None = None
    message_id: str = ""
    question_id: str = ""
    is_tidied: bool = False


@dataclass(slots=True)
class ImportPromise:
    """A session that is brought in whole or not at all."""

    title: str
    contents: list[str]
    session_id: str | None = None


@dataclass(slots=True)
class Promises:
    """Everything, for one data folder."""

    sessions: dict[str, SessionPromise] = field(default_factory=dict)
    turns: list[TurnPromise] = field(default_factory=list)
    imports: list[ImportPromise] = field(default_factory=list)
    seeds: set[int | None] = field(default_factory=lambda: {None})

    @property
    def acknowledged(self) -> int:
        """How many messages the host was told to be kept: questions and their answers, and what was brought in."""
        answers = [turn for turn in self.turns if turn.state is not None]
        brought_in = sum(len(i.contents) for i in self.imports if i.session_id is not None)
        return len(answers) + len({turn.question for turn in answers}) + brought_in

    def broken_in(self, db: sqlite3.Connection) -> list[str]:
        """Every promise that a history does not keep, in words."""
        return list(self._broken_in(_History(db)))

    def settle(self, db: sqlite3.Connection) -> None:
        """What may have happened has or has not; from now on that is certain, too."""
        history = _History(db)
        for id_, session in list(self.sessions.items()):
            if found := history.sessions.get(id_):
                session.exists, session.titles, session.deleted = {True}, {found[0]}, {found[1]}
            else:
                del self.sessions[id_]
        for turn in self.turns:
            turn.is_kept = turn.question in history.questions
        self.turns = [turn for turn in self.turns if turn.is_kept]
        for imported in self.imports:
            imported.session_id = next(iter(history.named[imported.title]), None)
        self.imports = [imported for imported in self.imports if imported.session_id is not None]

    def _broken_in(self, history: _History) -> Iterator[str]:
        yield from history.defects()
        for id_, session in self.sessions.items():
            yield from _broken_session(id_, session, history.sessions.get(id_))
        complete = {turn.message_id for turn in self.turns if turn.state == "complete"}
        for turn in self.turns:
            yield from _broken_turn(turn, history, complete)
        for imported in self.imports:
            yield from _broken_import(imported, history)


class _History:
    """A history file, read once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.named: dict[str, set[str]] = defaultdict(set)
        query = "SELECT id, title, deleted_at IS NOT NULL FROM sessions"
        self.sessions = {id_: (title, bool(deleted)) for id_, title, deleted in db.execute(query)}
        for id_, (title, _) in self.sessions.items():
            self.named[title].add(id_)
        self.contents: set[str] = set()
        self.questions: dict[str, Row] = {}
        self.answers: dict[str, list[Row]] = defaultdict(list)
        for row in db.execute(f"SELECT {', '.join(_COLUMNS)} FROM messages"):
            message = dict(zip(_COLUMNS, row, strict=True))
            self.contents.add(message["content"])
            if message["role"] == "user":
                self.questions[message["content"]] = message
            else:
                self.answers[message["parent_id"]].append(message)

    def defects(self) -> Iterator[str]:
        """What is wrong with the file whatever was promised."""
        for (found,) in self._db.execute("PRAGMA integrity_check"):
            if found != "ok":
                yield f"integrity_check: {found}"
        for row in self._db.execute("PRAGMA foreign_key_check"):
            yield f"integrity_check: a message without a session, {row}"
        wrong = self._db.execute(
            "SELECT id, message_count, head FROM sessions WHERE"
            " message_count <> (SELECT count(*) FROM messages WHERE session_id = sessions.id)"
            " OR (message_count > 0) <>"
            " (coalesce(head, '') IN (SELECT id FROM messages WHERE session_id = sessions.id))"
        )
        for row in wrong:
            yield f"integrity_check: a session that does not fit its messages, {row}"


def _broken_session(id_: str, promise: SessionPromise, found: tuple[str, bool] | None) -> Iterator[str]:
    if (found is not None) not in promise.exists:
        yield f"lost: session {id_}"
    elif found is not None:
        title, deleted = found
        if title not in promise.titles:
            yield f"lost: the title of session {id_}, {title!r} is none of {promise.titles}"
        if deleted not in promise.deleted:
            yield f"lost: session {id_} is {'deleted' if deleted else 'back'}"


def _broken_turn(turn: TurnPromise, history: _History, complete: set[str]) -> Iterator[str]:
    question = history.questions.get(turn.question)
    if question is None:
        if turn.is_kept or turn.state is not None:
            yield f"lost: the question {turn.question!r}"
        return
    if (question["session_id"], question["state"]) != (turn.session_id, "complete"):
        yield f"lost: the question is not as it was, {question}"
    answers = history.answers[question["id"]]
    if turn.state == "complete":
        if (turn.message_id, turn.answer, "complete") not in [(a["id"], a["content"], a["state"]) for a in answers]:
            yield f"lost: the answer to {turn.question!r}"
        return
    others = [answer for answer in answers if answer["id"] not in complete]
    if len(others) > 1 or (turn.seen and not others):
        yield f"broken off: an answer is there {len(others)} times, {turn.question!r}"
    for answer in others:
        yield from _broken_off(turn, answer)


def _broken_off(turn: TurnPromise, answer: Row) -> Iterator[str]:
    """An answer that was cancelled, or whose end the host was not told; it may have been kept."""
    content, state = answer["content"], answer["state"]
    if turn.state == "cancelled":
        states, is_right = {"cancelled"}, content == turn.seen
    elif state == "complete":
        states, is_right = {"complete"}, content == turn.answer
    else:
        # Up to the next start it stands there as it was begun.
        states = {"interrupted", "cancelled"} | (set() if turn.is_tidied else {"running"})
        least = turn.seen if turn.is_tidied else ""
        is_right = turn.answer.startswith(content) and content.startswith(least)
    if state not in states or not is_right:
        yield f"broken off: {turn.seen!r} was seen of an answer ({turn.state}), {content!r} is kept as {state}"


def _broken_import(promise: ImportPromise, history: _History) -> Iterator[str]:
    named = history.named[promise.title]
    there = sum(content in history.contents for content in promise.contents)
    if promise.session_id is not None and named != {promise.session_id}:
        yield f"lost: what was imported as {promise.title!r}"
    elif there != (len(promise.contents) if named else 0):
        yield f"lost: of what was imported as {promise.title!r}, {there} of {len(promise.contents)} messages are there"
