"""How long a `ping` takes, against a bare Python echo over the same kind of pipes.

All on one CPU, where the system can do that. Across CPUs the echo is now ten times slower, now not, depending on where
the scheduler puts it and whether the other CPU sleeps; on one, both are at their fastest and the ratio is stable.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.figures import Figure

ROUND_TRIPS = 400
WARM_UP = 50

ECHO = """\
import os
while data := os.read(0, 65536):
    os.write(1, data)
"""

TARGET = 25.0
"""`ping` p50 at most so many times the echo's."""


def run(pairs: int) -> list[Figure]:
    """Median round trips of both, in turn."""
    with tempfile.TemporaryDirectory() as folder, _on_one_cpu():
        sidecar = _start([sys.executable, "-m", "sidecar", "--data-dir", folder])
        echo = _start([sys.executable, "-c", ECHO])
        try:
            _round_trips(sidecar, WARM_UP)
            ours, reference = [], []
            for _ in range(pairs):
                ours.append(_round_trips(sidecar, ROUND_TRIPS))
                reference.append(_round_trips(echo, ROUND_TRIPS))
        finally:
            for process in (sidecar, echo):
                assert process.stdin is not None
                process.stdin.close()
                process.wait(10)
    return [Figure("ping, p50", "µs", ours, reference, "bare echo", TARGET)]


@contextmanager
def _on_one_cpu() -> Iterator[None]:
    """This process and those it starts meanwhile share a CPU (Linux)."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _start(argv: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)


def _round_trips(process: subprocess.Popen[bytes], count: int) -> float:
    """The median round trip in microseconds."""
    assert process.stdin is not None
    assert process.stdout is not None
    times = []
    for number in range(count):
        line = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n' % number
        started = time.perf_counter()
        process.stdin.write(line)
        answer = process.stdout.read(65536)
        while not answer.endswith(b"\n"):
            answer += process.stdout.read(65536)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6
