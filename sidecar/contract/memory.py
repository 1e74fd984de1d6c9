"""Memory: how much a start needs, whether it is available, and which settings suit this machine."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from sidecar.contract.engines import EngineName
from sidecar.contract.errors import (
    EngineNotFound,
    EngineStartFailed,
    ModelInvalid,
    ModelNotFound,
    NotSupported,
    PathNotAllowed,
    PermissionDenied,
)
from sidecar.contract.method import Method, Params, Result
from sidecar.contract.server_settings import ServerSettings


class EstimateMemoryParams(ServerSettings, kw_only=True):
    """Estimate the memory that start_llama_server would use with these settings. Nothing is loaded.

    The estimate comes from the engine's own allocator if it has one (llama-server and the embedded engine: about half
    a second, then cached); otherwise it is calculated from the model's header.
    """

    preset: Annotated[str | None, Meta(description="As in start_llama_server.")] = None
    quick: Annotated[
        bool | None,
        Meta(description="Only calculate from the header: takes milliseconds and runs no engine. For long lists."),
    ] = None


class DeviceMemory(Result, kw_only=True):
    """Memory of one device: the machine's own (`Host`) or a GPU's."""

    device: Annotated[str, Meta(description="`Host`, or the engine's name of a GPU, such as CUDA0.")]
    weights_bytes: Annotated[
        int, Meta(description="The model; on `Host` including the copies that the engine rearranges for the CPU.")
    ]
    kv_cache_bytes: Annotated[int, Meta(description="KV cache and recurrent state.")]
    compute_bytes: Annotated[int, Meta(description="Compute buffers.")]
    projector_bytes: Annotated[
        int, Meta(description="The projector for images; counted on `Host` wherever it is really loaded.")
    ]
    program_bytes: Annotated[int, Meta(description="The engine itself: its code, vocabulary and tables.")]
    prompt_cache_bytes: Annotated[int, Meta(description="The most that earlier prompts may use, over time.")] = 0
    reclaimable_bytes: Annotated[
        int,
        Meta(
            description="Of `weights_bytes`: pages of the mapped file that are hardly used after the load. The system "
            "takes them back where memory is short, so they need not fit."
        ),
    ] = 0
    total_bytes: int
    free_bytes: Annotated[
        int | None, Meta(description="Memory available now within the limits of our process; null if unknown.")
    ]
    fits: Annotated[bool, Meta(description="Whether the total fits, with its margin of error and a reserve.")]
    short_by_bytes: Annotated[int, Meta(description="How much memory is missing; 0 if it fits.")]


class LowerFirst(Result, kw_only=True):
    """A setting to lower if memory is short."""

    setting: Annotated[str, Meta(description="Parameter of start_llama_server.")]
    value: int | str
    frees_bytes: Annotated[int, Meta(description="Memory freed on all devices together by this change alone.")]
    fits_then: Annotated[bool, Meta(description="Whether it fits with this change and those before it.")]
    reason: str


class MemoryEstimate(Result, kw_only=True):
    """Memory that a start would use."""

    model: str
    model_path: str
    engine: EngineName
    ctx_size: Annotated[int, Meta(description="As the engine would use it: 0 is resolved to the model's own.")]
    parallel: int
    n_gpu_layers: Annotated[int, Meta(description="Layers on GPUs; -1 is resolved to what fits.")]
    total_layers: Annotated[int, Meta(description="Layers of the model, including the output layer.")]
    method: Annotated[
        Literal["allocator", "formula"],
        Meta(description="`allocator`: reported by the engine. `formula`: calculated from the model's header."),
    ]
    error_margin: Annotated[
        float, Meta(description="Relative error, 0.05 for 5 %: from earlier starts, else a default.")
    ]
    observations: Annotated[int, Meta(description="Earlier starts on this machine that the estimate was corrected by.")]
    devices: Annotated[list[DeviceMemory], Meta(description="`Host` first.")]
    total_bytes: int
    fits: Annotated[bool, Meta(description="Whether it fits on every device.")]
    message: Annotated[str, Meta(description="The result in a sentence.")]
    largest_ctx_size: Annotated[
        int | None, Meta(description="The largest context that fits with these settings; null if none fits.")
    ]
    largest_n_gpu_layers: Annotated[
        int | None, Meta(description="The most layers that fit on the GPUs; null if there is no GPU.")
    ]
    lower_first: Annotated[list[LowerFirst], Meta(description="Settings to change if it does not fit, in order.")]
    notes: Annotated[list[str], Meta(description="What else may use memory, later or elsewhere.")]


class RecommendSettingsParams(Params, kw_only=True):
    """Recommend settings for a model on this machine in its current state, each with a reason."""

    model: Annotated[str | None, Meta(description="As in start_llama_server.")] = None
    model_path: Annotated[str | None, Meta(description="As in start_llama_server; overrides `model`.")] = None
    engine: Annotated[EngineName | None, Meta(description="Default: the best one found.")] = None
    llama_cpp_path: Annotated[str | None, Meta(description="As in start_llama_server.")] = None


class Recommendation(Result, kw_only=True):
    """One setting and its reason."""

    setting: str
    value: int | str
    reason: str


class RecommendSettingsResult(Result, kw_only=True):
    """Settings to start a model with."""

    settings: Annotated[dict[str, Any], Meta(description="Parameters for start_llama_server.")]
    reasons: list[Recommendation]
    fits: bool
    estimate: Annotated[MemoryEstimate, Meta(description="Memory that a start with these settings would use.")]


_ERRORS = (
    EngineNotFound,
    EngineStartFailed,
    ModelNotFound,
    ModelInvalid,
    NotSupported,
    PathNotAllowed,
    PermissionDenied,
)

METHODS = (
    Method(name="estimate_memory", params=EstimateMemoryParams, result=MemoryEstimate, errors=_ERRORS),
    Method(name="recommend_settings", params=RecommendSettingsParams, result=RecommendSettingsResult, errors=_ERRORS),
)
