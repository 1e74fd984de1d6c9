"""Counts the modules that three journeys enter, and their hand-overs: `python -m tests.journeys.run`.

Owns how a sidecar comes to make the journeys. It is a process of its own (`tracer`) with the fake engine, an empty home
folder and one model. The first start of a sidecar is counted, not a repeated one: a host's user waits for that one,
and a later one finds answers kept by the first. Whatever the program's own start has set going has come to rest by
then. What the first start imports counts as entered. `--warm` counts the second start and what follows it instead.

The engine is ready at once: while one loads, what watches it makes more hand-overs the longer that takes, though it
enters no other modules. Each process on the machine makes about four: a start looks through all of them for what
earlier ones have left behind. So their number is told, and figures are to be compared only where it is about the same.

Each round has a sidecar of its own, and a journey's figures are those of the round in the middle.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests import fake_engine
from tests.conftest import FOREIGN_VARIABLES
from tests.journeys import tracer
from tests.journeys.counting import JOURNEYS, START, Counted, count, cut, median
from tests.library.gguf_files import write_model
from tests.raw_host import RawHost

ROOT = Path(__file__).resolve().parents[2]

TOKENS, PAUSE_SECONDS = 7, 0.1
"""Of an answer; so long before each that the one before it has been dealt with."""

QUIET_SECONDS, PATIENCE_SECONDS = 0.5, 30.0
"""A sidecar that uses no time of a CPU for so long is at rest; how long to wait for that."""


def trace(folder: Path, *, warm: bool = False, with_message: bool = True) -> dict[str, Counted]:
    """Let a sidecar make the journeys, with an empty folder to work in; their figures."""
    engine = fake_engine.install(folder / "llama.cpp")
    data_dir = folder / "data"
    (data_dir / "models").mkdir(parents=True)
    write_model(data_dir / "models" / "tiny.gguf")
    record = folder / "record.json"
    command = [sys.executable, "-m", "tests.journeys.tracer", str(record)]
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(folder)}
    with RawHost(data_dir, command=command, env=environment, cwd=ROOT, validate=False) as host:
        host.call("ping")
        if warm:
            _travel(host, engine, with_message=with_message)
            host.call("stop_llama_server")
        _travel(host, engine, with_message=with_message)
    journeys = cut(tracer.load(record))
    starts = [number for number, (name, _) in enumerate(journeys) if name == START]
    found: dict[str, list[Counted]] = {}
    for name, calls in journeys[starts[-1] :]:
        found.setdefault(name, []).append(count(calls))
    return {name: median(several) for name, several in found.items()}


def _travel(host: RawHost, engine: Path, *, with_message: bool) -> None:
    _rest(host)
    host.call("start_llama_server", llama_cpp_path=str(engine), channel="start")
    if with_message:
        _rest(host)
        message = f"tokens={TOKENS} delay={PAUSE_SECONDS}"
        host.call("send_message", message=message, session_id=str(uuid.uuid4()), channel="answer")


def _rest(host: RawHost) -> None:
    """Wait until the sidecar does nothing any more."""
    process = psutil.Process(host.process.pid)
    until = time.monotonic() + PATIENCE_SECONDS
    before, now = -1.0, 0.0
    while now != before and time.monotonic() < until:
        time.sleep(QUIET_SECONDS)
        before, now = now, sum(process.cpu_times()[:2])


def table(figures: dict[str, Counted], *, modules: bool) -> str:
    """The figures as a table for people; with `modules`, followed by the modules of each journey."""
    lines = [f"{'journey':<20} {'modules':>8} {'hand-overs':>11}"]
    lines += [f"{name:<20} {len(one.modules):>8} {one.hand_overs:>11,}" for name, one in figures.items()]
    for name, one in figures.items() if modules else ():
        lines += ["", f"{name}, calls in each module in the order of entry:"]
        lines += [f"{calls:>7,} {module}" for module, calls in one.modules.items()]
    return "\n".join(lines)


def as_json(figures: dict[str, Counted], processes: int) -> str:
    """The figures for programs, and how many processes the machine had."""
    told = {
        name: {"modules": len(one.modules), "hand_overs": one.hand_overs, "calls": one.modules}
        for name, one in figures.items()
    }
    return json.dumps({"processes": processes, "journeys": told}, indent=1) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.run", description=__doc__.splitlines()[0])
    parser.add_argument("--modules", action="store_true", help="list the modules of each journey, with their calls")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the modules to this file")
    parser.add_argument("--rounds", type=int, default=5, help="sidecars to take the median of (default: 5)")
    parser.add_argument("--warm", action="store_true", help="count the second start of each sidecar, not the first")
    options = parser.parse_args(arguments)
    for variable in FOREIGN_VARIABLES:
        os.environ.pop(variable, None)  # a sidecar would find the models of other programs
    rounds = []
    for _ in range(max(options.rounds, 1)):
        with tempfile.TemporaryDirectory(prefix="journeys-") as folder:
            rounds.append(trace(Path(folder), warm=options.warm))
    figures = {name: median([one[name] for one in rounds]) for name in JOURNEYS}
    processes = len(psutil.pids())
    print(table(figures, modules=options.modules))
    print(f"\nThe machine had {processes} processes, which the hand-overs of a start depend on.")
    if options.json:
        options.json.write_text(as_json(figures, processes), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
