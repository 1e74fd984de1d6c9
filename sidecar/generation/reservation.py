"""What one request reserves of the context that its engine's slots share.

Owns how much a request asks for: before it is sent, and while its answer grows. `admission.rule` says how it is
granted. Costs nothing where slots share no context, and no call for a token: `watch` says when to look again.

The prompt is counted only where its length matters: with nothing else running, a request reserves the whole cache until
the engine has told the prompt's length, which it does before it computes it; and a prompt whose bytes show that it fits
is not counted either.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio

from sidecar.contract.chat import TurnLoading, TurnQueued
from sidecar.contract.errors import SidecarError
from sidecar.contract.warnings import ResultWarning, warning_of
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.client.http_errors import context_too_long
from sidecar.generation.admission.scheduler import AdmissionQueue, Ticket
from sidecar.generation.answer import Answer
from sidecar.servers.server import Server

MAX_PART = 1024
"""Tokens that an answer without `max_tokens` reserves at first and whenever it grows: longer than most answers."""

MARGIN = 32
"""So many tokens before the end of its reservation an answer asks for more: those that the engine may be ahead of what
has been read from it, a third of a second at 100 tokens a second."""

DRAIN_SECONDS = 5.0
"""How long a request waits for an engine to notice that others were broken off. It does not interrupt a batch of the
prompt that it is computing."""

DRAIN_POLL_SECONDS = 0.02

NEVER = sys.maxsize


class Reservation:
    """The tokens that one request holds.

    Args:
        ticket: its place; it has a slot.
        max_context: the most tokens that prompt and answer may use.
        max_tokens: the longest answer; `None` if the request does not limit it.

    Attributes:
        watch: the number of the answer's pieces at which `follow` is to be called.
        has_waited: it had to wait for others.
    """

    def __init__(self, ticket: Ticket, max_context: int, max_tokens: int | None) -> None:
        self.watch = NEVER
        self.has_waited = False
        self._ticket = ticket
        self._max_context = max_context
        self._max_tokens = max_tokens
        self._body: dict[str, Any] = {}
        self._prompt: int | None = None
        self._overflows = 0
        self._cut = False

    async def take(
        self, body: dict[str, Any], counted: int | None, server: Server
    ) -> AsyncIterator[TurnQueued | TurnLoading]:
        """Reserve what a request needs, before it is sent.

        Args:
            body: the request.
            counted: the prompt's tokens, if they were counted.
            server: counts them otherwise, if need be.

        Yields:
            Its position in the queue, whenever it has changed, and the load of an engine that ended meanwhile.

        Raises:
            ContextTooLong: it does not fit, even alone.
            EngineGone: the engine closed the connection.
        """
        ticket, queue = self._ticket, self._ticket.queue
        if queue.tokens is None:
            return
        self.watch, self._body = 0, body
        if "tools" in body or "response_format" in body:  # their tokens do not all come as pieces
            body["timings_per_token"] = True
        whole, elastic = queue.tokens, self._max_tokens is None
        if self._prompt is None:
            self._prompt = counted
        if self._prompt is None and not self._overflows:
            bound = queue.bound.of(body) if queue.held else None  # alone it can have everything
            needed = whole if bound is None else min(self._need(bound), whole)
            if ticket.claim_if_free(needed, elastic=elastic):
                await _drained(queue, server)
                return
            self._prompt = await _count(server, body)
        if self._prompt is not None and self._prompt >= self._max_context:
            raise context_too_long(self._max_context, self._prompt)
        need = whole if self._prompt is None or self._overflows else self._need(self._prompt)
        ticket.claim(min(need, whole), elastic=elastic)
        while (position := await ticket.next_position()) is not None:
            self.has_waited = True
            yield TurnQueued(position=position)
        if self.has_waited:  # perhaps for longer than the engine lived
            async for load in server.until_ready():
                yield TurnLoading(stage=load.stage, progress=load.progress)
        await _drained(queue, server)

    def follow(self, answer: Answer) -> None:
        """Hold what the answer needs now: less, once the prompt's length is known, and more as it grows."""
        prompt = answer.prompt_tokens
        if prompt is None:
            return
        if self._prompt is None:
            self._ticket.queue.bound.learn(self._body, prompt)
        self._prompt = prompt
        if self._overflows:
            self.watch = NEVER
        elif self._max_tokens is not None:
            needed = self._need(prompt)
            self.watch = NEVER if self._ticket.ask(needed) >= needed else answer.pieces + 1
        else:
            part = self._part()
            held = self._ticket.ask(min(prompt + answer.pieces + part, self._max_context))
            ahead = held - prompt - min(MARGIN, part // 2)
            self.watch = NEVER if held >= self._max_context else max(ahead, answer.pieces + 1)

    def overflowed(self, answer: Answer) -> None:
        """The engine has ended the request, since the cache was full all the same.

        Raises:
            ContextTooLong: nothing else ran beside it.
        """
        self._ticket.is_sent = False  # the engine has forgotten it
        queue = self._ticket.queue
        if self._overflows and answer.begun_at is None:
            raise context_too_long(self._max_context, answer.prompt_tokens or self._prompt or 0)
        if queue.tokens is None:
            queue.tokens = queue.learned = self._max_context
        self._overflows += 1
        self._ticket.place.ending = True

    def must_start_again(self, answer: Answer) -> bool:
        """Whether the request has to be sent again: there was no room for its answer, and nothing of that has come."""
        ticket = self._ticket
        if not ticket.place.ending or answer.has_ended:
            ticket.is_sent = False
            return False
        if answer.begun_at is None:
            return True
        answer.cut()
        self._cut = True
        return False

    def warnings(self, answer: Answer) -> list[ResultWarning]:
        """What the host learns of how the answer ended."""
        if not self._cut:
            return []
        used = (answer.prompt_tokens or 0) + answer.pieces
        message = (
            f"The answer ended at about {used} of {self._max_context} tokens: messages that are answered at the same "
            f"time use the rest of the {self._ticket.queue.tokens} tokens that they share."
        )
        return [warning_of("CONTEXT_SHARED", message)]

    def _need(self, prompt: int) -> int:
        """Tokens of a prompt and of the answer that is reserved at first."""
        answer = self._part() if self._max_tokens is None else self._max_tokens
        return min(prompt + answer, self._max_context)

    def _part(self) -> int:
        """Half of an equal part of the cache: so all slots can be used by short messages, and a long answer grows."""
        queue = self._ticket.queue
        return max(1, min(MAX_PART, (queue.tokens or 0) // (2 * queue.slots)))


async def _drained(queue: AdmissionQueue, server: Server) -> None:
    """Wait until the engine has noticed which requests were broken off, if their room is needed."""
    if not queue.must_drain:
        return
    with anyio.move_on_after(DRAIN_SECONDS):
        while True:
            try:
                busy = await server.ready_client().busy_slots()
            except (SidecarError, EngineGone):  # without a ready engine nothing is being processed
                break
            if busy is None or busy < queue.running:
                break
            await anyio.sleep(DRAIN_POLL_SECONDS)
    queue.left_behind = 0


async def _count(server: Server, body: dict[str, Any]) -> int | None:
    """The prompt's tokens; `None` if its engine cannot count it: then the engine says what is wrong with it."""
    try:
        return await server.ready_client().count_chat(body)
    except SidecarError:
        return None
