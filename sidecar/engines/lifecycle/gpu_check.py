"""Whether a model is on the GPU as its settings request, and if not, why.

Pure. Owns the verdict: from the engine's log about GPUs (`start_output` reads it), the number of layers on them, and
the GPUs of the machine. The causes are recognised by phrases of llama.cpp and of the drivers; a test has each of them
with the log that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from sidecar.contract.engines import EngineName
from sidecar.contract.remedies import BY_GPU_CAUSE
from sidecar.contract.servers import GpuCause, StartWarning
from sidecar.engines.output.start_output import GpuLines

_NO_GPU = frozenset({"CPU", "BLAS", "RPC", "ZenDNN", "AMX"})
"""Backends that are not GPUs of this machine."""

_HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES")


class GpuEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The facts for the verdict.

    Attributes:
        requested: requested layers; -1 is all that fit.
        required: require_gpu is set.
        on_gpu, total: layers according to the engine; `None` if it does not report them.
        machine_has_gpu: `None` if that is not known.
        driver: the state of the NVIDIA driver.
        env: the engine's environment.
    """

    engine: EngineName
    requested: int
    required: bool
    on_gpu: int | None
    total: int | None
    lines: GpuLines
    machine_has_gpu: bool | None = None
    driver: Literal["ok", "absent", "failing", "hanging"] | None = None
    env: Mapping[str, str] = msgspec.field(default_factory=dict)


def judge(found: GpuEvidence) -> StartWarning | None:
    """The warning if fewer layers are on a GPU than requested; `None` if all is as requested."""
    if found.on_gpu is None:
        if not found.required:
            return None
        return _warning("GPU_NOT_USED", "UNKNOWN", "The engine does not report whether it uses a GPU.", found)
    if found.on_gpu == 0:
        if not found.required and (found.requested == 0 or (found.requested < 0 and not found.machine_has_gpu)):
            return None
        cause = "NOT_WANTED" if found.requested == 0 else _cause(found)
        return _warning("GPU_NOT_USED", cause, "The model runs on the CPU alone; no layer is on a GPU.", found)
    total = found.total or found.on_gpu
    requested = total if found.requested < 0 else min(found.requested, total)
    if found.on_gpu >= requested:
        return None
    message = f"{found.on_gpu} of {requested} layers are on the GPU, the others on the CPU, which makes it slower."
    return _warning("GPU_PARTLY_USED", "TOO_LITTLE_MEMORY", message, found)


def _cause(found: GpuEvidence) -> GpuCause:
    trouble = (found.lines.trouble or "").lower()
    hidden = any(found.env.get(name, "0").strip() in ("", "-1", "NoDevFiles") for name in _HIDING)
    if "insufficient" in trouble or "unsupported display driver" in trouble:
        return "DRIVER_TOO_OLD"
    if hidden:
        return "DEVICE_NOT_VISIBLE"
    if found.lines.backends and not found.lines.backends - _NO_GPU:
        return "NO_GPU_BACKEND"
    if "no cuda-capable" in trouble or "no rocm-capable" in trouble or "devices found" in trouble:
        return "DEVICE_NOT_VISIBLE" if found.machine_has_gpu else "NO_GPU"
    if trouble and "no usable gpu" not in trouble:
        return "DRIVER_FAILING"
    if found.lines.devices:
        return "TOO_LITTLE_MEMORY"
    if found.driver in ("failing", "hanging"):
        return "DRIVER_FAILING"
    if found.driver == "absent" and found.lines.backends & {"CUDA"}:
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
        "The GPU's driver does not work.",
        "Check the server's log; a restart of the machine often helps after a driver update.",
    ),
    "DEVICE_NOT_VISIBLE": (
        "There is a GPU, but it is not visible to the engine.",
        "Check CUDA_VISIBLE_DEVICES (or HIP_, ROCR_ or GGML_VK_VISIBLE_DEVICES), and that a container has access to "
        "the GPU (--gpus all).",
    ),
    "NO_GPU": ("The build finds no GPU that it can use on this machine.", "Start it with no layers on the GPU."),
    "TOO_LITTLE_MEMORY": (
        "The GPU has too little free memory for more.",
        "Free some of it, or use a smaller context, fewer slots, smaller cache types or a smaller quantization.",
    ),
    "NOT_WANTED": ("No layers on the GPU are requested.", "Request layers on the GPU, or unset require_gpu."),
    "UNKNOWN": ("The engine gives no reason.", "Check the server's log for lines about devices."),
}

_WHEEL = "Install a build of xllamacpp for your GPU from its own index, or use a llama.cpp build."


def _warning(
    code: Literal["GPU_NOT_USED", "GPU_PARTLY_USED"], cause: GpuCause, message: str, found: GpuEvidence
) -> StartWarning:
    why, hint = _WHY[cause]
    if cause == "NO_GPU_BACKEND" and found.engine == "embedded":
        why, hint = "The embedded engine was installed without a GPU backend.", _WHEEL
    if found.lines.trouble and cause in ("DRIVER_TOO_OLD", "DRIVER_FAILING"):
        why = f"{why.removesuffix('.')}: {found.lines.trouble}."
    return StartWarning(
        code=code, cause=cause, message=f"{message} {why}", hint=hint, remedies=list(BY_GPU_CAUSE[cause])
    )
