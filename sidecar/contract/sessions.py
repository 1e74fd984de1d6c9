"""Sessions: conversations kept by the sidecar, each a tree of messages with one branch in use."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidecar.contract.errors import NotSupported, SessionNotFound, StorageError
from sidecar.contract.method import Lane, Method, Params, Result
from sidecar.contract.sampling import SamplingParams
from sidecar.contract.servers import ServerId
from sidecar.contract.warnings import ResultWarning

ContextPolicy = Literal["error", "drop_oldest", "keep_ends"]
"""What happens when a conversation outgrows the model's context. `error`: CONTEXT_TOO_LONG, nothing is sent.
`drop_oldest`: the oldest exchanges are dropped. `keep_ends`: the first exchange stays, those after it are
dropped. The system prompt and the new message are never dropped, and the response always reports what was."""

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
"""Why an answer ended, as in OpenAI's API. `stop`: the model ended it, or one of `stop` came. `length`: `max_tokens` is
reached, or the context is full. `tool_calls`: the host is to carry out calls. `content_filter`: an engine with a filter
left something out; llama.cpp has none. Whatever else an engine says is one of these, or `stop`."""

Uuid = Annotated[
    str, Meta(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$(?!\n)")
]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Text = Annotated[str, Meta(max_length=10_000_000)]

_LANE = Lane("session", key="session_id")


class SessionConfig(SamplingParams, kw_only=True):
    """Sampling settings and context policy of one session."""

    context_policy: Annotated[ContextPolicy | None, Meta(description="Default: the config's.")] = None


class TextPart(Params, tag_field="type", tag="text", kw_only=True):
    """Text of a message."""

    text: Text


class ImageUrl(Params, kw_only=True):
    """An image as a data: URL. Network addresses are refused: the sidecar downloads nothing for a chat."""

    url: Annotated[str, Meta(description="data:image/…;base64,…")]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Params, tag_field="type", tag="image_url", kw_only=True):
    """An image in a message."""

    image_url: ImageUrl


class AudioData(Params, kw_only=True):
    """Audio, as base64."""

    data: str
    format: Literal["wav", "mp3"]


class AudioPart(Params, tag_field="type", tag="input_audio", kw_only=True):
    """Audio in a message."""

    input_audio: AudioData


ContentPart = TextPart | ImagePart | AudioPart
"""A part of a message, as in OpenAI's API."""


class ToolFunction(Result, kw_only=True):
    """The function that the model calls."""

    name: str
    arguments: Annotated[str, Meta(description="JSON as the model wrote it; it may be invalid.")]


class ToolCall(Result, kw_only=True):
    """A function call that the model requests; answer it with `tool_results`."""

    id: str
    type: Literal["function"]
    function: ToolFunction
    incomplete: Annotated[
        bool | UnsetType,
        Meta(
            description="true: the answer ended within this call, or its arguments are no JSON object; do not run it."
        ),
    ] = UNSET


class Usage(Result, kw_only=True):
    """Token counts, as the engine reports them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: Annotated[
        int, Meta(description="Prompt tokens found in the engine's cache and not processed again.")
    ]


class Timings(Result, kw_only=True):
    """Durations and speeds."""

    ttft_ms: Annotated[float | None, Meta(description="From the request to the first token; null if there was none.")]
    prompt_per_second: Annotated[float | None, Meta(description="Prompt tokens processed per second.")]
    predicted_per_second: Annotated[float | None, Meta(description="Tokens generated per second.")]
    total_ms: Annotated[float, Meta(description="From the request to the end.")]


class Message(Result, kw_only=True):
    """One message of a session's tree."""

    message_id: str
    session_id: str
    parent_id: str | None
    role: Literal["user", "assistant", "tool"]
    content: str
    parts: Annotated[
        list[dict[str, Any]] | UnsetType,
        Meta(description="The content parts, if there was more than text."),
    ] = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET
    state: Annotated[
        Literal["running", "complete", "cancelled", "error", "interrupted"],
        Meta(
            description="`interrupted`: the sidecar ended while the answer was being written; the stored part is here."
        ),
    ]
    finish_reason: FinishReason | None
    usage: Usage | None
    timings: Timings | None
    model: Annotated[str | None, Meta(description="The model that wrote it.")]
    warnings: Annotated[
        list[ResultWarning] | UnsetType,
        Meta(description="Of an answer: what of its request was not fully honoured, if anything."),
    ] = UNSET
    created_at: float
    edited_at: Annotated[
        float | UnsetType, Meta(description="When update_message last changed its text, Unix seconds; if ever.")
    ] = UNSET
    siblings: Annotated[
        list[str],
        Meta(description="The branches at this point: ids of all messages with this parent, oldest first."),
    ]


class Session(Result, kw_only=True):
    """A conversation."""

    session_id: str
    title: str
    system: str | None
    server_id: Annotated[str | None, Meta(description="The server it was last used with.")]
    config: SessionConfig
    archived: bool
    created_at: float
    updated_at: float
    message_count: Annotated[int, Meta(description="Messages in all branches.")]
    head: Annotated[str | None, Meta(description="Last message of the branch in use.")]


class CreateSessionParams(Params, kw_only=True):
    """Create an empty session."""

    session_id: Annotated[Uuid | None, Meta(description="A UUID generated by the host. Default: a new UUID.")] = None
    title: Annotated[
        Annotated[str, Meta(max_length=500)] | None, Meta(description="Default: from the first user message.")
    ] = None
    system: Annotated[Text | None, Meta(description="System prompt. Default: the config's.")] = None
    server_id: Annotated[ServerId | None, Meta(description="The server to use. Default: the one that is ready.")] = None
    config: Annotated[SessionConfig | None, Meta(description="Settings of this session. Default: none.")] = None


class ListSessionsParams(Params, kw_only=True):
    """List sessions, the last used first."""

    defaults = MappingProxyType({"limit": 50})

    query: Annotated[
        Annotated[str, Meta(max_length=1000)] | None,
        Meta(description="Only sessions whose title contains this text."),
    ] = None
    archived: Annotated[
        bool | None, Meta(description="true: only archived sessions; false (default): only others.")
    ] = None
    limit: Annotated[Limit | None, Meta(description="Default 50.")] = None
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the previous page.")] = None


class ListSessionsResult(Result, kw_only=True):
    """A page of sessions."""

    sessions: list[Session]
    next_cursor: str | None


class GetSessionParams(Params, kw_only=True):
    """Return a session."""

    session_id: Uuid


class GetMessagesParams(Params, kw_only=True):
    """Return the messages of a branch, oldest first: the newest ones, as many as the host reads in a line."""

    session_id: Uuid
    branch: Annotated[
        Uuid | None,
        Meta(description="Id of any message on the branch. Default: the branch in use."),
    ] = None
    limit: Annotated[
        Limit | None, Meta(description="Maximum number of messages; the newest are returned. Default: all.")
    ] = None
    before: Annotated[Uuid | None, Meta(description="Only messages before this one, to page backwards.")] = None


class GetMessagesResult(Result, kw_only=True):
    """Messages of one branch."""

    session_id: str
    branch: Annotated[str | None, Meta(description="Id of the branch's last message.")]
    messages: list[Message]
    has_more: Annotated[bool, Meta(description="Whether the branch has older messages.")]


class UpdateSessionParams(Params, kw_only=True):
    """Change a session; omitted members keep their value."""

    session_id: Uuid
    title: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    system: Annotated[Text | None, Meta(description='System prompt; "" removes it.')] = None
    server_id: Annotated[ServerId | None, Meta(description="The server to use from now on.")] = None
    archived: bool | None = None
    config: Annotated[
        SessionConfig | None,
        Meta(description="Changed settings: those left out keep their value, and null removes one."),
    ] = None
    branch: Annotated[Uuid | None, Meta(description="Id of a message: continue on its branch.")] = None


class DeleteSessionParams(Params, kw_only=True):
    """Delete a session. restore_session can restore it until it is purged."""

    session_id: Uuid


class DeleteSessionResult(Result, kw_only=True):
    """What was deleted."""

    session_id: str
    purge_at: Annotated[float, Meta(description="When it is deleted permanently, Unix seconds.")]


class RestoreSessionParams(Params, kw_only=True):
    """Undo delete_session."""

    session_id: Uuid


class ListDeletedSessionsParams(Params, kw_only=True):
    """List the deleted sessions that restore_session can restore, the last deleted first."""

    defaults = MappingProxyType({"limit": 50})

    limit: Annotated[Limit | None, Meta(description="Default 50.")] = None
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the previous page.")] = None


class DeletedSession(Result, kw_only=True):
    """A session that can be restored."""

    session_id: str
    title: str
    message_count: Annotated[int, Meta(description="Messages in all branches.")]
    created_at: float
    updated_at: float
    deleted_at: float
    purge_at: Annotated[float, Meta(description="From when it may be deleted permanently, Unix seconds.")]


class ListDeletedSessionsResult(Result, kw_only=True):
    """A page of deleted sessions."""

    sessions: list[DeletedSession]
    next_cursor: str | None


class SearchMessagesParams(Params, kw_only=True):
    """Search for messages that contain all the words, the newest first. The last word may be a prefix of two letters.

    A search that takes too long is cancelled with INVALID_PARAMS and the path `$.query`.

    Refused while the history is encrypted (`storage.encrypt`): an index would contain its words in plain text.
    """

    defaults = MappingProxyType({"limit": 20})

    query: Annotated[str, Meta(min_length=1, max_length=1000)]
    session_id: Annotated[Uuid | None, Meta(description="Only in this session.")] = None
    limit: Annotated[Limit | None, Meta(description="Default 20.")] = None
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the previous page.")] = None


class SearchHit(Result, kw_only=True):
    """A message that matches."""

    session_id: str
    session_title: str
    message_id: str
    role: str
    snippet: Annotated[str, Meta(description="The text around the matches, which are enclosed in \\u0002 and \\u0003.")]
    created_at: float


class SearchMessagesResult(Result, kw_only=True):
    """A page of matching messages."""

    hits: list[SearchHit]
    next_cursor: str | None


class ExportSessionParams(Params, kw_only=True):
    """Export a session: everything as JSON, or the branch in use as Markdown."""

    session_id: Uuid
    format: Annotated[Literal["json", "markdown"] | None, Meta(description="Default json.")] = None


class ExportSessionResult(Result, kw_only=True):
    """The exported text, and a name for its file."""

    format: Literal["json", "markdown"]
    filename: str
    content: str


class ImportSessionParams(Params, kw_only=True):
    """Import JSON that export_session wrote. The session gets a new id if the old one is in use."""

    content: Annotated[str, Meta(description="The JSON text.")]


class ExportedMessage(Struct, kw_only=True, omit_defaults=True):
    """A message in an exported file."""

    message_id: Uuid
    parent_id: Uuid | None = None
    role: Literal["user", "assistant", "tool"]
    content: str
    parts: list[dict[str, Any]] | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    state: Literal["complete", "cancelled", "error", "interrupted"] = "complete"
    finish_reason: str | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    model: str | None = None
    created_at: float
    edited_at: float | None = None


class SessionExport(Struct, kw_only=True):
    """The JSON that export_session writes and import_session reads."""

    format: Literal["llama-sidecar/session"]
    version: Literal[1]
    session_id: Uuid
    title: str
    system: str | None
    config: SessionConfig
    created_at: float
    updated_at: float
    head: Uuid | None
    messages: list[ExportedMessage]


_HISTORY_ERRORS = (StorageError, NotSupported)
"""NotSupported where the history is encrypted and this system has no keyring for its key."""

METHODS = (
    Method(name="create_session", params=CreateSessionParams, result=Session, errors=_HISTORY_ERRORS),
    Method(name="list_sessions", params=ListSessionsParams, result=ListSessionsResult, errors=_HISTORY_ERRORS),
    Method(name="get_session", params=GetSessionParams, result=Session, errors=(SessionNotFound, *_HISTORY_ERRORS)),
    Method(
        name="get_messages",
        params=GetMessagesParams,
        result=GetMessagesResult,
        errors=(SessionNotFound, *_HISTORY_ERRORS),
    ),
    Method(
        name="update_session",
        params=UpdateSessionParams,
        result=Session,
        errors=(SessionNotFound, *_HISTORY_ERRORS),
        lane=_LANE,
    ),
    Method(
        name="delete_session",
        params=DeleteSessionParams,
        result=DeleteSessionResult,
        errors=(SessionNotFound, *_HISTORY_ERRORS),
        lane=_LANE,
    ),
    Method(
        name="list_deleted_sessions",
        params=ListDeletedSessionsParams,
        result=ListDeletedSessionsResult,
        errors=_HISTORY_ERRORS,
    ),
    Method(
        name="restore_session",
        params=RestoreSessionParams,
        result=Session,
        errors=(SessionNotFound, *_HISTORY_ERRORS),
        lane=_LANE,
    ),
    Method(name="search_messages", params=SearchMessagesParams, result=SearchMessagesResult, errors=_HISTORY_ERRORS),
    Method(
        name="export_session",
        params=ExportSessionParams,
        result=ExportSessionResult,
        errors=(SessionNotFound, *_HISTORY_ERRORS),
    ),
    Method(name="import_session", params=ImportSessionParams, result=Session, errors=_HISTORY_ERRORS),
)
