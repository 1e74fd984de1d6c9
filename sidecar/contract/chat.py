"""Chat: a message goes in, events stream back, the answer is kept in its session."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from sidecar.contract.errors import (
    ContextTooLong,
    EngineCrashed,
    EngineUnresponsive,
    NotSupported,
    QueueFull,
    ServerNotRunning,
    SessionNotFound,
    StorageError,
)
from sidecar.contract.method import PROGRESS, CancelledEvent, ErrorEvent, Event, Merge, Method, Params, Result
from sidecar.contract.servers import CHANNEL, Channel, ServerId
from sidecar.contract.sessions import ContentPart, ContextPolicy, SamplingParams, Text, Timings, ToolCall, Usage, Uuid

MessageContent = Text | Annotated[list[ContentPart], Meta(min_length=1, max_length=1000)]
"""What is said: text, or content parts."""


class ToolResult(Params, kw_only=True):
    """What a tool gave back."""

    tool_call_id: Annotated[str, Meta(description="`id` of the tool call it answers.")]
    content: Text


class TurnParams(SamplingParams, kw_only=True):
    """How an answer is made."""

    server_id: Annotated[
        ServerId | None,
        Meta(description='Default: the session\'s, else "default", else the only one running.'),
    ] = None
    tools: Annotated[
        list[dict[str, Any]] | None, Meta(description="Functions the model may call, in OpenAI's form.")
    ] = None
    tool_choice: Annotated[
        Literal["auto", "none", "required"] | dict[str, Any] | None,
        Meta(description="As OpenAI's tool_choice."),
    ] = None
    response_format: Annotated[
        dict[str, Any] | None,
        Meta(description="As OpenAI's response_format: a JSON schema the answer must follow."),
    ] = None
    reasoning: Annotated[
        bool | None, Meta(description="Whether a model that can think may. Default: the model's own way.")
    ] = None
    preset: Annotated[
        str | None,
        Meta(description="Name in the config's `chat_presets`; parameters given here win over it."),
    ] = None
    context_policy: Annotated[ContextPolicy | None, Meta(description="Default: the session's, else the config's.")] = (
        None
    )
    channel: Annotated[Channel | None, CHANNEL] = None


class SendMessageParams(TurnParams, kw_only=True):
    """Say something in a session and get the answer, streamed where `channel` is given.

    Messages to one session are answered in the order they came. The user's message is kept before the first
    event that comes from the engine is sent, the answer before `done`.
    """

    message: Annotated[
        MessageContent,
        Meta(
            description="Text or content parts. The one-string form <|system|>…<|end|><|user|>…<|end|> is understood."
        ),
    ]
    session_id: Annotated[Uuid | None, Meta(description="Left out, or a UUID not seen yet: a new session is made.")] = (
        None
    )
    system: Annotated[Text | None, Meta(description="System prompt; kept as the session's from now on.")] = None
    images: Annotated[
        list[str] | None,
        Meta(description="Images for a vision model: data: URLs, bare base64, or absolute paths of image files."),
    ] = None
    tool_results: Annotated[
        list[ToolResult] | None,
        Meta(description="Answers to the model's tool calls, in place of a message: leave `message` empty then."),
    ] = None
    template: Annotated[
        Annotated[str, Meta(max_length=1_000_000)] | None,
        Meta(description="A text with {message} in it, in whose place the message is put."),
    ] = None


class ContextUse(Result, kw_only=True):
    """What became of the context. Nothing is ever left out without being counted here."""

    policy: ContextPolicy
    max_context: Annotated[int, Meta(description="Tokens that prompt and answer may use together.")]
    used: Annotated[int, Meta(description="Tokens of prompt and answer.")]
    dropped_messages: Annotated[int, Meta(description="Messages of the branch that were not sent to the model.")]
    summarised: Annotated[bool, Meta(description="Whether older messages were replaced by a summary.")]


class TurnResult(Result, kw_only=True):
    """The answer."""

    session_id: str
    message_id: Annotated[str, Meta(description="Id of the answer.")]
    user_message_id: Annotated[str | None, Meta(description="Id of the message that it answers.")]
    content: str
    reasoning: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET
    finish_reason: Annotated[
        str,
        Meta(description="stop, length (max_tokens reached or the context is full), or tool_calls."),
    ]
    usage: Usage
    timings: Timings
    context: ContextUse


class TurnQueued(Event, tag="queued", kw_only=True):
    """Accepted; so many messages are before it."""

    merge = PROGRESS

    position: int


class TurnLoading(Event, tag="loading", kw_only=True):
    """The server has slept, or its engine has crashed: an engine is being started for the message."""

    merge = PROGRESS

    stage: Annotated[str, Meta(description="What is being loaded, such as text_model or mmproj_model.")]
    progress: Annotated[float | None, Meta(description="0 to 1 over all stages; null where the engine does not tell.")]


class TurnPrefill(Event, tag="prefill", kw_only=True):
    """The prompt is being computed."""

    merge = PROGRESS

    processed: int
    total: int
    cached: int


class TurnReasoning(Event, tag="reasoning", kw_only=True):
    """The model thinks."""

    merge = Merge(policy="text", member="reasoning")

    reasoning: str


class TurnToken(Event, tag="token", kw_only=True):
    """The answer goes on."""

    merge = Merge(policy="text", member="chunk")

    chunk: str


class TurnToolCall(Event, tag="tool_call", kw_only=True):
    """The model wants a function called; complete."""

    tool_call: ToolCall


class TurnDone(TurnResult, Event, tag="done"):
    """Complete and kept; the members are the response's."""


TURN_EVENTS = (
    TurnQueued,
    TurnLoading,
    TurnPrefill,
    TurnReasoning,
    TurnToken,
    TurnToolCall,
    TurnDone,
    ErrorEvent,
    CancelledEvent,
)


class RegenerateMessageParams(TurnParams, kw_only=True):
    """Answer again. The old answer stays as a sibling branch."""

    session_id: Uuid
    message_id: Annotated[Uuid | None, Meta(description="The answer to make again. Default: the last one.")] = None


class EditMessageParams(TurnParams, kw_only=True):
    """Replace a user message and answer it. The old message and all after it stay as a sibling branch."""

    session_id: Uuid
    message_id: Annotated[Uuid, Meta(description="The user message to replace.")]
    message: MessageContent
    images: Annotated[list[str] | None, Meta(description="As in send_message.")] = None


class CancelMessageParams(Params, kw_only=True):
    """Stop the answer of a session; answered when the engine works on it no longer."""

    session_id: Uuid


class CancelMessageResult(Result, kw_only=True):
    """What was stopped."""

    cancelled: Annotated[int, Meta(description="Answers stopped: the running one and those waiting behind it.")]
    engine_idle: Annotated[
        bool | None, Meta(description="Whether the engine was seen idle again; null where it does not tell.")
    ]


class CountTokensParams(Params, kw_only=True):
    """Exact tokens of a text, or of a conversation with the model's template around it."""

    text: Annotated[Text | None, Meta(description="Plain text, without a template.")] = None
    session_id: Annotated[Uuid | None, Meta(description="The branch in use of this session, as it would be sent.")] = (
        None
    )
    message: Annotated[MessageContent | None, Meta(description="A further user message after it.")] = None
    server_id: ServerId | None = None


class CountTokensResult(Result, kw_only=True):
    """Tokens."""

    tokens: int
    max_context: int


class PreviewContextParams(Params, kw_only=True):
    """What send_message would send, leave out, and why. Nothing is sent to the model or kept."""

    session_id: Uuid
    message: MessageContent
    server_id: ServerId | None = None
    context_policy: ContextPolicy | None = None
    max_tokens: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="As in send_message.")] = None


class DroppedMessage(Result, kw_only=True):
    """A message that would be left out."""

    message_id: str
    role: str
    reason: str


class PreviewContextResult(Result, kw_only=True):
    """The plan for a message."""

    policy: ContextPolicy
    fits: Annotated[bool, Meta(description="Whether it would be sent; false is CONTEXT_TOO_LONG.")]
    max_context: int
    input_length: Annotated[int, Meta(description="Tokens of what would be sent; of everything where it does not fit.")]
    reserved: Annotated[int, Meta(description="Tokens kept free for the answer when messages are left out.")]
    sent_messages: Annotated[list[str], Meta(description="Ids of the messages that would be sent, oldest first.")]
    dropped: list[DroppedMessage]


class ResumeSessionParams(Params, kw_only=True):
    """Follow the running or last answer of a session again, after a reload, a lost connection or a restart.

    The events after `after_seq` are sent once more on `channel` under their old `seq`, then the new ones as they
    come. Answered as the send_message that it follows.
    """

    session_id: Uuid
    after_seq: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="The last `seq` the host has. Default 0: everything."),
    ] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class AckParams(Params, kw_only=True):
    """Say that the events of a session's last answer have arrived, so that they need not be kept for resume_session."""

    session_id: Uuid
    seq: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="The last one. Default: all of them, once the answer has ended."),
    ] = None


class AckResult(Result, kw_only=True):
    """How many events are still kept."""

    kept_events: int


_TURN_ERRORS = (
    ServerNotRunning,
    ContextTooLong,
    QueueFull,
    EngineCrashed,
    EngineUnresponsive,
    NotSupported,
    StorageError,
)

METHODS = (
    Method(name="send_message", params=SendMessageParams, result=TurnResult, errors=_TURN_ERRORS, events=TURN_EVENTS),
    Method(
        name="regenerate_message",
        params=RegenerateMessageParams,
        result=TurnResult,
        errors=(SessionNotFound, *_TURN_ERRORS),
        events=TURN_EVENTS,
    ),
    Method(
        name="edit_message",
        params=EditMessageParams,
        result=TurnResult,
        errors=(SessionNotFound, *_TURN_ERRORS),
        events=TURN_EVENTS,
    ),
    Method(name="cancel_message", params=CancelMessageParams, result=CancelMessageResult),
    Method(
        name="count_tokens",
        params=CountTokensParams,
        result=CountTokensResult,
        errors=(ServerNotRunning, QueueFull, SessionNotFound, StorageError, NotSupported),
    ),
    Method(
        name="preview_context",
        params=PreviewContextParams,
        result=PreviewContextResult,
        errors=(ServerNotRunning, QueueFull, SessionNotFound, StorageError, NotSupported),
    ),
    Method(
        name="resume_session",
        params=ResumeSessionParams,
        result=TurnResult,
        errors=(SessionNotFound, *_TURN_ERRORS),
        events=TURN_EVENTS,
    ),
    Method(name="ack", params=AckParams, result=AckResult, errors=(SessionNotFound,)),
)
