"""What the sidecar's way of reading HTTP costs a token, beside other libraries' ways.

On demand (`make bench ARGS=http`): it is no cost of the sidecar's that a change could make worse unnoticed, since the
floods contain it, but the ground of a decision. sidecar/engines/client/README.md has the decision and its figures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests import fake_engine
from tests.bench import flood_engine
from tests.bench.figures import Figure
from tests.bench.hosts import Broken, Host
from tests.bench.pairs import in_turn
from tests.bench.plan import BENCH, Plan

OTHERS = ("h11", "aiohttp")

CASES = {
    "flood, 1 stream": {"streams": 1, "message": "flood=20000"},
    "flood, 16 streams": {"streams": 16, "message": "flood=4000"},
    "flood written token by token, 16 streams": {"streams": 16, "message": "flood=4000 singly=1"},
    "16 streams of 50/s": {"streams": 16, "message": "tokens=100 delay=0.02"},
}

READY_SECONDS = 30.0
"""For the engine's socket to be there."""


def run(plan: Plan) -> list[Figure]:
    """Ours and the others in turn, for each case."""
    program = str(BENCH / "http_client.py")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        socket = _engine(Path(folder), stack)
        hosts = {"ours": stack.enter_context(Host([sys.executable, program, "ours"]))}
        for name in OTHERS:
            hosts[name] = stack.enter_context(Host([str(plan.references), program, name]))
        figures = []
        for title, case in CASES.items():
            line = json.dumps({"socket": socket, **case}).encode() + b"\n"
            ways = {name: partial(_cost, host, line) for name, host in hosts.items()}
            costs = in_turn(ways, plan.rounds(full=7, short=3), within=plan.patience)
            figures += [
                Figure(f"http.{name}.{title}", f"CPU per token, {title}", "µs", costs["ours"], costs[name], name)
                for name in OTHERS
            ]
    return figures


def _engine(folder: Path, stack: ExitStack) -> str:
    """Start an engine; where its socket is."""
    socket = folder / "engine.sock"
    program = fake_engine.install(folder / "engine", module=flood_engine.__name__) / "llama-server"
    command = [str(program), "--host", str(socket)]
    quiet = subprocess.DEVNULL
    engine = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet))
    assert engine.stdin is not None
    stack.callback(engine.stdin.close)  # which ends it
    until = time.monotonic() + READY_SECONDS
    while not socket.exists():
        if time.monotonic() > until:
            raise Broken("the engine has made no socket")
        time.sleep(0.01)
    return str(socket)


def _cost(host: Host, line: bytes) -> float:
    """µs of processor time a token."""
    host.write(line)
    found = json.loads(host.line())
    if not found["tokens"]:
        raise Broken("a client has read no tokens")
    return float(found["cpu"] / found["tokens"] * 1e6)
