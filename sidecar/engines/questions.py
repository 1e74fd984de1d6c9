"""Short questions to a program, such as `--help`.

Owns their bounds: a program that hangs, floods or leaves processes behind is ended, and so is the question when nobody
waits for the answer any more.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from sidecar.contract.errors import EngineStartFailed
from sidecar.engines.child import Child
from sidecar.engines.faults import LOG_TAIL_LINES, Fault, classify, exit_words, fault
from sidecar.engines.launch import Command
from sidecar.logs.lines import printable

ASK_SECONDS = 20.0
"""The first run of a CUDA build may read its libraries from a slow disk; a Python imports its packages."""

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""llama-server's help has 50 KB."""

LONGEST_QUESTION = 80
"""Letters of a question in an error."""


async def ask(*argv: str) -> str:
    """What a program prints; stdout and stderr together, since builds differ in which they use.

    Raises:
        EngineNotFound: the program is not there.
        EngineStartFailed: it can not be run, fails, or does not come to an end.
    """
    text = bytearray()
    full = anyio.Event()

    def take_in(data: bytes) -> None:
        text.extend(data[: MAX_ANSWER_BYTES - len(text)])
        if len(text) >= MAX_ANSWER_BYTES:
            full.set()

    child = await Child.start(Command(list(argv)), on_output=take_in, on_end=full.set)
    try:
        child.close_stdin()
        with anyio.move_on_after(ASK_SECONDS):
            await full.wait()
        hangs, exit_code = not full.is_set(), child.exit_code
    finally:
        await child.stop(grace_seconds=0)
    if hangs:
        raise _failed(argv, fault("TIMEOUT"), f"it did not answer in {ASK_SECONDS:.0f} s", None, text)
    if len(text) >= MAX_ANSWER_BYTES:
        raise _failed(argv, fault("UNKNOWN"), f"its answer is longer than {MAX_ANSWER_BYTES} bytes", None, text)
    if exit_code != 0:
        why = classify(exit_code, _tail(text))
        words = exit_words(exit_code)
        raise _failed(argv, why, words if why.cause == "UNKNOWN" else f"{why.message} ({words})", exit_code, text)
    return text.decode("utf-8", "replace")


def _failed(argv: Sequence[str], why: Fault, words: str, exit_code: int | None, text: bytearray) -> EngineStartFailed:
    asked = " ".join(argv[1:])[:LONGEST_QUESTION]
    return EngineStartFailed(
        f"{argv[0]} can not be asked for {asked}: {words}.",
        hint="Check that it is a build for this machine." if why.cause in ("UNKNOWN", "TIMEOUT") else why.hint,
        cause=why.cause,
        exit_code=exit_code,
        log_tail=_tail(text),
    )


def _tail(text: bytearray) -> list[str]:
    return [printable(bytes(line)) for line in text.splitlines()[-LOG_TAIL_LINES:]]
