"""Settings for a model on this machine, each with the reason for it.

Owns the choices; what they take is estimated as for any start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
import msgspec

from sidecar.contract.memory import MemoryEstimate, Recommendation, RecommendSettingsResult
from sidecar.engines.launch import Launch

COMFORTABLE_CTX = 8192
"""A context below which a smaller cache type is worth its price."""

MANY_CORES = 8
"""From so many cores on, one more or less makes no difference that can be measured."""


class Cores(msgspec.Struct, frozen=True):
    """The processors: how many there are, and how many others have kept busy for the last minutes."""

    physical: int
    busy: float


def read_cores() -> Cores:
    """The processors now. Blocks for a moment."""
    import psutil

    count = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return Cores(count, psutil.getloadavg()[1])


Estimate = Callable[[Launch], Awaitable[MemoryEstimate]]


async def recommend(launch: Launch, estimate: Estimate, *, chosen: dict[str, Any]) -> RecommendSettingsResult:
    """Settings for a launch's engine and model.

    Args:
        launch: with engine and model chosen, and the config's defaults for the rest.
        estimate: what a launch would take.
        chosen: what says which engine and model it is, in start_llama_server's words.
    """
    cores = await anyio.to_thread.run_sync(read_cores)
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
            else "The engine knows where it helps: it spares most of the working memory of long contexts.",
        ),
    ]
    reasons += [
        Recommendation(
            setting=name, value=value, reason="Half the cache, or the context would be too short to be of use."
        )
        for name, value in cache.items()
    ]
    return RecommendSettingsResult(
        settings=chosen | {one.setting: one.value for one in reasons},
        reasons=reasons,
        fits=answer.fits,
        estimate=answer,
    )


def _with(launch: Launch, **changes: Any) -> Launch:
    """A launch with other settings; context, slots and layers stand in it twice."""
    own = {name: changes.pop(name) for name in ("ctx_size", "n_gpu_layers") if name in changes}
    settings = msgspec.structs.replace(launch.settings, **changes)
    return msgspec.structs.replace(launch, settings=settings, **{"ctx_size": 0, **own})


def _threads(cores: Cores) -> tuple[int, str]:
    """Threads that wait actively hold each other up on a machine that has other things to do."""
    if cores.physical == 1:
        return 1, "There is one core."
    others = min(int(cores.busy), cores.physical // 2)
    threads = max(1, cores.physical - 1 - others)
    reason = f"Of {cores.physical} cores one is left for the rest of the machine"
    if cores.physical <= MANY_CORES:
        reason += ": threads that wait for a busy one are slower than fewer threads"
    if others:
        reason += f"; others have kept {others} busy lately"
    return threads, f"{reason}."


def _layers(found: MemoryEstimate) -> tuple[int, str]:
    best = found.largest_n_gpu_layers
    if best is None:
        return 0, "This engine has no GPU that it can use here."
    if best >= found.total_layers:
        return -1, f"All {found.total_layers} layers fit on the GPU."
    if best == 0:
        return 0, "The GPU has no room for a single layer."
    return best, f"{best} of {found.total_layers} layers fit on the GPU; the others run on the CPU."


def _ctx_reason(ctx_size: int, whole: int, fits: bool) -> str:
    if not fits:
        return "Not even this fits now; estimate.lower_first says what else would help."
    if ctx_size == whole:
        return f"The model's own context of {whole} tokens fits."
    return f"The largest that fits now; the model was made for {whole} tokens."


def _parallel_reason(parallel: int) -> str:
    if parallel == 1:
        return "One message at a time."
    return f"{parallel} messages at a time share the context; for itself each costs next to nothing."
