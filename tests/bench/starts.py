"""The time from the start of a program to its first answer.

All are started the same way, with their modules compiled and in the page cache, one after the other; a sidecar has a
data folder that it has used before. A single file unpacks itself when it is started the first time: that start is
measured for itself.
"""

from __future__ import annotations

import compileall
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.figures import Figure, Target
from tests.bench.pairs import in_turn
from tests.bench.plan import ONEDIR, ROOT, SINGLE_FILE, Plan, Program

FIRST_START = f"{SINGLE_FILE}, very first start"

FROM_SOURCE = Target(0.30)
FROZEN = {ONEDIR: Target(1.3), SINGLE_FILE: Target(2.5), FIRST_START: Target(2.5)}


def run(plan: Plan) -> list[Figure]:
    """The sidecar from source against the MCP SDK, its frozen products against the sidecar from source."""
    compileall.compile_dir(ROOT / "sidecar", quiet=1)  # pip has compiled what it has installed
    with tempfile.TemporaryDirectory() as folder:

        def again(name: str, program: Program) -> Callable[[], float]:
            return lambda: first_answer(program, Path(folder, name))

        programs = {"source": plan.source, "mcp": plan.mcp, **plan.frozen}
        ways = {name: again(name, program) for name, program in programs.items()}
        if SINGLE_FILE in plan.frozen:
            ways[FIRST_START] = lambda: _very_first(plan.frozen[SINGLE_FILE])
        found = in_turn(ways, plan.rounds(full=21, short=7), within=plan.patience)
    title = "first reply to initialize"
    source = Figure("start.source", f"{title}, source", "ms", found["source"], found["mcp"], "MCP SDK", FROM_SOURCE)
    return [
        source,
        *(
            Figure(f"start.{name}", f"{title}, {name}", "ms", found[name], found["source"], "source", target)
            for name, target in FROZEN.items()
            if name in found
        ),
    ]


def first_answer(program: Program, folder: Path) -> float:
    """Milliseconds from the start to the answer to `initialize`."""
    with program.start(folder) as host:
        host.ask(program.initialize)
        return (time.perf_counter() - host.started) * 1e3


def _very_first(program: Program) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return first_answer(program, Path(folder))
