"""Earlier runs, a line each, and what has become worse since. Knows nothing of how things are measured.

Lines of one machine are compared with each other; a ratio hardly depends on the machine, and a value does.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure

WORSE = 0.25
"""So much worse than the median of the earlier runs is a regression; less is within what a busy machine does."""

FEWEST_LINES = 2
"""Of one machine, before anything is said: a single earlier run may have been the odd one."""

NEWEST_LINES = 10
"""Earlier runs that count: what was mended, or accepted, long ago is no yardstick."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A figure that has become worse."""

    name: str
    now: float
    before: float
    runs: int

    def __str__(self) -> str:
        return f"{self.name}: {self.now:.3g}, and {self.before:.3g} in the median of {self.runs} earlier runs"


def line(figures: Sequence[Figure], *, date: str, commit: str, machine: str) -> dict[str, Any]:
    """A run in short."""
    kept = {figure.key: float(f"{figure.trend:.3g}") for figure in figures}
    return {"date": date, "commit": commit, "machine": machine, "figures": kept}


def append(path: Path, new: Mapping[str, Any]) -> None:
    """Add a run."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(new, ensure_ascii=False, separators=(",", ":")) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The runs so far, the oldest first."""
    if not path.exists():
        return []
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines() if text]


def regressions(figures: Sequence[Figure], lines: Sequence[Mapping[str, Any]], *, machine: str) -> list[Regression]:
    """The figures that are much worse than in the earlier runs of the same machine."""
    same = [line["figures"] for line in lines if line["machine"] == machine][-NEWEST_LINES:]
    found = []
    for figure in figures:
        earlier = [values[figure.key] for values in same if figure.key in values]
        if len(earlier) < FEWEST_LINES:
            continue
        before, now = statistics.median(earlier), figure.trend
        worse = before / now if figure.more_is_better else now / before
        if worse > 1 + WORSE:
            found.append(Regression(figure.name, now, before, len(earlier)))
    return found
