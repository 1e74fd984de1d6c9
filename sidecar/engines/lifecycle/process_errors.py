"""What goes wrong with an engine's process, as the error that a host gets."""

from __future__ import annotations

from sidecar.contract.errors import Cause, EngineNotFound, EngineStartFailed, SidecarError
from sidecar.engines.lifecycle.exit_diagnosis import LOG_TAIL_LINES, classify, exit_words, fault
from sidecar.logs.lines import printable
from sidecar.processes.capture import capture
from sidecar.processes.errors import CaptureFailed, ProcessError, ProgramNotFound, SpawnReason, SpawnRefused

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
    "arguments_too_long": "Put a long chat template into a file, and give chat_template_file.",
    "missing_loader": _NOT_FOR_THIS_MACHINE,
    "other": _NOT_FOR_THIS_MACHINE,
}


async def ask(*argv: str) -> str:
    """What an engine's program prints when it is run with these arguments.

    Raises:
        EngineNotFound: the program is not there.
        EngineStartFailed: it cannot be run, fails, or does not come to an end.
    """
    try:
        return await capture(*argv)
    except ProcessError as error:
        raise engine_error(error) from None


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
        f"{error.argv[0]} can not be asked for {asked}: {words}.",
        hint="Check that it is a build for this machine." if why.cause in ("UNKNOWN", "TIMEOUT") else why.hint,
        cause=why.cause,
        exit_code=error.exit_code,
        log_tail=tail,
    )
