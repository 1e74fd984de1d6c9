"""Servers: each runs one engine process with one model, under a `server_id`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from sidecar.contract.engines import EngineName
from sidecar.contract.errors import (
    EngineNotFound,
    EngineStartFailed,
    ModelInvalid,
    ModelNotFound,
    PathNotAllowed,
    PermissionDenied,
    PortInUse,
    ServerAlreadyRunning,
    ServerNotRunning,
)
from sidecar.contract.method import PROGRESS, CancelledEvent, ErrorEvent, Event, Method, Params, Result, WireError
from sidecar.contract.remedies import Remedy
from sidecar.contract.server_settings import ServerSettings

DEFAULT_SERVER_ID = "default"

ServerState = Literal[
    "queued", "planning", "starting", "loading", "warming", "ready", "sleeping", "stopping", "stopped", "failed"
]
"""State of a server. `stopped` and `failed` are final. A server whose engine crashed goes through `stopping` and
`queued` (the pause before the restart) to `ready` again. A `sleeping` server has no engine and uses no memory; the next
message starts its engine again, and waits for it."""

ServerId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)")]
Channel = Annotated[str, Meta(min_length=1, max_length=200)]
_SERVER_ID = Meta(description='Which server. Default "default".')
CHANNEL = Meta(description="Name for this request's events, unique among the host's live channels.")


class StartLlamaServerParams(ServerSettings, kw_only=True):
    """Start an engine with a model; answered when it is ready for messages.

    If no engine is named, the best one found is used: the configured llama.cpp folder, then the default managed build,
    then PATH, then the embedded engine, then llama-cpp-python.
    """

    server_id: Annotated[ServerId | None, _SERVER_ID] = None
    preset: Annotated[
        str | None,
        Meta(description="Name in the config's `server_presets`; parameters given here override it."),
    ] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class PreviewCommandParams(ServerSettings, kw_only=True):
    """Return the command that start_llama_server would run. Nothing is started or written."""

    server_id: Annotated[ServerId | None, _SERVER_ID] = None
    preset: Annotated[str | None, Meta(description="As in start_llama_server.")] = None


class MemoryTaken(Result, kw_only=True):
    """Memory that an engine planned or allocated on one device, according to its log."""

    device: Annotated[str, Meta(description="`Host`, or the engine's name of a GPU, such as CUDA0.")]
    weights_bytes: int
    kv_cache_bytes: int
    compute_bytes: int
    projector_bytes: int


class StartPlan(Result, kw_only=True):
    """The requested settings, with all defaults applied."""

    ctx_size: int
    parallel: int
    n_gpu_layers: int
    argv: Annotated[list[str], Meta(description="The command line; never contains a secret.")]
    ignored: Annotated[list[str], Meta(description="Settings left out because this engine does not support them.")]
    memory: Annotated[
        list[MemoryTaken], Meta(description="The plan of the engine's own allocator, before anything is loaded.")
    ] = field(default_factory=list)


GpuCause = Literal[
    "NO_GPU_BACKEND",
    "NO_DRIVER",
    "DRIVER_TOO_OLD",
    "DRIVER_FAILING",
    "DEVICE_NOT_VISIBLE",
    "NO_GPU",
    "TOO_LITTLE_MEMORY",
    "NOT_WANTED",
    "UNKNOWN",
]
"""Why a model is not on the GPU: decided from the engine's log, its build and the machine's hardware."""


class StartWarning(Result, kw_only=True):
    """Why a server runs, but not as requested."""

    code: Literal["GPU_NOT_USED", "GPU_PARTLY_USED"]
    cause: GpuCause
    message: Annotated[str, Meta(description="What happened and why, in a sentence.")]
    hint: Annotated[str, Meta(description="What to do next, in a sentence for people.")]
    remedies: Annotated[list[Remedy], Meta(description="What a host can do or offer.")] = field(default_factory=list)


class StartActual(Result, kw_only=True):
    """What the engine reports once it is ready."""

    context_per_message: Annotated[
        int,
        Meta(
            description="Tokens that prompt and answer of one message may use together. Messages that do not fit into "
            "`shared_context` together wait for each other."
        ),
    ]
    slots: Annotated[int, Meta(description="Messages it answers concurrently, as far as they fit together.")]
    load_ms: Annotated[float, Meta(description="From the start of the process until the engine was ready.")]
    gpu_layers: Annotated[int | None, Meta(description="Layers on the GPU, if the engine reports them.")]
    total_layers: Annotated[int | None, Meta(description="Layers of the model, if the engine reports them.")]
    vision: Annotated[bool, Meta(description="Whether it accepts images.")]
    build: Annotated[str | None, Meta(description="The engine's build, as it reports it.")]
    memory: Annotated[
        list[MemoryTaken], Meta(description="Memory allocated on each device; empty if the engine does not report it.")
    ] = field(default_factory=list)
    shared_context: Annotated[
        int | None,
        Meta(
            description="Tokens that all messages answered concurrently share; null if each may use "
            "`context_per_message`, whatever the others use."
        ),
    ] = None
    trained_context: Annotated[
        int | None, Meta(description="Context that the model was trained for, in tokens, if the engine reports it.")
    ] = None


class ServerInfo(Result, kw_only=True):
    """A server and its state. Before it is planned, values that are not chosen yet are null."""

    server_id: str
    state: ServerState
    engine: EngineName | None
    model: Annotated[str | None, Meta(description="The model's name.")]
    model_path: str | None
    pid: Annotated[int | None, Meta(description="Process id of the engine while it runs.")]
    port: Annotated[int | None, Meta(description="TCP port; null on a private socket.")]
    base_url: Annotated[str | None, Meta(description="Address of its OpenAI API; null on a private socket.")]
    ctx_size: int | None
    parallel: int | None
    n_gpu_layers: int | None
    started_at: Annotated[float | None, Meta(description="When its process started, Unix seconds.")]
    message: Annotated[str, Meta(description="Its state in a sentence.")]
    plan: StartPlan | None
    actual: StartActual | None
    error: Annotated[
        WireError | None,
        Meta(description="Why it failed (state `failed`), or why its engine crashed, until it is ready again."),
    ]
    warning: Annotated[
        StartWarning | None, Meta(description="Set if it runs, but not on the GPU as requested; otherwise null.")
    ] = None
    restarts: Annotated[int, Meta(description="How often its engine crashed and was restarted automatically.")] = 0
    default: Annotated[
        bool,
        Meta(description="Whether it answers messages that name no server, nor does their session. At most one does."),
    ] = False


class ServerDetails(ServerInfo, kw_only=True):
    """A server and how to connect to it directly, without the sidecar. A restarted engine has a new key
    unless `api_key` was set, and a new socket or port unless a port was requested."""

    api_key: Annotated[str | None, Meta(description="Send it as `Authorization: Bearer …`.")]
    socket_path: Annotated[str | None, Meta(description="UNIX socket of its HTTP API.")]


class StartQueued(Event, tag="queued"):
    """Accepted."""

    merge = PROGRESS


class StartPlanning(Event, tag="planning"):
    """Engine and model are being chosen and checked."""

    merge = PROGRESS


class StartStarting(Event, tag="starting", kw_only=True):
    """The process is being started."""

    merge = PROGRESS

    pid: int | UnsetType = UNSET


class StartLoading(Event, tag="loading", kw_only=True):
    """The model is being loaded."""

    merge = PROGRESS

    stage: Annotated[str, Meta(description="Component being loaded, such as text_model or mmproj_model.")]
    progress: Annotated[
        float | None, Meta(description="0 to 1 over all stages; null if the engine does not report it.")
    ]
    eta_ms: Annotated[float | UnsetType, Meta(description="Estimated time left, from the rate so far.")] = UNSET


class StartWarming(Event, tag="warming"):
    """The model is loaded; the warm-up run is under way."""

    merge = PROGRESS


class StartDone(ServerInfo, Event, tag="done"):
    """The server is ready; the members are the response's."""


START_EVENTS = (
    StartQueued,
    StartPlanning,
    StartStarting,
    StartLoading,
    StartWarming,
    StartDone,
    ErrorEvent,
    CancelledEvent,
)


class StopLlamaServerParams(Params, kw_only=True):
    """Stop a server in any state; answered when its process has ended."""

    server_id: Annotated[ServerId | None, _SERVER_ID] = None


class IsLlamaRunningParams(Params, kw_only=True):
    """Return whether the server accepts messages: it is ready, or sleeps until the next message."""

    server_id: Annotated[ServerId | None, _SERVER_ID] = None


class GetLlamaConfigParams(Params, kw_only=True):
    """Return the settings a server runs with, or would start with if it does not exist."""

    server_id: Annotated[ServerId | None, _SERVER_ID] = None


class LlamaConfig(Result, kw_only=True):
    """Settings in effect; other settings of start_llama_server that were given are in `settings`."""

    server_id: str
    llama_cpp_path: str | None
    model_path: str | None
    port: int | None
    ctx_size: int
    parallel: int
    n_gpu_layers: int
    engine: EngineName | None
    settings: dict[str, Any]


class GetServerParams(Params, kw_only=True):
    """Return a server, and how to connect to it directly."""

    server_id: Annotated[ServerId | None, _SERVER_ID] = None


class ListServersParams(Params):
    """List every server that was started and not stopped, including failed ones."""


class RestartServerParams(Params, kw_only=True):
    """Stop a server and start it with the same settings.

    Running answers end with SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
    """

    server_id: Annotated[ServerId | None, _SERVER_ID] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class SwitchModelParams(Params, kw_only=True):
    """Stop a server and start it with another model and otherwise the same settings. Sessions stay.

    Settings of the previous model are not kept: chat template, projector, LoRA adapters, draft model, and RoPE and
    YaRN scaling. Running answers end with
    SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
    """

    model: Annotated[str, Meta(min_length=1, description="Name in the library, or path of a GGUF file.")]
    server_id: Annotated[ServerId | None, _SERVER_ID] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class PreviewCommandResult(Result, kw_only=True):
    """A command that was not run."""

    argv: list[str]
    one_liner: Annotated[str, Meta(description="The command, quoted for a POSIX shell.")]
    ignored: Annotated[list[str], Meta(description="Settings left out because this engine does not support them.")]


class PingServerParams(Params, kw_only=True):
    """Check the health of an engine."""

    server_id: Annotated[ServerId | None, _SERVER_ID] = None
    base_url: Annotated[
        Annotated[str, Meta(pattern=r"^https?://")] | None,
        Meta(description="Any OpenAI-compatible server instead of one of ours."),
    ] = None


class PingServerResult(Result, kw_only=True):
    """The result of a health check."""

    ok: bool
    latency_ms: float | None
    status: Annotated[int | None, Meta(description="HTTP status, if there was a response.")]
    error: Annotated[str | None, Meta(description="Why the check failed, in a sentence.")]


_START_ERRORS = (
    EngineNotFound,
    EngineStartFailed,
    ModelNotFound,
    ModelInvalid,
    PathNotAllowed,
    PermissionDenied,
    PortInUse,
)

METHODS = (
    Method(
        name="start_llama_server",
        params=StartLlamaServerParams,
        result=ServerInfo,
        errors=(ServerAlreadyRunning, *_START_ERRORS),
        events=START_EVENTS,
    ),
    Method(
        name="stop_llama_server",
        params=StopLlamaServerParams,
        result=Literal["llama-server stopped"],
        errors=(ServerNotRunning,),
    ),
    Method(name="is_llama_running", params=IsLlamaRunningParams, result=bool),
    Method(name="get_llama_config", params=GetLlamaConfigParams, result=LlamaConfig),
    Method(name="get_server", params=GetServerParams, result=ServerDetails, errors=(ServerNotRunning,)),
    Method(name="list_servers", params=ListServersParams, result=list[ServerInfo]),
    Method(
        name="restart_server",
        params=RestartServerParams,
        result=ServerInfo,
        errors=(ServerNotRunning, ServerAlreadyRunning, *_START_ERRORS),
        events=START_EVENTS,
    ),
    Method(
        name="switch_model",
        params=SwitchModelParams,
        result=ServerInfo,
        errors=(ServerNotRunning, ServerAlreadyRunning, *_START_ERRORS),
        events=START_EVENTS,
    ),
    Method(name="preview_command", params=PreviewCommandParams, result=PreviewCommandResult, errors=_START_ERRORS),
    Method(name="ping_server", params=PingServerParams, result=PingServerResult, errors=(ServerNotRunning,)),
)
