"""Chat as hosts ask for it.

Owns the turns under way and the lines they wait in. What a turn is to do is decided by `jobs`, how it is done is
`turn`'s business.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary, WeakValueDictionary

import anyio
import anyio.abc
import anyio.to_thread

from sidecar.chat import counting
from sidecar.chat.admission import AdmissionQueue
from sidecar.chat.history import History
from sidecar.chat.journals import Journals
from sidecar.chat.messages import new_id
from sidecar.chat.resuming import EndedTurn, from_history, from_journal
from sidecar.chat.turn import Prepare, Turn
from sidecar.chat.turn_plan import TurnPlanner
from sidecar.contract.chat import (
    AckResult,
    CancelMessageResult,
    CountTokensParams,
    CountTokensResult,
    EditMessageParams,
    PreviewContextParams,
    PreviewContextResult,
    RegenerateMessageParams,
    SendMessageParams,
)
from sidecar.contract.config import Config
from sidecar.contract.errors import SessionNotFound, SidecarError
from sidecar.engines.client.engine_client import EngineGone
from sidecar.logs.defects import internal_error
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager

logger = logging.getLogger(__name__)

IDLE_POLL_SECONDS = 0.02
IDLE_SECONDS = 5.0
"""How long cancel_message waits to see the engine idle. A prompt's batch that is being computed is not interrupted."""


class Chat:
    """Messages in, answers out."""

    def __init__(
        self, *, history: History, journals: Journals, fleet: ServerManager, config: Callable[[], Config]
    ) -> None:
        self._history = history
        self._journals = journals
        self._fleet = fleet
        self._config = config
        self._jobs = TurnPlanner(history=history, fleet=fleet, config=config)
        self._turns: dict[str, list[Turn]] = {}
        # A line lives as long as anybody is in it.
        self._session_lines: WeakValueDictionary[str, AdmissionQueue] = WeakValueDictionary()
        self._server_lines: WeakKeyDictionary[Server, AdmissionQueue] = WeakKeyDictionary()
        self._tasks: anyio.abc.TaskGroup

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let turns run; on leaving, all are stopped and what there is of their answers is kept."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                self._tasks.cancel_scope.cancel()

    async def tidy(self) -> None:
        """Keep what earlier answers have left behind, and forget sessions that were deleted long enough ago. Hosts get
        the error of a history that cannot be used as soon as they ask for something in it."""
        try:
            await self._history.tidy(self._journals.said)
            self._journals.follow_history()
        except SidecarError as problem:
            logger.error("the history cannot be used: %s %s", problem.message, problem.hint)
        except Exception as problem:  # noqa: BLE001 - as above
            internal_error(problem)

    # --- turns ---------------------------------------------------------------------------------------------

    def send(self, params: SendMessageParams) -> Turn:
        """Begin to answer a message."""
        session_id, is_new = params.session_id or new_id(), params.session_id is None
        return self._begin(session_id, lambda: self._jobs.to_send(session_id, params, is_new=is_new))

    def regenerate(self, params: RegenerateMessageParams) -> Turn:
        """Begin to answer a question again."""
        return self._begin(params.session_id, lambda: self._jobs.to_regenerate(params))

    def edit(self, params: EditMessageParams) -> Turn:
        """Begin to answer a question in other words."""
        return self._begin(params.session_id, lambda: self._jobs.to_edit(params))

    async def cancel(self, session_id: str) -> CancelMessageResult:
        """Stop a session's answers; returns when the engine works on them no longer."""
        turns = list(self._turns.get(session_id, ()))
        stopped = await _stop(turns)
        job = turns[0].job if turns else None
        idle = await self._seen_idle(job.server) if job is not None else None
        return CancelMessageResult(cancelled=stopped, engine_idle=idle)

    async def leave(self, session_id: str) -> None:
        """Stop a session's answers: it is about to be deleted."""
        await _stop(list(self._turns.get(session_id, ())))

    def forget(self, session_id: str) -> None:
        """Forget a session's last answer: it is deleted. Not before: at a start the history still has to read it."""
        self._journals.forget(session_id)

    # --- resuming ------------------------------------------------------------------------------------------

    async def resume(self, session_id: str, after_seq: int) -> Turn | EndedTurn:
        """The running or last turn of a session, with its events.

        Raises:
            SessionNotFound: there is none.
        """
        if turn := self._running(session_id):
            return turn
        session = await self._history.get(session_id)
        branch = await self._history.branch(session_id, session.head)
        last = branch[-1] if branch and branch[-1].role == "assistant" else None
        kept = await anyio.to_thread.run_sync(self._journals.read, session_id)
        if kept is not None and (ended := from_journal(kept, last)) is not None:
            return ended
        if last is None:
            raise SessionNotFound(f"The session {session_id} has no answer to resume.")
        return from_history(last, after_seq)

    async def ack(self, session_id: str, seq: int | None) -> AckResult:
        """Let go of events that have arrived."""
        turn = self._running(session_id)
        if turn is None:
            return AckResult(kept_events=await self._journals.acknowledge(session_id, seq))
        if seq is not None:  # else it is meant for an answer that has ended: of this one nobody has all events
            turn.events.forget(seq)
        return AckResult(kept_events=turn.events.kept)

    def _running(self, session_id: str) -> Turn | None:
        """The turn that a host means by a session's answer while some are under way: the first of them."""
        turns = self._turns.get(session_id)
        return turns[0] if turns else None

    # --- counting ------------------------------------------------------------------------------------------

    async def count_tokens(self, params: CountTokensParams) -> CountTokensResult:
        """Exact tokens of a text or a conversation."""
        return await counting.count_tokens(params, jobs=self._jobs, fleet=self._fleet)

    async def preview_context(self, params: PreviewContextParams) -> PreviewContextResult:
        """What would be sent and what left out."""
        return await counting.preview_context(params, jobs=self._jobs)

    # --- pieces --------------------------------------------------------------------------------------------

    def _begin(self, session_id: str, prepare: Prepare) -> Turn:
        line = self._session_lines.setdefault(session_id, AdmissionQueue(1))
        turn = Turn(
            session_id,
            prepare,
            history=self._history,
            journals=self._journals,
            session_line=line,
            server_line=self._server_line,
            max_waiting=self._config().chat.max_queue,
        )
        self._turns.setdefault(session_id, []).append(turn)
        self._tasks.start_soon(self._see_through, turn)
        return turn

    async def _see_through(self, turn: Turn) -> None:
        """Run a turn."""
        try:
            await turn.run()
        finally:
            turns = self._turns[turn.session_id]
            turns.remove(turn)
            if not turns:
                del self._turns[turn.session_id]

    def _server_line(self, server: Server) -> AdmissionQueue:
        if server not in self._server_lines:
            self._server_lines[server] = AdmissionQueue(server.actual.slots if server.actual else 1)
        return self._server_lines[server]

    async def _seen_idle(self, server: Server) -> bool | None:
        """Whether an engine is seen to work on no more messages than we have under way there; `None`: it hides that."""
        with anyio.move_on_after(IDLE_SECONDS):
            while True:
                try:
                    busy = await server.ready_link().busy_slots()
                except (SidecarError, EngineGone):  # the server itself is gone: nothing works any more
                    return True
                if busy is None:
                    return None
                if busy <= self._server_line(server).inside:
                    return True
                await anyio.sleep(IDLE_POLL_SECONDS)
        return False


async def _stop(turns: list[Turn]) -> int:
    """Stop a session's turns, those behind first so that none of them gets its turn; returns how many were stopped."""
    return sum([await turn.cancel() for turn in reversed(turns)])
