"""Sessions: conversations kept by the sidecar, each a tree of messages with one branch in use."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidecar.contract.errors import NotSupported, SessionNotFound, StorageError
from sidecar.contract.method import Lane, Method, Params, Result
from sidecar.contract.servers import ServerId

ContextPolicy = Literal["error", "drop_oldest", "keep_ends"]
"""What happens when a conversation outgrows the model's context. `error`: CONTEXT_TOO_LONG, nothing is sent.
`drop_oldest`: the oldest exchanges are left out. `keep_ends`: the first exchange stays, those after it are left
out. The system prompt and the new message are never dropped, and the response always says what was."""

Uuid = Annotated[
    str, Meta(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$(?!\n)")
]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Text = Annotated[str, Meta(max_length=10_000_000)]

_LANE = Lane("session", key="session_id")


class SamplingParams(Params, kw_only=True):
    """How the next token is chosen. What is left out comes from the session, then the config, then the engine."""

    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None, Meta(description="0 always takes the likeliest token.")
    ] = None
    top_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Nucleus sampling; 1 switches it off.")
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(description="Likeliest tokens to choose from; 0 is all."),
    ] = None
    min_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Least probability, relative to the likeliest token's."),
    ] = None
    max_tokens: Annotated[
        Annotated[int, Meta(ge=1, le=2**31 - 1)] | None,
        Meta(description="Longest answer. Default: until the model ends or the context is full."),
    ] = None
    repeat_penalty: Annotated[Annotated[float, Meta(ge=0, le=100)] | None, Meta(description="1 switches it off.")] = (
        None
    )
    seed: Annotated[
        Annotated[int, Meta(ge=-1, le=2**32 - 1)] | None, Meta(description="-1 is a new one each time.")
    ] = None
    stop: Annotated[
        Annotated[list[str], Meta(max_length=64)] | str | None, Meta(description="Texts that end the answer.")
    ] = None


class SessionConfig(SamplingParams, kw_only=True):
    """Sampling settings and context policy of one session."""

    context_policy: Annotated[ContextPolicy | None, Meta(description="Default: the config's.")] = None


class TextPart(Params, tag_field="type", tag="text", kw_only=True):
    """Text of a message."""

    text: Text


class ImageUrl(Params, kw_only=True):
    """Where an image is: a data: URL. Addresses on the network are refused: the sidecar fetches nothing for a chat."""

    url: Annotated[str, Meta(description="data:image/…;base64,…")]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Params, tag_field="type", tag="image_url", kw_only=True):
    """An image in a message."""

    image_url: ImageUrl


class AudioData(Params, kw_only=True):
    """Sound, as base64."""

    data: str
    format: Literal["wav", "mp3"]


class AudioPart(Params, tag_field="type", tag="input_audio", kw_only=True):
    """Sound in a message."""

    input_audio: AudioData


ContentPart = TextPart | ImagePart | AudioPart
"""A part of a message, as in OpenAI's API."""


class ToolFunction(Result, kw_only=True):
    """The function a model wants called."""

    name: str
    arguments: Annotated[str, Meta(description="JSON as the model wrote it; it may be wrong.")]


class ToolCall(Result, kw_only=True):
    """A call that the model asks for; answer it with `tool_results`."""

    id: str
    type: Literal["function"]
    function: ToolFunction


class Usage(Result, kw_only=True):
    """Tokens, as the engine counted them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: Annotated[
        int, Meta(description="Of the prompt, found in the engine's cache and not computed again.")
    ]


class Timings(Result, kw_only=True):
    """How long it took."""

    ttft_ms: Annotated[
        float | None, Meta(description="From the request to the first token; null where there was none.")
    ]
    prompt_per_second: Annotated[float | None, Meta(description="Prompt tokens computed a second.")]
    predicted_per_second: Annotated[float | None, Meta(description="Tokens generated a second.")]
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
        Meta(description="The content parts, where there was more than text."),
    ] = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET
    state: Annotated[
        Literal["running", "complete", "cancelled", "error", "interrupted"],
        Meta(description="`interrupted`: the sidecar ended while it was being written; what was kept is here."),
    ]
    finish_reason: str | None
    usage: Usage | None
    timings: Timings | None
    model: Annotated[str | None, Meta(description="The model that wrote it.")]
    created_at: float
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
    """Make an empty session."""

    session_id: Annotated[Uuid | None, Meta(description="A UUID made by the host. Default: a new one.")] = None
    title: Annotated[
        Annotated[str, Meta(max_length=500)] | None, Meta(description="Default: from the first user message.")
    ] = None
    system: Annotated[Text | None, Meta(description="System prompt. Default: the config's.")] = None
    server_id: Annotated[ServerId | None, Meta(description="The server to use. Default: the one ready.")] = None
    config: Annotated[SessionConfig | None, Meta(description="Settings of this session. Default: none.")] = None


class ListSessionsParams(Params, kw_only=True):
    """Sessions, the last used first."""

    defaults = MappingProxyType({"limit": 50})

    query: Annotated[
        Annotated[str, Meta(max_length=1000)] | None,
        Meta(description="Only those whose title holds this text."),
    ] = None
    archived: Annotated[bool | None, Meta(description="Only archived ones, or only others. Default: others.")] = None
    limit: Annotated[Limit | None, Meta(description="Default 50.")] = None
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before.")] = None


class ListSessionsResult(Result, kw_only=True):
    """A page of sessions."""

    sessions: list[Session]
    next_cursor: str | None


class GetSessionParams(Params, kw_only=True):
    """One session."""

    session_id: Uuid


class GetMessagesParams(Params, kw_only=True):
    """The messages of a branch, oldest first."""

    session_id: Uuid
    branch: Annotated[
        Uuid | None,
        Meta(description="Id of the branch's last message, or of any on it. Default: the branch in use."),
    ] = None
    limit: Annotated[Limit | None, Meta(description="At most so many, the newest of them. Default: all.")] = None
    before: Annotated[Uuid | None, Meta(description="Only messages above this one, to page upwards.")] = None


class GetMessagesResult(Result, kw_only=True):
    """Messages of one branch."""

    session_id: str
    branch: Annotated[str | None, Meta(description="Id of the branch's last message.")]
    messages: list[Message]
    has_more: Annotated[bool, Meta(description="Whether there are older ones on this branch.")]


class UpdateSessionParams(Params, kw_only=True):
    """Change a session; what is left out stays."""

    session_id: Uuid
    title: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    system: Annotated[Text | None, Meta(description='System prompt; "" removes it.')] = None
    server_id: Annotated[ServerId | None, Meta(description="The server to use from now on.")] = None
    archived: bool | None = None
    config: Annotated[SessionConfig | None, Meta(description="Replaces the session's settings.")] = None
    branch: Annotated[Uuid | None, Meta(description="Id of a message: go on from its branch.")] = None


class DeleteSessionParams(Params, kw_only=True):
    """Delete a session. It can be brought back with restore_session until it is purged."""

    session_id: Uuid


class DeleteSessionResult(Result, kw_only=True):
    """What was deleted."""

    session_id: str
    purge_at: Annotated[float, Meta(description="When it will be gone for good, Unix seconds.")]


class RestoreSessionParams(Params, kw_only=True):
    """Undo delete_session."""

    session_id: Uuid


class SearchMessagesParams(Params, kw_only=True):
    """Messages that hold all the words, the newest first. The last word may be unfinished, from its second letter on.

    INVALID_PARAMS with the path `$.query` is also the answer to a search that is given up because it takes too long.

    Refused while the history is encrypted (`storage.encrypt`): an index would hold its words in plain text.
    """

    defaults = MappingProxyType({"limit": 20})

    query: Annotated[str, Meta(min_length=1, max_length=1000)]
    session_id: Annotated[Uuid | None, Meta(description="Only in this session.")] = None
    limit: Annotated[Limit | None, Meta(description="Default 20.")] = None
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before.")] = None


class SearchHit(Result, kw_only=True):
    """A message found."""

    session_id: str
    session_title: str
    message_id: str
    role: str
    snippet: Annotated[str, Meta(description="The text around the words, which stand between \\u0002 and \\u0003.")]
    created_at: float


class SearchMessagesResult(Result, kw_only=True):
    """A page of messages found."""

    hits: list[SearchHit]
    next_cursor: str | None


class ExportSessionParams(Params, kw_only=True):
    """A session as text to keep: everything as JSON, or the branch in use as Markdown."""

    session_id: Uuid
    format: Annotated[Literal["json", "markdown"] | None, Meta(description="Default json.")] = None


class ExportSessionResult(Result, kw_only=True):
    """The text and how to name the file."""

    format: Literal["json", "markdown"]
    filename: str
    content: str


class ImportSessionParams(Params, kw_only=True):
    """Bring in what export_session wrote as JSON. It gets a new id where the old one is taken."""

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
"""The second where the history is encrypted and this system has no keyring for its key."""

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
