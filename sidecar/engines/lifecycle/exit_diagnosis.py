"""Why an engine failed, from its exit code and the end of its log.

Pure. Owns which of the two decides, what each cause means, and which lines of the log state it; `exit_phrases` has the
phrases.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

import msgspec

from sidecar.contract.errors import Cause
from sidecar.engines.lifecycle.exit_phrases import CONSEQUENCES, OF_ERROR_LINES, PHRASES

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
        "WRONG_PROCESSOR",
        "LIBRARY_MISMATCH",
        "TEMPLATE_INVALID",
        "PROJECTOR_INVALID",
        "LORA_INVALID",
        "DRAFT_INVALID",
        "DEVICE_NOT_FOUND",
        "CONTEXT_FAILED",
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
        "Use a newer llama.cpp build, another conversion of the model, or another model.",
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
    "WRONG_PROCESSOR": (
        "it is built for another processor",
        "Use a build for this machine: install_engine, the embedded engine, or one with fewer instruction sets.",
    ),
    "LIBRARY_MISMATCH": (
        "one of its libraries belongs to another build or system",
        "Remove LD_LIBRARY_PATH (and LD_PRELOAD) from env and the environment, or install the build again as a whole.",
    ),
    "TEMPLATE_INVALID": (
        "the chat template cannot be read",
        "Correct chat_template or chat_template_file, or leave both out to use the model's own.",
    ),
    "PROJECTOR_INVALID": (
        "the projector does not belong to this model, or is damaged",
        "Give the projector that was made for this model as mmproj_path, or set projector to none.",
    ),
    "LORA_INVALID": (
        "a LoRA adapter is damaged, or was made for another model",
        "Leave it out of lora, or give the adapter of this model.",
    ),
    "DRAFT_INVALID": (
        "the draft model is damaged, or its vocabulary is another one",
        "Leave draft_model out, or give a smaller model of the same family.",
    ),
    "DEVICE_NOT_FOUND": (
        "there is no such device",
        "Choose from the devices that probe_engine lists, or leave devices and main_gpu out.",
    ),
    "CONTEXT_FAILED": (
        "its context could not be made with these settings",
        "Reset the cache types, flash attention and the sizes of context and batch to their defaults.",
    ),
    "FILE_FAULT": (
        "a file or shared memory that it uses could not be read or written",
        "Check that the disk and /dev/shm have room and that no program changes the model's file, then try again.",
    ),
    "MEMORY_LIMIT": (
        "it grew far beyond its memory plan while the machine ran out of memory",
        "Send it again; if that repeats, use another chat template, a simpler schema, or another model.",
    ),
    "UNKNOWN": ("its log shows no known reason", "Check the end of the server's log."),
}

_PATTERNS = tuple((cause, re.compile("|".join(phrases), re.IGNORECASE)) for cause, phrases in PHRASES)
_CONSEQUENCES = tuple((cause, re.compile("|".join(phrases), re.IGNORECASE)) for cause, phrases in CONSEQUENCES)
_ERROR = re.compile("|".join(OF_ERROR_LINES))

_NO_ERROR = re.compile(r"^(?:[\d.]+ )?[DIW] ")
"""Lines below the level of an error: a failure there was harmless (a lock on memory, a plug-in), or the text is part of
a model's name."""

_LOADER_FAILED = {127, -1073741515, 3221225781}
"""Exit codes of a loader that did not find a library: the shell's, and Windows' 0xC0000135 signed and unsigned."""

_NOT_EXECUTABLE = 126
"""The shell's exit code if a script cannot run the engine."""

_SIGTERM, _SIGKILL = 15, 9  # Windows has no name for the second
_PREFIX = re.compile(r"^(?:[\d.]+ )?[EFW] ")
"""The time and the level of a line."""

_FAREWELL = re.compile(r"exiting due to|cleaning up before exit")
"""What an engine logs about every failed start."""

_TEMPLATE = re.compile(r"(?<=chat template is not supported):.*")
"""A person's template, which does not belong into a message."""

_KILLED = {-_SIGTERM, -_SIGKILL, 128 + _SIGTERM, 128 + _SIGKILL}
"""Exit codes of a process that was ended by a signal, directly or in a shell."""


_ILLEGAL_INSTRUCTION = {-4, 128 + 4, -1073741795, 3221225501}
"""SIGILL, directly and in a shell, and Windows' 0xC000001D signed and unsigned."""

_BUS_ERROR = {-7, -10, 128 + 7, 128 + 10, -1073741818, 3221225478}
"""SIGBUS on Linux and macOS, and Windows' 0xC0000006 (a page of a mapped file could not be read)."""

_BY_EXIT_CODE: tuple[tuple[set[int], Cause], ...] = (
    (_LOADER_FAILED, "MISSING_LIBRARY"),
    ({_NOT_EXECUTABLE}, "PERMISSION_DENIED"),
    (_ILLEGAL_INSTRUCTION, "WRONG_PROCESSOR"),
    (_BUS_ERROR, "FILE_FAULT"),
    (_KILLED, "KILLED"),
)

QUOTED_LINES = 12
"""Lines at the end of the log whose errors are quoted: earlier ones, such as a plug-in without its driver, were
survived."""

MAX_QUOTED_CHARACTERS = 300


def classify(exit_code: int | None, log_tail: Sequence[str]) -> Fault:
    """The cause of a failure: from the last line that matches a phrase, else from the exit code.

    Args:
        exit_code: negative for a signal, as in `subprocess`; `None` while the process still ran.
        log_tail: the end of the engine's log.
    """
    for patterns in (_PATTERNS, _CONSEQUENCES):
        for line in reversed(log_tail):
            if _NO_ERROR.match(line):
                continue
            for cause, pattern in patterns:
                if pattern.search(line):
                    return fault(cause)
    for codes, cause in _BY_EXIT_CODE:
        if exit_code in codes:
            return fault(cause)
    return fault("UNKNOWN")


def stated(log_tail: Sequence[str]) -> str:
    """What the log itself states as the reason: the first and the last error at its end; empty if it has none.

    The first one is nearest to the cause, and the last one names what was being done.
    """
    errors = [line for line in log_tail[-QUOTED_LINES:] if _ERROR.search(line) and not _NO_ERROR.match(line)]
    if not errors:
        plain = [line for line in log_tail[-1:] if line.strip() and not _NO_ERROR.match(line)]
        return _quotable(plain[0]) if plain else ""
    first = next((line for line in errors if _PREFIX.match(line)), errors[0])
    last = next((line for line in reversed(errors) if not _FAREWELL.search(line)), errors[-1])
    return " … ".join(dict.fromkeys((_quotable(first), _quotable(last))))


def _quotable(line: str) -> str:
    text = _TEMPLATE.sub("", _PREFIX.sub("", line).strip())
    return text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}…"


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
