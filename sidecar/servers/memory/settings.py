"""A start's settings as the memory plan counts with them: engine defaults filled in.

Pure. The defaults are llama.cpp's (common/common.h).
"""

from __future__ import annotations

import platform
from collections.abc import Sequence

from sidecar.engines.launch import ALL_LAYERS, Launch
from sidecar.servers.memory.formula import REPACKED, REPACKED_ON_ARM, Wanted

BATCH, UBATCH = 2048, 512

_UNMAPPED = frozenset({"--no-mmap", "--load-mode"})


def wanted_of(launch: Launch, gpus: Sequence[int]) -> Wanted:
    """What a launch wants; `gpus` is what is free of each GPU that the engine can use.

    -1 for the layers becomes all of them here: how many fit is decided by the caller.
    """
    settings = launch.settings
    flash = settings.flash_attn
    layers = ALL_LAYERS if launch.n_gpu_layers < 0 else launch.n_gpu_layers
    return Wanted(
        ctx_size=launch.ctx_size,
        parallel=launch.parallel,
        batch=settings.batch_size or BATCH,
        ubatch=settings.ubatch_size or UBATCH,
        cache_type_k=settings.cache_type_k or "f16",
        cache_type_v=settings.cache_type_v or "f16",
        flash_attn=flash not in (False, "off"),
        gpu_layers=layers if gpus else 0,
        cpu_moe=settings.n_cpu_moe or 0,
        gpus=tuple(gpus),
        repacked=REPACKED_ON_ARM if platform.machine().lower() in ("arm64", "aarch64") else REPACKED,
        mapped=not _UNMAPPED & set(settings.extra_args or ()),
    )
