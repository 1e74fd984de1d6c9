"""`make bench`: what the sidecar costs, as ratios against references measured in the same run.

    make bench                                  everything, about half an hour
    make bench ARGS=--short                     in three minutes, with a line for the history of figures
    make bench ARGS="ping start --pairs 5"      some of it, printed only

Prints a table; the whole form and the short one keep it, with plots, in tests/bench/results. A figure that misses its
target does not fail the run; a benchmark that does not work does.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import (
    answers,
    flood,
    history_costs,
    http_clients,
    log_lines,
    machine,
    model_lists,
    pings,
    report,
    results,
    starts,
    weights,
)
from tests.bench.figures import Figure
from tests.bench.hosts import Broken
from tests.bench.plan import ONEDIR, ONEDIR_SLIM, ROOT, SINGLE_FILE, Plan, products_in
from tests.conftest import MODEL_VARIABLE

BENCHMARKS: dict[str, Callable[[Plan], list[Figure]]] = {
    "start": starts.run,
    "weight": weights.run,
    "ping": pings.run,
    "tokens": answers.run,
    "flood": flood.run,
    "log": log_lines.run,
    "history": history_costs.run,
    "models": model_lists.run,
}

ON_DEMAND: dict[str, Callable[[Plan], list[Figure]]] = {"http": http_clients.run}
"""Are run only where they are named."""

VARIABLES = {
    "references": "LLAMA_SIDECAR_BENCH_PYTHON",
    "llama_cpp": "LLAMA_SIDECAR_TEST_LLAMA_CPP",
    "model": MODEL_VARIABLE,
    "cache": "LLAMA_SIDECAR_BENCH_CACHE",
}
"""Where things are: `make bench` says."""

LONGEST_SECONDS = 3600.0
"""A benchmark that takes longer waits for something that does not come: it says where, and the run fails."""


def main(argv: Sequence[str]) -> int:
    """Run the benchmarks; 0 if they work, whatever the figures say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = f"which: {', '.join(BENCHMARKS)}; default all of these; on demand: {', '.join(ON_DEMAND)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=known)
    parser.add_argument("--short", action="store_true", help="a few measurements of each, for every day")
    parser.add_argument("--pairs", type=int, metavar="N", help="measurements of each figure, whatever the form")
    parser.add_argument("--results", type=Path, default=results.RESULTS, metavar="DIR", help="where results are kept")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", metavar="DIR", help="where frozen products are")
    options = parser.parse_args(argv)
    if unknown := set(options.names) - BENCHMARKS.keys() - ON_DEMAND.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if missing := [variable for variable in VARIABLES.values() if not os.environ.get(variable)]:
        parser.error(f"run it with make bench: {', '.join(missing)} is not set")
    places = {name: Path(os.environ[variable]) for name, variable in VARIABLES.items()}
    plan = Plan(short=options.short, pairs=options.pairs, products=products_in(options.dist), **places)
    try:
        figures, about = measure(plan, options.names or list(BENCHMARKS))
        print(f"\n{report.table(figures)}\n")
        if not options.names and not options.pairs:
            conclude(plan, figures, about, options.results)
    except (Broken, ValueError) as problem:
        print(f"error: a benchmark does not work: {problem}", file=sys.stderr)
        return 1
    missed = [figure.name for figure in figures if figure.is_met is False]
    print(f"Missed: {'; '.join(missed)}." if missed else "All targets are met.")
    return 0


def measure(plan: Plan, names: Sequence[str]) -> tuple[list[Figure], dict[str, object]]:
    """The figures of these benchmarks, and what they were measured on."""
    about: dict[str, object] = {"date": time.strftime("%Y-%m-%d"), "form": "short" if plan.short else "full"}
    about |= machine.describe(plan.llama_cpp) | {"load_at_start": machine.load()}
    began = time.monotonic()
    figures: list[Figure] = []
    for name in names:
        started = time.monotonic()
        print(f"{name} ...", flush=True)
        faulthandler.dump_traceback_later(LONGEST_SECONDS, exit=True, file=2)
        try:
            figures += (BENCHMARKS | ON_DEMAND)[name](plan)
        finally:
            faulthandler.cancel_dump_traceback_later()
        print(f"  done in {time.monotonic() - started:.0f} s", flush=True)
    return figures, about | {"load_at_end": machine.load(), "seconds": round(time.monotonic() - began)}


def conclude(plan: Plan, figures: Sequence[Figure], about: dict[str, object], folder: Path) -> None:
    """Keep a whole run, and say what has become worse."""
    missing = [name for name in (ONEDIR, ONEDIR_SLIM, SINGLE_FILE) if name not in plan.products]
    notes = [f"Not measured, since it was not built: {name}." for name in missing]
    if plan.short:
        worse = results.compare(folder, figures, about, machine=machine.fingerprint(about))
        notes += [f"Worse than before: {one}." for one in worse]
    results.keep(folder, "latest" if plan.short else "full", figures, about, notes, python=plan.references)
    for note in notes:
        print(note)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
