"""What a token costs the sidecar: processor time of its process alone, and tokens a second.

The engine sends as fast as its tokens are taken, in llama-server's own shape; the host reads without parsing. Whole
turns count, with their commits. The reference is `relay`: the least that any Python program in between has to do, with
the same engine and the same host. Beside the flood, tokens at the pace of a good GPU, each of which comes alone: that
costs more for each and matters less.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import fake_engine
from tests.bench import flood_engine, relay
from tests.bench.figures import Figure, Target
from tests.bench.flood_engine import BLOCK_TOKENS
from tests.bench.hosts import Broken, Host, cpu_seconds
from tests.bench.pairs import in_turn
from tests.bench.plan import BENCH, Plan

STREAMS = (1, 16, 64)
TURN_TOKENS = 4000
"""Of each answer, whatever the number of streams: a turn's own cost weighs the same in all of them."""

FEWEST_TURNS = 8
"""Measured together, one after the other where they do not run at once: a single one is too short."""

PACED_STREAMS = 16
PACED_TOKENS = 300
PACED_SECONDS = 0.02
"""Between two tokens of a stream: 50 a second."""

TOKEN_CPU = Target(12, on="value")
TOKEN_RATE = Target(60_000, on="value")
GROWTH = Target(1.25)
"""Linear: a token costs at 64 streams what it costs at one, and a little more, since they do not fit the processor's
caches; the bare relay grows by as much."""

RESPONSE = b'"result":'
US = 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a token, processor time in µs; tokens a second; lines that the host reads for a token."""

    cpu: float
    rate: float
    lines: float


def run(plan: Plan) -> list[Figure]:
    """Sidecar and relay in turn, for each number of streams, and paced."""
    rounds = plan.rounds(full=11, short=3)
    with (
        tempfile.TemporaryDirectory() as folder,
        plan.source.start(Path(folder)) as sidecar,
        Host([sys.executable, "-S", str(BENCH / "relay.py")]) as bare,
    ):
        engine = fake_engine.install(Path(folder, "engine"), source=flood_engine.__file__)
        start = {"llama_cpp_path": str(engine), "model_path": str(plan.model), "parallel": max(STREAMS)}
        sidecar.call("start_llama_server", **start, ctx_size=100_000)
        server = sidecar.call("get_server")
        costs: dict[str, dict[str, list[Cost]]] = {}
        for streams in STREAMS:
            times = max(1, FEWEST_TURNS // streams)
            said = f"flood={TURN_TOKENS}"
            expected = flood_engine.block_text() * (TURN_TOKENS // BLOCK_TOKENS)
            costs[str(streams)] = in_turn(
                {
                    "ours": lambda n=streams, t=times, s=said, e=expected: _sidecar(sidecar, n, t, s, e),  # type: ignore[misc]
                    "relay": lambda n=streams, t=times, s=said: _relay(bare, server, n, t, s),  # type: ignore[misc]
                },
                rounds,
            )
        said = f"tokens={PACED_TOKENS} delay={PACED_SECONDS}"
        expected = "".join(f"w{i} " for i in range(1, PACED_TOKENS + 1))
        costs["paced"] = in_turn(
            {
                "ours": lambda: _sidecar(sidecar, PACED_STREAMS, 1, said, expected),
                "relay": lambda: _relay(bare, server, PACED_STREAMS, 1, said),
            },
            plan.rounds(full=5, short=1),
        )
        sidecar.call("stop_llama_server")
    return _figures(costs)


def _figures(costs: dict[str, dict[str, list[Cost]]]) -> list[Figure]:
    figures = []
    for streams in STREAMS:
        ours, bare = costs[str(streams)]["ours"], costs[str(streams)]["relay"]
        many = f"flood, {streams} stream{'s' if streams > 1 else ''}"
        cpu, bare_cpu = [cost.cpu for cost in ours], [cost.cpu for cost in bare]
        rate, bare_rate = [cost.rate for cost in ours], [cost.rate for cost in bare]
        figures += [
            Figure(f"flood.cpu.{streams}", f"CPU per token, {many}", "µs", cpu, bare_cpu, "bare relay", TOKEN_CPU),
            Figure(
                *(f"flood.rate.{streams}", f"tokens/s, {many}", "/s", rate, bare_rate, "bare relay", TOKEN_RATE),
                more_is_better=True,
            ),
        ]
    one, most = ([cost.cpu for cost in costs[str(streams)]["ours"]] for streams in (STREAMS[0], STREAMS[-1]))
    lines = [cost.lines for cost in costs[str(STREAMS[-1])]["ours"]]
    ours, bare = costs["paced"]["ours"], costs["paced"]["relay"]
    paced = f"CPU per token, {PACED_STREAMS} streams of {1 / PACED_SECONDS:.0f}/s"
    growth = f"CPU per token, {STREAMS[-1]} streams"
    return [
        *figures,
        Figure("flood.growth", growth, "µs", most, one, "1 stream", GROWTH),
        Figure("flood.lines", f"lines to the host per token, {STREAMS[-1]} streams", "", lines),
        Figure("paced.cpu", paced, "µs", [c.cpu for c in ours], [c.cpu for c in bare], "bare relay"),
    ]


def _sidecar(host: Host, streams: int, times: int, said: str, expected: str) -> Cost:
    """Answers through the sidecar. Raises Broken if one is not what the engine sent."""
    began, cpu, lines = time.perf_counter(), cpu_seconds(host.process.pid), 0
    answers: list[bytes] = []
    for _ in range(times):
        for i in range(streams):
            host.begin("send_message", message=said, channel=f"c{i}")
        lines += _until(host, RESPONSE, streams, answers)
    seconds, cpu = time.perf_counter() - began, cpu_seconds(host.process.pid) - cpu
    for answer in answers:
        if json.loads(answer)["result"]["content"] != expected:
            raise Broken("an answer is not what the engine has sent")
    return _cost(streams * times, said, seconds, cpu, lines)


def _relay(host: Host, server: dict[str, Any], streams: int, times: int, said: str) -> Cost:
    """The same answers through the relay."""
    body = {"stream": True, "messages": [{"role": "user", "content": said}]}
    request = {name: server[name] for name in ("socket_path", "api_key")} | {"bodies": [body] * streams}
    line = json.dumps(request).encode() + b"\n"
    began, cpu, lines = time.perf_counter(), cpu_seconds(host.process.pid), 0
    for _ in range(times):
        host.write(line)
        lines += _until(host, relay.END.rstrip(), 1, [])
    cost = _cost(streams * times, said, time.perf_counter() - began, cpu_seconds(host.process.pid) - cpu, lines)
    if round(cost.lines, 3) != 1:
        raise Broken(f"the relay has written {cost.lines} lines a token")
    return cost


def _until(host: Host, mark: bytes, count: int, found: list[bytes]) -> int:
    """Read until so many lines with a mark have come, which are added to `found`; the number of all other lines."""
    lines, partial = 0, b""
    while count:
        data = partial + host.read()
        whole, _, partial = data.rpartition(b"\n")
        lines += whole.count(b"\n") + bool(whole)
        if mark in whole:
            marked = [line for line in whole.split(b"\n") if mark in line]
            found += marked
            count -= len(marked)
            lines -= len(marked)
    return lines


def _cost(turns: int, said: str, seconds: float, cpu: float, lines: int) -> Cost:
    tokens = turns * int(said.split()[0].partition("=")[2])
    return Cost(cpu / tokens * US, tokens / seconds, lines / tokens)
