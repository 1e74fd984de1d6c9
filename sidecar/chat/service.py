"""Chat as hosts ask for it.

Owns the turns under way and the lines they wait in. What a turn does is `turn`'s business; here is decided what it is
to do.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from sidecar.channels import EventLog
from sidecar.chat.context import fit
from sidecar.chat.history import History
from sidecar.chat.messages import StoredMessage
from sidecar.chat.prompt import Said, read_message
from sidecar.chat.queue import Line
from sidecar.chat.record import Question, new_id, new_message, result_of
from sidecar.chat.turn import Job, Prepare, Turn
from sidecar.contract import CancelledEvent, ErrorEvent, WireError
from sidecar.contract.chat import (
    AckResult,
    CancelResult,
    ContextPreview,
    CountTokens,
    DroppedMessage,
    EditMessage,
    PreviewContext,
    RegenerateMessage,
    SendMessage,
    TokenCount,
    TurnDone,
    TurnParams,
    TurnResult,
)
from sidecar.contract.config import ChatPreset, Config
from sidecar.contract.errors import Cancelled, EngineCrashed, InvalidParams, SessionNotFound, SidecarError
from sidecar.contract.sessions import SamplingParams, Session, SessionConfig
from sidecar.engines.fleet import Fleet
from sidecar.engines.server import Server

KEPT_TURNS = 256
"""Finished turns whose events are held for resume_session: some 100 KB each at most for a long answer."""

IDLE_POLL_SECONDS = 0.02
IDLE_SECONDS = 5.0
"""How long cancel_message waits to see the engine idle. A prompt's batch that is being computed is not interrupted."""

_SAMPLING = tuple(SamplingParams.__struct_fields__)
_PASSED_ON = ("tools", "tool_choice", "response_format")


class Chat:
    """Messages in, answers out."""

    def __init__(self, *, history: History, fleet: Fleet, config: Callable[[], Config]) -> None:
        self._history = history
        self._fleet = fleet
        self._config = config
        self._turns: OrderedDict[str, list[Turn]] = OrderedDict()
        self._session_lines: dict[str, Line] = {}
        self._server_lines: WeakKeyDictionary[Server, Line] = WeakKeyDictionary()
        self._tasks: anyio.abc.TaskGroup

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let turns run; on leaving, all are stopped and what there is of their answers is kept."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                self._tasks.cancel_scope.cancel()

    # --- turns ---------------------------------------------------------------------------------------------

    def send(self, params: SendMessage) -> Turn:
        """Begin to answer a message."""
        session_id = params.session_id or new_id()

        async def prepare() -> Job:
            said = await anyio.to_thread.run_sync(read_message, params.message or "", params.images, params.template)
            session = await self._history.find(session_id)
            history = await self._history.branch(session_id, session.head) if session else []
            parent = history[-1].message_id if history else None
            if params.tool_results:
                new = _tool_results(params, session_id, parent)
            else:
                if not (said.text.strip() or said.parts):
                    raise InvalidParams("The message is empty.", path="$.message")
                new = _said(said, session_id, parent, with_earlier=not history)
            return self._job(params, session, session_id, history, new, system=params.system or said.system)

        return self._begin(session_id, prepare)

    def regenerate(self, params: RegenerateMessage) -> Turn:
        """Begin to answer a question again."""

        async def prepare() -> Job:
            session = await self._history.get(params.session_id)
            last = params.message_id or session.head
            history = await self._history.branch(params.session_id, last)
            if params.message_id is not None and not history:
                raise SessionNotFound(f"The session {params.session_id} has no message {params.message_id}.")
            while history and history[-1].role == "assistant":
                history.pop()
            if not history:
                raise InvalidParams("There is no question to answer again.", path="$.message_id")
            return self._job(params, session, params.session_id, history, [])

        return self._begin(params.session_id, prepare)

    def edit(self, params: EditMessage) -> Turn:
        """Begin to answer a question in other words."""

        async def prepare() -> Job:
            said = await anyio.to_thread.run_sync(read_message, params.message, params.images, None)
            session = await self._history.get(params.session_id)
            old = await self._history.message(params.session_id, params.message_id)
            if old.role != "user":
                raise InvalidParams("Only a user message can be edited.", path="$.message_id")
            history = await self._history.branch(params.session_id, old.parent_id)
            new = _said(said, params.session_id, old.parent_id, with_earlier=False)
            return self._job(params, session, params.session_id, history, new)

        return self._begin(params.session_id, prepare)

    async def cancel(self, session_id: str) -> CancelResult:
        """Stop a session's answers; returns when the engine works on them no longer."""
        turns = [turn for turn in self._turns.get(session_id, ()) if not turn.finished]
        for turn in reversed(turns):  # those behind first, so that none of them gets its turn
            await turn.cancel()
        job = turns[0].job if turns else None
        return CancelResult(cancelled=len(turns), engine_idle=await _seen_idle(job) if job else None)

    def is_busy(self, session_id: str) -> bool:
        """Whether an answer of the session is under way."""
        return any(not turn.finished for turn in self._turns.get(session_id, ()))

    # --- resuming ------------------------------------------------------------------------------------------

    async def resume(self, session_id: str, after_seq: int) -> Turn | FinishedTurn:
        """The running or last turn of a session, with its events.

        Of a turn that only the history remembers, a host that has seen some of it gets its end, with the whole text.

        Raises:
            SessionNotFound: there is none.
        """
        if turns := self._turns.get(session_id):
            return next((turn for turn in turns if not turn.finished), turns[-1])
        session = await self._history.get(session_id)
        branch = await self._history.branch(session_id, session.head)
        if not branch or branch[-1].role != "assistant":
            raise SessionNotFound(f"The session {session_id} has no answer to resume.")
        return FinishedTurn(branch[-1], after_seq)

    def ack(self, session_id: str, seq: int | None) -> AckResult:
        """Let go of events that have arrived."""
        kept = 0
        for turn in self._turns.get(session_id, ()):
            turn.events.forget(seq)
            kept = turn.events.kept
        return AckResult(kept_events=kept)

    # --- counting ------------------------------------------------------------------------------------------

    async def count_tokens(self, params: CountTokens) -> TokenCount:
        """Exact tokens of a text or a conversation."""
        if params.text is not None:
            server = self._fleet.choose(params.server_id, None)
            tokens = await server.ready_link().count_text(params.text)
        else:
            job = await self._imagined_job(params.session_id, params.message, TurnParams(server_id=params.server_id))
            server, tokens = job.server, await job.count(job.question.conversation)
        return TokenCount(tokens=tokens, max_context=server.actual.context_per_message if server.actual else 0)

    async def preview_context(self, params: PreviewContext) -> ContextPreview:
        """What would be sent and what left out."""
        wanted = TurnParams(
            server_id=params.server_id, context_policy=params.context_policy, max_tokens=params.max_tokens
        )
        job = await self._imagined_job(params.session_id, params.message, wanted)
        new = {message.message_id for message in job.question.new_messages}
        fitted = await fit(
            job.question.conversation,
            policy=job.policy,
            max_context=job.max_context,
            max_tokens=job.max_tokens,
            count=job.count,
        )
        reason = f"the conversation outgrows the context of {job.max_context} tokens, and the policy is {job.policy}"
        return ContextPreview(
            policy=job.policy,
            fits=fitted.fits,
            max_context=job.max_context,
            input_length=fitted.tokens,
            reserved=fitted.reserved,
            sent_messages=[m.message_id for m in fitted.sent if m.message_id not in new] if fitted.fits else [],
            dropped=[DroppedMessage(message_id=m.message_id, role=m.role, reason=reason) for m in fitted.dropped],
        )

    async def _imagined_job(self, session_id: str | None, message: Any, params: TurnParams) -> Job:
        """What a turn would have to do, without doing it."""
        session = await self._history.get(session_id) if session_id else None
        history = await self._history.branch(session.session_id, session.head) if session else []
        new: list[StoredMessage] = []
        if message is not None:
            said = await anyio.to_thread.run_sync(read_message, message, None, None)
            new = _said(said, session_id or "", history[-1].message_id if history else None, with_earlier=not history)
        return self._job(params, session, session_id or "", history, new)

    # --- pieces --------------------------------------------------------------------------------------------

    def _begin(self, session_id: str, prepare: Prepare) -> Turn:
        line = self._session_lines.setdefault(session_id, Line(1))
        max_waiting = self._config().chat.max_queue
        turn = Turn(session_id, prepare, line, max_waiting=max_waiting, database=self._history.database)
        self._turns.setdefault(session_id, []).append(turn)
        self._turns.move_to_end(session_id)
        self._tasks.start_soon(self._see_through, turn)
        return turn

    async def _see_through(self, turn: Turn) -> None:
        """Run a turn, and keep its events until the next one of its session has begun."""
        try:
            await turn.run()
        finally:
            turns = self._turns[turn.session_id]
            running = [t for t in turns if not t.finished]
            self._turns[turn.session_id] = running or [turn]
            line = self._session_lines[turn.session_id]
            if line.is_empty:
                del self._session_lines[turn.session_id]
            self._forget_old_turns()
        await self._history.tell_changed(turn.session_id)

    def _forget_old_turns(self) -> None:
        excess = len(self._turns) - KEPT_TURNS
        for session_id in list(self._turns)[: max(excess, 0)]:
            if not self.is_busy(session_id):
                del self._turns[session_id]

    def _job(
        self,
        params: TurnParams,
        session: Session | None,
        session_id: str,
        history: list[StoredMessage],
        new: list[StoredMessage],
        *,
        system: str | None = None,
    ) -> Job:
        config = self._config().chat
        preset = self._preset(params.preset)
        server = self._fleet.choose(params.server_id, session.server_id if session else None)
        chosen_system = system if system is not None else preset.system
        kept_system = session.system if session else config.system
        question = Question(session_id, history, new, old_head=session.head if session else None)
        if session is None:
            first_system = kept_system if chosen_system is None else chosen_system
            question.new_session = {"system": first_system, "server_id": server.server_id}
        else:
            question.session_columns["server_id"] = server.server_id
            if system is not None:
                question.session_columns["system"] = system or None
        layers: list[SamplingParams] = [params, preset, session.config if session else SessionConfig(), config]
        return Job(
            server=server,
            line=self._line_of(server),
            max_waiting=config.max_queue,
            question=question,
            system=kept_system if chosen_system is None else chosen_system,
            body=_body(params, layers),
            policy=params.context_policy
            or preset.context_policy
            or (session.config.context_policy if session else None)
            or config.context_policy,
            max_tokens=_first(layers, "max_tokens"),
        )

    def _line_of(self, server: Server) -> Line:
        if server not in self._server_lines:
            self._server_lines[server] = Line(server.actual.slots if server.actual else 1)
        return self._server_lines[server]

    def _preset(self, name: str | None) -> ChatPreset:
        if name is None:
            return ChatPreset()
        presets = self._config().chat_presets
        if name not in presets:
            raise InvalidParams(
                f"There is no chat preset {name!r}.",
                path="$.preset",
                hint=f"The config's chat_presets has: {', '.join(presets) or 'none'}.",
            )
        return presets[name]


class FinishedTurn:
    """A turn that only the history remembers: its events are made from what was kept."""

    def __init__(self, message: StoredMessage, after_seq: int) -> None:
        self.events = EventLog(after_seq=after_seq)
        self._result: TurnResult | None = None
        self._failure: SidecarError | None = None
        if isinstance(message.reasoning, str) and not after_seq:
            self.events.append_text("reasoning", message.reasoning)
        if message.content and not after_seq:
            self.events.append_text("token", message.content)
        if message.state == "complete":
            self._result = result_of(message)
            values = {name: getattr(self._result, name) for name in TurnResult.__struct_fields__}
            self.events.append(TurnDone(**values))
        elif message.state == "cancelled":
            self._failure = Cancelled("The message was cancelled.", partial=message.content)
            self.events.append(CancelledEvent(partial=message.content))
        else:
            self._failure = EngineCrashed(
                "The answer broke off before it was complete; what there is of it is kept.",
                hint="Answer again with regenerate_message.",
                cause="UNKNOWN",
                exit_code=None,
                log_tail=[],
                partial=message.content,
            )
            self.events.append(ErrorEvent(error=WireError.of(self._failure)))

    async def result(self) -> TurnResult:
        """As `Turn.result`."""
        if self._result is None:
            raise self._failure or Cancelled("The message was cancelled.")
        return self._result


def _said(said: Said, session_id: str, parent_id: str | None, *, with_earlier: bool) -> list[StoredMessage]:
    """A user message to keep, after those that came before it in the same string where the session has none yet."""
    new: list[StoredMessage] = []
    for role, text in [*(said.earlier if with_earlier else []), ("user", said.text)]:
        message = new_message(session_id, new[-1].message_id if new else parent_id, role=role, content=text)
        new.append(message)
    if said.parts is not None:
        new[-1].parts = said.parts
    return new


def _tool_results(params: SendMessage, session_id: str, parent_id: str | None) -> list[StoredMessage]:
    new: list[StoredMessage] = []
    for result in params.tool_results or ():
        parent = new[-1].message_id if new else parent_id
        message = new_message(session_id, parent, role="tool", content=result.content)
        message.tool_call_id = result.tool_call_id
        new.append(message)
    return new


def _body(params: TurnParams, layers: list[SamplingParams]) -> dict[str, Any]:
    """The request to the engine, but for its messages."""
    body: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
    for name in _SAMPLING:
        value = _first(layers, name)
        if value is not None:
            body[name] = [value] if name == "stop" and isinstance(value, str) else value
    for name in _PASSED_ON:
        if (value := getattr(params, name)) is not None:
            body[name] = msgspec.to_builtins(value)
    if params.reasoning is not None:
        body["chat_template_kwargs"] = {"enable_thinking": params.reasoning}
    return body


def _first(layers: list[SamplingParams], name: str) -> Any:
    return next((value for layer in layers if (value := getattr(layer, name)) is not None), None)


async def _seen_idle(job: Job) -> bool | None:
    """Whether the engine is seen to work on no more messages than we have under way there."""
    with anyio.move_on_after(IDLE_SECONDS):
        while True:
            try:
                busy = await job.server.ready_link().busy_slots()
            except SidecarError:  # the server itself is gone: nothing works any more
                return True
            if busy is None or busy <= job.line.inside:
                return None if busy is None else True
            await anyio.sleep(IDLE_POLL_SECONDS)
    return False
