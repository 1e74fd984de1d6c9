"""Tokens a second and time to first token, against the same requests straight to the same llama-server.

The engine has 16 slots throughout. It has a thread for each CPU, so that sidecar and host take their time from it; and
a thread less, beside it, as on a machine with a GPU. Questions are the same in each round: their prompts are cached in
the slots, and what is added to the time to first token is not lost in the reading of a prompt.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests import fake_engine
from tests.bench import direct
from tests.bench.direct import Answers
from tests.bench.figures import Figure, Target
from tests.bench.hosts import Broken, Host, result_of
from tests.bench.pairs import in_turn
from tests.bench.plan import Plan

STREAMS = {1: Target(0.99), 4: Target(0.98), 16: Target(0.97)}
SLOTS = max(STREAMS)
CTX_SIZE = 8192
"""For all slots together: 16 prompts with their answers of this round and of the one before."""

ADDED_MS = Target(3.0, on="added")

FULL_TOKENS = {1: 160, 4: 96, 16: 48}
SHORT_TOKENS = {1: 128, 4: 64, 16: 32}
"""Of each answer."""

SUBJECTS = (
    *("a lighthouse keeper", "a whale", "a clock", "an old map", "two brothers", "a bakery", "the first snow", "a fox"),
    *("a violin", "the last train", "a garden", "a lost letter", "a mountain hut", "a ferry", "a chess game", "rain"),
)


def run(plan: Plan) -> list[Figure]:
    """Both ways in turn, on one engine, for each number of streams."""
    cpus = os.cpu_count() or 1
    rounds = plan.rounds(full=11, short=3)
    with tempfile.TemporaryDirectory() as folder, plan.source.start(Path(folder)) as host:
        template = as_sent(host, plan, Path(folder, "fake"))
        figures = _with_threads(host, plan, template, cpus, rounds, list(STREAMS))
        if cpus > 1:
            figures += _with_threads(host, plan, template, cpus - 1, rounds, [1] if plan.short else list(STREAMS))
    return figures


def as_sent(host: Host, plan: Plan, folder: Path) -> dict[str, Any]:
    """A request to the engine just as the sidecar makes it, but for its message and its limit."""
    fake = fake_engine.install(folder)
    host.call("start_llama_server", server_id="fake", llama_cpp_path=str(fake), model_path=str(plan.model))
    host.call("send_message", server_id="fake", message="tokens=1", **_settings(1))
    body: dict[str, Any] = direct.get(host.call("get_server", server_id="fake"), "/requests")[-1]
    host.call("stop_llama_server", server_id="fake")
    return body


def _settings(tokens: int) -> dict[str, Any]:
    return {"temperature": 0, "seed": 7, "max_tokens": tokens}


def _with_threads(
    host: Host, plan: Plan, template: Mapping[str, Any], threads: int, rounds: int, numbers: Sequence[int]
) -> list[Figure]:
    """The figures of an engine with so many threads."""
    engine = {"llama_cpp_path": str(plan.llama_cpp), "model_path": str(plan.model), "threads": threads}
    host.call("start_llama_server", **engine, ctx_size=CTX_SIZE, parallel=SLOTS)
    server = host.call("get_server")
    leaves_a_cpu = threads < (os.cpu_count() or 1)
    title = ", an engine that leaves a CPU" if leaves_a_cpu else ""
    key = ".spare" if leaves_a_cpu else ""
    figures = []
    for streams in numbers:
        tokens = (SHORT_TOKENS if plan.short else FULL_TOKENS)[streams]
        questions = [f"Tell a long story about {subject}." for subject in SUBJECTS[:streams]]
        bodies = [
            {**template, "max_tokens": tokens, "messages": [{"role": "user", "content": question}]}
            for question in questions
        ]
        found = in_turn(
            {
                "ours": partial(through_sidecar, host, questions, tokens),
                "direct": partial(direct.ask, server, bodies),
            },
            rounds,
            within=plan.patience,
        )
        rates = {name: [answers.rate for answers in rounds] for name, rounds in found.items()}
        firsts = {name: [statistics.median(answers.firsts) for answers in rounds] for name, rounds in found.items()}
        many = f"{streams} stream{'s' if streams > 1 else ''}{title}"
        figures += [
            Figure(
                f"tokens.{streams}{key}",
                f"tokens/s, {many}",
                "/s",
                rates["ours"],
                rates["direct"],
                "direct",
                STREAMS[streams],
                more_is_better=True,
            ),
            Figure(
                f"ttft.{streams}{key}",
                f"time to first token, {many}",
                "ms",
                firsts["ours"],
                firsts["direct"],
                "direct",
                ADDED_MS,
            ),
        ]
    host.call("stop_llama_server")
    return figures


def through_sidecar(host: Host, questions: Sequence[str], max_tokens: int) -> Answers:
    """Ask all questions at once, and read the answers to their ends."""
    waiting: set[int] = set()
    asked: dict[str, float] = {}
    first: dict[str, float] = {}
    tokens = 0
    begun = time.perf_counter()
    for i, question in enumerate(questions):
        channel = f"stream {i}"
        asked[channel] = time.perf_counter()
        waiting.add(host.begin("send_message", message=question, channel=channel, **_settings(max_tokens)))
    while waiting:
        line = host.line()
        now = time.perf_counter()
        if b'"id":' not in line and (len(first) == len(asked) or b'"token"' not in line):
            continue  # an event that tells nothing new
        message = json.loads(line)
        if "id" in message:
            waiting.discard(message["id"])
            tokens += result_of(message)["usage"]["completion_tokens"]
        elif message["params"]["event"]["status"] == "token":
            first.setdefault(message["params"]["channel"], now)
    seconds = time.perf_counter() - begun
    if first.keys() != asked.keys():
        raise Broken("an answer had no token")
    return Answers(tokens, seconds, [(first[channel] - asked[channel]) * 1e3 for channel in asked])
