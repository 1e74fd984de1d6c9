"""Settings for a model on this machine, each with the reason for it.

Owns the choices; their memory is estimated as for any start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
import msgspec

from sidecar.contract.memory import MemoryEstimate, Recommendation, RecommendSettingsResult
from sidecar.engines.launch import Launch
from sidecar.host.cpus import core_limit

COMFORTABLE_CTX = 8192
"""A context below which a smaller cache type is worth its price."""

MANY_CORES = 8
"""From so many cores on, one more or less makes no measurable difference."""


class Cores(msgspec.Struct, frozen=True):
    """The cores.

    Attributes:
        physical: how many we may use.
        busy: how many of them other programs used in the last five minutes.
        limited: whether they are fewer than the machine has.
    """

    physical: int
    busy: float
    limited: bool = False


def read_cores() -> Cores:
    """The cores now. Blocks for some milliseconds."""
    import psutil

    limit = core_limit()
    if limit is not None:  # the load is the machine's, whose other programs have cores of their own
        return Cores(limit, 0.0, limited=True)
    return Cores(psutil.cpu_count(logical=False) or psutil.cpu_count() or 1, psutil.getloadavg()[1])


Estimate = Callable[[Launch], Awaitable[MemoryEstimate]]


async def recommend(launch: Launch, estimate: Estimate, *, chosen: dict[str, Any]) -> RecommendSettingsResult:
    """Settings for a launch's engine and model.

    Args:
        launch: with engine and model chosen, and the config's defaults for the rest.
        estimate: estimates the memory of a launch.
        chosen: the parameters of start_llama_server that choose this engine and model.
    """
    cores = await anyio.to_thread.run_sync(read_cores)
    found = await estimate(msgspec.structs.replace(launch, ctx_size=0))
    without_prompt_cache = bool(launch.cache_ram_mib) and not found.fits
    if without_prompt_cache:  # a longer context is worth more than earlier prompts
        launch = msgspec.structs.replace(launch, cache_ram_mib=0)
        found = await estimate(msgspec.structs.replace(launch, ctx_size=0))
    whole = found.ctx_size
    cache: dict[str, Any] = {}
    if not found.fits and (found.largest_ctx_size or 0) < min(COMFORTABLE_CTX, whole):
        cache = {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}
        found = await estimate(_with(launch, **cache))
    ctx_size = whole if found.fits else found.largest_ctx_size or min(launch.ctx_size or whole, whole)
    layers = _layers(found)
    threads = _threads(cores)
    parallel = launch.parallel
    final = _with(launch, ctx_size=ctx_size, n_gpu_layers=layers[0], **cache)
    answer = await estimate(final)
    if not answer.fits and parallel > 1:
        parallel = 1
        answer = await estimate(msgspec.structs.replace(final, parallel=1))
    reasons = [
        Recommendation(setting="threads", value=threads[0], reason=threads[1]),
        Recommendation(setting="n_gpu_layers", value=layers[0], reason=layers[1]),
        Recommendation(setting="ctx_size", value=ctx_size, reason=_ctx_reason(ctx_size, whole, answer.fits)),
        Recommendation(setting="parallel", value=parallel, reason=_parallel_reason(parallel)),
        Recommendation(
            setting="flash_attn",
            value="on" if cache else "auto",
            reason="The smaller V cache needs it."
            if cache
            else "The engine uses it where it helps: it saves most of the working memory of long contexts.",
        ),
    ]
    reasons += [
        Recommendation(
            setting=name, value=value, reason="It halves the cache; otherwise the context would be too short."
        )
        for name, value in cache.items()
    ]
    if without_prompt_cache:
        reasons.append(
            Recommendation(setting="cache_ram_mib", value=0, reason="That memory is needed for the context.")
        )
    return RecommendSettingsResult(
        settings=chosen | {one.setting: one.value for one in reasons},
        reasons=reasons,
        fits=answer.fits,
        estimate=answer,
    )


def _with(launch: Launch, **changes: Any) -> Launch:
    """A launch with other settings; its context and layers are fields of the launch itself."""
    own = {name: changes.pop(name) for name in ("ctx_size", "n_gpu_layers") if name in changes}
    settings = msgspec.structs.replace(launch.settings, **changes)
    return msgspec.structs.replace(launch, settings=settings, **{"ctx_size": 0, **own})


def _threads(cores: Cores) -> tuple[int, str]:
    """The number of threads and its reason: threads that spin slow each other down on a busy machine."""
    if cores.limited:
        return cores.physical, f"This container or session may use {cores.physical} of the machine's cores."
    if cores.physical == 1:
        return 1, "There is one core."
    others = min(int(cores.busy), cores.physical // 2)
    threads = max(1, cores.physical - 1 - others)
    reason = f"Of {cores.physical} cores one is left for other programs"
    if cores.physical <= MANY_CORES:
        reason += ": fewer threads are faster than threads that wait for a busy core"
    if others:
        reason += f"; other programs have used {others} in the last minutes"
    return threads, f"{reason}."


def _layers(found: MemoryEstimate) -> tuple[int, str]:
    best = found.largest_n_gpu_layers
    if best is None:
        return 0, "This engine finds no GPU that it can use."
    if best >= found.total_layers:
        return -1, f"All {found.total_layers} layers fit on the GPU."
    if best == 0:
        return 0, "The GPU has no room for a single layer."
    return best, f"{best} of {found.total_layers} layers fit on the GPU; the others run on the CPU."


def _ctx_reason(ctx_size: int, whole: int, fits: bool) -> str:
    if not fits:
        return "Not even this fits now; estimate.lower_first lists what else would help."
    if ctx_size == whole:
        return f"The model's own context of {whole} tokens fits."
    return f"The largest that fits now; the model was made for {whole} tokens."


def _parallel_reason(parallel: int) -> str:
    if parallel == 1:
        return "One message at a time."
    return f"{parallel} messages at a time share the context; a further slot costs almost no memory."
