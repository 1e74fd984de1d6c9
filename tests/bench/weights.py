"""What an idle sidecar holds in memory, and what the frozen products take on the disk. MB are millions of bytes.

Memory is that of the whole process tree some time after `initialize` is answered, by then everything that starts on its
own has been done. RSS counts shared pages in each process; PSS, which shares them out, is told beside it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.figures import Figure, Target
from tests.bench.pairs import in_turn
from tests.bench.plan import ONEDIR, ONEDIR_SLIM, SINGLE_FILE, Plan, Program

IDLE_SECONDS = 1.0
"""After the first answer: what the sidecar does on its own at the start takes less."""

MB = 1_000_000
MOST_IDLE = Target(45, on="value")
MOST_SLIM = Target(35, on="value")
MOST_ONEDIR = Target(130, on="value")
MOST_SINGLE_FILE = Target(60, on="value")


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process tree, in MB; no `pss` where the system does not tell."""

    rss: float
    pss: float | None


def run(plan: Plan) -> list[Figure]:
    """Memory against the MCP SDK's server, and sizes."""
    return [*_memory(plan), *_sizes(plan)]


def _memory(plan: Plan) -> list[Figure]:
    programs = {"source": plan.source, **plan.frozen, "mcp": plan.mcp}
    with tempfile.TemporaryDirectory() as folder:

        def way(name: str, program: Program) -> Callable[[], Memory]:
            return lambda: idle(program, Path(folder, name))

        ways = {name: way(name, program) for name, program in programs.items()}
        found = in_turn(ways, plan.rounds(full=5, short=2))
    figures = []
    for name in ("source", *plan.frozen):
        rss, reference = [m.rss for m in found[name]], [m.rss for m in found["mcp"]]
        title = f"idle memory, {name}"
        figures.append(Figure(f"idle.rss.{name}", f"{title}, RSS", "MB", rss, reference, "MCP SDK", MOST_IDLE))
        pss, reference = ([m.pss for m in found[which] if m.pss] for which in (name, "mcp"))
        if pss:
            figures.append(Figure(f"idle.pss.{name}", f"{title}, PSS", "MB", pss, reference, "MCP SDK"))
    return figures


def idle(program: Program, folder: Path) -> Memory:
    """The memory of a program that has answered `initialize` and has nothing to do."""
    with program.start(folder) as host:
        host.ask(program.initialize)
        time.sleep(IDLE_SECONDS)
        first = psutil.Process(host.process.pid)
        tree = [process.memory_full_info() for process in [first, *first.children(recursive=True)]]
        shares = [getattr(memory, "pss", None) for memory in tree]
        pss = None if None in shares else sum(share for share in shares if share is not None) / MB
        return Memory(sum(memory.rss for memory in tree) / MB, pss)


def _sizes(plan: Plan) -> list[Figure]:
    targets = {
        ONEDIR_SLIM: ("onedir without an engine", MOST_SLIM),
        ONEDIR: ("onedir with the embedded engine", MOST_ONEDIR),
        SINGLE_FILE: ("single file with the embedded engine", MOST_SINGLE_FILE),
    }
    return [
        Figure(f"size.{product}", f"size, {name}", "MB", [size_of(plan.products[product]) / MB], target=target)
        for product, (name, target) in targets.items()
        if product in plan.products
    ]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(below.stat().st_size for below in path.rglob("*") if below.is_file() and not below.is_symlink())
