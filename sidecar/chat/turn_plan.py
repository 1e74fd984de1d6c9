"""What a turn has to do: decided from the host's parameters, the session, the presets and the config.

Owns which messages an answer follows on and which settings win. Changes nothing: a job is carried out by `turn`, and
what is new in it is kept by `record`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio.to_thread
import msgspec

from sidecar.chat import prompt
from sidecar.chat.history import History
from sidecar.chat.messages import StoredMessage, new_message, tool_calls_of
from sidecar.chat.prompt import ParsedMessage, read_message
from sidecar.chat.record import Question
from sidecar.contract.chat import (
    EditMessageParams,
    MessageContent,
    RegenerateMessageParams,
    SendMessageParams,
    ToolResult,
    TurnParams,
)
from sidecar.contract.config import ChatPreset, Config
from sidecar.contract.errors import InvalidParams
from sidecar.contract.sessions import ContextPolicy, SamplingParams, Session, SessionConfig
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager

_SAMPLING = SamplingParams.__struct_fields__
_PASSED_ON = ("tools", "tool_choice", "response_format")


class TurnPlan(msgspec.Struct):
    """What a turn has to do.

    Attributes:
        server: who answers.
        question: what is answered.
        system: the system prompt.
        body: the request to the engine but for its messages.
        policy: what to do where not everything fits.
        max_tokens: longest answer, where one was named.
    """

    server: Server
    question: Question
    system: str | None
    body: dict[str, Any]
    policy: ContextPolicy
    max_tokens: int | None

    @property
    def max_context(self) -> int:
        """Tokens that prompt and answer may use together."""
        return self.server.actual.context_per_message if self.server.actual else 0

    def request(self, messages: Sequence[StoredMessage]) -> dict[str, Any]:
        """The request to the engine with these messages."""
        return {**self.body, "messages": prompt.conversation(self.system, messages)}

    async def count(self, messages: Sequence[StoredMessage]) -> int:
        """Exact tokens of the system prompt and these messages."""
        return await self.server.ready_link().count_chat(self.request(messages))


class TurnPlanner:
    """Decides what turns have to do. What it raises, beside what is said, is SERVER_NOT_RUNNING."""

    def __init__(self, *, history: History, fleet: ServerManager, config: Callable[[], Config]) -> None:
        self._history = history
        self._fleet = fleet
        self._config = config

    async def to_send(self, session_id: str, params: SendMessageParams, *, is_new: bool = False) -> TurnPlan:
        """To answer a message, or go on with what tools have given back.

        Args:
            is_new: the session's id was made for this message, so there is nothing to be read.

        Raises:
            InvalidParams: there is nothing to send, or it can not be used.
        """
        if params.tool_results:
            if params.message or params.images:
                hint = "Send the message when the model has answered."
                raise InvalidParams("A message can not go with tool_results.", path="$.message", hint=hint)
            said = ParsedMessage("")
        else:
            said = await _read(params.message, params.images, params.template)
        session, history = (None, []) if is_new else await self._history.open(session_id)
        if params.tool_results:
            new = _tool_results(params.tool_results, session_id, history)
        else:
            new = _said(said, session_id, _last_id(history), with_earlier=not history)
        system = said.system if params.system is None else params.system
        return await self._job(params, session, session_id, history, new, system=system)

    async def to_regenerate(self, params: RegenerateMessageParams) -> TurnPlan:
        """To answer a question again.

        Raises:
            SessionNotFound: there is no such session or message.
            InvalidParams: there is no question on the way to the message.
        """
        session = await self._history.get(params.session_id)
        last = session.head
        if params.message_id is not None:
            last = (await self._history.message(params.session_id, params.message_id)).message_id
        history = await self._history.branch(params.session_id, last)
        while history and history[-1].role == "assistant":
            history.pop()
        if not history:
            raise InvalidParams("There is no question to answer again.", path="$.message_id")
        return await self._job(params, session, params.session_id, history, [])

    async def to_edit(self, params: EditMessageParams) -> TurnPlan:
        """To answer a question in other words.

        Raises:
            SessionNotFound: there is no such session or message.
            InvalidParams: the message is none of the user's, or the new words can not be used.
        """
        said = await _read(params.message, params.images)
        session = await self._history.get(params.session_id)
        old = await self._history.message(params.session_id, params.message_id)
        if old.role != "user":
            raise InvalidParams("Only a user message can be edited.", path="$.message_id")
        history = await self._history.branch(params.session_id, old.parent_id)
        new = _said(said, params.session_id, old.parent_id, with_earlier=False)
        return await self._job(params, session, params.session_id, history, new, system=said.system)

    async def to_imagine(self, session_id: str | None, message: MessageContent | None, params: TurnParams) -> TurnPlan:
        """What sending a message would have to do; without one, what it would be to send the session as it is.

        Raises:
            SessionNotFound: there is no such session.
            InvalidParams: the message can not be used.
        """
        said = await _read(message) if message is not None else None
        session = await self._history.get(session_id) if session_id else None
        history = await self._history.branch(session.session_id, session.head) if session else []
        new: list[StoredMessage] = []
        if said is not None:
            new = _said(said, session_id or "", _last_id(history), with_earlier=not history)
        return await self._job(params, session, session_id or "", history, new, system=said.system if said else None)

    async def _job(
        self,
        params: TurnParams,
        session: Session | None,
        session_id: str,
        history: list[StoredMessage],
        new: list[StoredMessage],
        *,
        system: str | None = None,
    ) -> TurnPlan:
        config, preset = self._config().chat, self._preset(params.preset)
        server = await self._fleet.choose(params.server_id, session.server_id if session else None)
        kept_system = session.system if session else config.system
        chosen_system = system if system is not None else preset.system
        used_system = kept_system if chosen_system is None else chosen_system
        question = Question(session_id, history, new, old_head=session.head if session else None)
        if session is None:
            question.new_session = {"system": used_system, "server_id": server.server_id}
        else:
            question.session_columns["server_id"] = server.server_id
            if system is not None:  # a preset's is for this message alone
                question.session_columns["system"] = system or None
        session_config = session.config if session else SessionConfig()
        layers: tuple[SamplingParams, ...] = (params, preset, session_config, config)
        return TurnPlan(
            server=server,
            question=question,
            system=used_system,
            body=_body(params, layers),
            policy=params.context_policy
            or preset.context_policy
            or session_config.context_policy
            or config.context_policy,
            max_tokens=_first(layers, "max_tokens"),
        )

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


async def _read(
    content: MessageContent, images: Sequence[str] | None = None, template: str | None = None
) -> ParsedMessage:
    """A message taken apart. In a thread where there may be image files to read.

    Raises:
        InvalidParams: it is empty, or can not be used.
    """
    if isinstance(content, str) and not images:
        said = read_message(content, None, template)
    else:
        said = await anyio.to_thread.run_sync(read_message, content, images, template)
    if not (said.text.strip() or said.parts):
        raise InvalidParams("The message is empty.", path="$.message", hint="Say something in it.")
    return said


def _said(said: ParsedMessage, session_id: str, parent_id: str | None, *, with_earlier: bool) -> list[StoredMessage]:
    """A user message to keep, after those that came before it in the same string where the session has none yet."""
    new: list[StoredMessage] = []
    for role, text in [*(said.earlier if with_earlier else ()), ("user", said.text)]:
        new.append(new_message(session_id, _last_id(new) or parent_id, role=role, content=text))
    if said.parts is not None:
        new[-1].parts = said.parts
    return new


def _tool_results(
    results: Sequence[ToolResult], session_id: str, history: Sequence[StoredMessage]
) -> list[StoredMessage]:
    """Messages to keep with what tools gave back.

    Raises:
        InvalidParams: one of them answers nothing that the model has asked for.
    """
    waiting = _unanswered_calls(history)
    new: list[StoredMessage] = []
    for i, result in enumerate(results):
        if result.tool_call_id not in waiting:
            raise InvalidParams(
                f"No tool call {result.tool_call_id!r} waits for a result.",
                path=f"$.tool_results[{i}].tool_call_id",
                hint="Give the id of a tool call in the session's last answer.",
            )
        waiting.remove(result.tool_call_id)
        message = new_message(session_id, _last_id(new) or _last_id(history), role="tool", content=result.content)
        message.tool_call_id = result.tool_call_id
        new.append(message)
    return new


def _unanswered_calls(history: Sequence[StoredMessage]) -> list[str]:
    """Ids of the tool calls at the end of a branch that have no result yet."""
    answered: list[Any] = []
    for message in reversed(history):
        if message.role != "tool":
            return [call.id for call in tool_calls_of(message) if call.id not in answered]
        answered.append(message.tool_call_id)
    return []


def _last_id(messages: Sequence[StoredMessage]) -> str | None:
    return messages[-1].message_id if messages else None


def _body(params: TurnParams, layers: Sequence[SamplingParams]) -> dict[str, Any]:
    """The request to the engine, but for its messages."""
    body: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
    for name in _SAMPLING:
        value = _first(layers, name)
        if value is not None:
            body[name] = [value] if name == "stop" and isinstance(value, str) else value
    for name in _PASSED_ON:
        if (value := getattr(params, name)) is not None:
            body[name] = value
    if params.reasoning is not None:
        body["chat_template_kwargs"] = {"enable_thinking": params.reasoning}
    return body


def _first(layers: Sequence[SamplingParams], name: str) -> Any:
    return next((value for layer in layers if (value := getattr(layer, name)) is not None), None)
