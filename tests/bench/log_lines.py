"""Log lines that the sidecar takes in from an engine, and how long a ping takes meanwhile.

The engine writes as fast as its lines are taken, a real llama-server's line each. The reference reads the same lines
from a bare pipe, in Python, line by line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests import fake_engine
from tests.bench import flood_engine
from tests.bench.figures import Figure, Target, percentile
from tests.bench.hosts import Broken, Host, result_of
from tests.bench.pairs import in_turn
from tests.bench.plan import BENCH, Plan

FULL_LINES, SHORT_LINES = 500_000, 200_000
PING_SECONDS = 0.005
"""Between the answer to a ping and the next one."""

MOST_LINES = Target(100_000, on="value")
PING_MS = Target(20, on="value")

WRITE = """\
import sys
sys.path.insert(0, sys.argv[1])
import flood_engine
flood_engine.write_log(int(sys.argv[2]))
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Lines a second, and how late a ping was answered: the 99th percentile in ms."""

    rate: float
    ping: float


def run(plan: Plan) -> list[Figure]:
    """Sidecar and bare pipe in turn."""
    lines = SHORT_LINES if plan.short else FULL_LINES
    with tempfile.TemporaryDirectory() as folder, plan.source.start(Path(folder)) as host:
        engine = fake_engine.install(Path(folder, "engine"), module=flood_engine.__name__)
        host.call("start_llama_server", llama_cpp_path=str(engine), model_path=str(plan.model))
        found = in_turn(
            {"ours": lambda: _sidecar(host, lines), "pipe": lambda: _bare_pipe(lines)}, plan.rounds(full=11, short=3)
        )
        quiet = in_turn({"ours": lambda: _quiet(host)}, len(found["ours"]))["ours"]
        host.call("stop_llama_server")
    rates = [taken.rate for taken in found["ours"]]
    bare = [taken.rate for taken in found["pipe"]]
    late = [taken.ping for taken in found["ours"]]
    return [
        Figure(
            *("log.rate", "log lines taken in", "/s", rates, bare, "bare pipe, line by line", MOST_LINES),
            more_is_better=True,
        ),
        Figure("log.ping", "ping meanwhile, p99", "ms", late, quiet, "without lines", PING_MS),
    ]


def _sidecar(host: Host, lines: int) -> Taken:
    """Let the engine write, and ping until it has been answered that all is written."""
    before = _taken_in(host)
    began = time.perf_counter()
    answer = host.begin("send_message", message=f"log={lines} tokens=1")
    pings: list[float] = []
    over = False
    while not over:
        over = _ping(host, pings, until=answer)
        time.sleep(PING_SECONDS)
    seconds = time.perf_counter() - began
    taken = _taken_in(host) - before
    if taken < lines:
        raise Broken(f"the engine has written {lines} lines, and the sidecar has taken in {taken}")
    return Taken(lines / seconds, percentile(pings, 0.99))


def _ping(host: Host, pings: list[float], *, until: int | None = None) -> bool:
    """Ping once; whether the answer to request `until` has come meanwhile."""
    over = False
    began = time.perf_counter()
    ping = host.begin("ping")
    while (message := json.loads(host.line())).get("id") != ping:
        over = over or message.get("id") == until
        result_of(message)
    pings.append((time.perf_counter() - began) * 1e3)
    return over


def _quiet(host: Host) -> float:
    """The same when no lines come."""
    pings: list[float] = []
    for _ in range(100):
        _ping(host, pings)
        time.sleep(PING_SECONDS)
    return percentile(pings, 0.99)


def _taken_in(host: Host) -> int:
    """Log lines of the engine so far."""
    sources = host.call("list_log_sources")
    return sum(source["lines"] for source in sources if source["source"].startswith("server:"))


def _bare_pipe(lines: int) -> Taken:
    """The same lines, read by a loop."""
    argv = [sys.executable, "-c", WRITE, str(BENCH), str(lines)]
    read = 0
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        began = time.perf_counter()
        for _ in process.stderr:
            read += 1
        seconds = time.perf_counter() - began
    if not first or read < lines - 1:
        raise Broken(f"{read} of {lines} lines have come through a bare pipe")
    return Taken(lines / seconds, 0)
