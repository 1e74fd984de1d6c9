"""Causes of failures, from recorded failing starts."""

from __future__ import annotations

import signal

import pytest

from sidecar.contract.errors import CAUSES, Cause
from sidecar.engines.lifecycle.exit_diagnosis import LOG_TAIL_LINES, classify, exit_words, fault
from tests.engines import recordings

RECORDED: dict[str, Cause] = {
    "llama-server-out-of-memory": "OUT_OF_MEMORY",
    "embedded-out-of-memory": "OUT_OF_MEMORY",
    "llama-cpp-python-out-of-memory": "OUT_OF_MEMORY",
    "llama-server-truncated-model": "MODEL_CORRUPT",
    "llama-server-empty-model": "MODEL_CORRUPT",
    "llama-server-random-model": "MODEL_CORRUPT",
    "llama-server-missing-tensor": "MODEL_CORRUPT",
    "embedded-truncated-model": "MODEL_CORRUPT",
    "llama-cpp-python-truncated-model": "MODEL_CORRUPT",
    "llama-server-unknown-architecture": "MODEL_NOT_SUPPORTED",
    "embedded-unknown-architecture": "MODEL_NOT_SUPPORTED",
    "llama-cpp-python-unknown-architecture": "MODEL_NOT_SUPPORTED",
    "llama-server-unknown-flag": "BAD_FLAG",
    "llama-server-bad-number": "BAD_FLAG",
    "llama-server-bad-cache-type": "BAD_FLAG",
    "embedded-unknown-flag": "BAD_FLAG",
    "embedded-bad-number": "BAD_FLAG",
    "llama-cpp-python-unknown-flag": "BAD_FLAG",
    "llama-cpp-python-bad-number": "BAD_FLAG",
    "loader-missing-library": "MISSING_LIBRARY",
    "llama-cpp-python-no-package": "MISSING_LIBRARY",
    "llama-cpp-python-no-library": "MISSING_LIBRARY",
    "llama-server-port-in-use": "PORT_IN_USE",
    "embedded-port-in-use": "PORT_IN_USE",
    "llama-cpp-python-port-in-use": "PORT_IN_USE",
    "llama-server-bad-template": "TEMPLATE_INVALID",
    "llama-server-projector-is-model": "PROJECTOR_INVALID",
    "llama-server-bad-device": "DEVICE_NOT_FOUND",
    "llama-server-lora-is-model": "LORA_INVALID",
    "llama-server-quantised-v-cache": "CONTEXT_FAILED",
    "llama-server-truncated-draft": "DRAFT_INVALID",
    "llama-server-no-model": "UNKNOWN",  # removed after the plan had found it
}


@pytest.mark.parametrize(("name", "cause"), RECORDED.items())
def test_a_recorded_failing_start_has_its_cause(name: str, cause: Cause) -> None:
    exit_code, lines = recordings.log(name)
    assert classify(exit_code, lines[-LOG_TAIL_LINES:]).cause == cause


def test_every_recording_of_a_failure_stands_in_the_table() -> None:
    files = {path.stem for path in recordings.FOLDER.glob("*.txt")}
    assert {name for name in files if not name.startswith("help-")} - RECORDED.keys() == {"llama-server-start"}


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        # ggml-cuda.cu, ggml-alloc.c, llama-model.cpp; as in ggml-org/llama.cpp#20431
        (
            [
                "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 144817.04 MiB on device 0: cudaMalloc failed: "
                "out of memory",
                "alloc_tensor_range: failed to allocate CUDA0 buffer of size 151851674624",
                "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
            ],
            "OUT_OF_MEMORY",
        ),
        (["CUDA error: out of memory", "  current device: 0, in function alloc at ggml-cuda.cu"], "OUT_OF_MEMORY"),
        # ggml-vulkan.cpp; as in ggml-org/llama.cpp#29270
        (["ggml_vulkan: Device memory allocation of size 369827840 failed."], "OUT_OF_MEMORY"),
        (["ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory"], "OUT_OF_MEMORY"),
        # ggml-metal: the command buffer's own words
        (["error: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"], "OUT_OF_MEMORY"),
        (["terminate called after throwing an instance of 'std::bad_alloc'"], "OUT_OF_MEMORY"),
        (["mmap failed: Cannot allocate memory"], "OUT_OF_MEMORY"),
        # gguf.cpp
        (["gguf_init_from_file: encountered bad_alloc error while reading key 3"], "MODEL_CORRUPT"),
        (["gguf_init_from_file: tensor 'a' has invalid ggml type 200. should be in [0, 42)"], "MODEL_NOT_SUPPORTED"),
        (["gguf_init_from_file: failed to open GGUF file 'm.gguf' (Permission denied)"], "PERMISSION_DENIED"),
        # llama-vocab.cpp, llama-model-loader.cpp
        (["llama_model_load: error loading model: unknown pre-tokenizer type: 'x'"], "MODEL_NOT_SUPPORTED"),
        (["llama_model_load: error loading model: key not found in model: llama.context_length"], "MODEL_CORRUPT"),
        (["llama_model_load: error loading model: corrupted model: 3 tensors expected but 2 found"], "MODEL_CORRUPT"),
        # llama-adapter.cpp
        (["LoRA tensor 'a' data is not within the file bounds, file is corrupted or incomplete"], "LORA_INVALID"),
        # macOS, Windows, older builds
        (["dyld[812]: Library not loaded: @rpath/libllama.dylib"], "MISSING_LIBRARY"),
        (["ImportError: DLL load failed while importing _core: The module could not be found."], "MISSING_LIBRARY"),
        (["couldn't bind to server socket: hostname=127.0.0.1 port=8080"], "PORT_IN_USE"),
        (["error: unknown argument: --no-such-flag"], "BAD_FLAG"),
    ],
)
def test_phrases_of_other_devices_systems_and_builds_are_known(lines: list[str], cause: Cause) -> None:
    assert classify(1, lines).cause == cause


@pytest.mark.parametrize(
    ("exit_code", "cause"),
    [
        (-signal.SIGKILL, "KILLED"),
        (-signal.SIGTERM, "KILLED"),
        (137, "KILLED"),
        (127, "MISSING_LIBRARY"),
        (-1073741515, "MISSING_LIBRARY"),
        (126, "PERMISSION_DENIED"),
        (-signal.SIGSEGV, "UNKNOWN"),
        (-4, "WRONG_PROCESSOR"),
        (132, "WRONG_PROCESSOR"),
        (-1073741795, "WRONG_PROCESSOR"),
        (-7, "FILE_FAULT"),
        (3221225478, "FILE_FAULT"),
        (1, "UNKNOWN"),
        (0, "UNKNOWN"),
        (None, "UNKNOWN"),
    ],
)
def test_where_the_log_says_nothing_the_exit_code_counts(exit_code: int | None, cause: Cause) -> None:
    assert classify(exit_code, ["0.00.001.000 I srv  llama_server: loading model"]).cause == cause


def test_the_log_counts_more_than_the_exit_code() -> None:
    assert classify(-signal.SIGKILL, ["E srv  start: couldn't bind HTTP server socket"]).cause == "PORT_IN_USE"


def test_the_last_line_that_says_anything_decides() -> None:
    plugin = "load_backend: failed to load libggml-cuda.so: libcudart.so.12: cannot open shared object file"
    model = "llama_model_load: error loading model: unknown model architecture: 'xlama'"
    assert classify(1, [plugin, model, "exiting"]).cause == "MODEL_NOT_SUPPORTED"


@pytest.mark.parametrize(
    "line",
    [
        "malloc(): corrupted top size",
        "malloc(): unsorted double linked list corrupted",
        "free(): corrupted unsorted chunks",
        "corrupted double-linked list",
        "corrupted size vs. prev_size",
    ],
)
def test_a_heap_that_is_corrupted_says_nothing_of_the_model(line: str) -> None:
    assert classify(-signal.SIGABRT, [line]).cause == "UNKNOWN"


@pytest.mark.parametrize(
    "line",
    [
        "0.00.001.000 W warning: failed to mlock 98304-byte buffer: Cannot allocate memory",
        "0.00.001.000 I srv  load_model: loading model '/models/permission denied.gguf'",
        "0.00.001.000 D ggml_cuda_host_malloc: failed to allocate 64.00 MiB of pinned memory: out of memory",
    ],
)
def test_what_was_got_over_is_no_cause(line: str) -> None:
    assert classify(1, [line]).cause == "UNKNOWN"


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_is_said_in_plain_words_with_a_hint(cause: Cause) -> None:
    found = fault(cause)
    assert (found.cause, bool(found.message), found.hint.endswith(".")) == (cause, True, True)


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (None, "still running"),
        (-9, "ended by SIGKILL"),
        (-200, "ended by signal 200"),
        (3, "exit code 3"),
    ],
)
def test_exit_codes_are_said_in_words(exit_code: int | None, words: str) -> None:
    assert exit_words(exit_code) == words
