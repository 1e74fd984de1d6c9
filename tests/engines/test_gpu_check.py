"""Whether the GPU is used as it was requested: what engines' logs say, and the verdict.

The lines of the logs are real ones: of llama.cpp 0.5 as built here, and from reports of its users (the issue is named).
"""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.engines.lifecycle.gpu_check import GpuEvidence, judge
from sidecar.engines.output.start_output import EngineOutput, GpuLines

CPU_BUILD = "I cmn  common_param: system_info: n_threads = 2 (n_threads_batch = 2) / 2 | CPU : SSE3 = 1 | REPACK = 1 | "
# ollama/ollama#9496
CUDA_BUILD = "system_info: n_threads = 6 / 6 | CUDA : ARCHS = 860 | USE_GRAPHS = 1 | CPU : SSE3 = 1 | LLAMAFILE = 1 | "
LOADED = "load_backend: loaded CUDA backend from C:\\ollama\\lib\\ollama\\ggml-cuda.dll"
NOT_DETECTED = "ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected"
# ollama/ollama#7666, ggml-org/llama.cpp#17542, meta-llama/llama3#215
INSUFFICIENT = "ggml_cuda_init: failed to initialize CUDA: CUDA driver version is insufficient for CUDA runtime version"
UNSUPPORTED = (
    "ggml_cuda_init: failed to initialize CUDA: system has unsupported display driver / cuda driver combination"
)
INITIALIZATION = "ggml_cuda_init: failed to initialize CUDA: initialization error"
# ggml-org/llama.cpp#6184
NONE_FOUND = "ggml_init_cublas: no CUDA devices found, CUDA will be disabled"
USING = "llama_model_load_from_file_impl: using device CUDA0 (NVIDIA RTX A6000) (0000:01:00.0) - 47000 MiB free"
NO_USABLE = "warning: no usable GPU found, --gpu-layers option will be ignored"


def words(*lines: str) -> GpuLines:
    output = EngineOutput()
    output.read_log("\n".join(lines).encode())
    return output.gpu_lines


def evidence(*lines: str, requested: int = 99, on_gpu: int | None = 0, **more: Any) -> GpuEvidence:
    given: dict[str, Any] = {"engine": "llama-server", "required": False, "total": 31}
    return GpuEvidence(requested=requested, on_gpu=on_gpu, lines=words(*lines), **given | more)


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (evidence(CPU_BUILD), "NO_GPU_BACKEND"),
        (evidence(CPU_BUILD, NO_USABLE, machine_has_gpu=True), "NO_GPU_BACKEND"),
        (evidence(CUDA_BUILD, INSUFFICIENT, machine_has_gpu=True), "DRIVER_TOO_OLD"),
        (evidence(CUDA_BUILD, UNSUPPORTED), "DRIVER_TOO_OLD"),
        (evidence(CUDA_BUILD, INITIALIZATION), "DRIVER_FAILING"),
        (evidence(CUDA_BUILD, driver="hanging"), "DRIVER_FAILING"),
        (evidence(LOADED, NOT_DETECTED, machine_has_gpu=True), "DEVICE_NOT_VISIBLE"),
        (evidence(LOADED, NOT_DETECTED, env={"CUDA_VISIBLE_DEVICES": ""}), "DEVICE_NOT_VISIBLE"),
        (evidence(CUDA_BUILD, env={"CUDA_VISIBLE_DEVICES": "-1"}, machine_has_gpu=True), "DEVICE_NOT_VISIBLE"),
        (evidence(LOADED, NOT_DETECTED, machine_has_gpu=False), "NO_GPU"),
        (evidence(CUDA_BUILD, NONE_FOUND, machine_has_gpu=False), "NO_GPU"),
        (evidence(CUDA_BUILD, driver="absent", machine_has_gpu=False), "NO_DRIVER"),
        (evidence(CUDA_BUILD, USING), "TOO_LITTLE_MEMORY"),
        (evidence(), "UNKNOWN"),
        (evidence(requested=0, required=True), "NOT_WANTED"),
        (evidence(on_gpu=None, required=True), "UNKNOWN"),
    ],
)
def test_a_gpu_that_is_not_used_has_its_cause_and_a_next_step(found: GpuEvidence, cause: str) -> None:
    warning = judge(found)
    assert warning is not None
    assert (warning.code, warning.cause) == ("GPU_NOT_USED", cause)
    assert warning.message
    assert warning.hint


@pytest.mark.parametrize(
    "found",
    [
        evidence(USING, on_gpu=31),
        evidence(USING, requested=-1, on_gpu=31),
        evidence(USING, requested=10, on_gpu=10),
        evidence(CPU_BUILD, requested=0, machine_has_gpu=True),
        evidence(CPU_BUILD, requested=-1, machine_has_gpu=False),
        evidence(CPU_BUILD, requested=-1),
        evidence(CPU_BUILD, on_gpu=None),
    ],
)
def test_what_is_as_it_was_requested_gives_no_warning(found: GpuEvidence) -> None:
    assert judge(found) is None


def test_all_that_fit_on_a_machine_with_a_gpu_are_more_than_none() -> None:
    warning = judge(evidence(CPU_BUILD, requested=-1, machine_has_gpu=True))
    assert warning is not None
    assert warning.cause == "NO_GPU_BACKEND"


@pytest.mark.parametrize("requested", [-1, 31, 999])
def test_fewer_layers_than_requested_are_told_with_their_number(requested: int) -> None:
    warning = judge(evidence(USING, requested=requested, on_gpu=20))
    assert warning is not None
    assert (warning.code, warning.cause) == ("GPU_PARTLY_USED", "TOO_LITTLE_MEMORY")
    assert warning.message.startswith("20 of 31 layers")


def test_the_embedded_engine_is_told_where_its_gpu_builds_are() -> None:
    warning = judge(evidence(CPU_BUILD, engine="embedded"))
    assert warning is not None
    assert "xllamacpp" in warning.hint


def test_a_driver_s_own_words_are_in_the_message() -> None:
    warning = judge(evidence(CUDA_BUILD, INSUFFICIENT))
    assert warning is not None
    assert "CUDA driver version is insufficient" in warning.message


def test_backends_and_devices_are_remembered_up_to_a_bound() -> None:
    output = EngineOutput()
    for number in range(1000):
        output.read_log(b"llama: using device GPU%d (x)\nsystem_info: | B%d : A = 1" % (number, number))
    assert (len(output.gpu_lines.devices), len(output.gpu_lines.backends)) == (32, 32)
