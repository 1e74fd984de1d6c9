"""One conversation after the other, as a host has them, and what it was promised on the way.

Owns what a talker does and when something counts as acknowledged. Knows nothing of kills: a request that is never
answered leaves its promise as it was made, uncertain.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Generator
from typing import Any, Protocol

from tests.trust.promises import ImportPromise, Promises, SessionPromise, TurnPromise

SESSIONS = 6
"""That a talker goes on with; the others are only looked at after each kill."""

TURNS = 12
"""In one session, so that it stays within the engine's context."""

Take = Callable[[dict[str, Any]], None]
Step = Generator[tuple[str, dict[str, Any]], Any, None]
"""Something to do: yields a request's method and parameters, gets its result."""


class Line(Protocol):
    """A connection to a sidecar."""

    is_alive: bool

    def ask(self, method: str, params: dict[str, Any], take: Take, listen: Take | None) -> int: ...

    def notify(self, method: str, /, **params: Any) -> None: ...


class Talker:
    """Does one thing after the other, each when the one before is answered.

    Attributes:
        has_engine: whether questions are answered already.
        was_answered: whether the history has answered anything in this life of the sidecar.
        wrong: answers that should not have been.
    """

    def __init__(self, name: str, promises: Promises, chance: random.Random) -> None:
        self.wrong: list[str] = []
        self.has_engine = self.was_answered = False
        self._name = name
        self._promises = promises
        self._chance = chance
        self._sessions: list[str] = []
        self._answered: dict[str, list[TurnPromise]] = {}
        self._count = 0

    def begin(self, line: Line) -> None:
        """Talk to a sidecar that was just started."""
        self._line = line
        self.has_engine = self.was_answered = False
        self._listener: Take | None = None
        known = self._promises.sessions
        self._sessions = [id_ for id_ in self._sessions if id_ in known and known[id_].is_certain][-SESSIONS:]
        self._doing = self._live()
        self._ask(next(self._doing))

    def _ask(self, request: tuple[str, dict[str, Any]]) -> None:
        self._request_id = self._line.ask(*request, self._take, self._listener)

    def _take(self, answer: dict[str, Any]) -> None:
        error = answer.get("error")
        if error is not None and error["data"]["name"] != "CANCELLED":
            self.wrong.append(f"{error}")
            return
        self._listener = None
        self.was_answered = True
        request = self._doing.send(answer.get("result"))
        if self._line.is_alive:
            self._ask(request)

    def _live(self) -> Step:
        while True:
            can: list[Callable[[], Step]] = [self._create, self._bring_in]
            if self._name == "0":  # two at once would leave open whose change is the last
                can.append(self._configure)
            if self._sessions:
                can += [self._rename, self._delete_and_restore]
                if self.has_engine:
                    can += [self._say] * 6 + [self._say_and_cancel] * 2 + [self._ask_again] * 2 + [self._edit] * 2
            yield from self._chance.choice(can)()

    # --- sessions and settings -----------------------------------------------------------------------------------

    def _create(self) -> Step:
        id_, title = self._new_id(), self._unique("title")
        session = self._promises.sessions[id_] = SessionPromise(titles={title})
        yield "create_session", {"session_id": id_, "title": title}
        session.exists = {True}
        self._sessions = [*self._sessions, id_][-SESSIONS:]

    def _rename(self) -> Step:
        id_, title = self._chance.choice(self._sessions), self._unique("title")
        session = self._promises.sessions[id_]
        session.titles.add(title)
        yield "update_session", {"session_id": id_, "title": title}
        session.titles = {title}

    def _delete_and_restore(self) -> Step:
        id_ = self._chance.choice(self._sessions)
        session = self._promises.sessions[id_]
        session.deleted.add(True)
        yield "delete_session", {"session_id": id_}
        session.deleted = {True}
        self._sessions.remove(id_)
        if self._chance.random() < 0.5:
            session.deleted.add(False)
            yield "restore_session", {"session_id": id_}
            session.deleted = {False}
            self._sessions.append(id_)

    def _bring_in(self) -> Step:
        title = self._unique("imported")
        promise = ImportPromise(title, [f"{title} {n}" for n in range(self._chance.randrange(1, 8))])
        self._promises.imports.append(promise)
        ids = [None, *(self._new_id() for _ in promise.contents)]
        now = time.time()
        messages = [
            {"message_id": id_, "parent_id": parent, "role": "user", "content": content, "created_at": now}
            for parent, id_, content in zip(ids, ids[1:], promise.contents, strict=False)
        ]
        session: dict[str, Any] = {"format": "llama-sidecar/session", "version": 1, "session_id": self._new_id()}
        session |= {"title": title, "system": None, "config": {}, "created_at": now, "updated_at": now}
        session |= {"head": ids[-1], "messages": messages}
        result = yield "import_session", {"content": json.dumps(session)}
        promise.session_id = result["session_id"]

    def _configure(self) -> Step:
        seed = self._chance.randrange(2**31)
        self._promises.seeds.add(seed)
        yield "set_config", {"patch": {"chat": {"seed": seed}}}
        self._promises.seeds = {seed}

    # --- turns ---------------------------------------------------------------------------------------------------

    def _say(self) -> Step:
        id_, words = self._chance.choice(self._sessions), self._words()
        yield from self._turn("send_message", TurnPromise(id_, *words), message=words[0])

    def _say_and_cancel(self) -> Step:
        id_, words = self._chance.choice(self._sessions), self._words()
        turn, length = TurnPromise(id_, *words), self._chance.randrange(1, 150)
        yield from self._turn("send_message", turn, cancel_at=length, message=words[0])

    def _ask_again(self) -> Step:
        if known := self._known_turn():
            turn = TurnPromise(known.session_id, known.question, known.answer, is_kept=True)
            turn.question_id = known.question_id
            # One at a time, so that an answer that breaks off can be told from the others.
            self._answered[known.session_id].remove(known)
            yield from self._turn("regenerate_message", turn, message_id=known.message_id)

    def _edit(self) -> Step:
        if known := self._known_turn():
            words = self._words()
            turn = TurnPromise(known.session_id, *words)
            yield from self._turn("edit_message", turn, message_id=known.question_id, message=words[0])

    def _turn(self, method: str, turn: TurnPromise, *, cancel_at: int | None = None, **params: Any) -> Step:
        self._promises.turns.append(turn)
        cancelled = False

        def listen(event: dict[str, Any]) -> None:
            nonlocal cancelled
            if event["status"] == "token":
                turn.seen += event["chunk"]
                turn.is_kept = True
                if cancel_at is not None and len(turn.seen) >= cancel_at and not cancelled and self._line.is_alive:
                    cancelled = True
                    self._line.notify("$/cancel", id=self._request_id)
            elif event["status"] == "done":
                turn.state, turn.message_id, turn.question_id = (
                    "complete",
                    event["message_id"],
                    event["user_message_id"],
                )
                if not turn.answer == turn.seen == event["content"]:
                    self.wrong.append(f"{turn.answer!r}, but {turn.seen!r} and {event['content']!r}")
            elif event["status"] == "cancelled":
                turn.state = "cancelled"
                if turn.seen != event["partial"]:
                    self.wrong.append(f"cancelled at {turn.seen!r}, but {event['partial']!r}")

        self._listener = listen
        yield method, {"session_id": turn.session_id, **params}
        if turn.state == "complete":
            turns = self._answered.setdefault(turn.session_id, [])
            turns.append(turn)
            if len(turns) >= TURNS:
                self._sessions.remove(turn.session_id)

    def _known_turn(self) -> TurnPromise | None:
        known = [turn for id_ in self._sessions for turn in self._answered.get(id_, ())]
        return self._chance.choice(known) if known else None

    def _words(self) -> tuple[str, str]:
        """A question that there has not been, and what the engine says to it."""
        answer = " ".join([self._unique("said"), *(f"w{n}" for n in range(self._chance.randrange(60)))])
        return f"delay={self._chance.choice(('0', '0.001', '0.003'))} text={answer}", answer

    def _unique(self, word: str) -> str:
        self._count += 1
        return f"{word}-{self._name}-{self._count}"

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128)))
