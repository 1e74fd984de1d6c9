"""The figures of a long run, kept in `results/` for the report."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was shown.

    Attributes:
        what: what was done, for people.
        target: what must come out.
        figure: what came out.
        met: whether that is good enough.
    """

    what: str
    target: str
    figure: str
    met: bool


def keep(name: str, rows: list[Row], *, seconds: float) -> bool:
    """Print the rows, keep them in `results/`, and say whether all targets are met."""
    system = f"{platform.system()} {platform.machine()}"
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": f"{system}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "seconds": round(seconds),
        "rows": [asdict(row) for row in rows],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for row in rows:
        print(f"{'met   ' if row.met else 'MISSED'}  {row.what}: {row.figure} (target: {row.target})")
    print(f"{name}: {seconds:.0f} s")
    return all(row.met for row in rows)


def load(name: str) -> dict[str, object] | None:
    """What `keep` kept of a run; `None` if there was none."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return asked.stdout.strip() or "unknown"
