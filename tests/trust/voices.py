"""What somebody does with a sidecar for an hour: talk, stop an answer, come back to one, look around, make mistakes.

Owns what is asked, and what has to be answered. How many do so at once, and what it costs, is `soak`'s business.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.app.talking import words
from tests.trust.async_host import AsyncHost, Refused
from tests.trust.ledger import Told

TURNS_A_SESSION = 6
"""Then it is deleted, so that prompts and history stay as long as they are."""

CRASHES = frozenset({"ENGINE_CRASHED", "SERVER_NOT_RUNNING"})
"""What is answered while an engine is down."""


@dataclass
class Stage:
    """What all voices share.

    Attributes:
        host: the sidecar.
        may_go_on: cleared while everybody is to be quiet.
        busy: voices that are in the middle of something.
        over: whether it is time to stop.
        done: how often which act was done.
        crashed: answers that a crash on purpose has cost.
        up: which servers are running, by id; the others have crashed, on purpose.
    """

    host: AsyncHost
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0
    over: bool = False
    done: Counter[str] = field(default_factory=Counter)
    crashed: int = 0
    up: dict[str, asyncio.Event] = field(default_factory=dict)


class Voice:
    """One who talks, on one server; what is random comes from `seed`."""

    def __init__(self, stage: Stage, server_id: str, *, seed: int, rate: float, most_words: int, fragile: bool) -> None:
        self._stage = stage
        self._host = stage.host
        self._server_id = server_id
        self._random = Random(seed)  # noqa: S311 - the same hour again
        self._rate = rate
        self._most_words = most_words
        self._fragile = fragile
        self._session = str(uuid.uuid4())
        self._turns = 0
        self._is_known = False
        self._name = f"voice {seed}"
        self._channels = 0
        self._acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (40, self.talk),
            (15, self.talk_without_channel),
            (8, self.cancel_request),
            (8, self.cancel_message),
            (8, self.come_back),
            (5, self.call_a_tool),
            (4, self.answer_again),
            (4, self.meet_a_broken_answer),
            (3, self.make_a_mistake),
            (3, self.look_around),
            (2, self.watch_for_a_while),
        ]

    async def go_on(self) -> None:
        """Do one thing after the other until it is over."""
        weights = [weight for weight, _ in self._acts]
        while not self._stage.over:
            await self._stage.up[self._server_id].wait()
            await self._stage.may_go_on.wait()  # last: who is to be quiet must not go on when an engine comes back
            [(_, act)] = self._random.choices(self._acts, weights)
            self._stage.busy += 1
            try:
                await self._do(act)
            finally:
                self._stage.busy -= 1

    async def _do(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
            self._turns += 1
            if self._turns >= TURNS_A_SESSION and self._is_known:
                await self._host.ask("delete_session", session_id=self._session)
                self._begin_anew()
        except Refused as refused:
            # Only an engine that crashes on purpose excuses that; what is left of the session is left behind.
            self._begin_anew()
            if self._fragile and refused.name in CRASHES:
                self._stage.crashed += 1
                await asyncio.sleep(0.1)
            else:
                self._wrong(f"{refused.name} in {act.__name__}: {refused}")
        except TimeoutError:
            self._wrong(f"no answer in {act.__name__}")
        self._stage.done[act.__name__] += 1

    # --- talking -------------------------------------------------------------------------------------------

    async def talk(self) -> None:
        """Say something, and follow the answer."""
        count, thoughts = self._count(), self._random.choice((0, 0, 3))
        told, _, answer = self._begin(f"tokens={count} reasoning={thoughts} rate={self._rate}")
        result = await self._result(told, answer)
        self._expect("".join(told[1].text), words(count))
        self._expect("".join(told[1].reasoning), "".join(f"r{i} " for i in range(1, thoughts + 1)))
        self._expect(result["content"], words(count))

    async def talk_without_channel(self) -> None:
        """Say something, and wait for the whole answer."""
        count = self._count()
        message = f"tokens={count} rate={self._rate}"
        result = await self._host.ask(
            "send_message", message=message, session_id=self._session, server_id=self._server_id
        )
        self._expect(result["content"], words(count))

    async def cancel_request(self) -> None:
        """Stop an answer by its request."""
        told, id_, answer = self._begin(f"tokens=100000 rate={self._rate}")
        await self._host.heard(told[1], self._random.randint(0, 20))
        self._host.notify("$/cancel", id=id_)
        await self._cancelled(told, answer)

    async def cancel_message(self) -> None:
        """Stop an answer by its session."""
        told, _, answer = self._begin(f"tokens=100000 rate={self._rate}")
        await self._host.heard(told[1], self._random.randint(1, 20))
        if told[1].end is None:
            found = await self._host.ask("cancel_message", session_id=self._session)
            if not self._fragile:
                self._expect(found["cancelled"], 1)
        await self._cancelled(told, answer)

    async def come_back(self) -> None:
        """Follow an answer on a second channel from somewhere in its middle."""
        count = self._count() + 20
        told, _, answer = self._begin(f"tokens={count} rate={self._rate}")
        await self._host.heard(told[1], self._random.randint(1, 15))
        seq, heard = told[1].seq, "".join(told[1].text)
        again = self._open()
        _, resumed = self._host.begin("resume_session", session_id=self._session, after_seq=seq, channel=again[0])
        results = await asyncio.gather(self._result(told, answer), self._result(again, resumed), return_exceptions=True)
        for problem in results:
            if isinstance(problem, BaseException):
                raise problem
        self._expect(heard + "".join(again[1].text), words(count))
        self._expect("".join(told[1].text), words(count))

    async def call_a_tool(self) -> None:
        """Be asked for a function call, and answer it."""
        told, _, answer = self._begin("tool=get_time")
        [call] = (await self._result(told, answer))["tool_calls"]
        await self._host.ask(
            "send_message",
            message="",
            tool_results=[{"tool_call_id": call["id"], "content": "12:00"}],
            session_id=self._session,
            server_id=self._server_id,
        )

    async def answer_again(self) -> None:
        """Have a question answered twice."""
        count = self._count()
        told, _, answer = self._begin(f"tokens={count} rate={self._rate}")
        await self._result(told, answer)
        name, again = self._open()
        _, second = self._host.begin("regenerate_message", session_id=self._session, channel=name)
        result = await self._result((name, again), second)
        self._expect(result["content"], words(count))

    # --- what goes wrong -----------------------------------------------------------------------------------

    async def meet_a_broken_answer(self) -> None:
        """Get an answer that the engine breaks off, in one way or the other."""
        how = self._random.choice(("error-after=5", "garbage-after=5"))
        told, _, answer = self._begin(f"tokens=50 rate={self._rate} {how}")
        try:
            await self._result(told, answer)
        except Refused as refused:
            if refused.name in CRASHES:
                raise
            self._expect(refused.data.get("partial", words(5)), words(5))
        else:
            self._wrong("a broken answer was told as a whole one")
        self._expect("".join(told[1].text), words(5))

    async def make_a_mistake(self) -> None:
        """Ask for what can not be."""
        name, told = self._open()
        params = self._random.choice(({"temperature": "hot"}, {"images": ["no image"]}, {"no_such_thing": 1}))
        _, answer = self._host.begin("send_message", message="x", channel=name, server_id=self._server_id, **params)
        try:
            await self._result((name, told), answer)
        except Refused as refused:
            self._expect(refused.name, "INVALID_PARAMS")

    # --- beside it -----------------------------------------------------------------------------------------

    async def look_around(self) -> None:
        """Read what there is to read."""
        await self._host.ask_at_once(("ping", {}), ("get_resources", {}), ("list_servers", {}), ("ping", {}))
        for method, params in (
            ("list_sessions", {"limit": 10}),
            ("search_messages", {"query": "w3", "limit": 5}),
            ("get_logs", {"limit": 50}),
            ("count_tokens", {"text": "some words", "server_id": self._server_id}),
        ):
            await self._host.ask(method, **params)
        if self._is_known:
            await self._host.ask("get_messages", session_id=self._session)
            await self._host.ask("export_session", session_id=self._session)

    async def watch_for_a_while(self) -> None:
        """Subscribe to everything, and leave again."""
        name, _ = self._open()
        await self._host.ask("subscribe", topics=["servers", "sessions", "logs", "resources"], channel=name)
        await asyncio.sleep(self._random.random())
        await self._host.ask("unsubscribe", channel=name)
        self._host.ledger.close(name)

    # --- pieces --------------------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        """Go on in a session that there is not yet; a turn that is stopped before its first word makes none."""
        self._session, self._turns, self._is_known = str(uuid.uuid4()), 0, False

    def _open(self) -> tuple[str, Told]:
        self._channels += 1
        name = f"{self._name}.{self._channels}"
        return name, self._host.ledger.open(name)

    def _begin(self, message: str) -> tuple[tuple[str, Told], int, asyncio.Future[dict[str, Any]]]:
        name, told = self._open()
        id_, answer = self._host.begin(
            "send_message", message=message, session_id=self._session, server_id=self._server_id, channel=name
        )
        return (name, told), id_, answer

    async def _result(self, channel: tuple[str, Told], answer: asyncio.Future[dict[str, Any]]) -> Any:
        """Wait for an answer, whose channel is over then."""
        try:
            return await self._host.result_of(answer)
        finally:
            self._is_known |= bool(channel[1].text)
            self._host.ledger.close(channel[0])

    async def _cancelled(self, channel: tuple[str, Told], answer: asyncio.Future[dict[str, Any]]) -> None:
        """Wait for the end of a request that was cancelled."""
        try:
            await self._result(channel, answer)
        except Refused as refused:
            if refused.name != "CANCELLED":
                raise
            self._expect(refused.data.get("partial", ""), "".join(channel[1].text))
        else:
            self._wrong("a cancelled request has a result")

    def _count(self) -> int:
        return self._random.randint(1, self._most_words)

    def _expect(self, found: Any, wanted: Any) -> None:
        if found != wanted:
            self._wrong(f"{str(found)[:80]!r} instead of {str(wanted)[:80]!r}")

    def _wrong(self, what: str) -> None:
        self._host.ledger.fault(f"{self._name}: {what}")
