"""Memory: what a start would take, whether that is there, and which settings suit this machine."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from sidecar.contract.engines import EngineName
from sidecar.contract.errors import (
    EngineNotFound,
    EngineStartFailed,
    ModelInvalid,
    ModelNotFound,
    PathNotAllowed,
    PermissionDenied,
)
from sidecar.contract.method import Method, Params, Result
from sidecar.contract.servers import ServerSettings


class EstimateMemoryParams(ServerSettings, kw_only=True):
    """What start_llama_server would take of this machine's memory with these settings. Nothing is loaded.

    The engine's own allocator is asked where the engine has one (llama-server and the embedded engine, about half a
    second, remembered); otherwise a formula over the model's header tells.
    """

    preset: Annotated[str | None, Meta(description="As in start_llama_server.")] = None
    quick: Annotated[
        bool | None,
        Meta(description="By the formula alone: milliseconds, and no engine is run. For marks in long lists."),
    ] = None


class DeviceMemory(Result, kw_only=True):
    """One memory: the machine's own (`Host`) or a GPU's."""

    device: Annotated[str, Meta(description="`Host`, or the engine's name of a GPU, such as CUDA0.")]
    weights_bytes: Annotated[
        int, Meta(description="The model. On `Host` with what the engine keeps a second time, rearranged for the CPU.")
    ]
    kv_cache_bytes: Annotated[int, Meta(description="What it remembers of texts: KV cache and recurrent state.")]
    compute_bytes: Annotated[int, Meta(description="Working memory of a step.")]
    projector_bytes: Annotated[int, Meta(description="The projector for images; on `Host` wherever it really goes.")]
    program_bytes: Annotated[int, Meta(description="The engine itself: its code, vocabulary and tables.")]
    total_bytes: int
    free_bytes: Annotated[
        int | None, Meta(description="What can be had now, under the limits that hold for us; null where not known.")
    ]
    fits: Annotated[bool, Meta(description="Whether the total fits with its margin of error and a reserve.")]
    short_by_bytes: Annotated[int, Meta(description="What is missing for that; 0 where it fits.")]


class LowerFirst(Result, kw_only=True):
    """A setting to change where memory is short."""

    setting: Annotated[str, Meta(description="Parameter of start_llama_server.")]
    value: int | str
    frees_bytes: Annotated[int, Meta(description="Of all devices together, with this change alone.")]
    fits_then: Annotated[bool, Meta(description="With this change and those before it.")]
    reason: str


class MemoryEstimate(Result, kw_only=True):
    """What a start would take."""

    model: str
    model_path: str
    engine: EngineName
    ctx_size: Annotated[int, Meta(description="As the engine would have it: 0 is resolved to the model's own.")]
    parallel: int
    n_gpu_layers: Annotated[int, Meta(description="Layers on GPUs; -1 is resolved to what fits.")]
    total_layers: Annotated[int, Meta(description="Layers of the model, the output layer included.")]
    method: Annotated[
        Literal["allocator", "formula"],
        Meta(description="`allocator`: the engine said it of itself. `formula`: calculated from the model's header."),
    ]
    error_margin: Annotated[
        float, Meta(description="How far off it may be, 0.05 for 5 %: what earlier starts have shown, else a default.")
    ]
    observations: Annotated[int, Meta(description="Earlier starts on this machine that it was corrected by.")]
    devices: Annotated[list[DeviceMemory], Meta(description="`Host` first.")]
    total_bytes: int
    fits: Annotated[bool, Meta(description="Whether it fits on every device.")]
    message: Annotated[str, Meta(description="The same in a sentence.")]
    largest_ctx_size: Annotated[
        int | None, Meta(description="The largest context that fits with these settings; null where none does.")
    ]
    largest_n_gpu_layers: Annotated[
        int | None, Meta(description="The most layers that fit on the GPUs; null where there is no GPU.")
    ]
    lower_first: Annotated[list[LowerFirst], Meta(description="What to change where it does not fit, in order.")]
    notes: Annotated[list[str], Meta(description="What else may take memory, later or elsewhere.")]


class RecommendSettingsParams(Params, kw_only=True):
    """Settings for a model that suit this machine as it is now, each with its reason."""

    model: Annotated[str | None, Meta(description="As in start_llama_server.")] = None
    model_path: Annotated[str | None, Meta(description="As in start_llama_server; wins over `model`.")] = None
    engine: Annotated[EngineName | None, Meta(description="Default: the best one found.")] = None
    llama_cpp_path: Annotated[str | None, Meta(description="As in start_llama_server.")] = None


class Recommendation(Result, kw_only=True):
    """One setting and why."""

    setting: str
    value: int | str
    reason: str


class RecommendSettingsResult(Result, kw_only=True):
    """Settings to start a model with."""

    settings: Annotated[dict[str, Any], Meta(description="start_llama_server takes them as they are.")]
    reasons: list[Recommendation]
    fits: bool
    estimate: Annotated[MemoryEstimate, Meta(description="What a start with these settings would take.")]


_ERRORS = (EngineNotFound, EngineStartFailed, ModelNotFound, ModelInvalid, PathNotAllowed, PermissionDenied)

METHODS = (
    Method(name="estimate_memory", params=EstimateMemoryParams, result=MemoryEstimate, errors=_ERRORS),
    Method(name="recommend_settings", params=RecommendSettingsParams, result=RecommendSettingsResult, errors=_ERRORS),
)
