"""What memory plans say against what starts then take: real engines, a real model and models of many shapes.

    python -m tests.servers.memory.trial                 all combinations, then starts under a limit
    python -m tests.servers.memory.trial --engine embedded

Needs LLAMA_SIDECAR_TEST_MODEL, and LLAMA_SIDECAR_TEST_LLAMA_CPP for llama-server. Each combination is planned by both
methods in a sidecar that has seen no start, then started and given a prompt that fills a step, then planned again with
what all starts have shown. A start is measured twice: by the engine's own log (weights, cache, working memory), and by
the resident memory of its process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.library.gguf_files import F16, Q4_K, Q8_0
from tests.raw_host import RawHost
from tests.servers.memory import shapes
from tests.servers.memory.shapes import Shape
from tests.trust.results import Row, keep

MIB = 1024 * 1024

PROMPT = "a " * 520
"""More tokens than a step has, so that all working memory is touched."""

SETTLE_SECONDS = 0.5
"""For the sidecar to have looked at a start, which makes nobody wait."""

LIMIT_MIB = 900
"""Of memory, for starts under a limit: the starter model fits with a short context, and not with a long one."""

LIMITED = (1024, 2048, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 65536)

CGROUP = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True)
class Combination:
    """One start."""

    model: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.model} " + " ".join(f"{name}={value}" for name, value in self.settings.items())


@dataclass
class Outcome:
    """What was said and what was."""

    combination: Combination
    planned: dict[str, dict[str, Any]] = field(default_factory=dict)
    buffers: int = 0
    resident: int = 0

    def error(self, method: str, *, whole: bool) -> float:
        """How far off a plan was: of what the engine says it took, or of its process as a whole."""
        host = self.planned[method]["devices"][0]
        if whole:
            return abs(int(host["total_bytes"]) - self.resident) / self.resident
        planned = sum(int(host[name]) for name in ("weights_bytes", "kv_cache_bytes", "compute_bytes"))
        return abs(planned - self.buffers) / self.buffers

    def outgrows(self, method: str) -> bool:
        """Whether the process is larger than was planned for it."""
        plan = self.planned[method]
        return bool(self.resident > plan["total_bytes"] * (1 + plan["error_margin"]))


COMBINATIONS = [
    Combination("starter", {"ctx_size": 4096, "parallel": 4}),
    Combination("starter", {"ctx_size": 8192, "parallel": 1, "cache_type_k": "q8_0", "cache_type_v": "q8_0"}),
    Combination("starter", {"ctx_size": 2048, "parallel": 2, "flash_attn": "off"}),
    Combination("starter", {"ctx_size": 8192, "parallel": 2, "ubatch_size": 256}),
    Combination("dense-q4_0", {"ctx_size": 4096, "parallel": 4}),
    Combination("dense-q4_0", {"ctx_size": 32768, "parallel": 1, "cache_type_k": "q4_0", "cache_type_v": "q4_0"}),
    Combination("untied-q8_0", {"ctx_size": 8192, "parallel": 2}),
    Combination("untied-q8_0", {"ctx_size": 4096, "parallel": 8, "flash_attn": "off"}),
    Combination("wide-f16", {"ctx_size": 16384, "parallel": 2}),
    Combination("experts-q4_k", {"ctx_size": 4096, "parallel": 4}),
    Combination("experts-q4_k", {"ctx_size": 16384, "parallel": 1, "cache_type_k": "q8_0", "cache_type_v": "q8_0"}),
    Combination("window-q4_0", {"ctx_size": 8192, "parallel": 2}),
    Combination("window-q4_0", {"ctx_size": 32768, "parallel": 4}),
    Combination("latent-q4_0", {"ctx_size": 8192, "parallel": 4}),
    Combination("latent-q4_0", {"ctx_size": 16384, "parallel": 2, "flash_attn": "off"}),
    Combination("recurrent-q4_0", {"ctx_size": 4096, "parallel": 1}),
    Combination("recurrent-q4_0", {"ctx_size": 4096, "parallel": 8}),
]


def write_models(folder: Path) -> dict[str, Path]:
    """The models by name."""
    wide = Shape(weights=F16, width=1024, heads=16, feed_forward=4096, layers=2, vocabulary=64000)
    tall = Shape(layers=6, width=768, heads=4, head_size=256, kv_heads=1, feed_forward=3072)
    return {
        "starter": Path(os.environ["LLAMA_SIDECAR_TEST_MODEL"]),
        "dense-q4_0": shapes.dense(folder / "dense-q4_0.gguf", Shape(layers=6, width=768, feed_forward=2048)),
        "untied-q8_0": shapes.dense(
            folder / "untied-q8_0.gguf",
            Shape(weights=Q8_0, width=1024, heads=16, feed_forward=3072, layers=2, tied=False),
        ),
        "wide-f16": shapes.dense(folder / "wide-f16.gguf", wide),
        "experts-q4_k": shapes.experts(
            folder / "experts-q4_k.gguf", Shape(weights=Q4_K, width=1024, feed_forward=512, layers=2), count=32, used=8
        ),
        "window-q4_0": shapes.windowed(folder / "window-q4_0.gguf", tall, window=512),
        "latent-q4_0": shapes.latent(
            folder / "latent-q4_0.gguf", Shape(layers=3, width=768), rank=256, rope=32, nope=64, value=64
        ),
        "recurrent-q4_0": shapes.recurrent(
            folder / "recurrent-q4_0.gguf", Shape(layers=3, width=1024), inner=2048, state=16
        ),
    }


def main(arguments: list[str]) -> int:
    """Run the trial; 0 if all targets are met."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.memory.trial")
    parser.add_argument("--engine", choices=("llama-server", "embedded"), default="llama-server")
    options = parser.parse_args(arguments)
    engine: dict[str, Any] = {"engine": options.engine}
    if options.engine == "llama-server":
        engine["llama_cpp_path"] = os.environ["LLAMA_SIDECAR_TEST_LLAMA_CPP"]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="memory-trial-") as name:
        folder = Path(name)
        models = write_models(folder)
        outcomes = try_all(folder / "data", models, engine)
        limited = try_limited(folder / "limited", models["starter"], engine)
    rows = [*accuracy(outcomes), limits(limited), *details(outcomes)]
    suffix = "" if options.engine == "llama-server" else f"_{options.engine}"
    return 0 if keep(f"memory_plan{suffix}", rows, seconds=time.monotonic() - started) else 1


def try_all(data_dir: Path, models: dict[str, Path], engine: dict[str, Any]) -> list[Outcome]:
    """Plan, start and plan again."""
    outcomes = [Outcome(combination) for combination in COMBINATIONS]
    with RawHost(data_dir) as host:
        plan(host, outcomes, models, engine, "")
        for outcome in outcomes:
            start(host, outcome, models, engine)
            print(f"  {outcome.combination.name}: {outcome.resident // MIB} MiB", flush=True)
        plan(host, outcomes, models, engine, " after starts")
    return outcomes


def plan(host: RawHost, outcomes: list[Outcome], models: dict[str, Path], engine: dict[str, Any], when: str) -> None:
    for outcome in outcomes:
        settings = {"model_path": str(models[outcome.combination.model]), **engine, **outcome.combination.settings}
        outcome.planned[f"allocator{when}"] = host.call("estimate_memory", **settings)
        outcome.planned[f"formula{when}"] = host.call("estimate_memory", quick=True, **settings)


def start(host: RawHost, outcome: Outcome, models: dict[str, Path], engine: dict[str, Any]) -> None:
    """Start, fill a step, and look."""
    settings = {"model_path": str(models[outcome.combination.model]), **engine, **outcome.combination.settings}
    # One thread: several that wait for each other make a busy machine's trial take an hour.
    info = host.call("start_llama_server", threads=1, **settings)
    time.sleep(SETTLE_SECONDS)
    # What a model of zeros says does not matter, nor whether it can be said.
    host.answer(host.begin("send_message", message=PROMPT, max_tokens=1))
    taken = info["actual"]["memory"]
    names = ("weights_bytes", "kv_cache_bytes", "compute_bytes")
    outcome.buffers = sum(device[name] for device in taken for name in names)
    outcome.resident = host.call("get_resources")["servers"][0]["memory_bytes"]
    host.call("stop_llama_server")


def accuracy(outcomes: list[Outcome]) -> Iterator[Row]:
    """Medians against their targets, and whether any process outgrew its plan."""
    for method, target in (("allocator", 0.03), ("formula", 0.10)):
        for when in ("", " after starts"):
            errors = [outcome.error(method + when, whole=False) for outcome in outcomes]
            yield Row(
                what=f"Median error by {method}{when or ' before any start'}, of what the engine took by its own log, "
                f"{len(errors)} combinations",
                target=f"<= {target:.0%}",
                figure=f"{statistics.median(errors):.2%}, worst {max(errors):.2%}",
                met=statistics.median(errors) <= target,
            )
        errors = [outcome.error(f"{method} after starts", whole=True) for outcome in outcomes]
        outgrown = sum(outcome.outgrows(f"{method} after starts") for outcome in outcomes)
        # Working memory for a context that is not full yet is planned, taken, and not resident before it is.
        yield Row(
            what=f"Processes whose resident memory, after a prompt, is larger than planned by {method} with its margin",
            target="0",
            figure=f"{outgrown}; median distance {statistics.median(errors):.2%}",
            met=not outgrown,
        )


def details(outcomes: list[Outcome]) -> Iterator[Row]:
    """Each combination."""
    for outcome in outcomes:
        errors = [
            f"{method} {outcome.error(method, whole=False):.1%} of the log, "
            f"{outcome.error(method + ' after starts', whole=True):.1%} of the process"
            for method in ("allocator", "formula")
        ]
        figure = f"{outcome.buffers / MIB:.0f} MiB by the log, {outcome.resident / MIB:.0f} MiB resident"
        yield Row(what=outcome.combination.name, target="told", figure=f"{figure}; {'; '.join(errors)}", met=True)


def try_limited(data_dir: Path, model: Path, engine: dict[str, Any]) -> list[tuple[int, bool, bool, bool]]:
    """Contexts under a limit: each with what allocator and formula say, and whether it then starts and answers."""
    found = []
    with limited_command(LIMIT_MIB * MIB) as command:
        for ctx_size in LIMITED:
            # A new one each: what ends an engine for want of memory may end its sidecar, too.
            with RawHost(data_dir, command=command) as host:
                settings = {"model_path": str(model), **engine, "ctx_size": ctx_size, "parallel": 1, "threads": 1}
                allocator = host.call("estimate_memory", **settings)["fits"]
                formula = host.call("estimate_memory", quick=True, **settings)["fits"]
                works = runs(host, settings)
                print(f"  ctx_size {ctx_size} under {LIMIT_MIB} MiB: {allocator=} {formula=} {works=}", flush=True)
                found.append((ctx_size, allocator, formula, works))
    return found


def runs(host: RawHost, settings: dict[str, Any]) -> bool:
    """Whether a server starts, answers, and is still there."""
    answer = host.answer(host.begin("start_llama_server", **settings))
    if "error" in answer:
        return False
    said = host.answer(host.begin("send_message", message=PROMPT, max_tokens=4))
    too_long = said.get("error", {}).get("data", {}).get("name") == "CONTEXT_TOO_LONG"
    return ("result" in said or too_long) and bool(host.call("is_llama_running"))


@contextmanager
def limited_command(limit: int) -> Iterator[list[str]]:
    """A sidecar's command under a limit: a control group's where one can be made, else on its data."""
    group = control_group()
    if group is None:
        code = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({limit}, {limit}))"
    else:
        (group / "memory.limit_in_bytes").write_text(str(limit))
        code = f"import os, pathlib; pathlib.Path({str(group / 'cgroup.procs')!r}).write_text(str(os.getpid()))"
    try:
        yield [sys.executable, "-c", f"{code}; import sys; from sidecar.__main__ import main; sys.exit(main())"]
    finally:
        if group is not None:
            group.rmdir()


def control_group() -> Path | None:
    """A control group of our own; `None` where we may not make one."""
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []
    own = next((line.split(":", 2)[2] for line in lines if line.split(":")[1] == "memory"), None)
    if own is None:
        return None
    group = CGROUP / own.lstrip("/") / f"memory-trial-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        return None
    return group


def limits(found: list[tuple[int, bool, bool, bool]]) -> Row:
    """Never "fits" for one that then fails."""
    wrong = [ctx for ctx, allocator, formula, works in found if (allocator or formula) and not works]
    fits = sum(allocator for _, allocator, _, _ in found)
    works = sum(works for _, _, _, works in found)
    return Row(
        what=f"Starts under a limit of {LIMIT_MIB} MiB that were said to fit and then failed",
        target="0",
        figure=f"{len(wrong)} of {fits} said to fit by the allocator ({works} of {len(found)} really start)",
        met=not wrong and fits > 0 and works < len(found),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
