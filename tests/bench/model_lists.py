"""`list_models` with a thousand model files, over the wire: the first one of a sidecar, and later ones.

The files are small; what is read of each is its header. The reference looks at the same folder with `os.scandir` and
`stat` alone, which says what files there are and nothing of what is in them.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.hosts import Broken
from tests.bench.pairs import in_turn
from tests.bench.plan import Plan
from tests.library.gguf_files import write_model

FILES = 1_000
AGAIN = 5
"""Later listings of a sidecar, of which the median counts."""

LIST = b'{"jsonrpc":"2.0","id":1,"method":"list_models"}\n'


def run(plan: Plan) -> list[Figure]:
    """A fresh sidecar each round."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "data", "models")
        for number in range(FILES):
            write_model(models / f"Model-{number:04}-7B.Q4_K_M.gguf", general__name=f"Model {number}")
        ways: dict[str, Callable[[], tuple[float, float]]] = {
            "ours": lambda: _first_and_later(plan, Path(folder)),
            "scandir": lambda: _scandir(models),
        }
        found = in_turn(ways, plan.rounds(full=11, short=5))
    first, later = zip(*found["ours"], strict=True)
    bare, bare_later = zip(*found["scandir"], strict=True)
    name = "scandir and stat"
    return [
        Figure("models.first", f"list_models, {FILES:,} files, first", "ms", first, bare, name),
        Figure("models.later", f"list_models, {FILES:,} files, later", "ms", later, bare_later, name),
    ]


def _first_and_later(plan: Plan, folder: Path) -> tuple[float, float]:
    """Milliseconds of a sidecar's first listing, and of a later one."""
    with plan.source.start(folder) as host:
        host.ask(plan.source.initialize)
        times = [host.ask(LIST) * 1e3 for _ in range(AGAIN + 1)]
        if (count := len(host.call("list_models"))) != FILES:
            raise Broken(f"{count} of {FILES} models are listed")
    return times[0], statistics.median(times[1:])


def _scandir(folder: Path) -> tuple[float, float]:
    """The same of looking at the files alone."""
    times = []
    for _ in range(AGAIN + 1):
        began = time.perf_counter()
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat().st_size) for entry in entries]
        times.append((time.perf_counter() - began) * 1e3)
        if len(found) != FILES:
            raise Broken(f"{len(found)} of {FILES} files are there")
    return times[0], statistics.median(times[1:])
