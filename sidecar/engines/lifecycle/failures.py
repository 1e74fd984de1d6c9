"""What went wrong with an engine, as the error that a host is told.

Owns the wording of failed starts, crashes and standstills. The causes are `faults`' business.
"""

from __future__ import annotations

from sidecar.contract.errors import EngineCrashed, EngineStartFailed, EngineUnresponsive, SidecarError
from sidecar.contract.servers import StartWarning
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.lifecycle.exit_diagnosis import classify, exit_words, fault
from sidecar.engines.lifecycle.restarts import WILL_COME_AGAIN, passes

CRASH_LINES = 10
"""Lines of the log that a crash is explained by: it had time for many more while it ran."""


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
    """A start that was to fail rather than go on without the GPU."""
    return EngineStartFailed(
        f"{engine} was ended, since require_gpu is set: {warning.message}",
        hint=warning.hint,
        cause="GPU_NOT_USED",
        exit_code=None,
        log_tail=process.tail(),
    )


def crashed(process: EngineProcess) -> EngineCrashed:
    """Why a ready engine ended."""
    tail = process.tail()
    why = classify(process.exit_code, tail[-CRASH_LINES:])
    return EngineCrashed(
        f"The engine ended while it was in use: {why.message} ({exit_words(process.exit_code)}).",
        hint=why.hint if why.cause in WILL_COME_AGAIN else None,
        cause=why.cause,
        exit_code=process.exit_code,
        log_tail=tail,
    )


def hung_up(process: EngineProcess | None) -> EngineCrashed:
    """The engine broke a connection, and seems to run on."""
    tail = process.tail() if process is not None else []
    return EngineCrashed("The engine broke the connection.", cause="UNKNOWN", exit_code=None, log_tail=tail)


def silent(seconds: float) -> EngineUnresponsive:
    """A ready engine answers nothing any more, and is ended."""
    return EngineUnresponsive(
        f"The engine stood still: it has not answered for {seconds:g} s, so it was ended.",
        hint="Send it again when the server is ready; if it was only busy, raise engines.health_timeout_seconds.",
    )


def after_restarts(error: SidecarError, restarts: int) -> SidecarError:
    """The end of a server that was started again before."""
    times = "once" if restarts == 1 else f"{restarts} times"
    return type(error)(
        f"{error.message} It was started again {times} before, and is left alone now.",
        hint="Look for the cause in get_logs of this server, then call restart_server."
        if passes(error)
        else error.hint,
        **error.data,
    )
