"""What a turn has to do: decided from the host's parameters, the session, the presets and the config.

Owns which messages an answer continues and which settings take precedence. Changes nothing: `turn` carries out a plan
and stores what is new in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import anyio.to_thread
import msgspec

from sidecar.chat.editing import check_continuable
from sidecar.chat.history import History
from sidecar.chat.idempotency import SentRequest, sent_request
from sidecar.chat.incoming import ParsedMessage, read_message
from sidecar.chat.messages import StoredMessage, as_chat_message, new_message, tool_calls_of
from sidecar.contract.chat import (
    ContinueMessageParams,
    EditMessageParams,
    MessageContent,
    RegenerateMessageParams,
    SendMessageParams,
    ToolResult,
    TurnParams,
)
from sidecar.contract.config import ChatPreset
from sidecar.contract.errors import InvalidParams
from sidecar.contract.remedies import change_params
from sidecar.contract.sampling import SamplingParams
from sidecar.contract.sessions import Session, SessionConfig, ToolCall
from sidecar.generation.completion import GenerationRequest
from sidecar.generation.honouring.adaptation import check_schemas
from sidecar.generation.honouring.request_shape import checked_response_format, checked_tool_choice, checked_tools
from sidecar.generation.sampling import check
from sidecar.storage.config import ConfigFile

AskParams = SendMessageParams | RegenerateMessageParams | EditMessageParams | ContinueMessageParams
"""The requests that begin a turn."""


class TurnPlan(msgspec.Struct):
    """What an answer continues, what of it is new, and the request to the model.

    Attributes:
        session_id: the session.
        history: the branch before the new messages, oldest first.
        new_messages: messages to store before the answer: the user's, or none if it is stored already.
        request: the request to the model, with all these messages.
        old_head: the session's previous head.
        new_session: columns of the session to create, if there is none yet.
        session_columns: changed columns of an existing session.
        continued: the answer that is continued, the last message of the history; `None` for a new one.
        sent: the request under its key, to be stored with the new messages.
    """

    session_id: str
    history: list[StoredMessage]
    new_messages: list[StoredMessage]
    request: GenerationRequest
    old_head: str | None = None
    new_session: dict[str, Any] | None = None
    session_columns: dict[str, Any] = msgspec.field(default_factory=dict)
    continued: StoredMessage | None = None
    sent: SentRequest | None = None

    @property
    def parent_id(self) -> str | None:
        """The message that the answer follows."""
        if self.continued is not None:
            return self.continued.parent_id
        return _last_id(self.conversation)

    @property
    def conversation(self) -> list[StoredMessage]:
        """All messages that the answer continues."""
        return [*self.history, *self.new_messages]


class TurnPlanner:
    """Decides what turns have to do."""

    def __init__(self, history: History, config: ConfigFile) -> None:
        self._history = history
        self._config = config

    async def plan(self, session_id: str, params: AskParams) -> TurnPlan:
        """What a turn in a session has to do.

        Raises:
            SessionNotFound: there is no such session or message.
            InvalidParams: there is nothing to answer, or what is given cannot be used.
        """
        if isinstance(params, SendMessageParams):
            return await self._plan_message(session_id, params)
        if isinstance(params, RegenerateMessageParams):
            return await self._plan_regeneration(params)
        if isinstance(params, ContinueMessageParams):
            return await self._plan_continuation(params)
        return await self._plan_edit(params)

    async def answer_to_continue(self, params: ContinueMessageParams) -> StoredMessage:
        """The answer that a request wants continued.

        Raises:
            SessionNotFound: there is no such session or message.
            InvalidParams: it cannot be continued.
        """
        session_id = params.session_id
        session = await self._history.get(session_id)
        message_id = params.message_id or session.head
        if message_id is None:
            return check_continuable(None, is_last=True)
        message = await self._history.message(session_id, message_id)
        return check_continuable(message, is_last=await self._history.is_last(session_id, message_id))

    async def plan_again(self, question: StoredMessage, params: AskParams) -> TurnPlan:
        """What a turn has to do to answer a stored question again, with these settings."""
        session = await self._history.get(question.session_id)
        history = await self._history.branch(question.session_id, question.message_id)
        return self._plan(params, session, question.session_id, history, [])

    async def preview(
        self,
        session_id: str | None,
        message: MessageContent | None,
        params: TurnParams,
        *,
        system: str | None = None,
        images: Sequence[str] | None = None,
    ) -> TurnPlan:
        """The plan of sending a message; without one, of sending the session as it is.

        Raises:
            SessionNotFound: there is no such session.
            InvalidParams: the message cannot be used.
        """
        parsed = await _read(message or "", images) if message is not None or images else None
        session = await self._history.get(session_id) if session_id else None
        history = await self._history.branch(session.session_id, session.head) if session else []
        new: list[StoredMessage] = []
        if parsed is not None:
            new = _user_messages(parsed, session_id or "", _last_id(history), with_earlier=not history)
        if system is None and parsed is not None:
            system = parsed.system
        return self._plan(params, session, session_id or "", history, new, system=system)

    async def _plan_message(self, session_id: str, params: SendMessageParams) -> TurnPlan:
        """The plan to answer a message, or the results of tools."""
        if params.tool_results:
            if params.message or params.images:
                hint = "Send the message when the model has answered."
                raise InvalidParams("A message cannot go with tool_results.", path="$.message", hint=hint)
            parsed = ParsedMessage("")
        else:
            tagged = params.message_format == "tagged"
            parsed = await _read(params.message, params.images, params.template, tagged=tagged)
        # Without a key the id was created for this message, so there is nothing to read.
        is_new = params.session_id is None and params.idempotency_key is None
        session, history = (None, []) if is_new else await self._history.open(session_id)
        if params.tool_results:
            paths = [f"$.tool_results[{n}].content" for n in range(len(params.tool_results))]
            given = [await _parse(r.content, path=path) for r, path in zip(params.tool_results, paths, strict=True)]
            new = _tool_results(params.tool_results, given, session_id, history)
        else:
            new = _user_messages(parsed, session_id, _last_id(history), with_earlier=not history)
        system = parsed.system if params.system is None else params.system
        plan = self._plan(params, session, session_id, history, new, system=system)
        plan.sent = sent_request(params)
        return plan

    async def _plan_regeneration(self, params: RegenerateMessageParams) -> TurnPlan:
        """The plan to answer a question again."""
        session = await self._history.get(params.session_id)
        last = session.head
        if params.message_id is not None:
            last = (await self._history.message(params.session_id, params.message_id)).message_id
        history = await self._history.branch(params.session_id, last)
        while history and history[-1].role == "assistant":
            history.pop()
        if not history:
            raise InvalidParams("There is no question to answer again.", path="$.message_id")
        return self._plan(params, session, params.session_id, history, [])

    async def _plan_continuation(self, params: ContinueMessageParams) -> TurnPlan:
        """The plan to continue an answer: it is the last message, and the model writes on at its end."""
        answer = await self.answer_to_continue(params)
        session = await self._history.get(params.session_id)
        history = await self._history.branch(params.session_id, answer.message_id)
        plan = self._plan(params, session, params.session_id, history, [])
        plan.continued, plan.request.continues = answer, True
        return plan

    async def _plan_edit(self, params: EditMessageParams) -> TurnPlan:
        """The plan to answer an edited question."""
        parsed = await _read(params.message, params.images)
        session = await self._history.get(params.session_id)
        old = await self._history.message(params.session_id, params.message_id)
        if old.role != "user":
            raise InvalidParams("Only a user message can be edited.", path="$.message_id")
        history = await self._history.branch(params.session_id, old.parent_id)
        new = _user_messages(parsed, params.session_id, old.parent_id, with_earlier=False)
        return self._plan(params, session, params.session_id, history, new, system=parsed.system)

    def _plan(
        self,
        params: TurnParams,
        session: Session | None,
        session_id: str,
        history: list[StoredMessage],
        new: list[StoredMessage],
        *,
        system: str | None = None,
    ) -> TurnPlan:
        config, preset = self._config.config.chat, self._preset(params.preset)
        kept_system = session.system if session else config.system
        chosen_system = system if system is not None else preset.system
        used_system = kept_system if chosen_system is None else chosen_system
        session_config = session.config if session else SessionConfig()
        tools, response_format = checked_tools(params.tools), checked_response_format(params.response_format)
        check_schemas(tools, response_format)
        sampling = _sampling(params, preset, session_config, config)
        has_format = response_format is not None and response_format.get("type") != "text"
        check(sampling, has_tools=bool(tools), has_format=has_format)
        request = GenerationRequest(
            messages=[as_chat_message(message) for message in (*history, *new)],
            new=len(new),
            system=used_system,
            sampling=sampling,
            policy=params.context_policy
            or preset.context_policy
            or session_config.context_policy
            or config.context_policy,
            server_id=params.server_id,
            last_server_id=session.server_id if session else None,
            tools=tools,
            tool_choice=checked_tool_choice(params.tool_choice, tools),
            tool_mode=params.tool_mode or "auto",
            response_format=response_format,
            reasoning=params.reasoning,
        )
        plan = TurnPlan(session_id, history, new, request)
        if session is None:
            plan.new_session = {"system": used_system}
        else:
            plan.old_head = session.head
            if system is not None:  # a preset's applies to this message only
                plan.session_columns["system"] = system or None
        return plan

    def _preset(self, name: str | None) -> ChatPreset:
        if name is None:
            return ChatPreset()
        presets = self._config.config.chat_presets
        if name not in presets:
            raise InvalidParams(
                f"There is no chat preset {name!r}.",
                path="$.preset",
                hint=f"The config's chat_presets has: {', '.join(presets) or 'none'}.",
            )
        return presets[name]


async def _parse(content: MessageContent, images: Sequence[str] | None = None, **options: Any) -> ParsedMessage:
    """As `read_message`; on a thread if there may be images to decode."""
    read = partial(read_message, content, images, **options)
    return read() if isinstance(content, str) and not images else await anyio.to_thread.run_sync(read)


async def _read(
    content: MessageContent,
    images: Sequence[str] | None = None,
    template: str | None = None,
    *,
    tagged: bool = False,
) -> ParsedMessage:
    """A parsed message of a user.

    Raises:
        InvalidParams: it is empty, or cannot be used.
    """
    parsed = await _parse(content, images, template=template, tagged=tagged)
    if not (parsed.text.strip() or parsed.parts):
        raise InvalidParams("The message is empty.", path="$.message", hint="Give it text or an image.")
    return parsed


def _user_messages(
    parsed: ParsedMessage, session_id: str, parent_id: str | None, *, with_earlier: bool
) -> list[StoredMessage]:
    """The user message to store, after the earlier messages in its string if the session has none yet."""
    new: list[StoredMessage] = []
    for role, text in [*(parsed.earlier if with_earlier else ()), ("user", parsed.text)]:
        new.append(new_message(session_id, _last_id(new) or parent_id, role=role, content=text))
    if parsed.parts is not None:
        new[-1].parts = parsed.parts
    return new


def _tool_results(
    results: Sequence[ToolResult], contents: Sequence[ParsedMessage], session_id: str, history: Sequence[StoredMessage]
) -> list[StoredMessage]:
    """Messages to store, with the results of tools.

    Raises:
        InvalidParams: one of them belongs to no open tool call, or a call is left without its result: the model would
            answer without it, and the result that comes later would have no call.
    """
    calls = _unanswered_calls(history)
    waiting = [call.id for call in calls]
    new: list[StoredMessage] = []
    for i, (result, parsed) in enumerate(zip(results, contents, strict=True)):
        if result.tool_call_id not in waiting:
            raise InvalidParams(
                f"No tool call {result.tool_call_id!r} waits for a result.",
                path=f"$.tool_results[{i}].tool_call_id",
                hint="Give the id of a tool call in the session's last answer.",
            )
        waiting.remove(result.tool_call_id)
        message = new_message(session_id, _last_id(new) or _last_id(history), role="tool", content=parsed.text)
        message.tool_call_id = result.tool_call_id
        if parsed.parts is not None:
            message.parts = parsed.parts
        new.append(message)
    if missing := [call.id for call in calls if call.id in waiting and call.incomplete is not True]:
        raise InvalidParams(
            f"The model waits for the results of {len(calls)} tool calls. Missing: {', '.join(missing)}.",
            path="$.tool_results",
            hint="Send the results of all calls of the answer together; a call that failed has its error as result.",
            remedies=(change_params("tool_results"),),
        )
    return new


def _unanswered_calls(history: Sequence[StoredMessage]) -> list[ToolCall]:
    """The tool calls at the end of a branch that have no result yet."""
    answered: list[Any] = []
    for message in reversed(history):
        if message.role != "tool":
            return [call for call in tool_calls_of(message) if call.id not in answered]
        answered.append(message.tool_call_id)
    return []


def _last_id(messages: Sequence[StoredMessage]) -> str | None:
    return messages[-1].message_id if messages else None


def _sampling(*layers: SamplingParams) -> SamplingParams:
    """Each setting from the first layer that has it."""
    chosen = SamplingParams()
    for layer in reversed(layers):
        for name in SamplingParams.__struct_fields__:
            if (value := getattr(layer, name)) is not None:
                setattr(chosen, name, value)
    return chosen
