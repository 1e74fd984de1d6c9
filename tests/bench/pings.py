"""How long a `ping` takes, against a bare Python echo over the same kind of pipes and against the MCP SDK's ping.

All on one CPU, where the system can do that. Across CPUs the echo is now ten times slower, now not, depending on where
the scheduler puts it and whether the other CPU sleeps; on one, all are at their fastest and the ratio is stable.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figures import Figure, Target, percentile
from tests.bench.hosts import INITIALIZED_MCP, Host
from tests.bench.pairs import in_turn
from tests.bench.plan import Plan

ROUND_TRIPS = 400

# What comes in goes out: a result, so that the host sees an answer.
ECHO = """\
import os
while data := os.read(0, 65536):
    os.write(1, data)
"""

PING = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n'
ECHOED = b'{"jsonrpc":"2.0","id":%d,"result":"pong"}\n'

AGAINST_ECHO = Target(15)
AGAINST_MCP = Target(0.2)


def run(plan: Plan) -> list[Figure]:
    """Medians and 99th percentiles of all three, in turn."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _on_one_cpu(),
        plan.source.start(Path(folder)) as sidecar,
        Host([sys.executable, "-S", "-c", ECHO]) as echo,
        plan.mcp.start(Path(folder)) as mcp,
    ):
        mcp.ask(plan.mcp.initialize)
        mcp.write(INITIALIZED_MCP)
        ways: dict[str, Callable[[], list[float]]] = {
            "ours": lambda: _round_trips(sidecar, PING),
            "echo": lambda: _round_trips(echo, ECHOED),
            "mcp": lambda: _round_trips(mcp, PING),
        }
        found = in_turn(ways, plan.rounds(full=21, short=9))
    middle = {name: [statistics.median(times) for times in rounds] for name, rounds in found.items()}
    late = {name: [percentile(times, 0.99) for times in rounds] for name, rounds in found.items()}
    mcp_name, echo_name = "MCP SDK", "bare echo"
    return [
        Figure("ping.p50.mcp", "ping, p50, and MCP's", "µs", middle["ours"], middle["mcp"], mcp_name, AGAINST_MCP),
        Figure(
            "ping.p50.echo", "ping, p50, and an echo", "µs", middle["ours"], middle["echo"], echo_name, AGAINST_ECHO
        ),
        Figure("ping.p99.mcp", "ping, p99", "µs", late["ours"], late["mcp"], mcp_name),
    ]


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


def _round_trips(host: Host, request: bytes) -> list[float]:
    """Round trips in microseconds."""
    return [host.ask(request % number) * 1e6 for number in range(ROUND_TRIPS)]
