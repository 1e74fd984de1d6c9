"""What was done to the sidecar, case by case, and what happened: writes tests/trust/REPORT.md.

    python -m tests.trust.report            runs the tests that try a case; the long trials as they were kept last
    python -m tests.trust.report --fresh    runs the long trials first, an hour and more
    python -m tests.trust.report --cases F  takes what `pytest --cases F` has written, and runs no tests

Exits 1 where a case failed or nobody tries it, or a trial missed a target. What can not be tried here is told as
untried, never as passed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.trust.cases import CASES, Case
from tests.trust.results import load

REPORT = Path(__file__).parent / "REPORT.md"
ROOT = Path(__file__).parents[2]

TRIALS = {
    "kill_matrix": "Kills of hosts, sidecars and engines",
    "fuzz": "Mutated frames",
    "headers": "Mutated model headers",
    "torture": "Kills in the middle of conversations",
    "slow_host": "A host that does not read",
    "nobody_in": "Hostile names in every place for a text",
    "killed_downloads": "Downloads that are killed",
    "soak": "An hour of conversations",
    "stranger": "Another user of the machine",
}
"""The long trials, by the name of their module."""

Verdict = Literal["passed", "FAILED", "untried", "NOT COVERED"]

Tried = Sequence[tuple[str, str]]
"""Tests and their outcomes, as pytest has them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case.

    Attributes:
        verdict: in a word.
        told: in a sentence.
        files: how many of its tests each file has.
    """

    verdict: Verdict
    told: str
    files: Mapping[str, int]


def outcome_of(case: Case, tried: Tried) -> Outcome:
    """What became of a case, from the tests that try it."""
    files = Counter(test.split("::")[0] for test, outcome in tried if outcome != "skipped")
    failed = sorted(test for test, outcome in tried if outcome == "failed")
    ran = files.total()
    if failed:
        return Outcome("FAILED", f"{len(failed)} of {ran} tests: {', '.join(failed)}", files)
    if ran:
        but = f"; untried in part: {case.untried}" if case.untried else ""
        return Outcome("passed", f"{ran} {'test' if ran == 1 else 'tests'}{but}", files)
    if case.untried or tried:
        return Outcome("untried", case.untried or "its tests are skipped on this system", files)
    return Outcome("NOT COVERED", "nobody tries it", files)


def render(
    outcomes: Mapping[int, Outcome], cases: Mapping[int, Case], trials: Mapping[str, dict[str, Any] | None], where: str
) -> str:
    """The report as Markdown."""
    verdicts = Counter(outcome.verdict for outcome in outcomes.values())
    lines = [
        "# What was done to the sidecar, and what happened",
        "",
        "Written by `make trust-report`; what stands here was run, not promised.",
        "",
        f"- Run on {where}.",
        f"- {len(outcomes)} cases: {', '.join(f'{count} {verdict}' for verdict, count in verdicts.most_common())}.",
        "- A case is untried where this system can not try it. On other systems nothing here was run.",
        "",
        "## The cases",
        "",
        *_table(
            ("", "What was done", "What has to come of it", "What happened"),
            [
                (
                    str(number),
                    cases[number].what,
                    cases[number].required,
                    f"{outcome.verdict}: {outcome.told}",
                )
                for number, outcome in outcomes.items()
            ],
        ),
        "",
        "## The tests of each case",
        "",
    ]
    for number, outcome in outcomes.items():
        lines += [f"- {number}", *(f"  - `{file}`: {count}" for file, count in sorted(outcome.files.items()))]
    lines += ["", "## The long trials", ""]
    for name, title in TRIALS.items():
        lines += [f"### {title}", "", *_trial(name, trials.get(name)), ""]
    return "\n".join(lines)


def is_good(outcomes: Mapping[int, Outcome], trials: Mapping[str, dict[str, Any] | None]) -> bool:
    """Whether nothing failed, nothing is left out, and every trial that was run met its targets."""
    missed = [row for trial in trials.values() if trial for row in trial["rows"] if not row["met"]]
    return not missed and all(outcome.verdict in ("passed", "untried") for outcome in outcomes.values())


def _trial(name: str, kept: dict[str, Any] | None) -> list[str]:
    command = f"`make {name.replace('_', '-')}`"
    if kept is None:
        return [f"NOT RUN: {command} has left no figures."]
    rows = [(r["what"], r["target"], r["figure"], "met" if r["met"] else "MISSED") for r in kept["rows"]]
    return [
        f"{command} on {kept['date']}, commit {kept['commit']}, {kept['seconds']} s, on {kept['machine']}.",
        "",
        *_table(("What was done", "Target", "What came out", ""), rows),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'|'.join('---' for _ in head)}|",
        *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows),
    ]


def _cell(text: str) -> str:
    """A text that does not break out of its table."""
    return " ".join(text.replace("|", "\\|").split())


# --- finding out -------------------------------------------------------------------------------------------------


def run_tests() -> dict[int, Tried]:
    """Run the tests that try a case; what came out, by case."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cases.json"
        argv = [sys.executable, "-m", "pytest", "-m", "case", "--cases", str(file), "-n", "logical", "--dist=loadfile"]
        subprocess.run([*argv, "tests"], cwd=ROOT, check=False)
        if not file.exists():
            raise SystemExit("The tests could not be run; what pytest says about it stands above.")
        return read_cases(file)


def read_cases(file: Path) -> dict[int, Tried]:
    """What a test run has written of its cases."""
    found: dict[str, list[tuple[str, str]]] = json.loads(file.read_text(encoding="utf-8"))
    return {int(number): tried for number, tried in found.items()}


def run_trials() -> None:
    """Run the long trials; each keeps its figures, whether it met its targets or not."""
    for name in TRIALS:
        print(f"--- {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.trust.{name}"], cwd=ROOT, check=False)


def here() -> str:
    """This machine and day."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    return f"{time.strftime('%Y-%m-%d')}, {system}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", action="store_true", help="run the long trials first")
    parser.add_argument(
        "--cases", type=Path, help="what a test run with the same option has written, instead of a new one"
    )
    options = parser.parse_args()
    if options.fresh:
        run_trials()
    tried = read_cases(options.cases) if options.cases else run_tests()
    if unknown := tried.keys() - CASES.keys():
        raise SystemExit(f"There are tests for cases that there are not: {sorted(unknown)}.")
    outcomes = {number: outcome_of(case, tried.get(number, ())) for number, case in CASES.items()}
    trials = {name: load(name) for name in TRIALS}
    REPORT.write_text(render(outcomes, CASES, trials, here()), encoding="utf-8")
    for number, outcome in outcomes.items():
        if outcome.verdict in ("FAILED", "NOT COVERED"):
            print(f"{outcome.verdict}  {number}, {CASES[number].what}: {outcome.told}")
    print(f"Written: {REPORT.relative_to(ROOT)}")
    return 0 if is_good(outcomes, trials) else 1


if __name__ == "__main__":
    sys.exit(main())
