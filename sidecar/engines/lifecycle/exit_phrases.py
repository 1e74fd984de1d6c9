"""The phrases by which a failed engine's log states the cause.

Data only. They are those of llama.cpp, ggml, the dynamic loaders and uvicorn; a test has each of them with the log that
it came from.
"""

from __future__ import annotations

from sidecar.contract.errors import Cause

PHRASES: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    (
        "WRONG_PROCESSOR",
        (
            "exec format error",
            "illegal instruction",
            "bad CPU type in executable",
            "wrong ELF class",
            "incompatible architecture",  # macOS
            "not a valid Win32 application",
        ),
    ),
    (
        "LIBRARY_MISMATCH",
        (
            "undefined symbol",
            "symbol lookup error",
            r"version `\S+' not found",  # a C library older than that of the build
            "symbol not found",  # macOS
            "entry point .* could not be located",  # Windows
        ),
    ),
    (
        "MISSING_LIBRARY",
        (
            "error while loading shared libraries",
            "cannot open shared object file",
            "Shared library with base name",  # llama-cpp-python
            "Library not loaded",
            "No module named",
            "ImportError",
            "DLL load failed",
        ),
    ),
    ("PORT_IN_USE", (r"couldn't bind (?:to |HTTP )?server socket", "address already in use", "EADDRINUSE")),
    (
        "DEVICE_NOT_FOUND",
        (
            r"invalid device: ",
            "unknown device: ",
            r"invalid value for main_gpu",
            "no such device",
            "invalid device ordinal",
        ),
    ),
    (
        "TEMPLATE_INVALID",
        (
            "chat template is not supported",
            "failed to initialize chat template",
            "chat template parsing error",
            "failed to apply template",
            "TemplateSyntaxError",  # llama-cpp-python
        ),
    ),
    (
        "PROJECTOR_INVALID",
        (
            "failed to load CLIP",
            "failed to load multimodal model",
            "failed to get memory usage of mmproj",
            "mismatch between text model .* and mmproj",
            "unknown projector type",
        ),
    ),
    (
        "LORA_INVALID",
        (
            "failed to (?:load|apply|init) lora adapter",
            "model arch and LoRA arch mismatch",
            "LoRA tensor ",
            "base model does not match",
        ),
    ),
    (
        "DRAFT_INVALID",
        ("failed to load draft model", "draft .*vocab.* (?:match|compatible)", "vocabs? .*draft"),
    ),
    (
        "BAD_FLAG",
        (
            "error: invalid argument",
            "error while handling argument",
            "error: unknown argument",
        ),
    ),
    (
        "OUT_OF_MEMORY",
        (
            "out ?of ?(?:device ?|host ?)?memory",
            "insufficient memory",
            "failed to allocate",
            "unable to allocate",
            "cannot allocate memory",
            "memory allocation of size",  # Vulkan
            "alloc_failed",
            "std::bad_alloc",
            "MemoryError",
        ),
    ),
    (
        "MODEL_NOT_SUPPORTED",
        (
            "unknown model architecture",
            r"unknown (?:pre-)?tokenizer",
            r"unsupported (?:model|file type|quantization)",
            "invalid ggml type",
            "only supports up to version",
            "is no longer supported",
            # The file is whole (its header was read before the start), and of a form that this build does not expect.
            "wrong number of tensors",
            "wrong shape",
            "cannot find tokenizer",
            r"key \S+ has wrong",
        ),
    ),
    ("FILE_FAULT", ("no space left on device", "bus error", "input/output error")),
    ("PERMISSION_DENIED", ("permission denied", "access is denied")),
    (
        "MODEL_CORRUPT",
        (
            r"gguf_init_from_\w+: (?!failed to open)",
            "not within the file bounds",
            r"(?:model|file) is corrupted",  # glibc reports the same of heaps
            "corrupted model",
            r"invalid (?:model|split)",
            "failed to load GGUF split",
            "missing tensor",
            "tensor .* not found",
            "key not found in model",
            "invalid gguf type",
            "invalid data",
            "unexpectedly reached end of file",
        ),
    ),
)
"""Causes by the text of a line. If several match, the first one counts."""

CONSEQUENCES: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    ("BAD_FLAG", ("to show complete usage, run with -h",)),
    (
        "CONTEXT_FAILED",
        ("failed to create_?\\s?context", "failed to initialize the context", "quantized V cache requires"),
    ),
)
"""Causes that follow from another one where the log has it."""

OF_ERROR_LINES = (
    r"^(?:[\d.]+ )?[EF] ",
    r"^(?:error|fatal|terminate called|  what\(\)|\w*(?:Error|Exception):)",
    r"GGML_ASSERT|GGML_ABORT|CUDA error|\berror:",
)
"""Lines by which an engine, a loader or a runtime reports an error: llama.cpp's prefix (common/log.cpp) and others."""
