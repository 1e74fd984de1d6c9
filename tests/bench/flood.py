"""What a token costs the sidecar: processor time of its process alone, and tokens a second.

The engine sends as fast as its tokens are taken, in llama-server's own shape; the host reads without parsing. Whole
turns count, with their commits. The reference is `relay`: the least that any Python program in between has to do, with
the same engine and the same host.

In a flood many tokens arrive in one read, and leave in one line. So there are two more cases: tokens that the engine
writes one by one, as fast as it can, and tokens at the pace of a good GPU, each of which comes alone and leaves alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
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

FEW_STREAMS = 16
"""Of what is measured once and not for each number of streams."""

SINGLY, PACED = "singly", "paced"

PACED_TOKENS, SHORT_PACED_TOKENS = 300, 100
PACED_SECONDS = 0.02
"""Between two tokens of a stream: 50 a second."""

TOKEN_CPU = Target(12, on="value")
TOKEN_RATE = Target(60_000, on="value")
GROWTH = Target(1.25)
"""Linear: a token costs at 64 streams what it costs at one, and a little more, since they do not fit the processor's
caches; the bare relay grows by as much."""

ENDLESS_CTX = 1_000_000
"""No conversation here comes near it."""

RESPONSE = b'"result":'
US = 1e6


@dataclass(frozen=True, slots=True)
class Case:
    """Answers to take in: `streams` at once, and that `times` after each other, each asked for by the same message."""

    streams: int
    times: int
    message: str
    answer: str
    tokens: int

    @property
    def all_tokens(self) -> int:
        """Of all answers."""
        return self.streams * self.times * self.tokens


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a token, processor time in µs; tokens a second; lines that the host reads for a token."""

    cpu: float
    rate: float
    lines: float


def cases(plan: Plan) -> dict[str, Case]:
    """Floods of some streams, one whose tokens are written one by one, and a paced one."""
    block = flood_engine.block_text() * (TURN_TOKENS // BLOCK_TOKENS)
    flood = f"flood={TURN_TOKENS}"
    found = {str(n): Case(n, max(1, FEWEST_TURNS // n), flood, block, TURN_TOKENS) for n in STREAMS}
    found[SINGLY] = Case(FEW_STREAMS, 1, f"{flood} singly=1", block, TURN_TOKENS)
    tokens = SHORT_PACED_TOKENS if plan.short else PACED_TOKENS
    words = "".join(f"w{i} " for i in range(1, tokens + 1))
    found[PACED] = Case(FEW_STREAMS, 1, f"tokens={tokens} delay={PACED_SECONDS}", words, tokens)
    return found


def run(plan: Plan) -> list[Figure]:
    """Sidecar and relay in turn, for each case."""
    costs: dict[str, dict[str, list[Cost]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        plan.source.start(Path(folder)) as sidecar,
        Host([sys.executable, "-S", str(BENCH / "relay.py")]) as bare,
    ):
        engine = fake_engine.install(Path(folder, "engine"), module=flood_engine.__name__)
        start = {"llama_cpp_path": str(engine), "model_path": str(plan.model), "parallel": max(STREAMS)}
        sidecar.call("start_llama_server", **start, ctx_size=ENDLESS_CTX)
        server = sidecar.call("get_server")
        for name, case in cases(plan).items():
            ways = {"ours": partial(_sidecar, sidecar, case), "relay": partial(_relay, bare, server, case)}
            rounds = plan.rounds(full=5, short=2) if name == PACED else plan.rounds(full=11, short=3)
            costs[name] = in_turn(ways, rounds, within=plan.patience)
        sidecar.call("stop_llama_server")
    return _figures(costs)


def _figures(costs: dict[str, dict[str, list[Cost]]]) -> list[Figure]:
    relay_name = "bare relay"
    titles = {str(n): f"flood, {n} stream{'s' if n > 1 else ''}" for n in STREAMS}
    titles[SINGLY] = f"flood written token by token, {FEW_STREAMS} streams"
    titles[PACED] = f"{FEW_STREAMS} streams of {1 / PACED_SECONDS:.0f}/s"
    figures = []
    for name, title in titles.items():
        ours, bare = costs[name]["ours"], costs[name]["relay"]
        is_flood = name.isdecimal()
        cpu, bare_cpu = [cost.cpu for cost in ours], [cost.cpu for cost in bare]
        target = TOKEN_CPU if is_flood else None
        figures.append(Figure(f"flood.cpu.{name}", f"CPU per token, {title}", "µs", cpu, bare_cpu, relay_name, target))
        if is_flood:
            rate, bare_rate = [cost.rate for cost in ours], [cost.rate for cost in bare]
            rates = Figure(
                *(f"flood.rate.{name}", f"tokens/s, {title}", "/s", rate, bare_rate, relay_name, TOKEN_RATE),
                more_is_better=True,
            )
            figures.append(rates)
    one, most = ([cost.cpu for cost in costs[str(streams)]["ours"]] for streams in (STREAMS[0], STREAMS[-1]))
    growth = f"CPU per token, flood, {STREAMS[-1]} streams against 1"
    both = min(len(most), len(one))  # a short run has fewer of what takes long
    figures.append(Figure("flood.growth", growth, "µs", most[:both], one[:both], "1 stream", GROWTH))
    for name in (str(STREAMS[-1]), SINGLY, PACED):
        lines = [cost.lines for cost in costs[name]["ours"]]
        figures.append(Figure(f"flood.lines.{name}", f"lines to the host per token, {titles[name]}", "", lines))
    return figures


def _sidecar(host: Host, case: Case) -> Cost:
    """Answers through the sidecar. Raises Broken if one is not what the engine has sent."""
    began, cpu, lines = time.perf_counter(), cpu_seconds(host.process.pid), 0
    answers: list[bytes] = []
    for _ in range(case.times):
        for i in range(case.streams):
            host.begin("send_message", message=case.message, channel=f"c{i}")
        lines += _until(host, RESPONSE, case.streams, answers)
    cost = _cost(host, case, began, cpu, lines)
    for answer in answers:
        if json.loads(answer)["result"]["content"] != case.answer:
            raise Broken("an answer is not what the engine has sent")
    return cost


def _relay(host: Host, server: dict[str, Any], case: Case) -> Cost:
    """The same answers through the relay."""
    body = {"stream": True, "messages": [{"role": "user", "content": case.message}]}
    request = {name: server[name] for name in ("socket_path", "api_key")} | {"bodies": [body] * case.streams}
    line = json.dumps(request).encode() + b"\n"
    began, cpu, lines = time.perf_counter(), cpu_seconds(host.process.pid), 0
    for _ in range(case.times):
        host.write(line)
        lines += _until(host, relay.END.rstrip(), 1, [])
    cost = _cost(host, case, began, cpu, lines)
    if lines != case.all_tokens:
        raise Broken(f"the relay has written {lines} lines for {case.all_tokens} tokens")
    return cost


def _cost(host: Host, case: Case, began: float, cpu: float, lines: int) -> Cost:
    seconds, cpu = time.perf_counter() - began, cpu_seconds(host.process.pid) - cpu
    return Cost(cpu / case.all_tokens * US, case.all_tokens / seconds, lines / case.all_tokens)


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
