"""What went wrong with an engine, as the error that a host gets.

Owns the wording of refused, failed and broken starts, crashes and standstills, and which of them are worth another
start. The causes are found by `exit_diagnosis`.
"""

from __future__ import annotations

from sidecar.contract.errors import (
    Cause,
    EngineCrashed,
    EngineNotFound,
    EngineStartFailed,
    EngineUnresponsive,
    PortInUse,
    SidecarError,
)
from sidecar.contract.remedies import BY_CAUSE, RETRY, call, open_settings
from sidecar.contract.servers import StartWarning
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.lifecycle.exit_diagnosis import LOG_TAIL_LINES, PERMANENT, classify, exit_words, fault
from sidecar.logs.lines import printable
from sidecar.processes.errors import CaptureFailed, ProcessError, ProgramNotFound, SpawnReason, SpawnRefused

CRASH_LINES = 10
"""Lines of the log that a crash is explained by: it had time for many more while it ran."""

LONGEST_QUESTION = 80
"""Letters of a question in an error."""

_CAUSES: dict[SpawnReason, Cause] = {
    "bad_arguments": "BAD_FLAG",
    "arguments_too_long": "BAD_FLAG",
    "missing_loader": "MISSING_LIBRARY",
    "permission_denied": "PERMISSION_DENIED",
    "other": "UNKNOWN",
}

_NOT_FOR_THIS_MACHINE = "Check that it is a program for this machine."

_HINTS: dict[SpawnReason, str] = {
    "arguments_too_long": "Put a long chat template into a file.",
    "missing_loader": _NOT_FOR_THIS_MACHINE,
    "other": _NOT_FOR_THIS_MACHINE,
}


def is_retryable(reason: SidecarError) -> bool:
    """Whether another start may do better than the one that ended so."""
    if isinstance(reason, EngineCrashed | EngineStartFailed):
        return reason.data["cause"] not in PERMANENT
    return isinstance(reason, EngineUnresponsive | PortInUse)


# --- before there is a process ---------------------------------------------------------------------------------------


def engine_error(error: ProcessError) -> SidecarError:
    """The error of the contract for a process that did not do what an engine is to do."""
    if isinstance(error, ProgramNotFound):
        return EngineNotFound(str(error))
    if isinstance(error, CaptureFailed):
        return _capture_failed(error)
    reason = error.reason if isinstance(error, SpawnRefused) else "other"
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
    asked = " ".join(error.argv[1:])[:LONGEST_QUESTION]
    return EngineStartFailed(
        f"{error.argv[0]} cannot be asked for {asked}: {words}.",
        hint="Check that it is a build for this machine." if why.cause in ("UNKNOWN", "TIMEOUT") else why.hint,
        cause=why.cause,
        exit_code=error.exit_code,
        log_tail=tail,
    )


# --- while it starts -------------------------------------------------------------------------------------------------


def start_failed(engine: str, process: EngineProcess, complaint: str | None = None) -> EngineStartFailed:
    """Why a start failed: the engine has ended, else there is a complaint, else it has been silent for too long."""
    tail, exit_code = process.tail(), process.exit_code
    if exit_code is not None:
        why, complaint = classify(exit_code, tail), None
    else:
        why = fault("UNKNOWN" if complaint else "TIMEOUT")
    return EngineStartFailed(
        f"{engine} did not start: {complaint or why.message} ({exit_words(exit_code)}).",
        hint=why.hint,
        cause=why.cause,
        exit_code=exit_code,
        log_tail=tail,
    )


def gpu_not_used(engine: str, warning: StartWarning, process: EngineProcess) -> EngineStartFailed:
    """A start that was to fail rather than run without the GPU."""
    return EngineStartFailed(
        f"{engine} was ended, since require_gpu is set: {warning.message}",
        hint=warning.hint,
        remedies=warning.remedies,
        cause="GPU_NOT_USED",
        exit_code=None,
        log_tail=process.tail(),
    )


# --- once it was ready -----------------------------------------------------------------------------------------------


def crashed(process: EngineProcess) -> EngineCrashed:
    """Why a ready engine ended."""
    tail = process.tail()
    why = classify(process.exit_code, tail[-CRASH_LINES:])
    return EngineCrashed(
        f"The engine ended while it was in use: {why.message} ({exit_words(process.exit_code)}).",
        hint=why.hint if why.cause in PERMANENT else None,
        remedies=BY_CAUSE[why.cause] if why.cause in PERMANENT else None,
        cause=why.cause,
        exit_code=process.exit_code,
        log_tail=tail,
    )


def hung_up(process: EngineProcess | None) -> EngineCrashed:
    """The engine broke a connection, and seems to run still."""
    tail = process.tail() if process is not None else []
    return EngineCrashed("The engine broke the connection.", cause="UNKNOWN", exit_code=None, log_tail=tail)


def silent(seconds: float) -> EngineUnresponsive:
    """A ready engine answers nothing any more, and is ended."""
    return EngineUnresponsive(
        f"The engine stood still: it has not answered for {seconds:g} s, so it was ended.",
        hint="Send it again when the server is ready; if it was only busy, raise the health timeout in the settings.",
        remedies=(RETRY, open_settings("engines.health_timeout_seconds")),
    )


def after_restarts(error: SidecarError, restarts: int) -> SidecarError:
    """The end of a server that was started again before."""
    times = "once" if restarts == 1 else f"{restarts} times"
    return type(error)(
        f"{error.message} It was started again {times} before, and is left alone now.",
        hint="Find the cause in the server's log, then restart it." if is_retryable(error) else error.hint,
        remedies=(call("get_logs"), call("restart_server")) if is_retryable(error) else error.remedies,
        **error.data,
    )
