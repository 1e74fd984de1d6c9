"""Why an engine failed, from its exit code and the end of its log.

Pure. The phrases are those of llama.cpp, ggml, the dynamic loaders and uvicorn; each stands in a test with the log
that it came from.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

import msgspec

from sidecar.contract.errors import Cause

LOG_TAIL_LINES = 30
"""Lines of the log that go with an error."""

PERMANENT: frozenset[Cause] = frozenset(
    {
        "BAD_FLAG",
        "MODEL_CORRUPT",
        "MODEL_NOT_SUPPORTED",
        "MISSING_LIBRARY",
        "PERMISSION_DENIED",
        # The same settings need the same memory, and to load them once more takes what others have left.
        "OUT_OF_MEMORY",
        "GPU_NOT_USED",
    }
)
"""Causes that no new start does away with. KILLED is none of them, though the system may have done it for want of
memory: somebody may as well have done it by hand."""


class Fault(msgspec.Struct, frozen=True):
    """A failure in plain words."""

    cause: Cause
    message: str
    hint: str


_WORDS: dict[Cause, tuple[str, str]] = {
    "OUT_OF_MEMORY": (
        "there was not enough memory",
        "Take a smaller context, fewer parallel slots, fewer layers on the GPU, or a smaller quantization.",
    ),
    "MODEL_CORRUPT": ("the model file is damaged or incomplete", "Download the model again."),
    "MODEL_NOT_SUPPORTED": (
        "this engine does not know this kind of model",
        "Use a newer llama.cpp build, or another model.",
    ),
    "BAD_FLAG": (
        "it does not accept one of its flags",
        "Correct the further flags; the build's own help lists those that it takes.",
    ),
    "MISSING_LIBRARY": (
        "a library it needs is missing",
        "Install the missing library, which the end of the log names, or use another llama.cpp build.",
    ),
    "PORT_IN_USE": (
        "its port is used by another program",
        "Let the system choose a port, or name another.",
    ),
    "PERMISSION_DENIED": (
        "the system refused access to a file",
        "Check the permissions of the model and of the engine's program.",
    ),
    "KILLED": (
        "it was killed from outside",
        "If this was not intended, the system was probably out of memory: take a smaller context or a smaller model.",
    ),
    "TIMEOUT": (
        "it took too long without any sign of progress",
        "Try again, or raise the start timeout in the settings.",
    ),
    "GPU_NOT_USED": (
        "it would not use the GPU, which was required",
        "Do not require the GPU, to run it as it is; the message says why the GPU is not used.",
    ),
    "UNKNOWN": ("it gave no reason that we know", "Check the end of the server's log."),
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
            r"(?:model|file) is corrupted",  # not heaps, of which glibc says so
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
"""Causes by what a line says. Where a line fits two, the first one counts."""

_PATTERNS = tuple((cause, re.compile("|".join(phrases), re.IGNORECASE)) for cause, phrases in _PHRASES)

_NO_ERROR = re.compile(r"^(?:[\d.]+ )?[DIW] ")
"""Lines below the level of an error: what failed there was got over (a lock on memory, a plug-in), or stands in a
model's name."""

_LOADER_FAILED = {127, -1073741515, 3221225781}
"""Exit codes of a loader that missed a library: the shell's, and Windows' 0xC0000135 signed and unsigned."""

_NOT_EXECUTABLE = 126
"""The shell's, where the engine is started by a script."""

_SIGTERM, _SIGKILL = 15, 9  # Windows has no name for the second
_KILLED = {-_SIGTERM, -_SIGKILL, 128 + _SIGTERM, 128 + _SIGKILL}
"""Ended by a signal, or by way of a shell."""


def classify(exit_code: int | None, log_tail: Sequence[str]) -> Fault:
    """The cause of a failure: what the last line says that says anything, else the exit code.

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
    """A cause with its words."""
    reason, hint = _WORDS[cause]
    return Fault(cause, reason, hint)


def exit_words(exit_code: int | None) -> str:
    """An exit code for people."""
    if exit_code is None:
        return "still running"
    if exit_code < 0:
        try:
            return f"ended by {signal.Signals(-exit_code).name}"
        except ValueError:
            return f"ended by signal {-exit_code}"
    return f"exit code {exit_code}"
