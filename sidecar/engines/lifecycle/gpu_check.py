"""Whether a model is on the GPU as its settings ask, and if not, why.

Pure. Owns the verdict: from what the engine's log says of GPUs (`start_output` reads it), from the layers that it has
put there, and from what the machine has. The causes are recognised by phrases of llama.cpp and of the drivers; each
stands in a test with the log that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from sidecar.contract.engines import EngineName
from sidecar.contract.remedies import BY_GPU_CAUSE
from sidecar.contract.servers import GpuCause, StartWarning
from sidecar.engines.output.start_output import GpuWords

_NO_GPU = frozenset({"CPU", "BLAS", "RPC", "ZenDNN", "AMX"})
"""Backends that are no GPU of this machine."""

_HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES")


class GpuEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict is made from.

    Attributes:
        requested: layers asked for; -1 is all that fit.
        required: the settings say require_gpu.
        on_gpu, total: layers, as the engine says; `None` where it does not.
        machine_has_gpu: `None` where that is not known.
        driver: of NVIDIA GPUs: ok, absent, failing or hanging.
        env: the engine's environment.
    """

    engine: EngineName
    requested: int
    required: bool
    on_gpu: int | None
    total: int | None
    words: GpuWords
    machine_has_gpu: bool | None = None
    driver: Literal["ok", "absent", "failing", "hanging"] | None = None
    env: Mapping[str, str] = msgspec.field(default_factory=dict)


def judge(found: GpuEvidence) -> StartWarning | None:
    """The warning where layers were asked for on a GPU and are not there; `None` where all is as asked for."""
    if found.on_gpu is None:
        if not found.required:
            return None
        return _warning("GPU_NOT_USED", "UNKNOWN", "The engine does not say whether it uses a GPU.", found)
    if found.on_gpu == 0:
        if not found.required and (found.requested == 0 or (found.requested < 0 and not found.machine_has_gpu)):
            return None
        cause = "NOT_WANTED" if found.requested == 0 else _cause(found)
        return _warning("GPU_NOT_USED", cause, "The model runs on the CPU alone, and no layer is on a GPU.", found)
    total = found.total or found.on_gpu
    requested = total if found.requested < 0 else min(found.requested, total)
    if found.on_gpu >= requested:
        return None
    message = f"{found.on_gpu} of {requested} layers are on the GPU, the others on the CPU, which makes it slower."
    return _warning("GPU_PARTLY_USED", "TOO_LITTLE_MEMORY", message, found)


def _cause(found: GpuEvidence) -> GpuCause:
    trouble = (found.words.trouble or "").lower()
    hidden = any(found.env.get(name, "0").strip() in ("", "-1", "NoDevFiles") for name in _HIDING)
    if "insufficient" in trouble or "unsupported display driver" in trouble:
        return "DRIVER_TOO_OLD"
    if hidden:
        return "DEVICE_NOT_VISIBLE"
    if found.words.backends and not found.words.backends - _NO_GPU:
        return "NO_GPU_BACKEND"
    if "no cuda-capable" in trouble or "no rocm-capable" in trouble or "devices found" in trouble:
        return "DEVICE_NOT_VISIBLE" if found.machine_has_gpu else "NO_GPU"
    if trouble and "no usable gpu" not in trouble:
        return "DRIVER_FAILING"
    if found.words.devices:
        return "TOO_LITTLE_MEMORY"
    if found.driver in ("failing", "hanging"):
        return "DRIVER_FAILING"
    if found.driver == "absent" and found.words.backends & {"CUDA"}:
        return "NO_DRIVER"
    return "UNKNOWN"


_WHY: dict[GpuCause, tuple[str, str]] = {
    "NO_GPU_BACKEND": (
        "This build of the engine has no GPU backend.",
        "Use a llama.cpp build for your GPU (CUDA, ROCm, Vulkan or Metal).",
    ),
    "NO_DRIVER": (
        "The build is for NVIDIA GPUs, and no NVIDIA driver is loaded.",
        "Install the NVIDIA driver, or use a build for the CPU with no layers on the GPU.",
    ),
    "DRIVER_TOO_OLD": (
        "The GPU's driver is too old for this build.",
        "Update the driver, or use a build for an older CUDA version.",
    ),
    "DRIVER_FAILING": (
        "The GPU's driver cannot be used.",
        "Check the server's log; a restart of the machine often helps after a driver update.",
    ),
    "DEVICE_NOT_VISIBLE": (
        "There is a GPU, but the engine is not shown it.",
        "Check CUDA_VISIBLE_DEVICES (or HIP_, ROCR_ or GGML_VK_VISIBLE_DEVICES), and in a container that it was given "
        "the GPU (--gpus all).",
    ),
    "NO_GPU": ("The build finds no GPU that it can use on this machine.", "Start it with no layers on the GPU."),
    "TOO_LITTLE_MEMORY": (
        "The GPU has too little free memory for more.",
        "Free some of it, or take a smaller context, fewer slots, smaller cache types or a smaller quantization.",
    ),
    "NOT_WANTED": ("No layers are asked for on the GPU.", "Ask for layers on the GPU, or do not require it."),
    "UNKNOWN": ("The engine gives no reason.", "Check what the server's log says of devices."),
}

_WHEEL = "Install a build of xllamacpp for your GPU from its own index, or use a llama.cpp build."


def _warning(
    code: Literal["GPU_NOT_USED", "GPU_PARTLY_USED"], cause: GpuCause, message: str, found: GpuEvidence
) -> StartWarning:
    why, hint = _WHY[cause]
    if cause == "NO_GPU_BACKEND" and found.engine == "embedded":
        why, hint = "The embedded engine was installed without a GPU backend.", _WHEEL
    if found.words.trouble and cause in ("DRIVER_TOO_OLD", "DRIVER_FAILING"):
        why = f"{why.removesuffix('.')}: {found.words.trouble}."
    return StartWarning(
        code=code, cause=cause, message=f"{message} {why}", hint=hint, remedies=list(BY_GPU_CAUSE[cause])
    )
