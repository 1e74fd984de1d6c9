"""The failures of an engine, as the errors that a host gets.

Owns the messages of refused and failed starts, crashes and hangs, and which of them can be retried. `exit_diagnosis`
finds the causes.
"""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.contract.errors import (
    Cause,
    EngineCrashed,
    EngineNotFound,
    EngineStartFailed,
    EngineUnresponsive,
    Overloaded,
    PortInUse,
    SidecarError,
)
from sidecar.contract.remedies import BY_CAUSE, RETRY, call, change_params, open_settings
from sidecar.contract.servers import StartWarning
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.lifecycle.exit_diagnosis import LOG_TAIL_LINES, PERMANENT, classify, exit_words, fault, stated
from sidecar.host.limits import DESCRIPTORS_HINT
from sidecar.logs.lines import printable
from sidecar.processes.errors import CaptureFailed, ProcessError, ProgramNotFound, SpawnReason, SpawnRefused

CRASH_LINES = 10
"""Lines at the end of the log that are searched for the cause of a crash; earlier ones are about other events."""

MAX_ARGUMENT_LETTERS = 80
"""Characters of a probe's arguments in a message."""

_CAUSES: dict[SpawnReason, Cause] = {
    "bad_arguments": "BAD_FLAG",
    "arguments_too_long": "BAD_FLAG",
    "missing_loader": "MISSING_LIBRARY",
    "permission_denied": "PERMISSION_DENIED",
    "short_of_descriptors": "UNKNOWN",
    "wrong_format": "WRONG_PROCESSOR",
    "other": "UNKNOWN",
}

_NOT_FOR_THIS_MACHINE = "Check that the program is built for this machine."

_HINTS: dict[SpawnReason, str] = {
    "arguments_too_long": "Put a long chat template into a file.",
    "missing_loader": _NOT_FOR_THIS_MACHINE,
    "other": _NOT_FOR_THIS_MACHINE,
}


def is_retryable(reason: SidecarError) -> bool:
    """Whether another start may succeed after this one has failed."""
    if isinstance(reason, EngineCrashed | EngineStartFailed):
        return reason.data["cause"] not in PERMANENT
    return isinstance(reason, EngineUnresponsive | PortInUse)


# --- spawning and probing --------------------------------------------------------------------------------------------


def engine_error(error: ProcessError) -> SidecarError:
    """The error of the contract for a failed process."""
    if isinstance(error, ProgramNotFound):
        return EngineNotFound(str(error))
    if isinstance(error, CaptureFailed):
        return _capture_failed(error)
    reason = error.reason if isinstance(error, SpawnRefused) else "other"
    if reason == "short_of_descriptors":
        return Overloaded(str(error), hint=DESCRIPTORS_HINT, queue_size=0)
    why = fault(_CAUSES[reason])
    return EngineStartFailed(
        str(error), hint=_HINTS.get(reason, why.hint), cause=why.cause, exit_code=None, log_tail=[]
    )


def _capture_failed(error: CaptureFailed) -> EngineStartFailed:
    tail = [printable(bytes(line)) for line in error.output.splitlines()[-LOG_TAIL_LINES:]]
    words = str(error)
    if error.timed_out:
        why = fault("TIMEOUT")
    elif error.exit_code is None:
        why = fault("UNKNOWN")
    else:
        why = classify(error.exit_code, tail)
        words = exit_words(error.exit_code)
        if why.cause != "UNKNOWN":
            words = f"{why.message} ({words})"
        words = _with_log(words, tail)
    arguments = " ".join(error.argv[1:])[:MAX_ARGUMENT_LETTERS]
    return EngineStartFailed(
        f"{error.argv[0]} failed with {arguments}: {words}.",
        hint="Check that it is a build for this machine." if why.cause in ("UNKNOWN", "TIMEOUT") else why.hint,
        cause=why.cause,
        exit_code=error.exit_code,
        log_tail=tail,
    )


# --- starting --------------------------------------------------------------------------------------------------------


def start_failed(engine: str, process: EngineProcess, complaint: str | None = None) -> EngineStartFailed:
    """Why a start failed: the engine has ended, else the complaint, else a timeout."""
    tail, exit_code = process.tail(), process.exit_code
    if exit_code is not None:
        why, complaint = classify(exit_code, tail), None
    else:
        why = fault("UNKNOWN" if complaint else "TIMEOUT")
    return EngineStartFailed(
        f"{engine} did not start: {_with_log(f'{complaint or why.message} ({exit_words(exit_code)})', tail)}.",
        hint=why.hint,
        cause=why.cause,
        exit_code=exit_code,
        log_tail=tail,
    )


def _with_log(words: str, tail: Sequence[str]) -> str:
    """A reason, with what the log itself states."""
    return f"{words}; its log says: {found.rstrip('.')}" if (found := stated(tail)) else words


def endless_template(engine: str, process: EngineProcess, seconds: float) -> EngineStartFailed:
    """The model's chat template was tried, and did not end."""
    return EngineStartFailed(
        f"{engine} was ended: the model's chat template does not end; after {seconds:g} s it had not rendered three "
        "short messages.",
        hint="Give another template as chat_template or chat_template_file, or use another model.",
        cause="TEMPLATE_INVALID",
        exit_code=None,
        log_tail=process.tail(),
    )


def gpu_not_used(engine: str, warning: StartWarning, process: EngineProcess) -> EngineStartFailed:
    """A start with require_gpu that did not use the GPU."""
    return EngineStartFailed(
        f"{engine} was ended, since require_gpu is set: {warning.message}",
        hint=warning.hint,
        remedies=warning.remedies,
        cause="GPU_NOT_USED",
        exit_code=None,
        log_tail=process.tail(),
    )


# --- ready -----------------------------------------------------------------------------------------------------------


def crashed(process: EngineProcess) -> EngineCrashed:
    """Why a ready engine ended."""
    tail = process.tail()
    why = classify(process.exit_code, tail[-CRASH_LINES:])
    words = f"{why.message} ({exit_words(process.exit_code)})"
    return EngineCrashed(
        f"The engine ended while it was in use: {_with_log(words, tail[-CRASH_LINES:])}.",
        hint=why.hint if why.cause in PERMANENT else None,
        remedies=BY_CAUSE[why.cause] if why.cause in PERMANENT else None,
        cause=why.cause,
        exit_code=process.exit_code,
        log_tail=tail,
    )


def connection_broken(process: EngineProcess | None) -> EngineCrashed:
    """The engine broke a connection, and still seems to run."""
    tail = process.tail() if process is not None else []
    return EngineCrashed("The engine broke the connection.", cause="UNKNOWN", exit_code=None, log_tail=tail)


def unresponsive(seconds: float) -> EngineUnresponsive:
    """A ready engine no longer answers, and is ended."""
    return EngineUnresponsive(
        f"The engine hung: it has not answered for {seconds:g} s, so it was ended.",
        hint="Send it again when the server is ready; if it was only busy, raise the health timeout in the settings.",
        remedies=(RETRY, open_settings("engines.health_timeout_seconds")),
    )


def grew(server_id: str, process: EngineProcess, *, plan: int, used: int, ready: bool) -> SidecarError:
    """An engine is ended, since it grew beyond its bound while the machine ran out of memory.

    Args:
        plan: bytes of main memory that the start was planned with.
        used: bytes that it has now.
        ready: whether it was in use; else its start fails.
    """
    why = fault("MEMORY_LIMIT")
    kind = EngineCrashed if ready else EngineStartFailed
    return kind(
        f"The engine of the server {server_id!r} was ended: {why.message}. Planned were {plan / 1e9:.1f} GB, "
        f"it used {used / 1e9:.1f} GB.",
        hint=why.hint,
        cause=why.cause,
        exit_code=None,
        log_tail=process.tail(),
    )


def stuck(seconds: float) -> EngineUnresponsive:
    """A ready engine works on answers without any progress, and is ended."""
    return EngineUnresponsive(
        f"The engine made no progress with an answer for {seconds:.0f} s, so it was ended.",
        hint="Send it again when the server is ready; if that repeats, use a simpler schema, grammar or chat template.",
        remedies=(RETRY, change_params("response_format", "grammar", "tools")),
    )


def does_not_stop(seconds: float) -> EngineUnresponsive:
    """A ready engine works on an answer that was cancelled, and is ended."""
    return EngineUnresponsive(
        f"The engine still worked on a cancelled answer after {seconds:.0f} s, so it was ended.",
        hint="Send it again when the server is ready; if that repeats, use a simpler schema or chat template.",
        remedies=(RETRY, change_params("response_format", "tools")),
    )


def after_restarts(error: SidecarError, restarts: int) -> SidecarError:
    """The failure of a server that was restarted before."""
    times = "once" if restarts == 1 else f"{restarts} times"
    return type(error)(
        f"{error.message} It was restarted {times} before, and is not restarted again.",
        hint="Find the cause in the server's log, then restart it." if is_retryable(error) else error.hint,
        remedies=(call("get_logs"), call("restart_server")) if is_retryable(error) else error.remedies,
        **error.data,
    )
