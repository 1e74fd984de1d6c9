"""Chat: send a message, receive events, and keep the answer in its session."""

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
from sidecar.contract.sampling import SamplingParams, TokenLogprob
from sidecar.contract.servers import CHANNEL, Channel, ServerId
from sidecar.contract.sessions import (
    ContentPart,
    ContextPolicy,
    FinishReason,
    Message,
    Session,
    Text,
    Timings,
    ToolCall,
    Usage,
    Uuid,
)
from sidecar.contract.warnings import ResultWarning

MessageContent = Text | Annotated[list[ContentPart], Meta(min_length=1, max_length=1000)]
"""Text, or content parts."""


ToolMode = Literal["auto", "native", "json"]
"""How tools reach the model, and its calls the host: in the form of its chat template; described in the prompt, with an
answer that is constrained to JSON; or whichever of them works."""


class ToolResult(Params, kw_only=True):
    """The result of a tool call."""

    tool_call_id: Annotated[str, Meta(description="`id` of the tool call.")]
    content: Annotated[MessageContent, Meta(description="Text or content parts, such as an image for a vision model.")]


class TurnParams(SamplingParams, kw_only=True):
    """How an answer is generated."""

    server_id: Annotated[
        ServerId | None,
        Meta(description='Default: the session\'s, else "default", else the only server running.'),
    ] = None
    tools: Annotated[
        list[dict[str, Any]] | None,
        Meta(
            description="Functions the model may call, in OpenAI's format. NOT_SUPPORTED if the model's chat template "
            "has no place for them; `tool_mode` has another way."
        ),
    ] = None
    tool_choice: Annotated[
        Literal["auto", "none", "required"] | dict[str, Any] | None,
        Meta(description="Same as OpenAI's tool_choice."),
    ] = None
    tool_mode: Annotated[
        ToolMode | None,
        Meta(
            description='"native": tools as the chat template shows them, and calls as the engine reads them. "json": '
            "tools are described in the prompt, and the answer is constrained to one call, or to text where no call is "
            'required; for any model. Default "auto": native where the template has tools; a required or named call is '
            "constrained, also where the template has none."
        ),
    ] = None
    response_format: Annotated[
        dict[str, Any] | None,
        Meta(
            description="Same as OpenAI's response_format: a JSON schema the answer must follow. The answer is "
            "compared with it; patterns that cannot be enforced are refused."
        ),
    ] = None
    reasoning: Annotated[
        bool | None, Meta(description="Whether a reasoning model may reason. Default: the model's own default.")
    ] = None
    preset: Annotated[
        str | None,
        Meta(description="Name in the config's `chat_presets`; parameters given here override it."),
    ] = None
    context_policy: Annotated[ContextPolicy | None, Meta(description="Default: the session's, else the config's.")] = (
        None
    )
    channel: Annotated[Channel | None, CHANNEL] = None


class SendMessageParams(TurnParams, kw_only=True):
    """Send a message to a session and get the answer, streamed if `channel` is given.

    Messages to one session are answered in order of arrival. The user's message is stored before the first event
    from the engine is sent, and the answer is stored before `done`.
    """

    message: Annotated[
        MessageContent,
        Meta(description="Text or content parts, kept as they are."),
    ]
    message_format: Annotated[
        Literal["plain", "tagged"] | None,
        Meta(
            description='"tagged": a string <|system|>…<|end|><|user|>…<|end|> is read as a system prompt and messages.'
            ' Default "plain": nothing in the text is a mark.'
        ),
    ] = None
    session_id: Annotated[
        Uuid | None, Meta(description="Left out, or a UUID not in use: a new session is created.")
    ] = None
    system: Annotated[Text | None, Meta(description="System prompt; stored as the session's from now on.")] = None
    images: Annotated[
        list[str] | None,
        Meta(
            description="Images for a vision model: data: URLs, bare base64, or absolute paths of image files. PNG,"
            " JPEG, WebP, GIF, BMP, TIFF and AVIF; turned upright and scaled down to 2048 pixels a side."
        ),
    ] = None
    tool_results: Annotated[
        list[ToolResult] | None,
        Meta(description="Results of the model's tool calls, in place of a message: leave `message` empty."),
    ] = None
    template: Annotated[
        Annotated[str, Meta(max_length=1_000_000)] | None,
        Meta(description="A text in which {message} is replaced by the message."),
    ] = None
    idempotency_key: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(
            description="Chosen by the host for this message, to send it again without doubling it: the same message "
            "with the same key follows the running answer, or returns the stored one; after a failure the stored "
            "message is answered again. Known for a day, also after a restart."
        ),
    ] = None


class ContextUse(Result, kw_only=True):
    """How the context was used. Everything that was left out is counted here."""

    policy: ContextPolicy
    max_context: Annotated[int, Meta(description="Tokens that prompt and answer may use together.")]
    used: Annotated[int, Meta(description="Tokens of prompt and answer.")]
    dropped_messages: Annotated[int, Meta(description="Messages of the branch not sent to the model.")]


class TurnResult(Result, kw_only=True):
    """The answer."""

    session_id: str
    message_id: Annotated[str, Meta(description="Id of the answer.")]
    user_message_id: Annotated[str | None, Meta(description="Id of the message it answers.")]
    content: str
    reasoning: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET
    logprobs: Annotated[
        list[TokenLogprob] | UnsetType,
        Meta(description="How likely the tokens of `content` were, if asked for. They are not stored."),
    ] = UNSET
    finish_reason: Annotated[
        FinishReason,
        Meta(description="`length`: `max_tokens` is reached or the context is full."),
    ]
    usage: Usage
    timings: Timings
    context: ContextUse
    warnings: Annotated[
        list[ResultWarning],
        Meta(description="What of the request was accepted but not fully honoured; empty if nothing."),
    ]


class TurnQueued(Event, tag="queued", kw_only=True):
    """Accepted; `position` messages are ahead of it."""

    merge = PROGRESS

    position: int
    session_id: Annotated[str | UnsetType, Meta(description="The session; also of one that the message creates.")] = (
        UNSET
    )


class TurnLoading(Event, tag="loading", kw_only=True):
    """The message waits for an engine that is being started: for the first time, after a crash, or after a sleep."""

    merge = PROGRESS

    stage: Annotated[str, Meta(description="Component being loaded, such as text_model or mmproj_model.")]
    progress: Annotated[
        float | None, Meta(description="0 to 1 over all stages; null if the engine does not report it.")
    ]


class TurnPrefill(Event, tag="prefill", kw_only=True):
    """The prompt is being processed."""

    merge = PROGRESS

    processed: int
    total: int
    cached: int


class TurnReasoning(Event, tag="reasoning", kw_only=True):
    """The next piece of the model's reasoning."""

    merge = Merge(policy="text", member="reasoning")

    reasoning: str


class TurnToken(Event, tag="token", kw_only=True):
    """The next piece of the answer."""

    merge = Merge(policy="text", member="chunk")

    chunk: str


class TurnToolCall(Event, tag="tool_call", kw_only=True):
    """The model requests a function call; the call is complete."""

    tool_call: ToolCall


class TurnDone(TurnResult, Event, tag="done"):
    """The answer is complete and stored; the members are the response's."""


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
    """Generate an answer again. The old answer stays as a sibling branch."""

    session_id: Uuid
    message_id: Annotated[Uuid | None, Meta(description="The answer to generate again. Default: the last one.")] = None


class EditMessageParams(TurnParams, kw_only=True):
    """Replace a user message and answer it. The old message and all after it stay as a sibling branch."""

    session_id: Uuid
    message_id: Annotated[Uuid, Meta(description="The user message to replace.")]
    message: MessageContent
    images: Annotated[list[str] | None, Meta(description="As in send_message.")] = None


class ContinueMessageParams(TurnParams, kw_only=True):
    """Continue an answer that was cut: it reached max_tokens, was cancelled or interrupted, or a person has edited it.

    The answer stays one message with its id. Events carry the new text, the result the whole. It has to be the end of
    its branch, and an engine without assistant prefill refuses with NOT_SUPPORTED. The model does not reason again.
    """

    session_id: Uuid
    message_id: Annotated[Uuid | None, Meta(description="The answer to continue. Default: the last one.")] = None


class DeleteMessageParams(Params, kw_only=True):
    """Delete one message permanently. The messages after it stay, and follow the one before it.

    A branch that ends with it ends with the message before it, or continues on the newest branch from there. A message
    that is being written is refused: cancel it first.
    """

    session_id: Uuid
    message_id: Annotated[Uuid, Meta(description="The message.")]


class UpdateMessageParams(Params, kw_only=True):
    """Replace the text of a message in place, as a person's correction; it is marked with `edited_at`.

    Nothing is answered again, and the old text is not kept: edit_message makes a branch instead. Images stay.
    """

    session_id: Uuid
    message_id: Annotated[Uuid, Meta(description="The message.")]
    content: Annotated[Text, Meta(description="The new text.")]


class CancelMessageParams(Params, kw_only=True):
    """Stop a session's answer; answered when the engine no longer works on it."""

    session_id: Uuid


class CancelMessageResult(Result, kw_only=True):
    """What was stopped."""

    cancelled: Annotated[int, Meta(description="Answers stopped: the running one and those queued behind it.")]
    engine_idle: Annotated[
        bool | None, Meta(description="Whether the engine is idle again; null if it does not report that.")
    ]
    engine_ended: Annotated[
        bool | UnsetType,
        Meta(description="Set if the engine did not stop by itself and was ended; its server starts another one."),
    ] = UNSET


class PromptParams(Params, kw_only=True):
    """What changes a prompt beside its messages; each as in send_message."""

    system: Annotated[Text | None, Meta(description="As in send_message; it is not stored.")] = None
    images: Annotated[list[str] | None, Meta(description="As in send_message.")] = None
    tools: Annotated[list[dict[str, Any]] | None, Meta(description="As in send_message.")] = None
    tool_choice: Annotated[
        Literal["auto", "none", "required"] | dict[str, Any] | None, Meta(description="As in send_message.")
    ] = None
    tool_mode: Annotated[ToolMode | None, Meta(description="As in send_message.")] = None
    response_format: Annotated[dict[str, Any] | None, Meta(description="As in send_message.")] = None
    reasoning: Annotated[bool | None, Meta(description="As in send_message.")] = None
    preset: Annotated[str | None, Meta(description="As in send_message.")] = None


class CountTokensParams(PromptParams, kw_only=True):
    """Count the exact tokens of a text, or of a conversation in the model's chat template."""

    text: Annotated[Text | None, Meta(description="Plain text, without a template.")] = None
    session_id: Annotated[Uuid | None, Meta(description="Count this session's branch in use, as it would be sent.")] = (
        None
    )
    message: Annotated[MessageContent | None, Meta(description="A further user message at its end.")] = None
    server_id: ServerId | None = None


class CountTokensResult(Result, kw_only=True):
    """The token count."""

    tokens: int
    max_context: int


class PreviewContextParams(PromptParams, kw_only=True):
    """Show what send_message would send and leave out, and why. Nothing is sent to the model or stored."""

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
    fits: Annotated[bool, Meta(description="Whether the message would be sent; false means CONTEXT_TOO_LONG.")]
    max_context: int
    input_length: Annotated[
        int, Meta(description="Tokens that would be sent; of the whole conversation if it does not fit.")
    ]
    reserved: Annotated[int, Meta(description="Tokens reserved for the answer when messages are left out.")]
    sent_messages: Annotated[list[str], Meta(description="Ids of the messages that would be sent, oldest first.")]
    dropped: list[DroppedMessage]


class ResumeSessionParams(Params, kw_only=True):
    """Follow the running or last answer of a session again, after a reload, a lost connection or a restart.

    The events after `after_seq` are sent again on `channel` under their old `seq`, then the new ones as they
    occur. The response is that of the send_message that is followed.
    """

    session_id: Uuid
    after_seq: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="The last `seq` the host received. Default 0: send everything."),
    ] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class AckParams(Params, kw_only=True):
    """Acknowledge the events of a session's last answer, so that they need not be kept for resume_session."""

    session_id: Uuid
    seq: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="`seq` of the last event received. Default: all, once the answer has ended."),
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
    Method(
        name="continue_message",
        params=ContinueMessageParams,
        result=TurnResult,
        errors=(SessionNotFound, *_TURN_ERRORS),
        events=TURN_EVENTS,
    ),
    Method(
        name="delete_message",
        params=DeleteMessageParams,
        result=Session,
        errors=(SessionNotFound, StorageError, NotSupported),
    ),
    Method(
        name="update_message",
        params=UpdateMessageParams,
        result=Message,
        errors=(SessionNotFound, StorageError, NotSupported),
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
