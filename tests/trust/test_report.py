"""The report on the forty cases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trust.cases import CASES, Case
from tests.trust.report import TRIALS, Outcome, Tried, is_good, outcome_of, render

CASE = Case("a thing", "no harm")
ELSEWHERE = Case("a thing", "no harm", untried="there is no such thing here")

A, B, C = "tests/a.py::test_one[x::y]", "tests/a.py::test_two", "tests/b.py::test_three"


@pytest.mark.parametrize(
    ("case", "tried", "outcome"),
    [
        (CASE, [(A, "passed")], Outcome("passed", "1 test", {"tests/a.py": 1})),
        (
            CASE,
            [(A, "passed"), (B, "passed"), (C, "passed")],
            Outcome("passed", "3 tests", {"tests/a.py": 2, "tests/b.py": 1}),
        ),
        (
            CASE,
            [(C, "passed"), (B, "failed")],
            Outcome("FAILED", f"1 of 2 tests: {B}", {"tests/a.py": 1, "tests/b.py": 1}),
        ),
        (CASE, [], Outcome("NOT COVERED", "nobody tries it", {})),
        (CASE, [(A, "skipped")], Outcome("untried", "its tests are skipped on this system", {})),
        (CASE, [(A, "skipped"), (C, "passed")], Outcome("passed", "1 test", {"tests/b.py": 1})),
        (ELSEWHERE, [], Outcome("untried", "there is no such thing here", {})),
        (
            ELSEWHERE,
            [(A, "passed")],
            Outcome("passed", "1 test; untried in part: there is no such thing here", {"tests/a.py": 1}),
        ),
    ],
)
def test_a_case_is_as_good_as_its_tests(case: Case, tried: Tried, outcome: Outcome) -> None:
    assert outcome_of(case, tried) == outcome


PASSED, UNTRIED = outcome_of(CASE, [(A, "passed")]), outcome_of(ELSEWHERE, [])


def trial(*, met: bool) -> dict[str, Any]:
    row = {"what": "x | y", "target": "1", "figure": "2\n3", "met": met}
    return {"date": "2026-01-02", "commit": "abc", "machine": "a machine", "seconds": 5, "rows": [row]}


@pytest.mark.parametrize(
    ("outcomes", "trials", "good"),
    [
        ([PASSED, UNTRIED], {"soak": trial(met=True), "fuzz": None}, True),
        ([PASSED], {"soak": trial(met=False)}, False),
        ([PASSED, outcome_of(CASE, [])], {}, False),
        ([PASSED, outcome_of(CASE, [(A, "failed")])], {}, False),
    ],
)
def test_a_report_is_good_when_nothing_failed_and_nothing_was_left_out(
    outcomes: list[Outcome], trials: dict[str, dict[str, Any] | None], good: bool
) -> None:
    assert is_good(dict(enumerate(outcomes)), trials) is good


def test_a_report_shows_every_case_and_every_trial_in_tables_that_hold() -> None:
    outcomes = {number: outcome_of(case, [(A, "passed")] if number == 1 else []) for number, case in CASES.items()}
    text = render(outcomes, CASES, {"soak": trial(met=False)}, "a machine")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(CASES) + 2
    assert f"| 1 | {CASES[1].what} | {CASES[1].required} | passed: 1 test |" in rows
    assert rows[-1] == "| x \\| y | 1 | 2 3 | MISSED |"
    assert text.count("NOT RUN") == len(TRIALS) - 1
    assert text.count("NOT COVERED:") == sum(1 for outcome in outcomes.values() if outcome.verdict == "NOT COVERED")
    assert "- 1\n  - `tests/a.py`: 1\n" in text
