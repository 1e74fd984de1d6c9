"""Config: one JSON file, every key with its default here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from sidecar.contract.engines import EngineName
from sidecar.contract.errors import DiskFull, NotSupported, PermissionDenied, StorageError
from sidecar.contract.method import Lane, Method, Params
from sidecar.contract.models import ForeignOrigin
from sidecar.contract.servers import CTX_SIZE, N_GPU_LAYERS, PARALLEL, ServerSettings
from sidecar.contract.sessions import ContextPolicy, SamplingParams

_LANE = Lane("config")


class EnginesConfig(Params, kw_only=True):
    """Which engine to use."""

    llama_cpp_path: Annotated[str | None, Meta(description="Folder of a llama.cpp build to prefer.")] = None
    preferred: Annotated[EngineName | None, Meta(description="Engine to use where none is named.")] = None
    python: Annotated[
        str | None,
        Meta(description="Python program that has llama-cpp-python, where the sidecar's own does not."),
    ] = None
    start_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Longest start of an engine without any sign of progress. "
            "One that only writes to its log is given up after five times as long.",
        ),
    ] = 180.0
    health_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="How long a ready engine may be silent when it is asked before it is ended and started again.",
        ),
    ] = 20.0
    max_restarts: Annotated[
        int,
        Meta(
            ge=0,
            le=5,
            description="How often an engine that crashes is started again by itself within three minutes of being "
            "ready, before its server has failed; 0 for never. There are five starts in that time at most, "
            "the first one included.",
        ),
    ] = 5
    idle_unload_minutes: Annotated[
        Annotated[float, Meta(gt=0, le=525_600)] | None,
        Meta(
            description="How long nobody may have asked a server before its engine is ended and its memory is free; "
            "the next message starts it again. Servers on a port of their own are left alone. null: never."
        ),
    ] = None
    max_loaded: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | None,
        Meta(
            description="How many servers may have their model loaded; a start beyond that puts the one to sleep that "
            "has not been asked for longest, and waits where all are answering. null: as many as there is memory for."
        ),
    ] = None
    make_room: Annotated[
        bool,
        Meta(
            description="Put servers that nobody is asking to sleep where a start would not fit beside them, those not "
            "asked for longest first."
        ),
    ] = True
    stop_grace_seconds: Annotated[
        float, Meta(ge=0, le=4, description="How long an engine may take to end before it is killed.")
    ] = 1.0


class ModelsConfig(Params, kw_only=True):
    """Where models are."""

    folders: Annotated[list[str], Meta(description="Folders to list beside the sidecar's own; never written to.")] = (
        field(default_factory=list)
    )
    default: Annotated[str | None, Meta(description="Model to start where none is named.")] = None
    sources: Annotated[
        list[ForeignOrigin] | None,
        Meta(
            description="Other programs whose models are listed, where they lie; [] for none. Default: all. "
            "They are never written to."
        ),
    ] = None
    deleted_retention_days: Annotated[
        float,
        Meta(ge=0, le=3650, description="How long a deleted model can be brought back; its room is taken till then."),
    ] = 7.0


class DownloadsConfig(Params, kw_only=True):
    """How models are fetched. A change counts at once, for downloads under way, too."""

    max_bytes_per_second: Annotated[
        Annotated[int, Meta(ge=1024, le=10**12)] | None,
        Meta(description="Of all downloads together. Default: as fast as it goes."),
    ] = None
    at_once: Annotated[int, Meta(ge=1, le=16, description="Downloads under way; the others wait in their order.")] = 2
    connections: Annotated[int, Meta(ge=1, le=16, description="Parts of a file that are fetched side by side.")] = 4
    resume_at_start: Annotated[
        bool,
        Meta(
            description="Whether downloads that a restart has interrupted go on by themselves, once a host has called "
            "initialize."
        ),
    ] = True
    retry_seconds: Annotated[
        float,
        Meta(ge=0, le=604_800, description="How long a download that gets nothing keeps trying before it has failed."),
    ] = 600.0
    hub_endpoint: Annotated[
        Annotated[str, Meta(pattern=r"^https?://", max_length=500)] | None,
        Meta(description="A mirror of Hugging Face. Default: HF_ENDPOINT, else https://huggingface.co."),
    ] = None
    allow_private_addresses: Annotated[
        bool,
        Meta(description="Also fetch from this machine and the local network, and from there without TLS."),
    ] = False


class ServerDefaults(Params, kw_only=True):
    """Start settings where none are given."""

    ctx_size: Annotated[int, Meta(ge=0, le=2**31 - 1)] = CTX_SIZE
    parallel: Annotated[int, Meta(ge=1, le=256)] = PARALLEL
    n_gpu_layers: Annotated[int, Meta(ge=-1, le=10_000)] = N_GPU_LAYERS
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="CPU threads; fewer than cores where others need them, too. Default: the engine's choice."),
    ] = None


class ChatPreset(SamplingParams, kw_only=True):
    """A named set of chat settings."""

    system: str | None = None
    context_policy: ContextPolicy | None = None


class ChatConfig(SamplingParams, kw_only=True):
    """Chat settings where neither message nor session has them."""

    system: Annotated[str | None, Meta(description="System prompt of new sessions.")] = None
    context_policy: ContextPolicy = "error"
    max_queue: Annotated[
        int, Meta(ge=1, le=100_000, description="Messages that may wait for one server before QUEUE_FULL.")
    ] = 512


class StorageConfig(Params, kw_only=True):
    """History."""

    deleted_retention_days: Annotated[
        float, Meta(ge=0, le=3650, description="How long a deleted session can be brought back.")
    ] = 30.0
    encrypt: Annotated[
        bool | None,
        Meta(
            description=(
                "Encrypt what is said: messages, reasoning, tool calls, titles, system prompts and settings of"
                " sessions (AES-256-GCM, each for itself), with a key that the system's keyring keeps. Needs a"
                " keyring and pip install 'llama-sidecar[encrypt]'; without them set_config refuses, and a history"
                " that is encrypted can neither be read nor added to. It protects a stolen disk and copies of the"
                " data folder. It does not protect from programs that run as the same user: they can ask the keyring,"
                " too. Ids, times, lengths, token counts, roles and names of models and servers stay readable, and"
                " this config file, with chat.system and chat_presets, is not encrypted. search_messages is off."
                " Whoever loses the key loses the history: a backup needs the keyring as well."
                " A change takes effect at once and rewrites the whole history before set_config is answered; plain"
                " text is overwritten in history.db, but older copies of it are yours to remove, and an SSD may keep"
                " what was overwritten for a while. null: as the history is, so a lost config decrypts nothing;"
                " a new one is not encrypted."
            )
        ),
    ] = None


class LogsConfig(Params, kw_only=True):
    """Logs."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Lowest level kept.")] = "info"
    max_file_bytes: Annotated[
        int, Meta(ge=65_536, le=1_073_741_824, description="Size at which a log file is turned over.")
    ] = 5_242_880
    kept_files: Annotated[int, Meta(ge=1, le=100, description="Older files kept of each source.")] = 3


class Config(Params, kw_only=True):
    """The whole config."""

    engines: EnginesConfig = field(default_factory=EnginesConfig)
    models: ModelsConfig = field(default_factory=ModelsConfig)
    downloads: DownloadsConfig = field(default_factory=DownloadsConfig)
    server_defaults: ServerDefaults = field(default_factory=ServerDefaults)
    chat: ChatConfig = field(default_factory=ChatConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    logs: LogsConfig = field(default_factory=LogsConfig)
    server_presets: Annotated[
        dict[str, ServerSettings],
        Meta(description="Named start settings, for `preset` of start_llama_server."),
    ] = field(default_factory=dict)
    chat_presets: Annotated[
        dict[str, ChatPreset], Meta(description="Named chat settings, for `preset` of send_message.")
    ] = field(default_factory=dict)


class GetConfigParams(Params):
    """The whole config, defaults filled in."""


class SetConfigParams(Params, kw_only=True):
    """Change settings by a JSON merge patch (RFC 7396): what is left out stays, `null` goes back to the default.

    The file is replaced as a whole or not at all. Running servers keep the settings they were started with.
    `storage.encrypt` rewrites the history before this is answered.
    """

    patch: dict[str, Any]


class ResetConfigParams(Params, kw_only=True):
    """Go back to the defaults."""

    keys: Annotated[
        list[str] | None, Meta(description='Dotted keys such as "chat.temperature". Default: everything.')
    ] = None


class GetConfigSchemaParams(Params):
    """The JSON Schema of the config, with descriptions and defaults."""


METHODS = (
    Method(name="get_config", params=GetConfigParams, result=Config),
    Method(
        name="set_config",
        params=SetConfigParams,
        result=Config,
        errors=(DiskFull, PermissionDenied, StorageError, NotSupported),
        lane=_LANE,
    ),
    Method(
        name="reset_config",
        params=ResetConfigParams,
        result=Config,
        errors=(DiskFull, PermissionDenied, StorageError, NotSupported),
        lane=_LANE,
    ),
    Method(name="get_config_schema", params=GetConfigSchemaParams, result=dict[str, Any]),
)
