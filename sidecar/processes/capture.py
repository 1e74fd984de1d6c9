"""Running a program for its output, such as `--help`.

Owns the bounds: a program that hangs, writes too much or leaves processes behind is ended, and so is one whose caller
is cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from sidecar.processes.child import ChildProcess
from sidecar.processes.command import Command
from sidecar.processes.errors import CaptureFailed

CAPTURE_SECONDS = 20.0
"""The first run of a CUDA build may read its libraries from a slow disk; a Python imports its packages."""

MAX_OUTPUT_BYTES = 4 * 1024 * 1024
"""llama-server's help has 50 KB."""


async def capture(*argv: str, env: Mapping[str, str] | None = None) -> str:
    """The output of a program; stdout and stderr together, since builds differ in which they use.

    Args:
        env: further environment variables.

    Raises:
        ProgramNotFound: the program is not there.
        SpawnRefused: it cannot be run.
        CaptureFailed: it fails, writes more than MAX_OUTPUT_BYTES, or does not end within CAPTURE_SECONDS.
    """
    output = bytearray()
    child = await ChildProcess.start(Command(list(argv), dict(env or {})))
    try:
        child.close_stdin()
        with anyio.move_on_after(CAPTURE_SECONDS) as bound:
            while len(output) < MAX_OUTPUT_BYTES and (data := await child.output.read()):
                output += data[: MAX_OUTPUT_BYTES - len(output)]
        hangs, exit_code = bound.cancelled_caught, child.exit_code
    finally:
        await child.stop(grace_seconds=0)
    if hangs:
        message = f"it did not answer in {CAPTURE_SECONDS:.0f} s"
        raise CaptureFailed(argv, message, output=bytes(output), exit_code=None, timed_out=True)
    if len(output) >= MAX_OUTPUT_BYTES:
        message = f"its answer is longer than {MAX_OUTPUT_BYTES} bytes"
        raise CaptureFailed(argv, message, output=bytes(output), exit_code=None)
    if exit_code != 0:
        raise CaptureFailed(argv, "it failed", output=bytes(output), exit_code=exit_code)
    return output.decode("utf-8", "replace")
