"""How long a `ping` takes, against a bare Python echo over the same kind of pipes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

from tests.bench.figures import Figure

ROUND_TRIPS = 400
WARM_UP = 50

ECHO = """\
import os
while data := os.read(0, 65536):
    os.write(1, data)
"""

TARGET = 25.0
"""Issue: `ping` p50 at most 25 times the echo's."""


def run(pairs: int) -> list[Figure]:
    """Median round trips of both, in turn."""
    with tempfile.TemporaryDirectory() as folder:
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
