"""`make bench`: what the sidecar costs, as ratios against references measured in the same run.

A single time means nothing on a shared machine; a median of interleaved pairs does. Prints a table and, with --json,
writes the figures with a description of the machine.

    make bench                      everything
    make bench ARGS="ping --pairs 5"
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import answers, library, pings
from tests.bench.figures import Figure, table

BENCHMARKS: dict[str, Callable[[int], list[Figure]]] = {
    "ping": pings.run,
    "tokens": answers.run,
    "library": library.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--pairs", type=int, default=21, help="measured pairs of each figure; default 21")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    if unknown := set(options.names) - BENCHMARKS.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    figures = [figure for name in options.names or BENCHMARKS for figure in BENCHMARKS[name](options.pairs)]
    print(table(figures))
    if options.json:
        report = {"at": time.time(), "machine": machine(), "figures": [figure.as_json() for figure in figures]}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    missed = [figure.name for figure in figures if not figure.is_met]
    if missed:
        print(f"\nMissed: {', '.join(missed)}")
    return 0


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "cpus": os.cpu_count(),
        "arch": platform.machine(),
        "python": platform.python_version(),
        "os": platform.system(),
    }


if __name__ == "__main__":
    sys.exit(main())
