"""Config: one JSON file; every key and its default is defined here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from sidecar.contract.engines import EngineName
from sidecar.contract.errors import DiskFull, NotSupported, PermissionDenied, StorageError
from sidecar.contract.method import Lane, Method, Params
from sidecar.contract.models import ForeignOrigin
from sidecar.contract.sampling import SamplingParams
from sidecar.contract.server_settings import CTX_SIZE, N_GPU_LAYERS, PARALLEL, ServerSettings
from sidecar.contract.sessions import ContextPolicy

_LANE = Lane("config")


class EnginesConfig(Params, kw_only=True):
    """Which engine to use."""

    llama_cpp_path: Annotated[str | None, Meta(description="Folder of a llama.cpp build to prefer.")] = None
    preferred: Annotated[EngineName | None, Meta(description="Engine to use if none is named.")] = None
    python: Annotated[
        str | None,
        Meta(description="Python interpreter that has llama-cpp-python, if the sidecar's own does not."),
    ] = None
    start_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="How long an engine may start without progress. An engine that only writes to its log is "
            "stopped after five times as long.",
        ),
    ] = 180.0
    health_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="How long a ready engine may leave a health check unanswered before it is restarted.",
        ),
    ] = 20.0
    max_restarts: Annotated[
        int,
        Meta(
            ge=0,
            le=5,
            description="Automatic restarts of a crashing engine within three minutes of being ready, before its "
            "server fails; 0 for none. At most five starts happen in that time, the first one included.",
        ),
    ] = 5
    idle_unload_minutes: Annotated[
        Annotated[float, Meta(gt=0, le=525_600)] | None,
        Meta(
            description="Idle timeout: minutes without a request after which a server's engine is stopped and its "
            "memory freed; the next message starts it again. Servers on a port of their own are not stopped. "
            "null: never."
        ),
    ] = None
    max_loaded: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | None,
        Meta(
            description="How many servers may have their model loaded. A start beyond that evicts the least recently "
            "used server, and waits while all of them are answering. null: as many as fit in memory."
        ),
    ] = None
    make_room: Annotated[
        bool,
        Meta(
            description="Evict idle servers, the least recently used first, if a start would not fit in memory beside "
            "them."
        ),
    ] = True
    stop_grace_seconds: Annotated[
        float, Meta(ge=0, le=4, description="How long an engine may take to exit before it is killed.")
    ] = 1.0


class ModelsConfig(Params, kw_only=True):
    """Where models are found."""

    folders: Annotated[
        list[str], Meta(description="Folders to list besides the sidecar's own; they are read only.")
    ] = field(default_factory=list)
    default: Annotated[str | None, Meta(description="Model to start if none is named.")] = None
    sources: Annotated[
        list[ForeignOrigin] | None,
        Meta(
            description="Other programs whose models are listed and used in place; [] for none. Default: all. "
            "Their files are read only."
        ),
    ] = None
    deleted_retention_days: Annotated[
        float,
        Meta(ge=0, le=3650, description="How long a deleted model can be restored; it uses disk space until then."),
    ] = 7.0


class DownloadsConfig(Params, kw_only=True):
    """How models are downloaded. A change applies immediately, also to running downloads."""

    max_bytes_per_second: Annotated[
        Annotated[int, Meta(ge=1024, le=10**12)] | None,
        Meta(description="Rate limit of all downloads together. Default: none."),
    ] = None
    at_once: Annotated[
        int, Meta(ge=1, le=16, description="Downloads that run concurrently; the others wait in order.")
    ] = 2
    connections: Annotated[int, Meta(ge=1, le=16, description="Parts of a file that are downloaded in parallel.")] = 4
    resume_at_start: Annotated[
        bool,
        Meta(
            description="Whether downloads that a restart interrupted resume automatically, once a host has called "
            "initialize."
        ),
    ] = True
    retry_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=604_800,
            description="Retry budget: how long a download that receives no data retries before it fails.",
        ),
    ] = 600.0
    hub_endpoint: Annotated[
        Annotated[str, Meta(pattern=r"^https?://", max_length=500)] | None,
        Meta(description="A mirror of Hugging Face. Default: HF_ENDPOINT, else https://huggingface.co."),
    ] = None
    ca_file: Annotated[
        Annotated[str, Meta(min_length=1, max_length=4096)] | None,
        Meta(
            description="File or folder of further root certificates (PEM), such as that of a company's proxy, for the "
            "hub and for downloads. Those of SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE "
            "replace the system's."
        ),
    ] = None
    token_hosts: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=253)]],
        Meta(
            max_length=100,
            description="Hosts of hubs, other than huggingface.co and this machine, that also receive the user's token "
            "if hub_endpoint or HF_ENDPOINT names them, over https. Default: none, so that a mirror does not get it.",
        ),
    ] = field(default_factory=list)
    allow_private_addresses: Annotated[
        bool,
        Meta(description="Also download from this machine and the local network, there also without TLS."),
    ] = False


class ServerDefaults(Params, kw_only=True):
    """Default start settings."""

    ctx_size: Annotated[int, Meta(ge=0, le=2**31 - 1)] = CTX_SIZE
    parallel: Annotated[int, Meta(ge=1, le=256)] = PARALLEL
    n_gpu_layers: Annotated[int, Meta(ge=-1, le=10_000)] = N_GPU_LAYERS
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="CPU threads; fewer than cores if other programs need some. Default: the engine's choice."),
    ] = None
    cache_ram_mib: Annotated[
        Annotated[int, Meta(ge=-1, le=16_777_216)] | None,
        Meta(
            description="Main memory of an engine for earlier prompts, MiB; -1 is no limit, 0 none. Default: an eighth "
            "of the machine's memory beyond 4 GiB, 8192 at most."
        ),
    ] = None


class ChatPreset(SamplingParams, kw_only=True):
    """A named set of chat settings."""

    system: str | None = None
    context_policy: ContextPolicy | None = None


class ChatConfig(SamplingParams, kw_only=True):
    """Chat settings, used where neither message nor session has them."""

    system: Annotated[str | None, Meta(description="System prompt of new sessions.")] = None
    context_policy: ContextPolicy = "error"
    max_queue: Annotated[
        int, Meta(ge=1, le=100_000, description="Messages that may wait for one server before QUEUE_FULL.")
    ] = 512


class StorageConfig(Params, kw_only=True):
    """History."""

    deleted_retention_days: Annotated[
        float, Meta(ge=0, le=3650, description="How long a deleted session can be restored.")
    ] = 30.0
    encrypt: Annotated[
        bool | None,
        Meta(
            description=(
                "Encrypt the content of the history: messages, reasoning, tool calls, titles, system prompts and"
                " settings of sessions (AES-256-GCM, each value separately), with a key in the system's keyring."
                " Requires a keyring and the packages cryptography and keyring; without them set_config refuses, and an"
                " encrypted history can be neither read nor written. This protects against a stolen disk and copies of"
                " the data folder, not against programs that run as the same user: they can read the keyring, too."
                " Ids, times, lengths, token counts, roles and names of models and servers stay readable, and"
                " this config file, with chat.system and chat_presets, is not encrypted. search_messages is off."
                " If the key is lost, the history is lost: a backup needs the keyring as well."
                " A change takes effect immediately and rewrites the whole history before set_config is answered."
                " Plain text is overwritten in history.db, but you have to remove older copies of the file, and an SSD"
                " may keep overwritten data for a while. null: keep the history as it is, so a lost config decrypts"
                " nothing; a new history is not encrypted."
            )
        ),
    ] = None


class LogsConfig(Params, kw_only=True):
    """Logs."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Lowest level kept.")] = "info"
    max_file_bytes: Annotated[
        int, Meta(ge=65_536, le=1_073_741_824, description="Size at which a log file is rotated.")
    ] = 5_242_880
    kept_files: Annotated[int, Meta(ge=1, le=100, description="Rotated files kept for each source.")] = 3


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
    """Return the whole config, with defaults filled in."""


class SetConfigParams(Params, kw_only=True):
    """Change settings by a JSON merge patch (RFC 7396): omitted keys keep their value, `null` restores the default.

    The file is replaced atomically. Running servers keep the settings they were started with.
    A change of `storage.encrypt` rewrites the history before the response.
    """

    patch: dict[str, Any]


class ResetConfigParams(Params, kw_only=True):
    """Restore the defaults."""

    keys: Annotated[
        list[str] | None, Meta(description='Dotted keys such as "chat.temperature". Default: everything.')
    ] = None


class GetConfigSchemaParams(Params):
    """Return the JSON Schema of the config, with descriptions and defaults."""


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
