"""Why an engine failed, from its exit code and the end of its log.

Pure. The phrases are those of llama.cpp, ggml, the dynamic loaders and uvicorn; a test has each of them with the log
that it came from.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

import msgspec

from sidecar.contract.errors import Cause

LOG_TAIL_LINES = 30
"""Lines of the log that are attached to an error."""

PERMANENT: frozenset[Cause] = frozenset(
    {
        "BAD_FLAG",
        "MODEL_CORRUPT",
        "MODEL_NOT_SUPPORTED",
        "MISSING_LIBRARY",
        "PERMISSION_DENIED",
        # The same settings need the same memory, and another attempt would slow down other programs.
        "OUT_OF_MEMORY",
        "GPU_NOT_USED",
    }
)
"""Causes that a restart does not remove. KILLED is not among them: it may be the system's out-of-memory killer, but
also a user."""


class Fault(msgspec.Struct, frozen=True):
    """The cause of a failure, with a message and a hint."""

    cause: Cause
    message: str
    hint: str


_WORDS: dict[Cause, tuple[str, str]] = {
    "OUT_OF_MEMORY": (
        "there was not enough memory",
        "Use a smaller context, fewer parallel slots, fewer layers on the GPU, or a smaller quantization.",
    ),
    "MODEL_CORRUPT": ("the model file is damaged or incomplete", "Download the model again."),
    "MODEL_NOT_SUPPORTED": (
        "this engine does not know this kind of model",
        "Use a newer llama.cpp build, or another model.",
    ),
    "BAD_FLAG": (
        "it does not accept one of its flags",
        "Correct the extra arguments; the build's --help lists the flags that it accepts.",
    ),
    "MISSING_LIBRARY": (
        "a library it needs is missing",
        "Install the missing library, which the end of the log names, or use another llama.cpp build.",
    ),
    "PORT_IN_USE": (
        "its port is used by another program",
        "Let the system choose a port, or choose another one.",
    ),
    "PERMISSION_DENIED": (
        "the system refused access to a file",
        "Check the permissions of the model and of the engine's program.",
    ),
    "KILLED": (
        "it was killed from outside",
        "If this was not intended, the system was probably out of memory: use a smaller context or a smaller model.",
    ),
    "TIMEOUT": (
        "it made no progress for too long",
        "Try again, or raise the start timeout in the settings.",
    ),
    "GPU_NOT_USED": (
        "it does not use the GPU, which was required",
        "Unset require_gpu to run it without the GPU; the message says why the GPU is not used.",
    ),
    "UNKNOWN": ("its log shows no known reason", "Check the end of the server's log."),
}

_PHRASES: tuple[tuple[Cause, tuple[str, ...]], ...] = (
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
        "BAD_FLAG",
        (
            "error: invalid argument",
            "error while handling argument",
            "error: unknown argument",
            "to show complete usage, run with -h",
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
            "unknown projector type",
            "only supports up to version",
            "is no longer supported",
        ),
    ),
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
            "wrong number of tensors",
            "wrong shape",
            "missing tensor",
            "tensor .* not found",
            "key not found in model",
            "cannot find tokenizer",
            r"key \S+ has wrong",
            "invalid gguf type",
            "invalid data",
            "unexpectedly reached end of file",
            "failed to load CLIP",
        ),
    ),
)
"""Causes by the text of a line. If several match, the first one counts."""

_PATTERNS = tuple((cause, re.compile("|".join(phrases), re.IGNORECASE)) for cause, phrases in _PHRASES)

_NO_ERROR = re.compile(r"^(?:[\d.]+ )?[DIW] ")
"""Lines below the level of an error: a failure there was harmless (a lock on memory, a plug-in), or the text is part of
a model's name."""

_LOADER_FAILED = {127, -1073741515, 3221225781}
"""Exit codes of a loader that did not find a library: the shell's, and Windows' 0xC0000135 signed and unsigned."""

_NOT_EXECUTABLE = 126
"""The shell's exit code if a script cannot run the engine."""

_SIGTERM, _SIGKILL = 15, 9  # Windows has no name for the second
_KILLED = {-_SIGTERM, -_SIGKILL, 128 + _SIGTERM, 128 + _SIGKILL}
"""Exit codes of a process that was ended by a signal, directly or in a shell."""


def classify(exit_code: int | None, log_tail: Sequence[str]) -> Fault:
    """The cause of a failure: from the last line that matches a phrase, else from the exit code.

    Args:
        exit_code: negative for a signal, as in `subprocess`; `None` while the process still ran.
        log_tail: the end of the engine's log.
    """
    for line in reversed(log_tail):
        if _NO_ERROR.match(line):
            continue
        for cause, pattern in _PATTERNS:
            if pattern.search(line):
                return fault(cause)
    if exit_code in _LOADER_FAILED:
        return fault("MISSING_LIBRARY")
    if exit_code == _NOT_EXECUTABLE:
        return fault("PERMISSION_DENIED")
    if exit_code in _KILLED:
        return fault("KILLED")
    return fault("UNKNOWN")


def fault(cause: Cause) -> Fault:
    """A cause with its message and hint."""
    reason, hint = _WORDS[cause]
    return Fault(cause, reason, hint)


def exit_words(exit_code: int | None) -> str:
    """An exit code for messages."""
    if exit_code is None:
        return "still running"
    if exit_code < 0:
        try:
            return f"ended by {signal.Signals(-exit_code).name}"
        except ValueError:
            return f"ended by signal {-exit_code}"
    return f"exit code {exit_code}"
