"""The files of a run in `results/`: the table, the figures with every measurement, and the pictures.

The short form keeps its last run as `latest` and a line of each run in `history.jsonl`; the whole form keeps `full`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import past, report
from tests.bench.figures import Figure
from tests.bench.hosts import Broken
from tests.bench.plan import BENCH

RESULTS = BENCH / "results"
HISTORY = "history.jsonl"
PLOT_SECONDS = 120.0
"""Matplotlib builds a cache of the system's fonts the first time."""


def keep(
    folder: Path, name: str, figures: Sequence[Figure], about: Mapping[str, Any], notes: Sequence[str], *, python: Path
) -> None:
    """Write the files of a run.

    Args:
        name: what they are called.
        python: one that has matplotlib.

    Raises:
        Broken: the pictures can not be drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = report.page(figures, about, notes)
    pictures = {"targets": "Figures against their targets", "growth": "How costs grow"}
    text += "".join(f"\n![{title}]({name}-{picture}.png)\n" for picture, title in pictures.items())
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    found = {"about": dict(about), "notes": list(notes), "figures": [report.as_json(figure) for figure in figures]}
    path = folder / f"{name}.json"
    path.write_text(_readable(found) + "\n", encoding="utf-8")
    argv = [python, BENCH / "plots.py", path]
    try:
        drawn = subprocess.run(argv, capture_output=True, text=True, timeout=PLOT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Broken(f"the pictures can not be drawn: {error}") from error
    if drawn.returncode != 0:
        raise Broken(f"the pictures can not be drawn: {drawn.stderr.strip()[-2000:]}")


def _readable(found: Mapping[str, Any]) -> str:
    """JSON with a line for each figure: all its measurements on lines of their own would be unreadable."""
    figures = ",\n".join(f"  {json.dumps(figure, ensure_ascii=False)}" for figure in found["figures"])
    head = json.dumps({"about": found["about"], "notes": found["notes"]}, indent=1, ensure_ascii=False)
    return f'{head[:-2]},\n "figures": [\n{figures}\n ]\n}}'


def compare(
    folder: Path, figures: Sequence[Figure], about: Mapping[str, Any], *, machine: str
) -> list[past.Regression]:
    """What has become worse than in the earlier runs, to which this one is added."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / HISTORY
    found = past.regressions(figures, past.read(path), machine=machine)
    past.append(path, past.line(figures, date=str(about["date"]), commit=str(about["commit"]), machine=machine))
    return found
