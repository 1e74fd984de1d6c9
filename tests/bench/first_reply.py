"""What a start costs up to the reply to `initialize`, against `import asyncio` on the same Python.

Processor time where the system tells it of another process (Linux), else elapsed time. `import asyncio` is a good half
of what must be imported whatever we do, and becomes slower and faster with the machine as our own imports do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from tests.bench.figures import Figure

TARGET = 2.5
"""So many times the processor time of `import asyncio`."""

INITIALIZE = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"client":{"name":"bench","version":"1"}}}\n'

SAY_WHEN_IMPORTED = "import asyncio, os; os.write(1, b'here\\n'); os.read(0, 1)"


def run(pairs: int) -> list[Figure]:
    """Milliseconds of both, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        start = [sys.executable, "-m", "sidecar", "--data-dir", folder]
        reference = [sys.executable, "-c", SAY_WHEN_IMPORTED]
        _until_a_line(start)  # makes the data folder, and what Python keeps of the sources
        ours, theirs = [], []
        for _ in range(pairs):
            ours.append(_until_a_line(start))
            theirs.append(_until_a_line(reference))
    return [Figure("first reply", "ms", ours, theirs, "import asyncio", TARGET)]


def _until_a_line(argv: Sequence[str]) -> float:
    """Milliseconds until a program that has been asked has written its first line."""
    # Else all sources are compiled at each start, ours only.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, env=env
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(INITIALIZE)
        process.stdout.readline()
        elapsed = time.perf_counter() - started
        if sys.platform == "linux":
            elapsed = time.clock_gettime(~process.pid << 3 | 2)  # clock_getcpuclockid(3), which Python does not have
        process.stdin.close()
        process.wait(10)
    return elapsed * 1000
